//! The demo gives the same result every time (user surface v1.1 §7.1): twice in one place,
//! and in places that differ in everything a program could look at. No chain head is written
//! down here: it changes with the recorded answer and must only be the same everywhere.

use std::process::Command;

use insta::assert_snapshot;

use super::{id, section};
use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, shown, steady};

fn chain_head(world: &World, id: &str) -> String {
    world.json(&["inspect", id])["chain_head"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn twice_gives_the_same_receipt_but_for_instants_and_id() {
    let world = World::new();
    let (first, second) = (world.coo(&["run-demo"]), world.coo(&["run-demo"]));
    assert_eq!((first.code, second.code), (0, 0), "{first:?}\n{second:?}");
    assert_eq!(
        (id(&first.stdout), id(&second.stdout)),
        ("DEMO-000001", "DEMO-000002")
    );
    assert_eq!(
        section(&first.stdout, "AI Output"),
        section(&second.stdout, "AI Output")
    );
    let unnamed = |ran: &Ran| steady(&ran.stdout.replace(id(&ran.stdout), "<id>"));
    assert_eq!(unnamed(&first), unnamed(&second));
    assert_eq!(
        chain_head(&world, "DEMO-000001"),
        chain_head(&world, "DEMO-000002")
    );
}

#[test]
fn the_replay_of_each_run_is_identical() {
    let world = World::new();
    let mut told = String::new();
    for id in ["DEMO-000001", "DEMO-000002"] {
        assert_eq!(world.coo(&["run-demo"]).code, 0);
        told += &shown(&format!("replay {id}"), &world.coo(&["replay", id]));
        let replay = world.json(&["replay", id]);
        assert_eq!(replay["identical"], true);
        assert_eq!(replay["chain_head"], chain_head(&world, id));
    }
    assert_snapshot!(told, @"
    $ coo replay DEMO-000001
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 11 identical
      Fuel: 62548 identical
      Memory: 1114112 bytes identical
      Output: 493 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    $ coo replay DEMO-000002
    Replay DEMO-000002
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 11 identical
      Fuel: 62548 identical
      Memory: 1114112 bytes identical
      Output: 493 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
}

/// A shell that runs `script` under another host name, in a namespace that goes with it.
fn renamed_host(script: &str) -> Command {
    let mut shell = Command::new("unshare");
    shell
        .args(["--uts", "--map-root-user", "/bin/sh", "-c"])
        .arg(format!(
            "echo another-machine >/proc/sys/kernel/hostname && {{ {script}; }}"
        ));
    shell
}

fn host_name_can_be_changed() -> bool {
    let renamed = renamed_host("cat /proc/sys/kernel/hostname").output();
    renamed.is_ok_and(|renamed| renamed.stdout == b"another-machine\n")
}

#[test]
fn place_home_host_name_time_zone_locale_mask_and_variables_make_no_difference() {
    let plain = World::new();
    assert_eq!(plain.coo(&["run-demo"]).code, 0);

    let strange = World::new();
    let folder = strange.path().join("ein Ordner/ünïcode");
    std::fs::create_dir_all(&folder).unwrap();
    let coo = strange.command(&["run-demo"]);
    // Another host name needs a namespace of its own, which not every machine gives its users.
    let mut shell = if host_name_can_be_changed() {
        renamed_host("umask 077; exec \"$0\" run-demo")
    } else {
        eprintln!("no host name of one's own can be had here: it is left as it is");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "umask 077; exec \"$0\" run-demo"]);
        shell
    };
    let ran = shell
        .arg(coo.get_program())
        .env_clear()
        .env("HOME", folder.join("no-such-home"))
        .env("TZ", "Pacific/Kiritimati")
        .env("LANG", "de_DE.UTF-8")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("HOSTNAME", "another-machine")
        .env("USER", "somebody")
        .env("TMPDIR", &folder)
        .env("COLUMNS", "40")
        .env("RUST_LOG", "trace")
        .env("NOT_FOR_GUESTS", "x".repeat(10_000))
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");

    let root = folder.join(".coo");
    let there = strange.json(&["inspect", "DEMO-000001", "--root", root.to_str().unwrap()]);
    assert_eq!(there["chain_head"], chain_head(&plain, "DEMO-000001"));
    assert_eq!(
        there["facts"]["fuel"],
        plain.json(&["inspect", "DEMO-000001"])["facts"]["fuel"]
    );
    assert_eq!(
        section(&String::from_utf8(ran.stdout).unwrap(), "AI Output"),
        section(&plain.coo(&["run-demo"]).stdout, "AI Output")
    );
}

#[test]
fn a_root_of_ones_own_by_option_or_variable_makes_no_difference() {
    let plain = World::new();
    assert_eq!(plain.coo(&["run-demo"]).code, 0);
    let by_option = World::new();
    assert_eq!(by_option.coo(&["--root", "elsewhere", "run-demo"]).code, 0);
    let by_variable = World::new().with("COO_ROOT", "deep/er");
    assert_eq!(by_variable.coo(&["run-demo"]).code, 0);
    assert!(!by_option.root().exists() && !by_variable.root().exists());
    let head = chain_head(&plain, "DEMO-000001");
    assert_eq!(
        by_option.json(&["--root", "elsewhere", "inspect", "DEMO-000001"])["chain_head"],
        head.as_str()
    );
    assert_eq!(chain_head(&by_variable, "DEMO-000001"), head);
}

#[test]
fn a_live_call_asks_the_resolved_model_deterministically_and_is_frozen() {
    let server = ModelServer::start([Response::completion("A summary of the text.")]);
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.file(".env", "COO_LLM_MODEL=vendor/model-of-dot-env\n");
    let (first, second) = (world.coo(&["run-demo"]), world.coo(&["run-demo"]));
    assert_eq!((first.code, second.code), (0, 0), "{first:?}\n{second:?}");
    assert_eq!(
        section(&first.stdout, "AI Output"),
        "  A summary of the text."
    );

    // Once: the second run takes the frozen answer.
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let body = requests[0].json();
    assert_eq!(body["model"], "vendor/model-of-dot-env");
    assert_eq!(body["temperature"].as_f64(), Some(0.0));
    assert_eq!(body["top_p"].as_f64(), Some(1.0));
    assert!(
        body["max_tokens"] == 256 || body["max_tokens"] == 512,
        "{body}"
    );
    assert!(
        body.get("tools").is_none() && body["stream"] == false,
        "{body}"
    );
    assert_eq!(
        chain_head(&world, "DEMO-000001"),
        chain_head(&world, "DEMO-000002")
    );
}

#[test]
fn the_environment_decides_over_dot_env() {
    let server = ModelServer::start([Response::completion("A summary of the text.")]);
    let world = World::new()
        .with("COO_LLM_BASE_URL", server.base_url())
        .with("COO_LLM_MODEL", "vendor/model-of-environment");
    world.file(".env", "COO_LLM_MODEL=vendor/model-of-dot-env\n");
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    assert_eq!(
        server.requests()[0].json()["model"],
        "vendor/model-of-environment"
    );
}
