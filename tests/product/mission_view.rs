//! `coo mission` and `coo missions` after a successful demo run (user surface v1.1 §5, §7.3).

use insta::assert_snapshot;

use super::{demo, id};
use crate::support::shown;

#[test]
fn a_mission_is_shown_as_prescribed() {
    let (world, ran) = demo();
    let id = id(&ran.stdout);
    let ran = world.coo(&["mission", id]);
    assert!(
        ran.stdout
            .lines()
            .any(|line| line == format!("Mission {id}"))
    );
    assert!(ran.stdout.lines().any(|line| line == "Timeline"));
    assert!(
        ran.stdout
            .lines()
            .any(|line| line.trim_start().starts_with("#0001"))
    );
    assert_snapshot!(shown(&format!("mission {id}"), &ran), @r"
    $ coo mission DEMO-000001
    Mission DEMO-000001
      Type: DEMO_V1_1
      Status: SUCCESS
      Created: <time>
      Started: <time>
      Finished: <time>

    Timeline
      #0001 INIT
      #0002 CAPTURE_ENV
      #0003 RUN
      #0004 WRITE_REPORT
      #0005 COMPLETE
    --- exit 0
    ");
}

#[test]
fn as_json_it_says_the_same() {
    let (world, ran) = demo();
    let id = id(&ran.stdout);
    let view = world.json(&["mission", id]);
    assert_eq!(
        (&view["id"], &view["type"], &view["status"]),
        (&id.into(), &"DEMO_V1_1".into(), &"SUCCESS".into())
    );
    assert_eq!(
        view["timeline"],
        serde_json::json!(["INIT", "CAPTURE_ENV", "RUN", "WRITE_REPORT", "COMPLETE"])
    );
    assert!(view["reason"].is_null());
    // The receipt and the mission name the same instants, in order.
    let instant = |name: &str| view[name].as_str().unwrap().to_owned();
    assert!(
        ran.stdout
            .contains(&format!("Started: {}", instant("started")))
    );
    assert!(
        ran.stdout
            .contains(&format!("Finished: {}", instant("finished")))
    );
    assert!(instant("created") <= instant("started") && instant("started") <= instant("finished"));
}

#[test]
fn all_missions_are_listed_newest_first() {
    let (world, _) = demo();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    assert_snapshot!(shown("missions", &world.coo(&["missions"])), @"
    $ coo missions
    ID           TYPE       STATUS   STARTED (UTC)     DURATION  NAME
    DEMO-000002  DEMO_V1_1  SUCCESS  <time>  <took>  demo
    DEMO-000001  DEMO_V1_1  SUCCESS  <time>  <took>  demo
    --- exit 0
    ");
    let rows = world.list(&["missions"]);
    assert_eq!(
        (&rows[0]["id"], &rows[1]["id"]),
        (&"DEMO-000002".into(), &"DEMO-000001".into())
    );
}
