//! How far a world may grow and how long a statement may work: each end is the limit's, at the same
//! step in every run.

use super::*;

#[test]
fn a_world_grows_no_further_than_its_bound() {
    let mut fixture = Fixture::new();
    fixture.world.commit(1).unwrap();
    fixture.limits.db_bytes = 1 << 20;
    assert_eq!(fixture.done("CREATE TABLE b (x)"), 0);
    for _ in 0..3 {
        fixture.done("INSERT INTO b VALUES (zeroblob(200000))");
    }
    let failure = fixture
        .ended("INSERT INTO b VALUES (zeroblob(2000000))")
        .to_string();
    assert!(
        failure.contains("the world may grow by 1048576 bytes in one run (limits.db_bytes)"),
        "{failure}"
    );
}

pub(super) const ENDLESS: &str = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)";

#[test]
fn endless_work_ends_by_limit_and_at_the_same_step() {
    let mut fixture = Fixture::new();
    for _ in 0..2 {
        let refused = fixture.query(&format!("{ENDLESS} SELECT max(n) FROM c"));
        assert!(
            matches!(&refused, Err(Refusal::Limit(said)) if said.contains("100000 steps")),
            "{refused:?}"
        );
        assert_eq!(
            fixture.count(),
            Value::Integer(2),
            "the next statement has its own bound"
        );
    }
    // Cutting a change off in the middle ends the run.
    let failure = fixture.ended(&format!("{ENDLESS} INSERT INTO t SELECT n + 10, n FROM c"));
    assert_eq!(
        failure,
        Failure::Limit {
            bound: Bound::DbSteps,
            wanted: 100_001,
            limit: 100_000,
        }
    );
}

#[test]
fn rows_and_values_are_bounded() {
    let mut fixture = Fixture::new();
    let upto = |n: u32| format!("{ENDLESS} SELECT n FROM c LIMIT {n}");
    assert_eq!(fixture.query(&upto(50)).unwrap().rows.len(), 50);
    let refused = fixture.query(&upto(51));
    assert!(
        matches!(&refused, Err(Refusal::Limit(said)) if said.starts_with("more than 50 rows")),
        "{refused:?}"
    );
    for sql in [
        "SELECT zeroblob(70000000)",
        "SELECT length(replace(hex(zeroblob(30000000)), '0', '000'))",
    ] {
        let refused = fixture.query(sql);
        assert!(
            matches!(refused, Err(Refusal::Limit(_))),
            "{sql}: {refused:?}"
        );
    }
    fixture.limits.db_rows = 1_000;
    let refused = fixture.query(&format!(
        "{ENDLESS} SELECT zeroblob(1000000) FROM c LIMIT 100"
    ));
    assert!(
        matches!(&refused, Err(Refusal::Limit(said)) if said.starts_with("rows of more than")),
        "{refused:?}"
    );
}
