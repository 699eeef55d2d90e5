//! A run is judged by the rules that it was recorded under, not by today's.

use coo_kernel::journal::Kind;
use insta::assert_snapshot;
use serde_json::json;

use super::{TRIAGE, assert_identical, forge};
use crate::support::{World, shown};

/// One that recorded none had the first edition's, which protected such folders at the top alone.
#[test]
fn a_run_is_judged_by_the_edition_of_the_rules_that_it_recorded() {
    let world = World::new();
    world.wasm("writer.wasm", include_str!("../fixtures/writer.wat"));
    let more = json!({"steps": [{"id": "write", "input": "a/specs/A_v1.0.md"}]});
    world.descriptor("write.json", &json!({"file": "writer.wasm"}), &more);
    let ran = world.coo(&["run", "write.json"]);
    assert_snapshot!(shown("run write.json", &ran), @"
    $ coo run write.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 22 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: governance error: gateway.write to 'a/specs/A_v1.0.md': protected as '**/specs/**' by the built-in registry of protected artefacts; nobody can write it through the runtime
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    --- exit 1
    ");
    assert_identical(&world, TRIAGE);

    let journal = world.unguarded_journal();
    let record_with = |rules: Option<u64>, sha256: Option<&str>| {
        forge(&journal, |_, kind, mut body| {
            if kind == Kind::Environment {
                let fields = body.as_object_mut().unwrap();
                fields.remove("rules");
                fields.extend(rules.map(|rules| ("rules".to_owned(), json!(rules))));
                fields.remove("rules_sha256");
                fields.extend(sha256.map(|found| ("rules_sha256".to_owned(), json!(found))));
            }
            body
        });
    };
    // Runs of these editions did not name the digest.
    let record = |rules: Option<u64>| record_with(rules, None);
    let replayed = || shown("replay MISSION-000001", &world.coo(&["replay", TRIAGE]));
    record(None);
    // The first edition permitted the write.
    assert_snapshot!(replayed(), @r#"
    $ coo replay MISSION-000001
    Replay MISSION-000001
      States: INIT > CAPTURE_ENV > RUN
      Events: 5 identical
      Result: DIVERGENT

    First divergence: event 6
      Journal: RUN step.returned
      Replay:  RUN gateway.write

    Difference (- journal, + replay)
        {
      -   "id": "write",
      -   "output": null,
      -   "stderr": {
      -     "bytes": 0,
      -     "sha256": "<sha256…><sha256…><sha256…><sha256…>a495991b7…
      -   },
      -   "stdout": {
      +   "request": {
            "bytes": 0,
      +     "path": "a/specs/A_v1.0.md",
            "sha256": "<sha256…><sha256…><sha256…><sha256…>a495991b7…
          }

    Events before it
      [0001] STATE=INIT mission type=TEST descriptor=<sha256…> module=<sha256…> config=<sha256…> sha256=<sha256…>
      [0002] STATE=CAPTURE_ENV transition from=INIT sha256=<sha256…>
      [0003] STATE=CAPTURE_ENV environment host=<sha256…> sha256=<sha256…>
      [0004] STATE=RUN transition from=CAPTURE_ENV sha256=<sha256…>
      [0005] STATE=RUN step.started step=write input=<sha256…> bytes=17 sha256=<sha256…>

    Usual causes
      - the guest took another path: look at the last answer it was given before
        this
      - a limit that only one of the two runs has hit (another release of coo,
        another engine)
      - a journal that was changed and whose hash chain was recomputed: compare
        its head with one kept elsewhere
    --- standard error
    ERROR: replay of MISSION-000001: diverges at event 6
    --- exit 3
    "#);
    record(Some(3));
    assert_snapshot!(replayed(), @"
    $ coo replay MISSION-000001
    Replay MISSION-000001
      States: INIT > CAPTURE_ENV > RUN > FAILED
      Events: 7 identical
      Fuel: 22 identical
      Memory: 65536 bytes identical
      Output: 0 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
    record(Some(2));
    assert_identical(&world, TRIAGE);
    // An edition with other rules than it had is refused by name, and nothing runs.
    record_with(Some(3), Some(&"0".repeat(64)));
    assert_snapshot!(replayed(), @"
    $ coo replay MISSION-000001
    --- standard error
    ERROR: mission write.json: ruleset mission: has SHA-256 <sha256>, pinned is <sha256>
    hint: use the coo that recorded it; its rules about missions are others
    --- exit 1
    ");
}
