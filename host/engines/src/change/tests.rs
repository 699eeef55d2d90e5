//! Tests of a change's record: the complete course, records that are refused, and later tampering.

use coo_kernel::form::canonical;
use proptest::prelude::*;

use super::*;
use crate::gate::Verdict;
use crate::repository::test_results::{Counts, TestResults};

fn json(body: &impl Serialize) -> String {
    canonical::to_string_sorted(body).unwrap()
}

fn begun(route: Route) -> String {
    json(&BegunBody {
        protected: Vec::new(),
        config_sha256: Digest::of("c"),
        coo_version: "1".to_owned(),
        route,
    })
}

fn baseline(baseline: Which) -> String {
    json(&BaselineBody {
        baseline,
        bytes: 1,
        excluded_sha256: None,
        files: 1,
        manifest_sha256: Digest::of("m"),
        state: None,
    })
}

fn snapshot(number: u8) -> String {
    let counts = Counts {
        passed: 1,
        ..Counts::default()
    };
    json(&SnapshotBody {
        number,
        sha256: Digest::of("s"),
        test_results: TestResults::new(counts, 0),
    })
}

fn step(step: u8) -> String {
    json(&StepBody {
        manifest_sha256: Digest::of("m"),
        step,
    })
}

fn rollback(automatic: bool) -> String {
    json(&RollbackBody {
        automatic,
        manifest_sha256: Digest::of("m"),
    })
}

fn decision(approved: bool) -> String {
    json(&DecisionBody {
        approved,
        why: None,
    })
}

fn freeze() -> String {
    json(&FreezeBody { number: 1 })
}

fn gates() -> String {
    json(&GatesBody {
        manifest_sha256: Digest::of("m"),
        sha256: Digest::of("g"),
        status: Verdict::Pass,
    })
}

fn amendments() -> String {
    json(&AmendmentsBody {
        amendments: 0,
        documents: 0,
        log_sha256: Digest::of("l"),
    })
}

/// An event, or the transition that the log's stage has for it.
#[derive(Debug, Clone)]
enum Next {
    Fact(Kind, String),
    Go(Event),
}
use Next::{Fact, Go};

fn go(log: &mut Log, event: Event) -> Result<Record, Unfoldable> {
    let from = log.progress.stage().unwrap();
    let route = log.progress.route().unwrap();
    let body = TransitionBody {
        event,
        from,
        to: route.next(from, event).unwrap_or(from),
        why: (event == Event::Failed).then(|| "why".to_owned()),
    };
    log.append(Kind::Transition, json(&body))
}

fn play(log: &mut Log, next: &[Next]) -> Vec<Record> {
    let play = |next: &Next| match next {
        Fact(kind, body) => log.append(*kind, body.clone()).unwrap(),
        Go(event) => go(log, *event).unwrap(),
    };
    next.iter().map(play).collect()
}

fn whole_way() -> Vec<Next> {
    vec![
        Fact(Kind::Begun, begun(Route::Pipeline)),
        Go(Event::Started),
        Fact(Kind::Baseline, baseline(Which::Start)),
        Go(Event::AnchorsFound),
        Fact(Kind::Amendments, amendments()),
        Go(Event::AmendmentsApplied),
        Go(Event::AmendmentsVerified),
        Fact(Kind::Decision, decision(true)),
        Go(Event::Approved),
        Go(Event::EnvironmentVerified),
        Fact(Kind::Freeze, freeze()),
        Go(Event::FreezeWritten),
        Fact(Kind::Baseline, baseline(Which::Amu0)),
        Go(Event::BaselineCaptured),
        Fact(Kind::Step, step(3)),
        Fact(Kind::Snapshot, snapshot(1)),
        Fact(Kind::Step, step(5)),
        Fact(Kind::Snapshot, snapshot(2)),
        Go(Event::Migrated),
        Fact(Kind::Gates, gates()),
        Go(Event::GatesPassed),
        Fact(Kind::Decision, decision(true)),
        Fact(Kind::Lifted, freeze()),
        Go(Event::Approved),
    ]
}

fn is_over(fold: &Fold) -> bool {
    fold.stage().is_some_and(Stage::is_final)
}

#[test]
fn a_pipeline_passes_every_stage_and_is_read_again() {
    let mut log = Log::default();
    let records = play(&mut log, &whole_way());
    let timeline = &log.progress.timeline;
    assert_eq!(*timeline, Stage::ALL[..12]);
    assert!(is_over(&log.progress));
    let mut again = Log::default();
    for record in &records {
        again.verify(record).unwrap();
    }
    assert_eq!(again.head(), log.head());
    assert_eq!(again.progress, log.progress);
}

