//! Tries every pair of state and event of the mission state machine, against `state::next` and
//! against the fold of a journal, and compares the results with a table of its own. The table is
//! written out here once more by hand, so that a change of `next` alone is found.

use serde::Serialize;

use crate::form::canonical;
use crate::journal::{Chain, Fold, Kind, TransitionBody, Unfoldable};
use crate::mission::state::{Event, State, next};

/// The whole relation. Every pair that is not listed is illegal.
pub const LEGAL: [(State, Event, State); 11] = [
    (State::Init, Event::Admitted, State::CaptureEnv),
    (State::CaptureEnv, Event::EnvironmentCaptured, State::Run),
    (State::Run, Event::HumanStepReached, State::Paused),
    (State::Paused, Event::Approved, State::Run),
    (State::Run, Event::StepsReturned, State::WriteReport),
    (State::WriteReport, Event::ReportWritten, State::Complete),
    (State::Init, Event::Failed, State::Failed),
    (State::CaptureEnv, Event::Failed, State::Failed),
    (State::Run, Event::Failed, State::Failed),
    (State::Paused, Event::Failed, State::Failed),
    (State::WriteReport, Event::Failed, State::Failed),
];

/// The results of all pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Tried {
    /// Number of pairs.
    pub pairs: usize,
    /// Pairs that lead somewhere, with where.
    pub legal: Vec<(State, Event, State)>,
    /// Number of pairs that were refused.
    pub refused: usize,
    /// One line for each pair whose result is not the table's.
    pub deviations: Vec<String>,
}

/// Tries every pair.
pub fn tried() -> Tried {
    tried_with(&LEGAL)
}

fn tried_with(table: &[(State, Event, State)]) -> Tried {
    let mut tried = Tried {
        pairs: 0,
        legal: Vec::new(),
        refused: 0,
        deviations: Vec::new(),
    };
    for from in State::ALL {
        for event in Event::ALL {
            tried.pairs += 1;
            let entry = table.iter().find(|(f, e, _)| (*f, *e) == (from, event));
            let wanted = entry.map(|(_, _, to)| *to);
            let found = next(from, event).ok();
            match found {
                Some(to) => tried.legal.push((from, event, to)),
                None => tried.refused += 1,
            }
            if found != wanted {
                let shown = |to: Option<State>| to.map_or("refused", State::name);
                tried.deviations.push(format!(
                    "{from} on {event:?}: {}, expected {}",
                    shown(found),
                    shown(wanted)
                ));
            }
            if let Some(deviation) = folded(from, event, wanted) {
                tried.deviations.push(deviation);
            }
        }
    }
    tried
}

/// Applies the transition to a journal that is in `from`, as a process would write it. Returns a
/// line if the fold accepts what the table refuses, or refuses what the table permits.
fn folded(from: State, event: Event, wanted: Option<State>) -> Option<String> {
    // For an illegal pair any state could be claimed as the next one.
    let to = wanted.unwrap_or(State::Run);
    let body = TransitionBody {
        event,
        failure: None,
        from,
        to,
    };
    let body = canonical::to_string_sorted(&body).unwrap_or_default();
    let record = Chain::default().append(to, Kind::Transition, body);
    let mut fold = Fold {
        timeline: vec![from],
        decided: (from == State::Paused).then_some(true),
        ..Fold::default()
    };
    let applied = fold.apply(&record);
    let as_wanted = match wanted {
        Some(to) => applied.is_ok() && fold.state() == Some(to),
        None => matches!(applied, Err(Unfoldable::Transition { .. })) && fold.state() == Some(from),
    };
    (!as_wanted).then(|| {
        format!("{from} on {event:?}: the fold of a journal does not agree with the table")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_tried_and_none_deviates() {
        let tried = tried();
        assert_eq!(tried.pairs, State::ALL.len() * Event::ALL.len());
        assert_eq!(tried.legal.len(), LEGAL.len());
        assert_eq!(tried.refused, tried.pairs - LEGAL.len());
        assert_eq!(tried.deviations, Vec::<String>::new());
    }

    #[test]
    fn a_transition_that_the_table_does_not_have_is_found() {
        let without = tried_with(&LEGAL[1..]);
        assert_eq!(
            without.deviations,
            [
                "INIT on Admitted: CAPTURE_ENV, expected refused",
                "INIT on Admitted: the fold of a journal does not agree with the table",
            ]
        );
        let mut other = LEGAL;
        other[0].2 = State::Run;
        assert_eq!(tried_with(&other).deviations.len(), 2);
        let more = [
            &LEGAL[..],
            &[(State::Complete, Event::Failed, State::Failed)],
        ]
        .concat();
        assert_eq!(tried_with(&more).deviations.len(), 2);
    }
}
