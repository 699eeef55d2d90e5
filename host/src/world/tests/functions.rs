//! The functions that stand in the place of SQLite's: held to SQLite's own, and to the clock.

use proptest::prelude::*;

use super::*;

fn sqlite(sql: &str, params: &[Value]) -> Result<Value, String> {
    let connection = Connection::open_in_memory().unwrap();
    let statement = Statement {
        params: params.to_vec(),
        sql: sql.to_owned(),
    };
    connection
        .query_row(sql, super::params(&statement), |row| {
            let read = row.get_ref(0)?;
            // Text and blob alike are bytes here; which of them it is, the second column says.
            Ok(super::value(read))
        })
        .map_err(|error| error.to_string())
}

fn ours(sql: &str, params: &[Value]) -> Result<Value, String> {
    let mut fixture = Fixture::new();
    fixture
        .query_with(sql, params.to_vec())
        .map(|rows| rows.rows[0][0].clone())
        .map_err(|error| format!("{error:?}"))
}

fn argument() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (-20_i64..2_000).prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        (0..100_i32).prop_map(|n| Value::Real(f64::from(n) / 8.0)),
        "[ab\u{e9}\u{20ac} 0-9]{0,6}".prop_map(Value::Text),
        "(ab|a|b|\u{e9}|1\\.5){0,3}".prop_map(Value::Text),
        prop::collection::vec(
            prop::sample::select(vec![b'a', b'b', 0, 0xc3, 0xa9, 0x80, 0xff, b' ']),
            0..6
        )
        .prop_map(Value::Blob),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn they_give_what_sqlite_gives(x in argument(), y in argument(), z in argument()) {
        let casts = ["?", "CAST(? AS TEXT)"];
        for cast in casts {
            for call in ["instr(?1, ?2)", "replace(?1, ?2, ?3)", "trim(?1, ?2)", "ltrim(?1, ?2)", "rtrim(?1, ?2)"] {
                let call = call.replace("?1", &cast.replace('?', "?1")).replace("?2", &cast.replace('?', "?2"));
                // All three are bound, whatever is used.
                for shown in [call.clone(), format!("typeof({call})"), format!("hex({call})")] {
                    let sql = format!("SELECT {shown}, ?1, ?2, ?3");
                    let params = [x.clone(), y.clone(), z.clone()];
                    prop_assert_eq!(
                        format!("{:?}", ours(&sql, &params)),
                        format!("{:?}", sqlite(&sql, &params)),
                        "{} {:?}", sql, params
                    );
                }
            }
        }
    }
}

#[test]
fn a_search_takes_time_by_its_length() {
    let mut fixture = Fixture::new();
    fixture.limits.db_steps = 50_000_000;
    let watch = crate::machine::Stopwatch::start();
    for (sql, number) in [
        (
            "SELECT instr(zeroblob(4000000), CAST(zeroblob(2000000) || x'01' AS BLOB))",
            0,
        ),
        (
            "SELECT instr(replace(hex(zeroblob(2000000)), '00', 'a'), replace(hex(zeroblob(1000000)), '00', 'a') || 'b')",
            0,
        ),
        (
            "SELECT length(replace(replace(hex(zeroblob(2000000)), '00', 'a'), replace(hex(zeroblob(1000000)), '00', 'a') || 'b', 'c'))",
            2_000_000,
        ),
        (
            "SELECT length(trim(replace(hex(zeroblob(4000000)), '00', 'a'), 'bcdefghijklmnopqrstuvwxyza'))",
            0,
        ),
    ] {
        assert_eq!(fixture.value(sql), Value::Integer(number), "{sql}");
    }
    // Unoptimised, and beside other tests; without the linear search it is minutes.
    assert!(watch.elapsed().as_secs() < 30);
    let long = fixture.query("SELECT trim('x', hex(zeroblob(100)))");
    assert!(
        matches!(&long, Err(Refusal::Failed(said)) if said.contains("the limit is 100")),
        "{long:?}"
    );
}

#[test]
fn work_over_bytes_is_work() {
    let mut fixture = Fixture::new();
    fixture.limits.db_steps = 100_000;
    let refused = fixture.query(&format!(
        "{ENDLESS} SELECT sum(instr(zeroblob(1000000), x'01')) FROM c LIMIT 1"
    ));
    assert!(
        matches!(&refused, Err(Refusal::Limit(said)) if said.contains("100000 steps")),
        "{refused:?}"
    );
    assert_eq!(fixture.count(), Value::Integer(2));
}
