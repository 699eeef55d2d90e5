//! `coo logs --follow`: the events of a mission at work appear when they are durable, and the command
//! ends with the mission. On a terminal a line fits its width; in a pipe it is whole.

use std::io::{BufRead as _, BufReader, Read as _};

use insta::assert_snapshot;

use super::terminal::Terminal;
use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::{World, shown, steady};

#[test]
fn a_mission_at_work_is_followed_to_its_end() {
    let server = ModelServer::start([Response::completion("bug").into(), Step::StaySilent]);
    let world = World::asking(&server);
    let mut run = world.start(&["run", "triage.json"]);
    // Its first lines come when they are on record; the state root exists by then.
    let mut first = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    first.read_line(&mut line).unwrap();
    assert!(line.contains("model calls go to"), "{line}");
    let mut logs = world.start(&["logs", "--follow"]);
    let mut lines = BufReader::new(logs.stdout.take().unwrap()).lines();
    // The second call is on its way and has no answer: nothing more can come.
    let mut intents = 0;
    while intents < 2 {
        let line = lines.next().unwrap().unwrap();
        intents += usize::from(line.contains("llm.intent"));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(rest, Vec::<String>::new());
    let mut said = String::new();
    let mut stderr = logs.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert!(logs.wait().unwrap().success());
    assert_snapshot!(said, @"
    [coo] MISSION-000001 was interrupted here: its process ended before the mission did
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    ");
}

#[test]
fn a_follower_ends_when_nobody_reads_it() {
    let server = ModelServer::start([Step::StaySilent]);
    let world = World::asking(&server);
    let mut run = world.start(&["run", "triage.json"]);
    server.wait_for_request(&mut run);
    let mut logs = world.start(&["logs", "--follow"]);
    let mut lines = BufReader::new(logs.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("STATE=INIT"), "{first}");
    drop(lines);
    // The mission still waits for its model.
    assert!(logs.wait().unwrap().success());
    assert_eq!(run.try_wait().unwrap(), None);
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn a_mission_that_has_ended_is_shown_and_nothing_is_waited_for() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    let followed = world.coo(&["logs", "-f"]);
    assert_eq!(followed, world.coo(&["logs"]));
    let none = World::new().coo(&["logs", "-f"]);
    assert_snapshot!(shown("logs -f", &none), @"
    $ coo logs -f
    --- standard error
    ERROR: no missions in .coo
    hint: 'coo run-demo' makes the first
    --- exit 1
    ");
}

#[test]
fn a_line_fits_the_terminal_and_is_whole_in_a_pipe() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "triage"]).code, 0);
    let (terminal, mut child) = Terminal::of_output(world.command(&["logs", "1"]));
    let seen = terminal.read_to_end().replace("\r\n", "\n");
    assert!(child.wait().unwrap().success());
    let piped = world.coo(&["logs", "1"]).stdout;
    assert_eq!(seen.lines().count(), piped.lines().count());
    let mut cut = 0;
    for (shown, whole) in seen.lines().zip(piped.lines()) {
        assert!(shown.chars().count() <= Terminal::COLUMNS.into(), "{shown}");
        let digest = |line: &str| line.rsplit_once(" sha256=").unwrap().1.to_owned();
        assert_eq!(digest(shown), digest(whole));
        cut += usize::from(shown.contains('…'));
    }
    assert!(cut > 0, "{seen}");
    let longest = seen.lines().find(|line| line.contains("db.execute"));
    assert_snapshot!(steady(longest.unwrap()), @r#"[0006] STATE=RUN db.execute {"params":[],"sql":"CREATE TABLE IF NOT EXISTS tick… sha256=<sha256…>"#);
}
