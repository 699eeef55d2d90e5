//! How tests are run: what they are given, what becomes of one that does not end, prints too much
//! or says nothing clear, and that nothing it starts is left.

use insta::assert_snapshot;

use crate::support::{Ran, World, shown};

/// Gate D of a repository whose tests are this script.
fn gate_d(script: &str, more: &str, command: &str) -> Ran {
    let world = World::new()
        .with("OUTSIDE", "told")
        .with("PATH", "/usr/bin:/bin");
    world.file("repo/suite.sh", script);
    world.file(
        "repo/coo.toml",
        format!("[tests]\ncommand = {command}\n{more}\n[gates]\nrequired = ['suite.sh']\n"),
    );
    world.coo(&["gates", "repo"])
}

fn refused(script: &str, more: &str) -> Ran {
    let ran = gate_d(script, more, "['sh', 'suite.sh']");
    assert_eq!(ran.code, 1, "{ran:?}");
    ran
}

/// Returns what a gate found: the lines below its own.
fn findings(ran: &Ran) -> String {
    let lines = ran.stdout.split_inclusive('\n');
    lines.filter(|line| line.starts_with("    ")).collect()
}

/// What the script says of its environment, which the words of the refusal repeat.
#[test]
fn a_suite_is_given_what_is_configured_and_nothing_else() {
    let script = "env | sed 's/=.*coo-tmp-tests-[^/]*/=<folder>/' | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD= | sort; pwd | sed 's/.*\\//in /'; cat | wc -c; exit 9\n";
    assert_snapshot!(shown("gates repo", &refused(script, "")), @"");
    let more =
        "inherit = ['OUTSIDE', 'NOT_SET']\nenvironment = { TZ = 'Asia/Tokyo', HOME = '/nowhere' }";
    assert_snapshot!(findings(&refused(script, more)), @"");
}

#[test]
fn a_suite_that_does_not_end_is_ended_with_all_it_started() {
    let world = World::new();
    let pid = world.path().join("pid");
    let script = format!(
        "sleep 1000 & echo $! >{}; echo begun; wait\n",
        pid.display()
    );
    world.file("repo/suite.sh", script);
    let config = "[tests]\ncommand = ['sh', 'suite.sh']\ntimeout_seconds = 1\n[gates]\nrequired = ['suite.sh']\n";
    world.file("repo/coo.toml", config);
    let ran = world.coo(&["gates", "repo"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    // What follows it may have the words of a shell whose child was ended first.
    let found = findings(&ran);
    assert_snapshot!(found.lines().next().unwrap(), @"");
    assert!(ran.stdout.contains("begun"), "{ran:?}");
    // The child is gone, or waits for somebody to take note of its end.
    let pid = std::fs::read_to_string(pid).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    assert!(
        stat.is_err() || stat.unwrap().contains(") Z "),
        "still there"
    );
}

#[test]
fn what_a_suite_leaves_running_does_not_hold_it_up() {
    let ran = gate_d(
        "sleep 1000 &\necho '1 passed, 0 failed'\n",
        "",
        "['sh', 'suite.sh']",
    );
    assert_snapshot!(shown("gates repo", &ran), @"");
}

#[test]
fn results_that_are_not_clear_are_refused() {
    let mut told = String::new();
    for script in [
        "echo fine\n",
        "echo '1 passed, 0 failed'; echo '2 passed in 0.1s'\n",
        "echo '1 passed, 0 failed'; exit 3\n",
        "echo '1 passed, 0 failed'; kill -9 $$\n",
        "yes | head -c 80000000\n",
    ] {
        told += &findings(&refused(script, ""));
    }
    assert_snapshot!(told, @"");
    let with_report = |script: &str| gate_d(script, "", "['sh', 'suite.sh', '{report}']");
    let good =
        with_report("echo '<testsuite><testcase/></testsuite>' >\"$1\"; echo '9 failed in 1s'\n");
    assert_snapshot!(shown("gates repo", &good), @"");
    let none = with_report("echo '1 passed, 0 failed'\n");
    assert!(
        none.stdout.contains("report: the command wrote none"),
        "{none:?}"
    );
    let broken = with_report("echo '<testsuite>' >\"$1\"\n");
    assert_snapshot!(findings(&broken), @"");
    let nobody = gate_d("", "", "['no-such-runner']");
    assert_snapshot!(findings(&nobody), @"");
}

/// Whether a process with this in its command line lives.
fn lives(mark: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().any(|entry| {
        let words = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(mark)
    })
}

/// A server that a suite starts and forgets holds its output, has left its process group, and
/// hears no signal that can be ignored.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a hang is what this test is about"
)]
fn what_a_suite_leaves_running_neither_holds_anybody_up_nor_stays() {
    for (script, mark) in [
        ("setsid sleep 105711 &\necho '1 passed'\n", "105711"),
        (
            "(setsid sh -c 'trap \"\" TERM HUP INT; sleep 105712; sleep 105712' &)\nsleep 0.2\necho '1 passed'\n",
            "105712",
        ),
        (
            "setsid sh -c 'setsid sleep 105713 >/dev/null 2>&1 </dev/null & exit' &\nwait\necho '1 passed'\n",
            "105713",
        ),
    ] {
        let watch = std::time::Instant::now();
        let ran = gate_d(script, "timeout_seconds = 60", "['sh', 'suite.sh']");
        assert!(ran.stdout.contains("1 passed"), "{script}: {ran:?}");
        assert!(watch.elapsed().as_secs() < 40, "{script}");
        assert!(!lives(mark), "{script}");
    }
    let watch = std::time::Instant::now();
    let script =
        "trap '' TERM INT HUP\nsetsid sleep 105714 &\necho begun\nwhile :; do sleep 105715; done\n";
    let text = refused(script, "timeout_seconds = 1").stdout;
    assert!(
        text.contains("was ended after 1 s") && text.contains("begun"),
        "{text}"
    );
    assert!(watch.elapsed().as_secs() < 40);
    assert!(!lives("105714") && !lives("105715"));
}
