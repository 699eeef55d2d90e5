//! Write artefacts: the only way for a mission to make a file. Thin: one call of the host a
//! write. Never checks a path itself; the host decides, and says why it refuses.

use crate::{Result, bindings::coo::mission::gateway as wit};

pub use wit::{Error, Receipt};

/// Writes one artefact below the run's artefacts; it appears when the mission completes.
///
/// Names carry a version: `Name_vMAJOR.MINOR.ext`, as in `reports/Summary_v1.0.md`. Writing
/// the same content again is no change. Other content under a name that an earlier mission
/// has written is [`Error::Conflict`]: choose a new version.
pub fn write(path: &str, content: impl AsRef<[u8]>) -> Result<Receipt> {
    Ok(wit::write(path, content.as_ref())?)
}