#[test]
fn a_migration_on_its_own_begins_with_its_baseline_and_has_no_gates() {
    let mut log = Log::default();
    play(
        &mut log,
        &[
            Fact(Kind::Begun, begun(Route::Migration)),
            Fact(Kind::Baseline, baseline(Which::Amu0)),
            Go(Event::BaselineCaptured),
            Fact(Kind::Step, step(3)),
            Fact(Kind::Snapshot, snapshot(1)),
            Fact(Kind::Step, step(5)),
            Fact(Kind::Snapshot, snapshot(2)),
            Go(Event::Migrated),
        ],
    );
    assert_eq!(
        log.progress.timeline,
        [
            Stage::CaptureAmu0,
            Stage::MigrationSequence,
            Stage::Complete
        ]
    );
}

#[test]
fn a_failure_goes_back_once_a_person_has_said_so_and_then_asks() {
    let mut log = Log::default();
    play(&mut log, &whole_way()[..20]);
    go(&mut log, Event::Failed).unwrap();
    assert_eq!(log.progress.failure, Some((Stage::Gates, "why".to_owned())));
    // The stage is not done, so no question is allowed; and nothing proceeds without confirmation.
    let refused = |log: &mut Log, kind, body: String| log.append(kind, body).unwrap_err();
    refused(&mut log, Kind::RollbackConfirmed, rollback(true));
    refused(&mut log, Kind::RolledBack, rollback(true));
    play(&mut log, &[Fact(Kind::RollbackRequested, rollback(true))]);
    assert!(go(&mut log, Event::QuestionWritten).is_err());
    let twice = refused(&mut log, Kind::RollbackRequested, rollback(true));
    assert_eq!(twice.to_string(), "event 23: one request is automatic");
    play(
        &mut log,
        &[
            Fact(Kind::RollbackRequested, rollback(false)),
            Fact(Kind::RollbackConfirmed, rollback(false)),
            Fact(Kind::RolledBack, rollback(false)),
        ],
    );
    // The freeze is still in force.
    assert!(go(&mut log, Event::QuestionWritten).is_err());
    play(
        &mut log,
        &[Fact(Kind::Lifted, freeze()), Go(Event::QuestionWritten)],
    );
    assert!(is_over(&log.progress));
    assert!(log.append(Kind::Evidence, "{}".to_owned()).is_err());
}

#[test]
fn nobody_goes_on_from_a_review_without_a_yes() {
    let mut log = Log::default();
    play(&mut log, &whole_way()[..7]);
    assert!(go(&mut log, Event::Approved).is_err());
    play(&mut log, &[Fact(Kind::Decision, decision(false))]);
    assert!(log.append(Kind::Decision, decision(true)).is_err());
    assert!(go(&mut log, Event::Approved).is_err());
    go(&mut log, Event::Failed).unwrap();
}

#[test]
fn a_change_works_until_it_waits_for_a_person_or_has_ended() {
    let mut log = Log::default();
    let way = whole_way();
    for next in &way {
        let stage = log.progress.stage().unwrap_or(Stage::Init);
        let expected = match next {
            Fact(Kind::Decision, _) => Action::AwaitReview,
            _ => Action::Work {
                stage,
                is_rejected: false,
            },
        };
        assert_eq!(log.progress.next_action(), expected, "{next:?}");
        play(&mut log, std::slice::from_ref(next));
    }
    assert_eq!(log.progress.next_action(), Action::End);

    let mut log = Log::default();
    play(&mut log, &way[..7]);
    play(&mut log, &[Fact(Kind::Decision, decision(false))]);
    let rejected = Action::Work {
        stage: Stage::CeoReview,
        is_rejected: true,
    };
    assert_eq!(log.progress.next_action(), rejected);
    let why = log.progress.decided.as_ref().unwrap().rejection();
    assert_eq!(why.unwrap(), "rejected: no reason given");
    play(&mut log, &[Go(Event::Failed)]);
    assert_eq!(log.progress.next_action(), Action::Retreat);
    // The helper's reason is not a person's.
    assert!(!log.progress.is_rejected());
    log.progress.failure = Some((Stage::CeoReview, rejection(Some("not now"))));
    assert!(log.progress.is_rejected());
}

#[test]
fn what_was_changed_later_is_found() {
    let mut log = Log::default();
    let records = play(&mut log, &whole_way());
    let forge: [fn(&mut Record); 5] = [
        |record| record.body = record.body.replace("true", "false"),
        |record| record.seq += 1,
        |record| record.state = Stage::Complete,
        |record| record.kind = Kind::Lifted,
        |record| record.prev = Digest::of("x"),
    ];
    for forge in forge {
        let mut forged = records[7].clone();
        forge(&mut forged);
        let mut again = Log::default();
        for record in &records[..7] {
            again.verify(record).unwrap();
        }
        assert!(again.verify(&forged).is_err());
        // The refused record left no trace.
        assert!(again.verify(&records[7]).is_ok());
    }
}

