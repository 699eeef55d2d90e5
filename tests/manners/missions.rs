//! `coo missions`: a table that fits 80 columns, the newest first, with filters.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{World, shown};

/// A world with a SUCCESS, a FAILED and an INTERRUPTED mission, in this order.
fn world() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    let ran = world.run_guest(
        r#"(func (export "_start") (loop $again (br $again)))"#,
        &json!({"fuel": 10_000}),
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    world.triage_descriptor();
    assert_eq!(world.coo(&["run", "triage.json", "--frozen"]).code, 5);
    world
}

#[test]
fn the_newest_mission_comes_first_and_every_line_fits() {
    let world = world();
    let ran = world.coo(&["missions"]);
    assert!(ran.stdout.lines().all(|line| line.len() <= 80), "{ran:?}");
    assert_snapshot!(shown("missions", &ran), @"
    $ coo missions
    ID              TYPE       STATUS       STARTED (UTC)     DURATION  NAME
    MISSION-000003  TEST       INTERRUPTED  <time>  <took>  triage.json
    MISSION-000002  TEST       FAILED       <time>  <took>  guest.json
    DEMO-000001     DEMO_V1_1  SUCCESS      <time>  <took>  demo
    --- exit 0
    ");
    let ids = |arguments: &[&str]| -> Vec<String> {
        let rows = world.list(&[&["missions"], arguments].concat());
        let rows = rows.as_array().unwrap();
        rows.iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        ids(&[]),
        ["MISSION-000003", "MISSION-000002", "DEMO-000001"]
    );
    assert_eq!(ids(&["-n", "2"]), ["MISSION-000003", "MISSION-000002"]);
    assert_eq!(ids(&["-n", "9"]).len(), 3);
    assert_eq!(ids(&["--status", "success"]), ["DEMO-000001"]);
    assert_eq!(ids(&["-n1", "--status", "SUCCESS"]), ["DEMO-000001"]);
    let both = ["--status", "FAILED", "--status=Success"];
    assert_eq!(ids(&both), ["MISSION-000002", "DEMO-000001"]);
    let row = &world.list(&["missions", "-n", "1"])[0];
    let fields: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["created", "id", "name", "status", "type"]);
}

#[test]
fn in_a_pipe_no_name_is_cut() {
    let world = World::new();
    let long = format!("{}/mission.json", "a-long-name-of-a-folder/".repeat(8));
    std::fs::create_dir_all(world.path().join(&long).parent().unwrap()).unwrap();
    world.descriptor(&long, &json!({"set": "demo"}), &json!({}));
    assert_eq!(world.coo(&["run", &long, "--frozen"]).code, 1);
    let ran = world.coo(&["missions"]);
    assert!(ran.stdout.trim_end().ends_with(&long), "{ran:?}");
    // Text of others stays one line.
    let odd = "new\nline\u{1b}[31m.json";
    world.descriptor(odd, &json!({"set": "demo"}), &json!({}));
    assert_eq!(world.coo(&["run", odd, "--frozen"]).code, 1);
    let ran = world.coo(&["missions"]);
    assert_eq!(ran.stdout.lines().count(), 3, "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn an_empty_list_says_what_to_do() {
    let world = World::new();
    let mut told = shown("missions", &world.coo(&["missions"]));
    assert!(!world.root().exists());
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    for command in [
        &["missions", "--status", "failed"][..],
        &["missions", "--status", "failed", "--json"],
        &["missions", "--status", "lost"],
        &["missions", "-n", "0"],
        &["missions", "-n", "x"],
    ] {
        told += &shown(&command.join(" "), &world.coo(command));
    }
    assert_snapshot!(told, @r#"
    $ coo missions
    --- standard error
    [coo] no missions in .coo
    hint: 'coo run-demo' makes the first
    --- exit 0
    $ coo missions --status failed
    --- standard error
    [coo] no missions with this status in .coo
    hint: 'coo missions' lists all
    --- exit 0
    $ coo missions --status failed --json
    {
      "format": "coo-missions/1",
      "missions": []
    }
    --- exit 0
    $ coo missions --status lost
    --- standard error
    ERROR: invalid value 'lost' for '--status <STATUS>'
      [possible values: RUNNING, PAUSED, SUCCESS, FAILED, INTERRUPTED, DAMAGED]

    For more information, try '--help'.
    --- exit 2
    $ coo missions -n 0
    --- standard error
    ERROR: invalid value '0' for '-n <N>': 0 is not in 1..=4294967295

    For more information, try '--help'.
    --- exit 2
    $ coo missions -n x
    --- standard error
    ERROR: invalid value 'x' for '-n <N>': invalid digit found in string

    For more information, try '--help'.
    --- exit 2
    "#);
}
