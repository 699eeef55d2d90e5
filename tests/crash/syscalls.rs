//! The same with every system call that changes a file, those of `SQLite` among them: a finer
//! net than the points, cast by strace.

use std::process::Command;

use crate::support::trial::{Disturbance, Mission, Reference, Way};

/// Everything that changes a file or makes a change last.
const CALLS: [&str; 12] = [
    "fallocate",
    "fdatasync",
    "fsync",
    "ftruncate",
    "linkat",
    "mkdirat",
    "pwrite64",
    "renameat",
    "sendto",
    "unlink",
    "unlinkat",
    "write",
];

/// Whether there is such a call on this processor.
fn is_known(call: &str) -> bool {
    let probe = Command::new("strace")
        .args(["-o", "/dev/null", "-e", &format!("trace={call}"), "true"])
        .status();
    probe.is_ok_and(|status| status.success())
}

#[test]
#[ignore = "needs strace, and permission to use it: .ci/nightly runs it where both are there"]
fn a_mission_killed_at_any_system_call_ends_as_if_it_had_not_been() {
    let mut trials = 0;
    for mission in [Mission::Triage, Mission::Writer] {
        let reference = Reference::of(mission);
        for call in CALLS.into_iter().filter(|call| is_known(call)) {
            let mut deaths = 0;
            loop {
                let mut trial = reference.trial();
                let way = trial.settle_after(Disturbance::SystemCall(call, deaths + 1));
                trial.assert_equal_to_undisturbed();
                if way == Way::Undisturbed {
                    break;
                }
                deaths += 1;
            }
            println!("{mission:?}: {call}: {deaths} deaths, 0 losses");
            trials += deaths;
        }
    }
    println!("{trials} deaths, 0 losses");
    assert!(trials > 100, "strace has killed hardly anybody");
}
