//! `coo run-demo`: runs the bundled demo mission with the ordinary runtime, and prints its receipt
//! (user surface v1.1 §4). Never names a model or makes a call itself.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use coo_kernel::mission::Status;

use super::print;
use super::receipt::{self, PREFIX};
use crate::freeze::Purpose;
use crate::mission::prepared::Options;
use crate::mission::run;
use crate::mission::source::Source;
use crate::session::Session;

pub fn cmd_run_demo(root: &Path, rest: &[OsString]) -> Result<ExitCode> {
    if !rest.is_empty() {
        bail!("'coo run-demo' does not accept options in V1.1.");
    }
    print::out(&format!("{PREFIX}\n"))?;
    let session = Session::create(root, Purpose::Change, print::note)?;
    let options = Options {
        say: print::note,
        ..Options::default()
    };
    let (mut session, ended) = run::run(session, &Source::bundled("demo")?, options)?;
    // The session still holds the lock.
    let text = receipt::write(&mut session, &ended)?;
    drop(session);
    // The first line was printed before the run.
    print::out(
        text.strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('\n'))
            .unwrap_or(&text),
    )?;
    if let Some(error) = super::run::error(&ended) {
        print::error(&error);
    }
    Ok(print::done(ended.status == Status::Success))
}
