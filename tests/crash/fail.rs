//! A full disk, at every point and at every size: the command says so and fails, nothing that
//! it had acknowledged is lost, and with room again the mission ends as if it had always been
//! there.

use crate::support::every;
use crate::support::trial::{Disturbance, Mission, Reference, Trial, Way};

/// Fails a run at each of `points` and sees it through.
fn matrix<'a>(points: &[String], trial: impl Fn() -> Trial<'a>) {
    for (n, point) in (1..).zip(points).step_by(every(7)) {
        let mut trial = trial();
        let way = trial.settle_after(Disturbance::Fail(n));
        assert_ne!(way, Way::Undisturbed, "{point}");
        let first = &trial.history[0];
        first.assert_clean_failure();
        let cause = format!("no space left on device (injected at {point})");
        assert!(first.stderr.contains(&cause), "{point}: {first:?}");
        trial.assert_equal_to_undisturbed();
    }
    println!("{} points failed, 0 losses", points.len());
}

#[test]
fn a_disk_full_at_any_point_of_a_mission_costs_nothing() {
    let reference = Reference::of(Mission::Triage);
    matrix(&reference.points, || reference.trial());
}

#[test]
fn a_disk_full_at_any_point_of_a_first_run_costs_nothing() {
    let reference = Reference::of(Mission::Writer);
    matrix(&reference.cold_points, || reference.cold_trial());
}

#[test]
fn a_disk_full_at_any_point_of_a_resume_costs_nothing() {
    let reference = Reference::of(Mission::Triage);
    for (point, nth) in [
        ("world.execute", 4),
        ("world.commit", 1),
        ("file.rename", 1),
    ] {
        let first = reference.nth(point, nth);
        let mut second = 0;
        loop {
            second += 1;
            let mut trial = reference.trial();
            let mut left = [Disturbance::Kill(first), Disturbance::Fail(second)].into_iter();
            trial.settle(|_| left.next().unwrap_or(Disturbance::None));
            trial.assert_equal_to_undisturbed();
            let resumed = &trial.history[1];
            if !resumed.stderr.contains("(injected at ") {
                // It has fewer points than that: all of them were tried.
                assert_eq!(resumed.code, Some(0), "{resumed:?}");
                break;
            }
        }
        assert!(second > 5, "{point}: {second} points");
        println!(
            "resume after {point}: {} points failed, 0 losses",
            second - 1
        );
    }
}

/// No file may grow past a limit: here the system itself fails `SQLite`'s writes and ours.
#[test]
fn a_disk_that_really_is_full_costs_nothing() {
    for mission in [Mission::Triage, Mission::Writer] {
        let reference = Reference::of(mission);
        let mut failed = 0;
        let mut blocks = 0;
        loop {
            let mut trial = reference.trial();
            let way = trial.settle_after(Disturbance::FileBlocks(blocks));
            trial.assert_equal_to_undisturbed();
            if way == Way::Undisturbed {
                break;
            }
            let first = &trial.history[0];
            let names_a_file = [
                "ERROR: database ",
                ": database ",
                "file ",
                ": world database: ",
            ];
            assert!(
                names_a_file
                    .iter()
                    .any(|words| first.stderr.contains(words)),
                "{blocks}: {first:?}"
            );
            failed += 1;
            // A page at a time, so that every page is once the one too many.
            blocks += 8;
        }
        assert!(failed > 10, "{failed}");
        println!("{mission:?}: full at {failed} sizes below {blocks} blocks, 0 losses");
    }
}
