//! The replacements of `SQLite`'s functions are compared with the originals, and timed.

use proptest::prelude::*;

use super::bounded::ENDLESS;
use super::*;

/// Returns one statement with every call in several forms.
fn calls() -> String {
    let forms = ["?", "CAST(? AS TEXT)"].into_iter().flat_map(|cast| {
        let cast = |number: &str| cast.replace('?', number);
        [
            format!("instr({}, {})", cast("?1"), cast("?2")),
            format!("replace({}, {}, {})", cast("?1"), cast("?2"), cast("?3")),
            format!("trim({}, {})", cast("?1"), cast("?2")),
            format!("ltrim({}, {})", cast("?1"), cast("?2")),
            format!("rtrim({}, {})", cast("?1"), cast("?2")),
        ]
    });
    let shown: Vec<String> = forms
        .map(|call| format!("{call}, typeof({call}), hex({call})"))
        .collect();
    format!("SELECT {}", shown.join(", "))
}

fn sqlite(statement: &Statement) -> Vec<Value> {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .query_row(&statement.sql, params(statement), |row| {
            (0..30)
                .map(|place| Ok(value(row.get_ref(place)?)))
                .collect()
        })
        .unwrap()
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
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn they_give_what_sqlite_gives(x in argument(), y in argument(), z in argument()) {
        let statement = Statement { params: vec![x, y, z], sql: calls() };
        let folder = TempDir::new().unwrap();
        let limits = Limits::default();
        let answer = World::new(folder.path()).query(&statement, bounds(&limits)).unwrap();
        let DbAnswer::Ok(rows) = answer else {
            panic!("{statement:?}: {answer:?}");
        };
        prop_assert_eq!(
            format!("{:?}", rows.rows[0]),
            format!("{:?}", sqlite(&statement)),
            "{:?}", statement
        );
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
    // Unoptimised, and beside other tests; without linear search it takes minutes.
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
