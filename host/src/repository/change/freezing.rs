//! The freeze of the state root that protects a change: the conditions for it, its activation, and
//! its end. Each has its event in the change's journal. Touches no repository.

use anyhow::{Result, anyhow, bail};
use coo_engines::change::{FreezeBody, Kind};
use coo_kernel::form::plain::count;

use super::journal::Journal;
use crate::freeze::{self, Unready};
use crate::hint::Hint as _;
use crate::machine;
use crate::manifests;
use crate::session::Session;

/// Freezes the state root for the change and records it, unless that is done.
pub fn activate(journal: &mut Journal) -> Result<()> {
    if journal.fold().freeze.is_some() {
        return Ok(());
    }
    // An earlier process may have activated the freeze already.
    let by = freezer(journal);
    let number = match journal.session.store.open_freeze()? {
        Some(row) if row.by == by => row.number,
        Some(row) => bail!("state root: was frozen meanwhile by {}", row.by),
        None => match journal.session.freeze(&by)? {
            Ok(row) => row.number,
            Err(Unready::Frozen(row)) => row.number,
            Err(Unready::Manifests(drifts)) => bail!(
                anyhow!(
                    "manifests: out of date, {}",
                    count(drifts.len(), "difference")
                )
                .hint("'coo manifests check' lists the differences")
            ),
            Err(Unready::Reader(database)) => {
                bail!(anyhow!("database {database}: another process reads it").hint("wait for it"))
            }
        },
    };
    journal.append(Kind::Freeze, &FreezeBody { number })
}

/// Returns the name under which the change freezes the state root, as the log of freezes shows it.
fn freezer(journal: &Journal) -> String {
    format!("{} for {}", machine::user(), journal.id())
}

/// Fails if the freeze of the change was lifted.
pub fn check(journal: &Journal) -> Result<()> {
    let Some(number) = journal.fold().freeze else {
        return Ok(());
    };
    let open = journal.session.store.open_freeze()?;
    if open.is_none_or(|row| row.number != number) {
        bail!("freeze {number}: was lifted meanwhile, and the state root may have changed");
    }
    Ok(())
}

/// Fails if the state root can't be frozen for the change after an approval.
pub fn check_before(session: &Session) -> Result<()> {
    check_manifests(session)?;
    if let Some(row) = session.store.open_freeze()? {
        bail!(
            anyhow!("state root: is frozen by {}", row.by)
                .hint("when that is lifted, answer again")
        );
    }
    Ok(())
}

/// Fails if tools or environment differ from their manifests.
pub fn check_manifests(session: &Session) -> Result<()> {
    let drifts = manifests::check(&session.root, session.config()?, &session.environment)?;
    if !drifts.is_empty() {
        bail!(
            anyhow!(
                "manifests: out of date, {}",
                count(drifts.len(), "difference")
            )
            .hint(
                "'coo manifests check' lists the differences, and 'coo manifests \
                 write' accepts the current environment"
            )
        );
    }
    Ok(())
}

/// Lifts the freeze of the change, if it is in force.
pub fn lift(journal: &mut Journal) -> Result<()> {
    let Some(number) = journal.fold().freeze else {
        return Ok(());
    };
    let store = &mut journal.session.store;
    let row = store.open_freeze()?.filter(|row| row.number == number);
    if row.is_some() {
        // Committed together with the event that follows. Otherwise a process that continues
        // after a crash would find a freeze lifted by someone else.
        store.give_freeze_up(number, machine::now_unix_ms())?;
    }
    journal.append(Kind::Lifted, &FreezeBody { number })?;
    let session = &mut journal.session;
    row.map_or(Ok(()), |row| {
        freeze::finish_lifting(&session.root, &mut session.store, &row)
    })
}
