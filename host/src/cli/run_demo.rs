//! `coo run-demo`: runs the bundled demo mission with the ordinary runtime, and prints its receipt
//! (user surface v1.1 §4). Never names a model or makes a call itself.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use coo_kernel::mission::Status;

use super::receipt::{self, PREFIX, STATUS};
use super::{print, progress};
use crate::freeze::Purpose;
use crate::mission::prepared::Options;
use crate::mission::run;
use crate::mission::source::Source;
use crate::session::Session;

pub fn cmd_run_demo(root: &Path, rest: &[OsString]) -> Result<ExitCode> {
    if let [only] = rest
        && (only == "--help" || only == "-h")
    {
        return help();
    }
    if !rest.is_empty() {
        bail!("'coo run-demo' does not accept options in V1.1.");
    }
    print::out(&format!("{PREFIX}\n"))?;
    let session = Session::create(root, Purpose::Change, print::note)?;
    let options = Options {
        say: print::note,
        tell: progress::tell,
        ..Options::default()
    };
    let (mut session, ended) = run::run(session, &Source::bundled("demo")?, options)?;
    // The session still holds the lock.
    let text = receipt::write(&mut session, &ended)?;
    drop(session);
    // The first line was printed before the run.
    let rest = text.strip_prefix(PREFIX);
    let rest = rest.and_then(|rest| rest.strip_prefix('\n'));
    let rest = rest.unwrap_or(&text);
    // The model's text comes later, so the first status is the receipt's own.
    let at = rest.find(STATUS).map_or(0, |at| at + STATUS.len());
    let (before, rest) = rest.split_at(at);
    let (verdict, after) = rest.split_at(rest.find('\n').unwrap_or(0));
    print::out_verdict(before, verdict, after)?;
    if let Some(error) = super::run::error(&ended) {
        print::error(&error);
    }
    Ok(print::done(ended.status == Status::Success))
}

/// Prints the help of this command. clap can't, because the command takes every option as its own,
/// so that the refusal has the prescribed words.
fn help() -> Result<ExitCode> {
    let mut all = super::command();
    // Gives each command its full name and the options of all.
    all.build();
    let own = all.find_subcommand_mut("run-demo");
    let own = own.context("run-demo: the command line lacks it")?;
    print::help(&own.render_help())?;
    Ok(ExitCode::SUCCESS)
}
