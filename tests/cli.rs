//! What users of the command line ran into once and must not again: each test is the
//! regression test of a defect, named after what should have happened.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::{World, events, mission_id, shown};

/// A WASI program that prints `text` and then exits with `status`.
fn printing_program(text: &str, status: u32) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write"
                (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "{text}")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 16))
                (i32.store (i32.const 4) (i32.const {length}))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                (call $exit (i32.const {status}))))"#,
        length = text.len()
    )
}

#[test]
fn digest_check_without_a_file_compares_with_the_release() {
    let world = World::new();
    let ran = world.coo(&["digest", "--check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let other = world.file("other.txt", "0".repeat(64));
    let ran = world.coo(&["digest", "--check", other.to_str().unwrap()]);
    assert_snapshot!(shown("digest --check other.txt", &ran), @"
    $ coo digest --check other.txt
    <sha256>  demo.wasm
    <sha256>  javascript.wasm
    <sha256>  triage.wasm
    <sha256>  typescript.wasm
    <sha256>  module set
    --- standard error
    ERROR: module set: has SHA-256 <sha256>, pinned is <sha256>
    hint: rebuild the modules or pin the new digest
    --- exit 3
    ");
}

/// A world with the modules that ship, in `dist/`, and their manifest.
fn with_modules() -> World {
    let world = World::new();
    let checkout = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    crate::support::copy_folder(&checkout.join("missions/dist"), &world.path().join("dist"));
    let ran = world.coo(&["digest", "--modules", "dist", "--write", "modules.json"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (0, "[coo] module manifest written to modules.json\n")
    );
    let written = std::fs::read(world.path().join("modules.json")).unwrap();
    assert_eq!(
        written,
        std::fs::read(checkout.join("manifests/modules.json")).unwrap()
    );
    world
}

fn checked(world: &World) -> crate::support::Ran {
    world.coo(&["digest", "--modules", "dist", "--check", "modules.json"])
}

#[test]
fn what_is_pinned_about_each_module_is_checked_and_each_difference_is_named() {
    let world = with_modules();
    assert_eq!(
        (checked(&world).code, checked(&world).stderr.as_str()),
        (0, "")
    );
    assert_eq!(
        world.coo(&["digest", "--modules", "dist", "--check"]).code,
        0
    );
    // One missing, one extra, one with other imports.
    std::fs::remove_file(world.path().join("dist/demo.wasm")).unwrap();
    world.wasm("dist/extra.wasm", "(module)");
    world.guest("dist/triage.wasm", "(func (export \"_start\"))");
    assert_snapshot!(shown("digest --modules dist --check modules.json", &checked(&world)), @"
    $ coo digest --modules dist --check modules.json
    <sha256>  extra.wasm
    <sha256>  javascript.wasm
    <sha256>  triage.wasm
    <sha256>  typescript.wasm
    <sha256>  module set
    module demo.wasm: pinned, and missing
    module extra.wasm: there, and not pinned
    module triage.wasm: SHA-256 <sha256> found, <sha256> pinned
    module triage.wasm: 1048 bytes found, 139047 pinned
    module triage.wasm: imports wasi_snapshot_preview1, which is not pinned
    module triage.wasm: does not import coo:mission/db@1.0.0, which is pinned
    module triage.wasm: does not import coo:mission/gateway@1.0.0, which is pinned
    module triage.wasm: does not import coo:mission/llm@1.0.0, which is pinned
    module triage.wasm: does not import wasi:cli/environment@0.2.12, which is pinned
    module triage.wasm: does not import wasi:cli/exit@0.2.12, which is pinned
    module triage.wasm: does not import wasi:cli/stderr@0.2.12, which is pinned
    module triage.wasm: does not import wasi:cli/stdin@0.2.12, which is pinned
    module triage.wasm: does not import wasi:cli/stdout@0.2.12, which is pinned
    module triage.wasm: does not import wasi:clocks/wall-clock@0.2.12, which is pinned
    module triage.wasm: does not import wasi:filesystem/preopens@0.2.12, which is pinned
    module triage.wasm: does not import wasi:filesystem/types@0.2.12, which is pinned
    module triage.wasm: does not import wasi:io/error@0.2.12, which is pinned
    module triage.wasm: does not import wasi:io/streams@0.2.12, which is pinned
    --- standard error
    ERROR: module set: 18 differences from the module manifest, the first: module demo.wasm: pinned, and missing
    hint: rebuild the modules, or pin them with 'coo digest --modules DIR --write FILE'
    --- exit 3
    ");
    let json = world.coo(&[
        "digest",
        "--modules",
        "dist",
        "--check",
        "modules.json",
        "--json",
    ]);
    let view: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &view["matches"]), (3, &false.into()));
    assert!(view["differences"].as_array().unwrap().len() > 3, "{view}");
    // Without FILE, the same is compared with the release.
    assert_eq!(
        world.coo(&["digest", "--modules", "dist", "--check"]).code,
        3
    );
}

#[test]
fn other_bytes_and_another_builder_are_named() {
    let world = with_modules();
    world.file("dist/demo.wasm", "not wasm");
    world.file("dist/BUILDER", "rustc 1.94.0\n");
    assert_snapshot!(shown("digest --modules dist --check modules.json", &checked(&world)), @"
    $ coo digest --modules dist --check modules.json
    <sha256>  demo.wasm
    <sha256>  javascript.wasm
    <sha256>  triage.wasm
    <sha256>  typescript.wasm
    <sha256>  module set
    module demo.wasm: SHA-256 <sha256> found, <sha256> pinned
    module demo.wasm: 8 bytes found, 82718 pinned
    builder: 'rustc 1.94.0' found, 'rustc 1.95.0 (59807616e 2026-04-14)' pinned, or its details
    module demo.wasm: not a WebAssembly binary; compile for wasm32-wasip1 or give a component
    --- standard error
    ERROR: module set: 4 differences from the module manifest, the first: module demo.wasm: SHA-256 <sha256> found, <sha256> pinned
    hint: rebuild the modules, or pin them with 'coo digest --modules DIR --write FILE'
    --- exit 3
    ");
}

#[test]
fn a_manifest_that_contradicts_itself_is_no_pin() {
    let world = with_modules();
    let file = world.path().join("modules.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let (_, digest) = text.split_once("\"sandbox_digest\": \"").unwrap();
    let other = if digest.starts_with('0') { "1" } else { "0" };
    let other = format!("{other}{}", &digest[1..64]);
    for (from, to) in [
        (&digest[..64], other.as_str()),
        ("\"name\": \"demo.wasm\"", "\"name\": \"zebra.wasm\""),
        ("\"kind\": \"core\"", "\"kind\": \"plugin\""),
        ("coo-module-manifest/1", "coo-module-manifest/2"),
    ] {
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let ran = checked(&world);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{to}: {ran:?}");
        let error = ran.error();
        assert!(
            error.starts_with("ERROR: module manifest modules.json: "),
            "{error}"
        );
    }
    // An import that the module does not have.
    std::fs::write(
        &file,
        text.replacen("coo:mission/llm@1.0.0", "coo:mission/llm@9.0.0", 1),
    )
    .unwrap();
    assert_snapshot!(checked(&world).error(), @"
    ERROR: module set: 2 differences from the module manifest, the first: module demo.wasm: imports coo:mission/llm@1.0.0, which is not pinned
    hint: rebuild the modules, or pin them with 'coo digest --modules DIR --write FILE'
    --- exit 3
    ");
    assert_snapshot!(world.coo(&["digest", "--check", "nowhere.json"]).error(), @"ERROR: digest file: nowhere.json: can't be opened: No such file or directory (os error 2)");
}

#[test]
fn a_manifest_is_written_over_a_manifest_and_nothing_else() {
    let world = with_modules();
    let write = |file: &str| world.coo(&["digest", "--modules", "dist", "--write", file]);
    assert_eq!(write("modules.json").code, 0);
    world.file("notes.txt", "mine");
    assert_snapshot!(write("notes.txt").error(), @"
    ERROR: file notes.txt: is there, and is not a module manifest
    hint: remove it or name another file
    ");
    assert_eq!(
        std::fs::read(world.path().join("notes.txt")).unwrap(),
        b"mine"
    );
    assert_snapshot!(write("no/folder.json").error(), @"
    ERROR: file no/folder.json: can't be written: no is not a folder
    hint: create it first
    ");
    world.file("dist/demo.wasm", "not wasm");
    let before = std::fs::read(world.path().join("modules.json")).unwrap();
    assert_snapshot!(write("modules.json").error(), @"
    ERROR: module demo.wasm: not a WebAssembly binary
    hint: compile for wasm32-wasip1 or give a component
    ");
    assert_eq!(
        std::fs::read(world.path().join("modules.json")).unwrap(),
        before
    );
    let ran = world.coo(&["digest", "--write", "a.json", "--check"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    // A temporary file is left by nothing.
    let files = std::fs::read_dir(world.path()).unwrap();
    assert_eq!(files.count(), 3);
}

#[test]
fn what_a_program_printed_before_it_failed_is_not_lost() {
    let world = World::new();
    world.wasm("fails.wasm", &printing_program("half done", 1));
    let ran = world.coo(&["run", "fails.wasm"]);
    assert_snapshot!(shown("run fails.wasm", &ran), @"
    $ coo run fails.wasm
    half done--- standard error
    [coo] MISSION-000001 FAILED: 7 events, 31 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest exited with status 1
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
    let again = world.coo(&["inspect", &mission_id(&ran), "--output"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (0, "half done"),
        "{again:?}"
    );
}

#[test]
fn the_same_program_has_the_same_chain_under_any_file_name() {
    let world = World::new();
    world.wasm("a.wasm", &printing_program("hello", 0));
    world.wasm("b.wasm", &printing_program("hello", 0));
    let head = |file: &str| {
        let id = mission_id(&world.coo(&["run", file]));
        world.json(&["inspect", &id])["chain_head"].clone()
    };
    assert_eq!(head("a.wasm"), head("b.wasm"));
}

#[test]
fn the_output_of_any_past_run_can_be_printed() {
    let world = World::new();
    let ran = world.coo(&["run", "demo"]);
    let again = world.coo(&["inspect", "DEMO-000001", "--output"]);
    assert!(!ran.stdout.is_empty());
    assert_eq!((again.code, again.stdout), (0, ran.stdout));
}

#[test]
fn a_providers_refusal_is_asked_again_by_the_next_run() {
    let refusal = json!({"error": {"code": 400, "message": "context too long"}});
    let server = ModelServer::start([
        Step::Respond(Response::json(400, &refusal)),
        Step::Respond(Response::completion("An answer.")),
    ]);
    let world = World::new()
        .with("COO_LLM_BASE_URL", server.base_url())
        .with("COO_LLM_MODEL", "some/model");
    let first = world.coo(&["run", "demo"]);
    assert_snapshot!(shown("run demo", &first), @"
    $ coo run demo
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] DEMO-000001 FAILED: 9 events, 29107 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission DEMO-000001: guest error: model call rejected by the provider: the provider rejected the request with status 400, saying 'context too long'
    hint: 'coo logs DEMO-000001' shows how it got there
    --- exit 1
    ");
    let second = world.coo(&["run", "demo"]);
    assert_eq!(
        (second.code, second.stdout.as_str()),
        (0, "An answer."),
        "{second:?}"
    );
    // The refusal is the first run's answer for good.
    assert_eq!(world.coo(&["replay", "DEMO-000001"]).code, 0);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn inspect_names_the_origin_of_the_very_answer_that_a_run_got() {
    let servers = ["First.", "Second."]
        .map(|text| ModelServer::start([Step::Respond(Response::completion(text))]));
    let mut world = World::new().with("COO_LLM_MODEL", "some/model");
    for server in &servers {
        world = world.with("COO_LLM_BASE_URL", server.base_url());
        assert_eq!(world.coo(&["run", "demo", "--live"]).code, 0);
    }
    for (id, server) in ["DEMO-000001", "DEMO-000002"].into_iter().zip(&servers) {
        let call = world.json(&["inspect", id])["model_calls"][0].clone();
        assert_eq!(
            call["provenance"]["server"],
            json!(server.origin()),
            "{call}"
        );
    }
}

#[test]
fn a_call_that_could_not_be_made_leaves_no_intent() {
    let world = World::new().with("COO_LLM_MODEL", "never/asked");
    let ran = world.coo(&["run", "demo", "--frozen"]);
    assert_snapshot!(shown("run demo --frozen", &ran), @"
    $ coo run demo --frozen
    --- standard error
    [coo] DEMO-000001 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: model call: no frozen answer for request <sha256…> (time 1 in this run, model never/asked)
    hint: run the mission once without --frozen to record it
    hint: 'coo resume DEMO-000001' continues where it stopped
    --- exit 5
    ");
    let kinds: Vec<_> = events(&world, "DEMO-000001")
        .iter()
        .map(|event| event["kind"].clone())
        .collect();
    assert!(!kinds.contains(&json!("llm.intent")), "{kinds:?}");
}

#[test]
fn a_tampered_journal_does_not_hide_the_other_missions() {
    let world = World::new();
    for _ in 0..2 {
        assert_eq!(world.coo(&["run", "demo"]).code, 0);
    }
    let store = world.unguarded_journal();
    store
        .execute_batch("UPDATE events SET body = body || ' ' WHERE mission = 1 AND seq = 3")
        .unwrap();
    drop(store);
    let ran = world.coo(&["missions"]);
    assert_snapshot!(shown("missions", &ran), @"
    $ coo missions
    ID           TYPE       STATUS   STARTED (UTC)     DURATION  NAME
    DEMO-000002  DEMO_V1_1  SUCCESS  <time>  <took>  demo
    DEMO-000001  DEMO_V1_1  DAMAGED  <time>  <took>  demo
    --- standard error
    ERROR: mission DEMO-000001: journal broken at event 3: its digest is not that of its content; it was changed after it was written
    --- exit 1
    ");
}

/// Runs `coo ARGS`; a process that still waits after half a minute is ended, and that is no end.
fn within_half_a_minute(world: &World, arguments: &[&str]) -> crate::support::Ran {
    let mut child = world.start(arguments);
    let stopwatch = coo::inside::machine::Stopwatch::start();
    while child.try_wait().unwrap().is_none() {
        if stopwatch.elapsed() > std::time::Duration::from_secs(30) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("coo {arguments:?} waits");
        }
        coo::inside::machine::sleep(std::time::Duration::from_millis(10));
    }
    crate::support::ran(child.wait_with_output().unwrap())
}

#[test]
fn nobody_waits_for_a_pipe_in_the_place_of_a_file() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "triage", "--frozen"]).code, 0);
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    assert_eq!(world.coo(&["amu0", "create", "--name", "one"]).code, 0);
    let module = std::fs::read_dir(world.root().join("modules"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let module = format!("modules/{}", module.file_name().to_str().unwrap());
    let refused: [(&str, &[&str]); 9] = [
        ("config.json", &["run", "triage", "--frozen"]),
        ("lock", &["run-demo"]),
        ("manifests/tools_manifest.json", &["manifests", "check"]),
        ("amu0/names/one.json", &["amu0", "verify", "one"]),
        (&module, &["replay", "MISSION-000001"]),
        ("coo.db", &["missions"]),
        ("coo.db", &["run-demo"]),
        ("coo.db-wal", &["missions"]),
        ("world.db", &["run", "triage", "--frozen"]),
    ];
    let mut told = String::new();
    for (file, command) in refused {
        let (path, kept) = (world.root().join(file), world.path().join("kept"));
        let was_there = std::fs::rename(&path, &kept).is_ok();
        pipe(&path);
        let ran = within_half_a_minute(&world, command);
        let code = match file {
            "world.db" => 5,
            file if file.starts_with("manifests/") => 3,
            _ => 1,
        };
        assert_eq!(ran.code, code, "{file}: {ran:?}");
        told += &shown(&command.join(" "), &ran);
        std::fs::remove_file(&path).unwrap();
        if was_there {
            std::fs::rename(&kept, &path).unwrap();
        }
    }
    assert_snapshot!(told, @"
    $ coo run triage --frozen
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: is not a regular file
    hint: remove it
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: file .coo/lock: is not a regular file
    hint: remove it
    --- exit 1
    $ coo manifests check
    unreadable  manifests/tools_manifest.json: file .coo/manifests/tools_manifest.json: can't be opened: is not a regular file; remove it
    4 manifests, 1 difference
    --- standard error
    ERROR: manifests in .coo/manifests: out of date, 1 difference
    hint: if this is intended, run 'coo manifests write' to accept the current environment
    --- exit 3
    $ coo amu0 verify one
    --- standard error
    ERROR: file .coo/amu0/names/one.json: can't be opened: is not a regular file
    hint: remove it
    --- exit 1
    $ coo replay MISSION-000001
    --- standard error
    ERROR: file .coo/modules/<sha256>.wasm: can't be opened: is not a regular file
    hint: remove it
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: database .coo/coo.db: .coo/coo.db: is not a regular file; move it away
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: database .coo/coo.db: .coo/coo.db: is not a regular file; move it away
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: database .coo/coo.db: .coo/coo.db-wal: is not a regular file; move it away
    --- exit 1
    $ coo run triage --frozen
    --- standard error
    [coo] MISSION-000002 INTERRUPTED: 5 events, 59112 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: database .coo/world.db: .coo/world.db: is not a regular file; move it away
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    ");
    // What lies in tmp/ is cleared away, whatever it is.
    let waiting = world.root().join("tmp");
    pipe(&waiting.join("pipe"));
    std::fs::create_dir_all(waiting.join("folder/inner")).unwrap();
    let ran = within_half_a_minute(&world, &["run", "triage", "--frozen"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(std::fs::read_dir(&waiting).unwrap().count(), 0);

    // The root was left as it was by all of that.
    assert_eq!(world.coo(&["freeze"]).code, 0);
    std::fs::remove_file(world.root().join("FREEZE")).unwrap();
    pipe(&world.root().join("FREEZE"));
    let ran = within_half_a_minute(&world, &["missions"]);
    assert_snapshot!(shown("missions", &ran), @"
    $ coo missions
    --- standard error
    ERROR: state root .coo: was changed since freeze 1: FREEZE (missing)
    hint: 'coo freeze status' lists all differences
    --- exit 1
    ");
}

fn pipe(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}
