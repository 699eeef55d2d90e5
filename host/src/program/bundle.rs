//! What ships inside the binary: the pinned module set, the missions that use it, and their frozen
//! answers. Never reads from disk, so an installed `coo` runs its demo from any directory.

use std::sync::LazyLock;

use coo_kernel::form::digest::Digest;
use coo_kernel::module::module_set::Member;

use crate::state::store::FrozenCall;

/// A module of the set.
#[derive(Debug)]
pub struct Module {
    /// File name in `missions/dist/`.
    pub file: &'static str,
    pub wasm: &'static [u8],
}

/// The module set, sorted by file name.
pub const MODULES: [Module; 4] = [
    Module {
        file: "demo.wasm",
        wasm: include_bytes!("../../../missions/dist/demo.wasm"),
    },
    Module {
        file: "javascript.wasm",
        wasm: include_bytes!("../../../missions/dist/javascript.wasm"),
    },
    Module {
        file: "triage.wasm",
        wasm: include_bytes!("../../../missions/dist/triage.wasm"),
    },
    Module {
        file: "typescript.wasm",
        wasm: include_bytes!("../../../missions/dist/typescript.wasm"),
    },
];

/// The guest with which `coo tier1` tries writes. It is not part of the module set, because no
/// mission can name it.
pub const PROBE: Module = Module {
    file: "writer.wasm",
    wasm: include_bytes!("../../../reference/tier1/writer.wasm"),
};

/// The reference mission (packet §2), which gate F replays unless `[gates]` names another one. It
/// takes the answers of `triage`.
pub const REFERENCE: &str = "phase3";

/// Name and descriptor of the missions that `coo run NAME` finds by name.
pub const MISSIONS: [(&str, &str); 3] = [
    ("demo", include_str!("../../../reference/demo_mission.json")),
    (
        REFERENCE,
        include_str!("../../../reference/phase3_reference_mission.json"),
    ),
    (
        "triage",
        include_str!("../../../reference/triage_mission.json"),
    ),
];

/// Digest of the module set as released.
pub const SANDBOX_DIGEST: &str = include_str!("../../../sandbox_digest.txt");

const FROZEN: [&str; 2] = [
    include_str!("../../../reference/demo_frozen.json"),
    include_str!("../../../reference/triage_frozen.json"),
];

/// Returns the module of the set with this name (without `.wasm`).
#[must_use]
pub fn module(name: &str) -> Option<&'static Module> {
    MODULES
        .iter()
        .find(|module| module.file.strip_suffix(".wasm") == Some(name))
}

/// Returns the descriptor of the bundled mission with this name.
#[must_use]
pub fn mission(name: &str) -> Option<&'static str> {
    MISSIONS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, descriptor)| *descriptor)
}

/// Returns the set's members, from which its digest is computed.
#[must_use]
pub fn members() -> Vec<Member> {
    MODULES
        .iter()
        .map(|module| Member {
            name: module.file.to_owned(),
            sha256: Digest::of(module.wasm),
        })
        .collect()
}

/// Returns the frozen answers of the bundled missions.
#[must_use]
pub fn frozen() -> &'static [FrozenCall] {
    static CALLS: LazyLock<Vec<FrozenCall>> = LazyLock::new(|| {
        // A test parses every file, so an unreadable one can't ship.
        FROZEN
            .iter()
            .filter_map(|text| serde_json::from_str::<Vec<FrozenCall>>(text).ok())
            .flatten()
            .collect()
    });
    &CALLS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_bundled_can_be_read() {
        for (name, text) in MISSIONS {
            let descriptor =
                coo_kernel::mission::descriptor::Descriptor::parse(text.as_bytes()).unwrap();
            let set = descriptor.module.set.unwrap();
            assert!(module(&set).is_some(), "mission {name} wants module {set}");
        }
        for text in FROZEN {
            serde_json::from_str::<Vec<FrozenCall>>(text).unwrap();
        }
    }

    #[test]
    fn the_module_set_is_the_pinned_one() {
        let digest = coo_kernel::module::module_set::digest(&members());
        assert_eq!(
            SANDBOX_DIGEST.split_whitespace().next(),
            Some(digest.to_string().as_str())
        );
    }
}
