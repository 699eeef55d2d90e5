//! `coo pack` and `coo verify PACK`: a run with all that follows from it in one zip file, the same
//! bytes wherever it is made, and no changed pack is accepted.

mod checked;
mod demo;
mod made;
mod mutated;

use std::path::PathBuf;

use coo::inside::machine::archive::{self, Members};
use coo_kernel::mission::MissionId;
use coo_kernel::pack::{FILES_MAX, MANIFEST, Manifest};

use crate::support::World;

/// Makes the pack of a mission in `world`, which must succeed; returns path and bytes.
pub fn packed(world: &World, id: &str) -> (PathBuf, Vec<u8>) {
    let ran = world.coo(&["pack", id, "--approve"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    let path = world.path().join(format!("{id}.zip"));
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

/// A world with the demo's run.
fn demo() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    world
}

/// A world with a run of the triage mission: a database, two model calls, an artefact.
fn triaged() -> World {
    let world = World::new();
    let ran = world.coo(&["run", "triage", "--frozen"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    world
}

fn members(pack: &[u8]) -> Members {
    archive::read_stored(pack, FILES_MAX).unwrap()
}

/// Returns a pack of these files, whose manifest vouches for them.
fn sealed(mut members: Members) -> Vec<u8> {
    let stated = members.remove(MANIFEST);
    let stated = stated.and_then(|text| Manifest::parse(&text).ok());
    let id = stated.map_or(MissionId::new(1, "T"), |manifest| manifest.mission);
    let manifest = Manifest::of(id, &members).to_text().unwrap();
    members.insert(MANIFEST.to_owned(), manifest.into_bytes());
    archive::stored(&members).unwrap()
}
