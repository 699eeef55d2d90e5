//! The execution receipt of the demo has the prescribed form (user surface v1.1 §4.3, §7.2):
//! headings in order, key sentences word for word, on the screen and in the report file.

use insta::assert_snapshot;

use super::{demo, id, section};
use crate::support::{Ran, shown};

#[test]
fn the_receipt_is_as_prescribed() {
    let (_world, ran) = demo();
    let summary = section(&ran.stdout, "AI Output");
    let ran = Ran {
        stdout: ran.stdout.replace(summary, "  <summary>"),
        ..ran
    };
    assert_snapshot!(shown("run-demo", &ran), @r"
    $ coo run-demo
    [coo] Running deterministic demo mission ...

    Mission
      ID: DEMO-000001
      Type: DEMO_V1_1
      Status: SUCCESS
      Started: <time>
      Finished: <time>
      Steps: 5 transitions, 0 rollbacks, 0 divergences

    AI Output
      <summary>

    Determinism
      This result is reproducible on this machine.
      Re-running 'coo run-demo' with the same setup will produce the same output.
      The runtime captured a sealed internal snapshot and log for this run.

    Inspect
      coo mission DEMO-000001
      coo logs DEMO-000001
    --- exit 0
    ");
}

#[test]
fn the_four_headings_come_in_order_and_the_sentence_is_there() {
    let (_world, ran) = demo();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "[coo] Running deterministic demo mission ...");
    let headings: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| ["Mission", "AI Output", "Determinism", "Inspect"].contains(line))
        .collect();
    assert_eq!(headings, ["Mission", "AI Output", "Determinism", "Inspect"]);
    let determinism = section(&ran.stdout, "Determinism");
    assert!(
        determinism
            .lines()
            .any(|line| line.trim() == "This result is reproducible on this machine.")
    );
}

#[test]
fn the_summary_is_there_and_fits_a_terminal() {
    let (_world, ran) = demo();
    let summary = section(&ran.stdout, "AI Output");
    assert!(summary.split_whitespace().count() > 5, "{summary:?}");
    for line in ran.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
        assert_eq!(line.trim_end(), line);
    }
}

#[test]
fn the_report_file_has_the_text_of_the_screen() {
    let (world, ran) = demo();
    let id = id(&ran.stdout);
    let file = world.root().join("demo").join(id).join("demo_report.txt");
    assert_eq!(std::fs::read_to_string(file).unwrap(), ran.stdout);
}

#[test]
fn both_commands_under_inspect_work_as_printed() {
    let (world, ran) = demo();
    for line in section(&ran.stdout, "Inspect").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[0], "coo");
        assert_eq!(words[2], id(&ran.stdout));
        assert_eq!(world.coo(&words[1..]).code, 0, "{line}");
    }
}
