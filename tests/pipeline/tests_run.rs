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
    assert_eq!(ran.code, 3, "{ran:?}");
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
    assert_snapshot!(shown("gates repo", &refused(script, "")), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        FAIL
        test command 'sh suite.sh': ended with exit code 9; it printed last:
          HOME=<folder>/home
          LANG=C.UTF-8
          LC_ALL=C.UTF-8
          PATH=/usr/local/bin:/usr/bin:/bin
          SOURCE_DATE_EPOCH=1735689600
          TMPDIR=<folder>/tmp
          TZ=UTC
          in repo
          0
          and its results can't be read: what it printed: ends with no closing line of pytest, unittest, cargo test or nextest, and none of the form 'N passed, N failed'; have the test command write JUnit XML to {report}
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate D (Test Suite Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    let more =
        "inherit = ['OUTSIDE', 'NOT_SET']\nenvironment = { TZ = 'Asia/Tokyo', HOME = '/nowhere' }";
    assert_snapshot!(findings(&refused(script, more)), @"
    test command 'sh suite.sh': ended with exit code 9; it printed last:
      HOME=/nowhere
      LANG=C.UTF-8
      LC_ALL=C.UTF-8
      OUTSIDE=told
      PATH=/usr/local/bin:/usr/bin:/bin
      SOURCE_DATE_EPOCH=1735689600
      TMPDIR=<folder>/tmp
      TZ=Asia/Tokyo
      in repo
      0
      and its results can't be read: what it printed: ends with no closing line of pytest, unittest, cargo test or nextest, and none of the form 'N passed, N failed'; have the test command write JUnit XML to {report}
    ");
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
    assert_eq!(ran.code, 3, "{ran:?}");
    // What follows it may have the words of a shell whose child was ended first.
    let found = findings(&ran);
    assert_snapshot!(found.lines().next().unwrap(), @"    test command 'sh suite.sh': was ended after 1 s; give it more by timeout_seconds in [tests]; it printed last:");
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
    assert_snapshot!(shown("gates repo", &ran), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        PASS
      E Governance Integrity        FAIL
        configuration repo/coo.toml: has no section [scan]; write one
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate E (Governance Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
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
    assert_snapshot!(told, @"
    test command 'sh suite.sh': ended with exit code 0; it printed last:
      fine
      and its results can't be read: what it printed: ends with no closing line of pytest, unittest, cargo test or nextest, and none of the form 'N passed, N failed'; have the test command write JUnit XML to {report}
    test command 'sh suite.sh': ended with exit code 0; it printed last:
      1 passed, 0 failed
      2 passed in 0.1s
      and its results can't be read: what it printed: has closing lines of several runners (pytest, 'N passed, N failed'); have the test command write JUnit XML to {report}
    tests: 1 passed, 0 failed, 0 skipped, exit code 3; all must pass, and at least one
    tests: 1 passed, 0 failed, 0 skipped, exit code 137; all must pass, and at least one
    test command 'sh suite.sh': printed more than 67108864 bytes and was ended; have it print less
    ");
    let with_report = |script: &str| gate_d(script, "", "['sh', 'suite.sh', '{report}']");
    let good =
        with_report("echo '<testsuite><testcase/></testsuite>' >\"$1\"; echo '9 failed in 1s'\n");
    assert_snapshot!(shown("gates repo", &good), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        PASS
      E Governance Integrity        FAIL
        configuration repo/coo.toml: has no section [scan]; write one
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate E (Governance Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    let none = with_report("echo '1 passed, 0 failed'\n");
    assert!(
        none.stdout.contains("report: the command wrote none"),
        "{none:?}"
    );
    let broken = with_report("echo '<testsuite>' >\"$1\"\n");
    assert_snapshot!(findings(&broken), @"
    test command 'sh suite.sh {report}': ended with exit code 0; it printed last:
      (nothing)
      and its results can't be read: is no JUnit report: the root node was opened but never closed
    ");
    let nobody = gate_d("", "", "['no-such-runner']");
    assert_snapshot!(findings(&nobody), @"    test command 'no-such-runner': there is no program 'no-such-runner' in /usr/local/bin:/usr/bin:/bin; correct [tests], or have PATH inherited");
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
