//! How tests are run: what they are given, what becomes of one that does not end, prints too much
//! or says nothing clear, and that nothing it starts is left.

use crate::support::{Ran, World};

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

fn said(script: &str, more: &str) -> String {
    let ran = gate_d(script, more, "['sh', 'suite.sh']");
    assert_eq!(ran.code, 1, "{ran:?}");
    ran.stdout
}

/// What the script says of its environment, which the words of the refusal repeat.
#[test]
fn a_suite_is_given_what_is_configured_and_nothing_else() {
    let script = "env | sed 's/=.*coo-tmp-tests-[^/]*/=<folder>/' | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD= | sort; pwd | sed 's/.*\\//in /'; cat | wc -c; exit 9\n";
    let text = said(script, "");
    for line in [
        "HOME=<folder>/home",
        "LANG=C.UTF-8",
        "LC_ALL=C.UTF-8",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "SOURCE_DATE_EPOCH=1735689600",
        "TMPDIR=<folder>/tmp",
        "TZ=UTC",
        "in repo",
        "0",
    ] {
        assert!(
            text.lines().any(|found| found.trim() == line),
            "{line}: {text}"
        );
    }
    assert!(text.contains("ended with exit code 9"), "{text}");
    let variables = text.lines().filter(|line| {
        line.trim()
            .split_once('=')
            .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    });
    assert_eq!(variables.count(), 7, "{text}");
    let more =
        "inherit = ['OUTSIDE', 'NOT_SET']\nenvironment = { TZ = 'Asia/Tokyo', HOME = '/nowhere' }";
    let text = said(script, more);
    for line in ["OUTSIDE=told", "TZ=Asia/Tokyo", "HOME=/nowhere"] {
        assert!(
            text.lines().any(|found| found.trim() == line),
            "{line}: {text}"
        );
    }
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
    assert!(ran.stdout.contains("test command 'sh suite.sh': was ended after 1 s; give it more by timeout_seconds in [tests]; it printed last:"), "{ran:?}");
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
    assert!(
        ran.stdout.contains("D Test Suite Integrity        PASS"),
        "{ran:?}"
    );
}

#[test]
fn results_that_are_not_clear_are_refused() {
    for (script, words) in [
        (
            "echo fine\n",
            "ends with no closing line of pytest, unittest, cargo test or nextest",
        ),
        (
            "echo '1 passed, 0 failed'; echo '2 passed in 0.1s'\n",
            "has closing lines of several runners (pytest, 'N passed, N failed')",
        ),
        (
            "echo '1 passed, 0 failed'; exit 3\n",
            "tests: 1 passed, 0 failed, 0 skipped, exit code 3; all must pass",
        ),
        ("echo '1 passed, 0 failed'; kill -9 $$\n", "exit code 137"),
        (
            "yes | head -c 80000000\n",
            "printed more than 67108864 bytes and was ended; have it print less",
        ),
    ] {
        let text = said(script, "");
        assert!(
            text.contains(words),
            "{words}: {}",
            &text[..text.len().min(2_000)]
        );
    }
    let with_report = |script: &str| gate_d(script, "", "['sh', 'suite.sh', '{report}']");
    let good =
        with_report("echo '<testsuite><testcase/></testsuite>' >\"$1\"; echo '9 failed in 1s'\n");
    assert!(
        good.stdout.contains("D Test Suite Integrity        PASS"),
        "{good:?}"
    );
    let none = with_report("echo '1 passed, 0 failed'\n");
    assert!(
        none.stdout.contains("report: the command wrote none"),
        "{none:?}"
    );
    let broken = with_report("echo '<testsuite>' >\"$1\"\n");
    assert!(broken.stdout.contains("is no JUnit report"), "{broken:?}");
    let nobody = gate_d("", "", "['no-such-runner']");
    assert!(nobody.stdout.contains("there is no program 'no-such-runner' in /usr/local/bin:/usr/bin:/bin; correct [tests], or have PATH inherited"), "{nobody:?}");
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
    let text = said(script, "timeout_seconds = 1");
    assert!(
        text.contains("was ended after 1 s") && text.contains("begun"),
        "{text}"
    );
    assert!(watch.elapsed().as_secs() < 40);
    assert!(!lives("105714") && !lives("105715"));
}