#[test]
fn ids_have_one_spelling() {
    for text in ["PIPELINE-000001", "MIGRATION-123456", "PIPELINE-1234567"] {
        assert_eq!(text.parse::<ChangeId>().unwrap().to_string(), text);
    }
    for text in [
        "PIPELINE-1",
        "PIPELINE-0000001",
        "pipeline-000001",
        "MISSION-000001",
        "-",
    ] {
        assert!(text.parse::<ChangeId>().is_err(), "{text}");
    }
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
}

fn any_next() -> impl Strategy<Value = Next> {
    let facts: Vec<(Kind, String)> = vec![
        (Kind::Baseline, baseline(Which::Start)),
        (Kind::Baseline, baseline(Which::Amu0)),
        (Kind::Amendments, amendments()),
        (Kind::Freeze, freeze()),
        (Kind::Step, step(3)),
        (Kind::Step, step(5)),
        (Kind::Snapshot, snapshot(1)),
        (Kind::Snapshot, snapshot(2)),
        (Kind::Gates, gates()),
        (Kind::Decision, decision(true)),
        (Kind::Decision, decision(false)),
        (Kind::RollbackRequested, rollback(true)),
        (Kind::RollbackRequested, rollback(false)),
        (Kind::RollbackConfirmed, rollback(true)),
        (Kind::RolledBack, rollback(true)),
        (Kind::Lifted, freeze()),
        (Kind::Evidence, "{}".to_owned()),
        (Kind::Begun, begun(Route::Pipeline)),
    ];
    prop_oneof![
        prop::sample::select(facts).prop_map(|(kind, body)| Fact(kind, body)),
        prop::sample::select(Event::ALL.to_vec()).prop_map(Go),
    ]
}

/// Takes the step that a failed change takes. Every rollback is confirmed.
fn retreat(log: &mut Log, differs: &mut bool) {
    match log.progress.retreat(*differs, true) {
        Retreat::AwaitRequest => panic!("a person has requested it"),
        Retreat::Request => {
            let requested = [Kind::RollbackRequested, Kind::RollbackConfirmed];
            play(log, &requested.map(|kind| Fact(kind, rollback(false))));
        }
        Retreat::Restore => {
            *differs = false;
            play(log, &[Fact(Kind::RolledBack, rollback(false))]);
        }
        Retreat::Nothing => {
            if log.progress.freeze.is_some() {
                play(log, &[Fact(Kind::Lifted, freeze())]);
            }
            play(log, &[Go(Event::QuestionWritten)]);
        }
    }
}

proptest! {
    /// Wherever it failed, whatever was requested before, and however the repository looks now.
    #[test]
    fn a_failed_change_reaches_its_question(
        kept in 1_usize..24, requests in prop::collection::vec(any::<bool>(), 0..3), differs: bool,
    ) {
        let mut log = Log::default();
        play(&mut log, &whole_way()[..kept]);
        go(&mut log, Event::Failed).unwrap();
        for automatic in requests {
            // None is confirmed; a second automatic one, or one without a baseline, is refused.
            let _ = log.append(Kind::RollbackRequested, rollback(automatic));
        }
        let mut differs = differs;
        for _ in 0..4 {
            if log.progress.next_action() == Action::Retreat {
                retreat(&mut log, &mut differs);
            }
        }
        prop_assert_eq!(log.progress.next_action(), Action::End);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    /// Whatever events arrive, the accepted ones keep the invariants of this module.
    #[test]
    fn whatever_is_accepted_keeps_the_contract(
        migration: bool, kept in 0_usize..24, next in prop::collection::vec(any_next(), 0..60),
    ) {
        let mut log = Log::default();
        if migration {
            play(&mut log, &[Fact(Kind::Begun, begun(Route::Migration))]);
        } else {
            play(&mut log, &whole_way()[..kept.max(1)]);
        }
        for next in next {
            let before = log.progress.clone();
            let accepted = match next {
                Fact(kind, body) => log.append(kind, body),
                Go(event) => go(&mut log, event),
            };
            let after = &log.progress;
            let Ok(record) = accepted else {
                prop_assert_eq!(after, &before);
                continue;
            };
            prop_assert!(!is_over(&before));
            if after.stage() == Some(Stage::FreezePrep) && before.stage() == Some(Stage::CeoReview) {
                prop_assert!(before.decided.is_some_and(|decision| decision.approved));
            }
            if record.kind == Kind::RolledBack {
                prop_assert_eq!(before.rollback, Rollback::Confirmed);
            }
            if is_over(after) {
                prop_assert_eq!(after.freeze, None);
                prop_assert!(!matches!(after.rollback, Rollback::Requested | Rollback::Confirmed));
            }
        }
    }
}
