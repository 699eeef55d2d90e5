//! Tests of the journal's format, chain and fold.
//! They include property tests over generated missions and over forged journals.

use proptest::prelude::*;

use super::*;
use crate::form::digest::{Digest, ZERO};
use crate::mission::authority::Governance;

fn mission() -> String {
    serde_json::to_string(&MissionBody {
        descriptor: ZERO,
        mission_type: "T".into(),
        module: ZERO,
        script: None,
        surface: ZERO,
    })
    .unwrap()
}

/// Returns a valid body for `Kind::Environment`, which the fold reads, else an empty one.
fn body_of(kind: Kind) -> String {
    match kind {
        Kind::Environment => crate::form::canonical::to_string_sorted(&EnvironmentBody {
            arguments: Vec::new(),
            engine: crate::mission::descriptor::EngineSettings::default(),
            environment: std::collections::BTreeMap::new(),
            governance: Governance::default(),
            rules: crate::mission::edition::Edition::CURRENT,
            rules_sha256: None,
            limits: crate::mission::limits::Limits::default(),
            llm: crate::llm::Sampling::default(),
            rng_seed: 1,
            wall_clock_start_s: 2,
        })
        .unwrap(),
        _ => "{}".to_owned(),
    }
}

fn decision(approved: bool) -> String {
    crate::form::canonical::to_string_sorted(&DecisionBody {
        approved,
        reason: None,
        step: "s".into(),
    })
    .unwrap()
}

fn transition(from: State, event: Event, to: State) -> String {
    serde_json::to_string(&TransitionBody {
        event,
        failure: None,
        from,
        to,
    })
    .unwrap()
}

#[test]
fn the_chain_is_what_the_header_says_and_kinds_parse_back() {
    let record = Chain::default().append(State::Init, Kind::Mission, "{}".into());
    let text = format!("{}\n1\nINIT\nmission\n{{}}", "0".repeat(64));
    assert_eq!(record.sha256, Digest::of(text));
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
}

/// Serialises faster than `to_string` would and to the same text. Debug builds check that at each
/// body that is written; this holds in every build.
#[track_caller]
fn assert_in_key_order(body: &impl serde::Serialize) {
    let written = crate::form::canonical::to_string_sorted(body).unwrap();
    assert_eq!(written, crate::form::canonical::to_string(body).unwrap());
}

#[test]
fn bodies_serialise_in_key_order() {
    assert_in_key_order(&MissionBody {
        descriptor: ZERO,
        mission_type: "T".into(),
        module: ZERO,
        script: None,
        surface: ZERO,
    });
    let blob = Blob::of(b"x");
    assert_in_key_order(&StepReturnedBody {
        id: "a".into(),
        output: Some(blob),
        stderr: blob,
        stdout: blob,
    });
    assert_in_key_order(&TransitionBody {
        event: Event::Failed,
        failure: None,
        from: State::Run,
        to: State::Failed,
    });
}

#[test]
fn nobody_goes_on_from_a_question_without_a_yes() {
    let mut chain = Chain::default();
    let mut progress = Fold::default();
    for (state, kind, body) in [
        (State::Init, Kind::Mission, mission()),
        (
            State::CaptureEnv,
            Kind::Transition,
            transition(State::Init, Event::Admitted, State::CaptureEnv),
        ),
        (
            State::Run,
            Kind::Transition,
            transition(State::CaptureEnv, Event::EnvironmentCaptured, State::Run),
        ),
        (
            State::Paused,
            Kind::Transition,
            transition(State::Run, Event::HumanStepReached, State::Paused),
        ),
    ] {
        progress.apply(&chain.append(state, kind, body)).unwrap();
    }
    let approved = |chain: &mut Chain| {
        let body = transition(State::Paused, Event::Approved, State::Run);
        chain.append(State::Run, Kind::Transition, body)
    };
    let decided =
        |chain: &mut Chain, yes| chain.append(State::Paused, Kind::HumanDecision, decision(yes));
    assert!(
        progress
            .clone()
            .apply(&approved(&mut chain.clone()))
            .is_err()
    );
    let (mut no_chain, mut no) = (chain, progress.clone());
    no.apply(&decided(&mut no_chain, false)).unwrap();
    assert!(no.clone().apply(&approved(&mut no_chain.clone())).is_err());
    assert!(no.apply(&decided(&mut no_chain, true)).is_err(), "once");
    progress.apply(&decided(&mut chain, true)).unwrap();
    progress.apply(&approved(&mut chain)).unwrap();
    assert_eq!(progress.state(), Some(State::Run));
    let unasked = chain.append(State::Run, Kind::HumanDecision, decision(true));
    assert!(progress.apply(&unasked).is_err());
}

#[test]
fn a_fold_refuses_what_can_not_follow() {
    let mut chain = Chain::default();
    let first = chain.append(State::Init, Kind::Mission, mission());
    let legal = chain.append(
        State::CaptureEnv,
        Kind::Transition,
        transition(State::Init, Event::Admitted, State::CaptureEnv),
    );
    let mut progress = Fold::default();
    assert!(progress.clone().apply(&legal).is_err(), "no mission yet");
    progress.apply(&first).unwrap();
    assert!(progress.clone().apply(&first).is_err(), "begins once");
    progress.apply(&legal).unwrap();
    assert_eq!(progress.timeline, [State::Init, State::CaptureEnv]);
    for (state, kind, body) in [
        (
            State::CaptureEnv,
            Kind::Transition,
            transition(State::Init, Event::Admitted, State::CaptureEnv),
        ),
        (
            State::Complete,
            Kind::Transition,
            transition(State::CaptureEnv, Event::ReportWritten, State::Complete),
        ),
        (
            State::Failed,
            Kind::Transition,
            transition(State::CaptureEnv, Event::EnvironmentCaptured, State::Run),
        ),
        (State::Run, Kind::Environment, "{}".into()),
        (State::Run, Kind::Transition, "{}".into()),
    ] {
        let record = chain.clone().append(state, kind, body);
        assert!(progress.clone().apply(&record).is_err(), "{record:?}");
    }
}

