//! The facts of this build for a regenerated runtime specification (packet §14.1), as data for a
//! template. Takes them from the tables that the program itself uses, so the specification cannot
//! differ from the program. Renders nothing.

use coo_kernel::baseline::rollback;
use coo_kernel::mission::state::{self, State};
use coo_kernel::module::surface::Interface;
use coo_kernel::state::layout;
use serde::Serialize;
use serde_json::{Value, json};

use crate::change;
use crate::change::stage::{self, Stage};
use crate::gate::Gate;
use crate::gate::normal;

#[derive(Serialize)]
struct Way<E> {
    event: E,
    from: &'static str,
    to: &'static str,
}

/// Returns all facts. Facts that only the host knows are passed in `host` and appear under that
/// name.
pub fn facts(host: &Value) -> Value {
    let mut missions = Vec::new();
    for from in State::ALL {
        for event in state::Event::ALL {
            if let Ok(to) = state::next(from, event) {
                let (from, to) = (from.name(), to.name());
                missions.push(Way { event, from, to });
            }
        }
    }
    let mut pipeline = Vec::new();
    for from in Stage::ALL {
        for event in stage::Event::ALL {
            if let Ok(to) = stage::next(from, event) {
                let (from, to) = (from.name(), to.name());
                pipeline.push(Way { event, from, to });
            }
        }
    }
    let surface = Interface::ALL.iter().map(|interface| {
        json!({
            "interface": interface.name(),
            "permits": interface.permits(),
            "reach": interface.reach(),
        })
    });
    let gates = Gate::ALL
        .iter()
        .map(|gate| json!({ "gate": gate, "title": gate.title() }));
    json!({
        "events": change::Kind::ALL.map(change::Kind::name),
        "gates": gates.collect::<Vec<Value>>(),
        "host": host,
        "masked_fields": normal::MASKED_FIELDS,
        "masked_with": normal::STABLE_REPLACEMENT,
        "mission_states": State::ALL.map(State::name),
        "mission_transitions": missions,
        "replay_surface": normal::SURFACE,
        "rollback": {
            "aborted": rollback::ABORTED,
            "confirmation": rollback::CONFIRMATION,
            "prompt": rollback::PROMPT,
        },
        "stage_transitions": pipeline,
        "stages": Stage::ALL.map(Stage::name),
        "state_root": layout::FILES.as_slice(),
        "surface": surface.collect::<Vec<Value>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_those_of_the_tables() {
        let facts = facts(&json!({ "version": "1" }));
        assert_eq!(facts["stages"].as_array().unwrap().len(), Stage::ALL.len());
        assert_eq!(facts["surface"][0]["reach"], "world");
        assert_eq!(facts["host"]["version"], "1");
        let ways = facts["stage_transitions"].as_array().unwrap();
        assert!(ways.contains(&json!({
            "event": "gates_passed", "from": "GATES", "to": "CEO_FINAL_REVIEW",
        })));
        // The complete path, a failure from each stage but the last three, and the question.
        assert_eq!(ways.len(), 11 + 11 + 1);
    }
}
