//! Statements of a journal, performed once more: on the world itself after a crash, and on a copy to learn
//! whether they answer there as they did. Commits all of them or none.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use coo_kernel::effects::db::{Applied, DbAnswer, Told};
use coo_kernel::form::canonical;
use coo_kernel::mission::limits::Limits;

use super::{Bounds, World};
use crate::hint::Hint as _;

/// A statement with another answer than the recorded one.
#[derive(Debug)]
pub struct Difference {
    pub sql: String,
    /// The answers, as the journal has them.
    pub recorded: String,
    pub found: String,
}

/// Applies the statements of a committed intent after a crash between the intent and the commit of
/// the world. Order and database are the same as the first time, so the results must be, too. If
/// they differ, the file was changed from outside, and nothing is applied.
pub fn redo(root: &Path, number: u32, statements: &[Applied]) -> Result<()> {
    if !again(root, number, statements)? {
        bail!(
            anyhow!(
                "world database: applying a recorded change again gave another \
                 result, so the file was changed from outside"
            )
            .hint("restore it and run any coo command again")
        );
    }
    Ok(())
}

/// Executes a mission's statements again on the world below `root` and commits them as world commit
/// `number`. Returns false, and commits nothing, if a result differs from the recorded one.
pub fn again(root: &Path, number: u32, statements: &[Applied]) -> Result<bool> {
    Ok(first_difference(root, number, statements)?.is_none())
}

/// Does the same as `again`, and returns the first statement whose result differs.
pub fn first_difference(
    root: &Path,
    number: u32,
    statements: &[Applied],
) -> Result<Option<Difference>> {
    let mut world = World::new(root);
    let limits = Limits {
        db_rows: u64::MAX,
        ..Limits::default()
    };
    let bounds = Bounds {
        limits: &limits,
        deadline: None,
        first_time: false,
    };
    for Applied { statement, answer } in statements {
        // A statement cut off at a bound changed nothing; without the bound it might change
        // something now.
        let cut_off = match answer {
            Told::Changed(DbAnswer::Error(refusal))
            | Told::Read(DbAnswer::Error(refusal))
            | Told::Returned(DbAnswer::Error(refusal)) => refusal.is_cut_off(),
            _ => false,
        };
        if cut_off {
            if !matches!(answer, Told::Read(_)) {
                world.opened()?.before_change(bounds)?;
            }
            continue;
        }
        let again = match answer {
            Told::Read(_) => world.query(statement, bounds).map(Told::Read),
            Told::Changed(_) => world.execute(statement, bounds).map(Told::Changed),
            Told::Returned(_) => world.returning(statement, bounds).map(Told::Returned),
        };
        let again = again.map_err(|stop| anyhow!("{stop}"))?;
        if again != *answer {
            return Ok(Some(Difference {
                sql: statement.sql.clone(),
                recorded: text(answer)?,
                found: text(&again)?,
            }));
        }
    }
    world.commit(number)?;
    Ok(None)
}

fn text(answer: &Told) -> Result<String> {
    Ok(match answer {
        Told::Read(rows) | Told::Returned(rows) => canonical::to_string_sorted(rows)?,
        Told::Changed(rows) => canonical::to_string_sorted(rows)?,
    })
}
