//! Writes artefacts, the only way for a mission to create files. Each write is one call to the
//! host. Never checks a path itself; the host decides, and gives the reason if it refuses.

use crate::{Result, bindings::coo::mission::gateway as wit};

pub use wit::{Error, Receipt};

/// Writes one artefact into the run's artefacts; it appears when the mission completes.
///
/// Names carry a version: `Name_vMAJOR.MINOR.ext`, as in `reports/Summary_v1.0.md`. Writing the
/// same content again changes nothing. If an earlier mission has written other content under the
/// name, the result is [`Error::Conflict`]: choose a new version.
pub fn write(path: &str, content: impl AsRef<[u8]>) -> Result<Receipt> {
    Ok(wit::write(path, content.as_ref())?)
}
