//! `.env` and `config.json` of a folder that somebody else has filled: read by the commands that
//! need them, within bounds, and never waited for.

use std::os::unix::fs::symlink;

use insta::assert_snapshot;

use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, ran, shown};

const KEY: &str = "sk-or-v1-0123456789abcdef-never-to-be-seen";
const LOOK: [&[&str]; 6] = [
    &["missions"],
    &["mission", "DEMO-000001"],
    &["logs", "DEMO-000001"],
    &["inspect", "DEMO-000001"],
    &["replay", "DEMO-000001"],
    &["explain", "DEMO-000001"],
];

fn pipe(world: &World, name: &str) {
    let made = world.program("mkfifo", &[name]).status().unwrap();
    assert!(made.success());
}

fn remove(world: &World, name: &str) {
    let path = world.path().join(name);
    if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir_all(path).unwrap();
    } else {
        std::fs::remove_file(path).unwrap();
    }
}

fn demo() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    world
}

fn live(world: &World, server: &ModelServer) -> Ran {
    let mut command = world.command(&["run", "demo", "--live"]);
    command.env("COO_LLM_BASE_URL", server.base_url());
    ran(command.output().unwrap())
}

#[test]
fn commands_that_need_nothing_of_it_do_not_look_at_it() {
    let world = demo();
    let reference = LOOK.map(|command| world.coo(command));
    world.file(".env", format!("garbage {KEY}\nOPENROUTER_API_KEY {KEY}\n"));
    assert_eq!(LOOK.map(|command| world.coo(command)), reference);
    remove(&world, ".env");
    pipe(&world, ".env");
    assert_eq!(LOOK.map(|command| world.coo(command)), reference);
}

#[test]
fn foreign_lines_are_left_alone_with_one_hint_and_one_of_ours_is_not_passed_over() {
    let server = ModelServer::answering(|_| Response::completion("An answer.").into());
    let world = World::new();
    world.file(
        ".env",
        format!("DATABASE_URL=postgres://u:{KEY}@h\n-----BEGIN {KEY}\n\nexport OPENROUTER_API_KEY='{KEY}' # ours\n}}\n"),
    );
    let ended = live(&world, &server);
    assert_snapshot!(shown("run demo --live", &ended), @"
    $ coo run demo --live
    An answer.--- standard error
    [coo] file .env: lines 2, 5 are not NAME=value, and left alone
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of .env in the working directory
    [coo] DEMO-000001 SUCCESS: 11 events, 29935 fuel, <duration>, 1 model call (live; 3 tokens in, 2 out), chain <sha256…>
    --- exit 0
    ");
    let bearer = format!("Bearer {KEY}");
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some(bearer.as_str())
    );
    // With it a key would go without the server that belongs to it.
    world.file(
        ".env",
        format!("OPENROUTER_API_KEY={KEY}\nCOO_LLM_BASE_URL: https://{KEY}\n"),
    );
    let refused = live(&world, &server);
    assert_snapshot!(shown("run demo --live", &refused), @"
    $ coo run demo --live
    --- standard error
    [coo] file .env: line 2 begins with COO_LLM_BASE_URL and is not NAME=value; correct or remove it
    [coo] DEMO-000002 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000002: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): file .env: line 2 begins with COO_LLM_BASE_URL and is not NAME=value
    hint: correct or remove it
    hint: 'coo resume DEMO-000002' continues where it stopped
    --- exit 5
    ");
    assert_eq!(server.requests().len(), 1);
    assert!(!format!("{ended:?}{refused:?}").contains(KEY));
}

/// What is done to a world before its `.env` is read.
type Spoil<'a> = &'a dyn Fn(&World);

