//! The crash matrix: a process dies at every point at which it changes something outside
//! itself, one point a trial, none left out. Then the process that resumes dies at every one
//! of its own.

use std::collections::BTreeMap;

use crate::support::every;
use crate::support::trial::{Disturbance, Mission, Reference, Trial, Way};

/// How often each way was taken, by the point at which the first process died.
#[derive(Default)]
struct Table(BTreeMap<String, BTreeMap<Way, u32>>);

impl Table {
    fn count(&mut self, point: &str, way: Way) {
        *self
            .0
            .entry(point.to_owned())
            .or_default()
            .entry(way)
            .or_insert(0) += 1;
    }

    fn print(&self, title: &str) {
        const WAYS: [(Way, &str); 4] = [
            (Way::Anew, "nothing on record"),
            (Way::Resumed, "resumed"),
            (Way::Resent, "in doubt, resent"),
            (Way::Promise, "promise kept"),
        ];
        let line = |name: &str, cells: Vec<String>| {
            let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>19}")).collect();
            format!("{name:<18}{}", cells.concat())
        };
        let count = |ways: &BTreeMap<Way, u32>, way| ways.get(&way).copied().unwrap_or(0);
        let total = |way| self.0.values().map(|ways| count(ways, way)).sum::<u32>();
        let mut lines = vec![line("point", WAYS.map(|(_, name)| name.to_owned()).into())];
        for (point, ways) in &self.0 {
            let cells = WAYS.map(|(way, _)| count(ways, way).to_string());
            lines.push(line(point, cells.into()));
        }
        let totals = WAYS.map(|(way, _)| total(way));
        lines.push(line("total", totals.map(|total| total.to_string()).into()));
        let trials: u32 = totals.iter().sum();
        println!("\n{title}\n{}\n{trials} trials, 0 losses", lines.join("\n"));
    }
}

/// Kills a run at each of `points` and sees it through.
fn matrix<'a>(
    title: &str,
    points: &[String],
    trial: impl Fn() -> Trial<'a>,
) -> BTreeMap<Way, Vec<usize>> {
    let mut table = Table::default();
    let mut ways: BTreeMap<Way, Vec<usize>> = BTreeMap::new();
    for (n, point) in (1..).zip(points).step_by(every(2)) {
        let mut trial = trial();
        let way = trial.settle_after(Disturbance::Kill(n));
        assert!(
            trial.history[0].was_killed(),
            "point {n}: {:?}",
            trial.history
        );
        trial.assert_equal_to_undisturbed();
        table.count(point, way);
        ways.entry(way).or_default().push(n);
    }
    table.print(title);
    ways
}

/// Whether `numbers` follow each other without a gap among the points that are tried.
fn is_run(numbers: &[usize]) -> bool {
    let step = every(2);
    numbers.windows(2).all(|pair| pair[0] + step == pair[1])
}

#[test]
fn a_mission_killed_at_any_point_ends_as_if_it_had_not_been() {
    let reference = Reference::of(Mission::Triage);
    let ways = matrix(
        "coo run, three imports, killed at every point",
        &reference.points,
        || reference.trial(),
    );
    // Each way is taken, and in the order in which a run makes its promises.
    assert_eq!(ways.len(), 4, "{ways:?}");
    let (anew, promise) = (&ways[&Way::Anew], &ways[&Way::Promise]);
    assert!(anew[0] == 1 && is_run(anew) && is_run(promise), "{ways:?}");
    let last = promise.last().unwrap() + every(2);
    assert!(last > reference.points.len(), "{ways:?}");
    for n in &ways[&Way::Resent] {
        // From where the intent is on disk to where the outcome is.
        let point = reference.points[n - 1].as_str();
        let names = [
            "journal.sync",
            "llm.send",
            "llm.answered",
            "journal.freeze",
            "journal.event",
            "journal.facts",
            "journal.commit",
        ];
        assert!(names.contains(&point), "{n} {point}");
    }
}

#[test]
fn a_mission_of_several_artefacts_killed_at_any_point_writes_each_of_them_once() {
    let reference = Reference::of(Mission::Writer);
    matrix(
        "coo run, three artefacts, killed at every point",
        &reference.points,
        || reference.trial(),
    );
}

#[test]
fn a_first_run_in_an_empty_root_killed_at_any_point_leaves_a_root_that_works() {
    let reference = Reference::of(Mission::Writer);
    assert!(reference.cold_points.len() > reference.points.len());
    // Only here is a root made: its folders come before everything else.
    assert!(
        reference.cold_points[..5]
            .iter()
            .all(|point| point == "folder.create"),
        "{:?}",
        reference.cold_points
    );
    matrix(
        "coo run in an empty root, killed at every point",
        &reference.cold_points,
        || reference.cold_trial(),
    );
}

#[test]
fn a_resume_killed_at_any_point_can_be_resumed() {
    let reference = Reference::of(Mission::Triage);
    let mut table = Table::default();
    for (phase, point, nth, in_doubt) in [
        ("in first call", "llm.answered", 1, true),
        ("after 1st outcome", "world.execute", 4, false),
        ("in second call", "llm.answered", 2, true),
        ("before promise", "journal.promise", 1, false),
        ("before commit", "world.commit", 1, false),
        ("after commit", "world.committed", 1, false),
        ("writing artefact", "file.rename", 1, false),
    ] {
        let first = reference.nth(point, nth);
        let mut second = 1;
        loop {
            let mut trial = reference.trial();
            // A resume that only names the call in doubt does nothing that the next does not.
            let mut left = [Disturbance::Kill(first), Disturbance::Kill(second)].into_iter();
            let way = trial.settle(|arguments| {
                let its_turn = arguments[0] == "run" || arguments.contains(&"--resend") == in_doubt;
                let next = if its_turn { left.next() } else { None };
                next.unwrap_or(Disturbance::None)
            });
            trial.assert_equal_to_undisturbed();
            if trial.killed() < 2 {
                // It has fewer points than that: all of them were tried.
                break;
            }
            assert!(!in_doubt || !trial.in_doubt.is_empty(), "{phase}");
            table.count(phase, way);
            second += every(4);
        }
        assert!(second > 5, "{phase}: {second} points");
    }
    table.print("coo run killed, then coo resume killed at every point of its own");
}
