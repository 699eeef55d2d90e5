//! Writes artefacts, the only way for a mission to create files. Each write is one call to the
//! host. Never checks a path itself; the host decides, and gives the reason if it refuses.

use crate::{Result, bindings::v1_0::gateway as wit, db, params};

pub use wit::{Error, Receipt};

/// Versions that [`write_next`] tries before it gives up. The database names the last one, so that
/// more than one step is needed only where a mission has lost its database.
const VERSIONS_TRIED_MAX: usize = 1_000;

/// Writes one artefact into the run's artefacts; it appears when the mission completes.
///
/// Names carry a version: `Name_vMAJOR.MINOR.ext`, as in `reports/Summary_v1.0.md`. Writing the
/// same content again changes nothing. If an earlier mission has written other content under the
/// name, the result is [`Error::Conflict`]: choose a new version, or use [`write_next`].
pub fn write(path: &str, content: impl AsRef<[u8]>) -> Result<Receipt> {
    Ok(wit::write(path, content.as_ref())?)
}

/// Writes the next version of an artefact, and returns its receipt, whose `path` has the version.
///
/// `path` has none: `reports/Summary.md` becomes `reports/Summary_v1.0.md`, and
/// `reports/Summary_v1.1.md` when a later mission has other content. Content that is the last
/// version's makes no new one. The last version is kept in the missions' database, in the table
/// `artefact_version`, which this function creates.
pub fn write_next(path: &str, content: impl AsRef<[u8]>) -> Result<Receipt> {
    let content = content.as_ref();
    db::execute(
        "CREATE TABLE IF NOT EXISTS artefact_version \
         (path TEXT PRIMARY KEY, minor INTEGER NOT NULL)",
        params![],
    )?;
    let rows = db::query(
        "SELECT minor FROM artefact_version WHERE path = ?1",
        params![path],
    )?;
    let last: Option<i64> = rows.first().map(|row| row.get("minor")).transpose()?;
    let (receipt, minor) = first_without_conflict(path, last.unwrap_or(0), |versioned| {
        wit::write(versioned, content)
    })?;
    if last != Some(minor) {
        db::execute(
            "INSERT INTO artefact_version (path, minor) VALUES (?1, ?2) \
             ON CONFLICT (path) DO UPDATE SET minor = excluded.minor",
            params![path, minor],
        )?;
    }
    Ok(receipt)
}

/// Returns the receipt of the first version from `minor` on that has no other content, and that
/// version.
fn first_without_conflict(
    path: &str,
    minor: i64,
    mut write: impl FnMut(&str) -> std::result::Result<Receipt, Error>,
) -> Result<(Receipt, i64)> {
    let mut conflict = None;
    for minor in (minor..).take(VERSIONS_TRIED_MAX) {
        match write(&versioned(path, minor)) {
            Err(error @ Error::Conflict(_)) => conflict = Some(error),
            written => return Ok((written?, minor)),
        }
    }
    Err(conflict.map_or_else(|| crate::Error::failed("no version left"), Into::into))
}

/// Puts a version before the extension of the last part of the path. A path without one gets the
/// version at its end, and the host says what is wrong with it.
fn versioned(path: &str, minor: i64) -> String {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = path[name..].rfind('.').map_or(path.len(), |dot| name + dot);
    let (stem, extension) = path.split_at(dot);
    format!("{stem}_v1.{minor}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(path: &str) -> Receipt {
        Receipt {
            path: path.to_owned(),
            sha256: String::new(),
            bytes: 0,
        }
    }

    #[test]
    fn a_version_comes_before_the_extension() {
        assert_eq!(
            versioned("reports/Summary.md", 0),
            "reports/Summary_v1.0.md"
        );
        assert_eq!(versioned("a.b/Name", 2), "a.b/Name_v1.2");
        assert_eq!(versioned("Data.tar.gz", 10), "Data.tar_v1.10.gz");
    }

    #[test]
    fn the_first_version_without_a_conflict_is_taken() {
        let taken = ["R_v1.3.md", "R_v1.4.md"];
        let mut tried = Vec::new();
        let found = first_without_conflict("R.md", 3, |path| {
            tried.push(path.to_owned());
            if taken.contains(&path) {
                return Err(Error::Conflict(path.to_owned()));
            }
            Ok(receipt(path))
        });
        assert_eq!(found, Ok((receipt("R_v1.5.md"), 5)));
        assert_eq!(tried, ["R_v1.3.md", "R_v1.4.md", "R_v1.5.md"]);
    }

    #[test]
    fn a_refusal_ends_the_search_and_so_do_too_many_versions() {
        let mut calls = 0;
        let refused = first_without_conflict("R.md", 0, |_| {
            calls += 1;
            Err(Error::Refused("no".to_owned()))
        });
        assert_eq!(
            (refused, calls),
            (Err(Error::Refused("no".to_owned()).into()), 1)
        );
        let mut calls = 0;
        let full = first_without_conflict("R.md", 0, |path| {
            calls += 1;
            Err(Error::Conflict(path.to_owned()))
        });
        assert_eq!(
            (full, calls),
            (
                Err(Error::Conflict("R_v1.999.md".to_owned()).into()),
                VERSIONS_TRIED_MAX
            )
        );
    }
}
