//! What an earlier command has found in order, so that the next one need not read all of `coo.db`
//! again: the stamps of its files. A file whose stamp is the same was not changed. Whoever may
//! write to the state root can forge this, as he can forge the log of freezes; `coo freeze status`
//! and `coo freeze lift` don't ask it. Safe to delete.

use coo_kernel::baseline::freeze::Manifest;
use coo_kernel::baseline::freeze::covered::Stamp;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::machine;
use crate::machine::hashing;
use crate::root::state_root::StateRoot;
use crate::root::store;

const SEEN: &str = "cache/freeze_check.json";
const BYTES_MAX: u64 = 4 << 10;
/// The clock of a file system ticks slower than files are changed: what was changed so shortly
/// before its stamp was taken can have the same afterwards, and other content.
const TICK_SECONDS: i64 = 2;

/// The files of `coo.db`, and which freeze they were compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    files: [Option<Stamp>; 2],
    manifest_sha256: Digest,
}

impl Seen {
    /// How they are now.
    pub fn now(root: &StateRoot, manifest: &Manifest) -> Self {
        let stamp = |file: &str| {
            let stamp = hashing::stamp_at(root.dir(), file).ok()?;
            // A log without anything in it comes and goes with whoever reads.
            let [_, _, bytes, ..] = stamp;
            (bytes > 0).then_some(stamp)
        };
        Self {
            files: [stamp(store::FILE), stamp(&format!("{}-wal", store::FILE))],
            manifest_sha256: Digest::of(manifest.to_text()),
        }
    }

    /// Whether an earlier command has found them so, and in order.
    pub fn is_known(&self, root: &StateRoot) -> bool {
        let known = root.read_bounded(SEEN, BYTES_MAX).ok();
        let known = known.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        self.files[0].is_some() && known.as_ref() == Some(self)
    }

    /// Notes that they are in order, and were so since this was made. Best effort: what is not
    /// noted is read again.
    pub fn note(&self, root: &StateRoot, manifest: &Manifest) {
        let is_settled = self.files.iter().flatten().all(is_settled);
        if is_settled
            && *self == Self::now(root, manifest)
            && let Ok(text) = canonical::to_string(self)
        {
            let _ = root.write_new(SEEN, text.as_bytes());
        }
    }
}

/// Whether any change from now on would give a file another stamp.
pub fn is_settled(stamp: &Stamp) -> bool {
    let [_, _, _, content, _, anything, _] = *stamp;
    content.max(anything) + TICK_SECONDS < machine::now_unix_ms() / 1000
}