proptest! {
    #[test]
    fn any_changed_event_breaks_the_chain(
        bodies in prop::collection::vec("[a-z\n]{0,8}", 1..8),
        victim in any::<prop::sample::Index>(),
        change in 0..6,
    ) {
        let mut chain = Chain::default();
        let mut records: Vec<Record> = bodies
            .into_iter()
            .map(|body| chain.append(State::Run, Kind::DbQuery, body))
            .collect();
        let verify = |records: &[Record]| {
            let mut chain = Chain::default();
            records.iter().try_for_each(|record| chain.verify(record)).map(|()| chain.head())
        };
        prop_assert_eq!(verify(&records), Ok(chain.head()));
        let index = victim.index(records.len());
        match change {
            0 => records[index].body.push(' '),
            1 => records[index].state = State::Failed,
            2 => records[index].kind = Kind::World,
            3 => records[index].seq += 1,
            4 => records[index].prev = Digest::of("x"),
            _ => records[index].sha256 = Digest::of("x"),
        }
        prop_assert!(verify(&records).is_err());
    }
}

/// What can happen to a mission in a property test.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Transition(Event),
    Call(Kind),
    Decision(bool),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let calls = [
        Kind::Environment,
        Kind::StepStarted,
        Kind::StepReturned,
        Kind::LlmIntent,
        Kind::LlmOutcome,
        Kind::LlmRefused,
        Kind::DbQuery,
        Kind::DbExecute,
        Kind::DbReturning,
        Kind::GatewayWrite,
        Kind::World,
    ];
    let event = prop::sample::select(Event::ALL.to_vec()).prop_map(Happening::Transition);
    let call = prop::sample::select(calls.to_vec()).prop_map(Happening::Call);
    let decision = any::<bool>().prop_map(Happening::Decision);
    prop::collection::vec(prop_oneof![3 => event, 3 => call, 1 => decision], 0..40)
}

/// The states passed and the call in doubt, computed by hand.
type After = (Vec<State>, Option<u64>);

/// Lets `happenings` happen to a mission and records them. Returns the journal, and what holds
/// after each event.
fn run(happenings: &[Happening]) -> (Vec<Record>, Vec<After>) {
    let mut chain = Chain::default();
    let mut records = vec![chain.append(State::Init, Kind::Mission, mission())];
    let mut states = vec![State::Init];
    let mut in_doubt = None;
    let mut decided = None;
    let mut after = vec![(states.clone(), in_doubt)];
    for &happening in happenings {
        let current = states[states.len() - 1];
        let record = match happening {
            Happening::Transition(event) => {
                // An event that the state machine refuses does not happen, and is not recorded.
                let Ok(to) = state::next(current, event) else {
                    continue;
                };
                if event == Event::Approved && decided != Some(true) {
                    continue;
                }
                decided = None;
                states.push(to);
                chain.append(to, Kind::Transition, transition(current, event, to))
            }
            Happening::Decision(approved) => {
                if current != State::Paused || decided.is_some() {
                    continue;
                }
                decided = Some(approved);
                chain.append(current, Kind::HumanDecision, decision(approved))
            }
            Happening::Call(kind) => {
                let record = chain.append(current, kind, body_of(kind));
                match kind {
                    Kind::LlmIntent => in_doubt = Some(record.seq),
                    Kind::LlmOutcome => in_doubt = None,
                    _ => {}
                }
                record
            }
        };
        records.push(record);
        after.push((states.clone(), in_doubt));
    }
    (records, after)
}

proptest! {
    #[test]
    fn a_fold_says_after_every_event_what_has_happened(happenings in happenings()) {
        let (records, after) = run(&happenings);
        let mut chain = Chain::default();
        let mut progress = Fold::default();
        for (record, (states, in_doubt)) in records.iter().zip(after) {
            chain.verify(record).unwrap();
            progress.apply(record).unwrap();
            prop_assert_eq!(&progress.timeline, &states);
            prop_assert_eq!(progress.in_doubt, in_doubt);
        }
    }

    #[test]
    fn no_event_can_be_taken_out_put_in_moved_or_changed_unnoticed(
        happenings in happenings(),
        at in any::<prop::sample::Index>(),
        how in 0..5,
    ) {
        let (records, _) = run(&happenings);
        let at = at.index(records.len());
        let mut forged = records.clone();
        match how {
            0 => { forged.remove(at); }
            1 => { forged.insert(at, records[at].clone()); }
            2 => { let last = forged.len() - 1; forged.swap(at, last); }
            3 => forged[at].body.push(' '),
            _ => {
                let other = State::ALL.into_iter().find(|&state| state != records[at].state);
                forged[at].state = other.unwrap();
            }
        }
        let mut chain = Chain::default();
        let holds = forged.iter().all(|record| chain.verify(record).is_ok());
        // If the last events are cut off, only the chain head shows it.
        let whole = chain.head() == records[records.len() - 1].sha256;
        prop_assert_eq!(holds && whole, forged == records);
    }
}
