//! The bundled missions, verified like everything else in the corpus. What they say is
//! checked elsewhere (`tests/product`, `tests/replay.rs`); here they only have to be the same.

use coo::bundle::MISSIONS;
use coo::prepare::Source;

use crate::verified::verified;

#[test]
fn every_bundled_mission_is_the_same_every_time() {
    for (name, _) in MISSIONS {
        let outcome = verified(&Source::bundled(name).unwrap()).unwrap();
        assert_eq!(outcome.failure, None, "{name}");
        assert!(!outcome.output.is_empty(), "{name}");
        assert!(outcome.memory_sha256.iter().all(Option::is_some), "{name}");
    }
}