#[test]
fn what_is_no_file_of_settings_is_not_read_and_nothing_is_sent_past_it() {
    let server = ModelServer::answering(|_| Response::completion("An answer.").into());
    let world = demo();
    let large = |world: &World, bytes| {
        let file = std::fs::File::create(world.path().join(".env")).unwrap();
        file.set_len(bytes).unwrap();
    };
    let to = |world: &World, target: &str| symlink(target, world.path().join(".env")).unwrap();
    let cases: [(&str, Spoil<'_>); 6] = [
        ("is a pipe", &|world| pipe(world, ".env")),
        ("is a pipe", &|world| {
            pipe(world, "pipe");
            to(world, "pipe");
        }),
        ("is a device", &|world| to(world, "/dev/zero")),
        ("more than 65536 bytes", &|world| large(world, 1 << 30)),
        ("more than 65536 bytes", &|world| large(world, 65_537)),
        ("is a folder", &|world| {
            std::fs::create_dir(world.path().join(".env")).unwrap();
        }),
    ];
    let mut said = String::new();
    for (words, make) in cases {
        make(&world);
        // Frozen answers need no server, and no key.
        let frozen = world.coo(&["run", "demo"]);
        assert_eq!(frozen.code, 0, "{words}: {frozen:?}");
        assert_eq!(frozen.stderr.matches(words).count(), 1, "{frozen:?}");
        let before = server.requests().len();
        let ended = live(&world, &server);
        said += &shown(&format!("run demo --live # {words}"), &ended);
        // A folder of that name is a virtual environment of Python's, most often.
        let is_folder = words == "is a folder";
        assert_eq!(ended.code == 0, is_folder, "{words}: {ended:?}");
        assert_eq!(server.requests().len() > before, is_folder);
        remove(&world, ".env");
    }
    assert_snapshot!(said, @"
    $ coo run demo --live # is a pipe
    --- standard error
    [coo] file .env: nothing of it is used: <world>/.env: is a pipe, a regular file is needed; write its content to a file first; correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    [coo] DEMO-000003 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000003: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): file .env: nothing of it is used: <world>/.env: is a pipe, a regular file is needed; write its content to a file first
    hint: correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    hint: 'coo resume DEMO-000003' continues where it stopped
    --- exit 5
    $ coo run demo --live # is a pipe
    --- standard error
    [coo] file .env: nothing of it is used: <world>/.env: is a pipe, a regular file is needed; write its content to a file first; correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    [coo] DEMO-000005 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000005: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): file .env: nothing of it is used: <world>/.env: is a pipe, a regular file is needed; write its content to a file first
    hint: correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    hint: 'coo resume DEMO-000005' continues where it stopped
    --- exit 5
    $ coo run demo --live # is a device
    --- standard error
    [coo] file .env: nothing of it is used: <world>/.env: is a device, a regular file is needed; write its content to a file first; correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    [coo] DEMO-000007 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000007: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): file .env: nothing of it is used: <world>/.env: is a device, a regular file is needed; write its content to a file first
    hint: correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    hint: 'coo resume DEMO-000007' continues where it stopped
    --- exit 5
    $ coo run demo --live # more than 65536 bytes
    --- standard error
    [coo] file .env: nothing of it is used: file <world>/.env: more than 65536 bytes, which is the limit; correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    [coo] DEMO-000009 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000009: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): file .env: nothing of it is used: file <world>/.env: more than 65536 bytes, which is the limit
    hint: correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    hint: 'coo resume DEMO-000009' continues where it stopped
    --- exit 5
    $ coo run demo --live # more than 65536 bytes
    --- standard error
    [coo] file .env: nothing of it is used: file <world>/.env: more than 65536 bytes, which is the limit; correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    [coo] DEMO-000011 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000011: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): file .env: nothing of it is used: file <world>/.env: more than 65536 bytes, which is the limit
    hint: correct or remove it, or set COO_LLM_BASE_URL and OPENROUTER_API_KEY in the environment
    hint: 'coo resume DEMO-000011' continues where it stopped
    --- exit 5
    $ coo run demo --live # is a folder
    An answer.--- standard error
    [coo] file .env: is a folder, and left alone
    [coo] DEMO-000013: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] DEMO-000013 SUCCESS: 11 events, 29935 fuel, <duration>, 1 model call (live; 3 tokens in, 2 out), chain <sha256…>
    --- exit 0
    ");
    // A link to a file is a file.
    world.file("settings", format!("OPENROUTER_API_KEY={KEY}\n"));
    to(&world, "settings");
    assert_eq!(live(&world, &server).code, 0);
    let request = server.requests().pop().unwrap();
    assert_eq!(
        request.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
}

#[test]
fn a_configuration_that_can_not_be_read_stops_only_who_goes_by_it() {
    let world = demo();
    let reference = LOOK.map(|command| world.coo(command));
    let config = world.root().join("config.json");
    let sparse = || {
        let file = std::fs::File::create(&config).unwrap();
        file.set_len(20 << 30).unwrap();
    };
    let cases: [(&str, &dyn Fn()); 4] = [
        ("unknown field `attemps`", &|| {
            std::fs::write(&config, r#"{"llm": {"attemps": 3}}"#).unwrap();
        }),
        ("can't be read", &|| {
            std::fs::write(&config, [b'{', 0xff]).unwrap();
        }),
        ("more than 1048576 bytes", &sparse),
        ("is not a regular file", &|| {
            pipe(&world, ".coo/config.json");
        }),
    ];
    let mut said = String::new();
    for (words, make) in cases {
        std::fs::remove_file(&config).unwrap();
        make();
        for (command, reference) in LOOK.iter().zip(&reference) {
            assert_eq!(&world.coo(command), reference, "{words}");
        }
        for command in [&["run", "demo"][..], &["manifests", "write"], &["init"]] {
            let label = format!("{} # {words}", command.join(" "));
            said += &shown(&label, &world.coo(command));
        }
    }
    assert_snapshot!(said, @"
    $ coo run demo # unknown field `attemps`
    --- standard error
    ERROR: configuration .coo/config.json: line 1: llm.attemps: no such field; did you mean 'attempts'?
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo manifests write # unknown field `attemps`
    --- standard error
    ERROR: configuration .coo/config.json: line 1: llm.attemps: no such field; did you mean 'attempts'?
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo init # unknown field `attemps`
    --- standard error
    ERROR: configuration .coo/config.json: line 1: llm.attemps: no such field; did you mean 'attempts'?
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo run demo # can't be read
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: invalid utf-8 sequence of 1 bytes from index 1
    --- exit 1
    $ coo manifests write # can't be read
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: invalid utf-8 sequence of 1 bytes from index 1
    --- exit 1
    $ coo init # can't be read
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: invalid utf-8 sequence of 1 bytes from index 1
    --- exit 1
    $ coo run demo # more than 1048576 bytes
    --- standard error
    ERROR: file .coo/config.json: more than 1048576 bytes, which is the limit
    --- exit 1
    $ coo manifests write # more than 1048576 bytes
    --- standard error
    ERROR: file .coo/config.json: more than 1048576 bytes, which is the limit
    --- exit 1
    $ coo init # more than 1048576 bytes
    --- standard error
    ERROR: file .coo/config.json: more than 1048576 bytes, which is the limit
    --- exit 1
    $ coo run demo # is not a regular file
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: is not a regular file
    hint: remove it
    --- exit 1
    $ coo manifests write # is not a regular file
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: is not a regular file
    hint: remove it
    --- exit 1
    $ coo init # is not a regular file
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: is not a regular file
    hint: remove it
    --- exit 1
    ");
}
