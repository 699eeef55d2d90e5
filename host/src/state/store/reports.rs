//! The record of reports: each file that `coo` itself writes for people, with its content, so that
//! a lost file can be written again. Invariant: a report is on record before its file gets its
//! name.

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::state::reports::ReportEntry;
use rusqlite::{OptionalExtension as _, params};

use super::Store;
use crate::hint::Hint as _;

impl Store {
    /// Records a report, in place of an earlier one at this path. Its file is not written yet.
    pub fn enter_report(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.write(
            "report.enter",
            "INSERT OR REPLACE INTO reports(path, sha256, content, made) VALUES(?1, ?2, ?3, 0)",
            params![path, Digest::of(content).as_bytes(), content],
        )
    }

    /// Records that the report's file is written and listed in the index.
    pub fn report_made(&mut self, path: &str) -> Result<()> {
        self.write(
            "report.made",
            "UPDATE reports SET made = 1 WHERE path = ?1",
            [path],
        )
    }

    /// Removes the reports in `folder` from the record.
    #[cfg(feature = "repository")]
    pub fn forget_reports(&mut self, folder: &str) -> Result<()> {
        self.write(
            "report.forget",
            "DELETE FROM reports WHERE substr(path, 1, length(?1) + 1) = ?1 || '/'",
            [folder],
        )
    }

    /// Returns every report on record, sorted by path.
    pub fn reports(&self) -> Result<Vec<ReportEntry>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT path, length(content), sha256 FROM reports ORDER BY path")?;
        let rows = statement.query_map([], |row| {
            Ok(ReportEntry {
                path: row.get(0)?,
                bytes: row.get(1)?,
                sha256: Digest::from_bytes(row.get(2)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the paths of reports whose files are not known to be written.
    pub fn unmade_reports(&self) -> Result<Vec<String>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT path FROM reports WHERE made = 0 ORDER BY path")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the digest of a report, if it is on record and its file is written.
    pub fn made_report(&self, path: &str) -> Result<Option<Digest>> {
        let found: Option<[u8; 32]> = self
            .connection
            .prepare_cached("SELECT sha256 FROM reports WHERE path = ?1 AND made = 1")?
            .query_row([path], |row| row.get(0))
            .optional()?;
        Ok(found.map(Digest::from_bytes))
    }

    /// Returns the content of a report, verified.
    pub fn report(&self, path: &str) -> Result<Vec<u8>> {
        let (sha256, content): ([u8; 32], Vec<u8>) = self
            .connection
            .prepare_cached("SELECT sha256, content FROM reports WHERE path = ?1")?
            .query_row([path], |row| Ok((row.get(0)?, row.get(1)?)))
            .with_context(|| format!("report {path}: not on record"))?;
        anyhow::ensure!(
            Digest::of(&content) == Digest::from_bytes(sha256),
            anyhow!("report {path}: its content in coo.db was changed after it was written")
                .hint("take it from a copy of the state root")
        );
        Ok(content)
    }
}
