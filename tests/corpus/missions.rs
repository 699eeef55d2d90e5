//! The bundled missions, verified like everything else in the corpus, and by the command that
//! users have for it. What they say is checked elsewhere (`tests/product`, `tests/replay.rs`);
//! here they only have to be the same.

use std::path::Path;

use coo::bundle::MISSIONS;
use coo::prepare::Source;

use crate::support::World;
use crate::verified::verified;

/// Holds `coo verify` to find three runs of `mission`, and their replays, identical.
pub fn verified_by_command(world: &World, mission: &Path) {
    let report = world.json(&["verify", mission.to_str().unwrap()]);
    assert_eq!(report["identical"], true, "{report:#}");
    assert_eq!(report["runs"].as_array().unwrap().len(), 3);
    for run in report["runs"].as_array().unwrap() {
        assert!(run["memory_sha256"][0].is_string(), "{run}");
    }
}

#[test]
fn every_bundled_mission_is_the_same_every_time() {
    for (name, _) in MISSIONS {
        let outcome = verified(&Source::bundled(name).unwrap()).unwrap();
        assert_eq!(outcome.failure, None, "{name}");
        assert!(!outcome.output.is_empty(), "{name}");
        assert!(outcome.memory_sha256.iter().all(Option::is_some), "{name}");
        verified_by_command(&World::new(), Path::new(name));
    }
}
