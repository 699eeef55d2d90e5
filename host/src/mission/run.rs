//! Runs a new mission: prepares it, gives it a number, executes it over a recording tape and seals
//! its end. The three steps are `Prepared::of`, `Prepared::enrol` and `Prepared::execute`; a resume
//! is the same without the second, a replay is only the execution.

use anyhow::Result;

use crate::machine;
use crate::mission::prepared::{Options, Prepared, Reused, Settings};
use crate::mission::seal::Ended;
use crate::mission::source::Source;
use crate::runtime::tape::Tape;
use crate::session::Session;

/// Runs `source` as a new mission. The session comes back with the result.
pub fn run(session: Session, source: &Source, options: Options) -> Result<(Session, Ended)> {
    run_again(session, source, options, Reused::default())
}

/// As `run`, with the inputs of an earlier run.
pub fn run_again(
    session: Session,
    source: &Source,
    options: Options,
    reused: Reused,
) -> Result<(Session, Ended)> {
    let settings = Settings::of(&session)?;
    let (lent, turn) = session.share()?;
    let mut prepared = Prepared::of(turn, &settings, source, options, reused)?;
    let id = prepared.enrol(source)?;
    let unsealed = machine::block_on(prepared.execute(id, Tape::record, None))?;
    machine::block_on(unsealed.seal())?.into_session(lent)
}
