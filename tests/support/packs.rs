//! Packs of baselines, as a test damages and forges them. See `coo_kernel::baseline::pack`.

use std::fs;
use std::path::PathBuf;

use coo_kernel::baseline::pack::{COUNT_BYTES, HEADER, Index, Place, end_of, index_at};
use coo_kernel::form::digest::Digest;

use super::World;

/// Returns the paths of all packs of a state root.
pub fn packs(world: &World) -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(world.root().join("amu0/packs")) else {
        return Vec::new();
    };
    let mut packs: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    packs.sort();
    packs
}

fn index(path: &PathBuf) -> Index {
    let bytes = fs::read(path).unwrap();
    let count = bytes[bytes.len() - COUNT_BYTES..].try_into().unwrap();
    let (begin, size) = index_at(bytes.len() as u64, count).unwrap();
    let begin_at = usize::try_from(begin).unwrap();
    let rows = &bytes[begin_at..begin_at + usize::try_from(size).unwrap()];
    let name = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    Index::parse(rows.to_vec(), &name, begin).unwrap()
}

/// Returns how many contents a state root has.
pub fn objects(world: &World) -> usize {
    packs(world).iter().map(|path| index(path).len()).sum()
}

/// Returns the pack that has a content, and where.
pub fn place(world: &World, sha256: &Digest) -> (PathBuf, Place) {
    let mut packs = packs(world).into_iter();
    let found = packs.find_map(|path| Some((index(&path).get(sha256)?, path)));
    let (place, path) = found.unwrap();
    (path, place)
}

/// Changes the bytes of a content in its pack.
pub fn damage(world: &World, sha256: &Digest) {
    let (path, place) = place(world, sha256);
    let mut bytes = fs::read(&path).unwrap();
    let at = usize::try_from(place.offset).unwrap();
    let size = usize::try_from(place.size).unwrap();
    for byte in &mut bytes[at..at + size] {
        *byte ^= 1;
    }
    fs::write(path, bytes).unwrap();
}

/// Adds a pack with one content.
pub fn put(world: &World, content: &str) {
    let mut places = [Place {
        sha256: Digest::of(content),
        offset: HEADER.len() as u64,
        size: content.len() as u64,
    }];
    let (end, name) = end_of(&mut places);
    let bytes = [HEADER.as_slice(), content.as_bytes(), &end].concat();
    let folder = world.root().join("amu0/packs");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.pack")), bytes).unwrap();
}
