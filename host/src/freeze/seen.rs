//! Caches of the last successful freeze check, so that the next command need not read all of
//! `coo.db` and the executable again: the stamps of these files. They are of one machine, so they
//! stand beside the freeze manifest and not in it. A file with the same stamp was not changed. Users who
//! can write to the state root can forge these caches, as they can forge the log of freezes;
//! `coo freeze status` and `coo freeze lift` do not use them. They are safe to delete.

use coo_kernel::baseline::freeze::FreezeManifest;
use coo_kernel::baseline::freeze::covered::Stamp;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::state::layout;
use serde::{Deserialize, Serialize};

use crate::machine;
use crate::machine::hashing;
use crate::state::state_root::StateRoot;

const SEEN: &str = "cache/freeze_check.json";
const SEEN_COO: &str = "cache/freeze_coo.json";
const BYTES_MAX: u64 = 4 << 10;
/// A file system's clock is coarser than the time between two changes: if a file was changed this
/// shortly before its stamp was taken, a later change can leave the stamp the same.
const TICK_SECONDS: i64 = 2;

/// Stamps of the files of `coo.db`, and the freeze with which they were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    files: [Option<Stamp>; 2],
    manifest_sha256: Digest,
}

impl Seen {
    /// Takes the stamps now.
    pub fn now(root: &StateRoot, manifest: &FreezeManifest) -> Self {
        let stamp = |file: &str| {
            let stamp = hashing::stamp_at(root.dir(), file).ok()?;
            // An empty log counts as no log: readers create and remove it.
            let [_, _, bytes, ..] = stamp;
            (bytes > 0).then_some(stamp)
        };
        Self {
            files: [
                stamp(layout::STORE),
                stamp(&format!("{}-wal", layout::STORE)),
            ],
            manifest_sha256: Digest::of(manifest.to_text()),
        }
    }

    /// Returns whether an earlier command has compared exactly these files without a difference.
    pub fn is_known(&self, root: &StateRoot) -> bool {
        let known = root.read_bounded(SEEN, BYTES_MAX).ok();
        let known = known.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        self.files[0].is_some() && known.as_ref() == Some(self)
    }

    /// Records that these files have no difference, if they did not change since they were stamped.
    /// Best effort: without the record, the next command reads the store again.
    pub fn note(&self, root: &StateRoot, manifest: &FreezeManifest) {
        let is_settled = self.files.iter().flatten().all(is_settled);
        if is_settled
            && *self == Self::now(root, manifest)
            && let Ok(text) = canonical::to_string(self)
        {
            let _ = root.write_new(SEEN, text.as_bytes());
        }
    }
}

/// Stamp of the executable, and the freeze whose manifests name it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenCoo {
    manifest_sha256: Digest,
    stamp: Stamp,
}

impl SeenCoo {
    fn of(manifest: &FreezeManifest, stamp: Stamp) -> Self {
        Self {
            manifest_sha256: Digest::of(manifest.to_text()),
            stamp,
        }
    }
}

/// Returns whether an earlier command has compared the executable with this stamp without a
/// difference.
pub fn is_known_coo(root: &StateRoot, manifest: &FreezeManifest, stamp: &Stamp) -> bool {
    let known = root.read_bounded(SEEN_COO, BYTES_MAX).ok();
    let known = known.and_then(|text| serde_json::from_slice::<SeenCoo>(&text).ok());
    known == Some(SeenCoo::of(manifest, *stamp))
}

/// Records that the executable with this stamp has no difference, if every later change would change
/// the stamp. Best effort: without the record, the next command reads the executable again.
pub fn note_coo(root: &StateRoot, manifest: &FreezeManifest, stamp: Stamp) {
    if is_settled(&stamp)
        && let Ok(text) = canonical::to_string(&SeenCoo::of(manifest, stamp))
    {
        let _ = root.write_new(SEEN_COO, text.as_bytes());
    }
}

/// Returns whether every change from now on would change the file's stamp.
fn is_settled(stamp: &Stamp) -> bool {
    let [_, _, _, content, _, anything, _] = *stamp;
    content.max(anything) + TICK_SECONDS < machine::now_unix_ms() / 1000
}
