//! `coo init`: creates the state root, so that its configuration can be changed before the first
//! run. Every command that runs a mission also creates a missing root.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use coo_kernel::state::layout;

use super::print;
use crate::freeze::Purpose;
use crate::session::Session;

pub fn cmd_init(root: &Path) -> Result<ExitCode> {
    let existed = root.join(layout::STORE).exists();
    let session = Session::create(root, Purpose::Change, print::note)?;
    let model = session
        .config()?
        .llm
        .default_model
        .as_deref()
        .unwrap_or("none");
    print::out(&format!(
        "State root {} {}\n  Default model: {}\n  Configuration: {}\n",
        root.display(),
        if existed { "already exists" } else { "created" },
        print::one_line(model),
        root.join("config.json").display(),
    ))?;
    if !existed {
        print::next("'coo run-demo' runs the first mission");
    }
    Ok(ExitCode::SUCCESS)
}
