//! The child process that compiles a module: its time, its memory, what it says, and that it ends
//! with its parent. Says nothing about what is refused before anything is compiled.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use coo::inside::machine::{self, Stopwatch};
use insta::assert_snapshot;
use serde_json::json;

use super::bombs::empty_functions;
use crate::support::{World, shown};

/// Within every bound of structure, and still some processor seconds to compile.
fn laborious() -> Vec<u8> {
    empty_functions(200_000)
}

#[test]
fn processor_time_memory_and_real_time_are_bounded_and_each_says_so() {
    let world = World::with_own_cache();
    world.file("slow.wasm", laborious());
    let mut said = String::new();
    for (name, value, arguments) in [
        ("COO_COMPILE_CPU_SECONDS", "1", vec!["run", "slow.wasm"]),
        ("COO_COMPILE_MEMORY_MB", "64", vec!["run", "slow.wasm"]),
        ("TZ", "UTC", vec!["run", "slow.wasm", "--timeout", "1"]),
        ("COO_COMPILE_CPU_SECONDS", "soon", vec!["run", "slow.wasm"]),
    ] {
        // No stopwatch: a processor second on a busy machine may take many real ones.
        let ran = world.coo_with(&arguments, name, value);
        said += &shown(&format!("{} # {name}={value}", arguments.join(" ")), &ran);
    }
    assert_snapshot!(said, @"
    $ coo run slow.wasm # COO_COMPILE_CPU_SECONDS=1
    --- standard error
    ERROR: module slow.wasm: compiling it: needs more than 1 s of processor time, which is the limit for its 800054 bytes
    hint: set COO_COMPILE_CPU_SECONDS to more if you trust it
    --- exit 1
    $ coo run slow.wasm # COO_COMPILE_MEMORY_MB=64
    --- standard error
    ERROR: module slow.wasm: compiling it: needs more than 64 MB of memory, which is the limit for its 800054 bytes (or less is left: 'ulimit -v', a container)
    hint: set COO_COMPILE_MEMORY_MB to more if you trust it
    --- exit 1
    $ coo run slow.wasm --timeout 1 # TZ=UTC
    --- standard error
    ERROR: module slow.wasm: compiling it: still not done after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    --- exit 1
    $ coo run slow.wasm # COO_COMPILE_CPU_SECONDS=soon
    --- standard error
    ERROR: module slow.wasm: COO_COMPILE_CPU_SECONDS: 'soon' is not a whole number above 0
    --- exit 1
    ");
    assert_eq!(world.list(&["missions"]), json!([]), "nothing on record");
    // The machine's failure is nobody's for good: with less to do it runs.
    world.file("slow.wasm", empty_functions(1));
    assert_eq!(world.coo(&["run", "slow.wasm"]).code, 0);
}

/// A child of `coo`, by its parent; none where it has ended.
fn child_of(parent: u32) -> Option<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().next()?.parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn who_waits_is_told_and_a_killed_parent_leaves_no_child() {
    let world = World::with_own_cache();
    world.file("slow.wasm", laborious());
    let mut parent: Child = world.start(&["run", "slow.wasm", "--json"]);
    let mut stderr = BufReader::new(parent.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "[coo] compiling module slow.wasm (782 KB)\n");
    let child = child_of(parent.id()).expect("a child at work");
    assert!(Path::new(&format!("/proc/{child}")).exists());
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Its pipe is closed when it is gone.
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let mut stdout = String::new();
    parent
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    assert_eq!((rest.as_str(), stdout.as_str()), ("", ""));
    let stopwatch = Stopwatch::start();
    let is_at_work = || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    while is_at_work() {
        assert!(
            stopwatch.elapsed() < Duration::from_secs(5),
            "still at work"
        );
        machine::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_module_compiles_without_any_standard_stream() {
    let world = World::with_own_cache();
    world.file("small.wasm", empty_functions(3));
    let script = "exec \"$0\" run small.wasm 0<&- 1>&- 2>&-";
    let status = world
        .program("sh", &["-c", script, env!("CARGO_BIN_EXE_coo")])
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn a_module_compiles_after_the_program_was_replaced() {
    let world = World::with_own_cache();
    world.file("small.wasm", empty_functions(3));
    let copy = world.path().join("coo");
    std::fs::copy(env!("CARGO_BIN_EXE_coo"), &copy).unwrap();
    let mut child = world
        .program(&copy, &["run", "small.wasm", "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It runs, and waits for its input, before which it compiles nothing.
    std::fs::remove_file(&copy).unwrap();
    std::fs::write(&copy, "#!/bin/sh\nexit 99\n").unwrap();
    drop(child.stdin.take());
    let ran = crate::support::ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn the_hidden_command_is_in_no_help_and_harms_nobody() {
    let world = World::new();
    assert!(!world.coo(&["--help"]).stdout.contains("__compile"));
    for job in [
        vec!["__compile"],
        vec!["__compile", "{}"],
        vec!["__compile", "x", "y"],
    ] {
        let ran = world.coo(&job);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    }
    assert!(!world.root().exists());
}
