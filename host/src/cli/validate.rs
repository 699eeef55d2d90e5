//! `coo validate <descriptor>`: performs exactly the checks that a run makes before it begins. Runs
//! nothing and writes nothing.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use coo_kernel::mission::edition::Edition;
use coo_kernel::mission::warning::warnings;
use coo_kernel::mission::workflow;

use super::print;
use crate::mission::source::Source;
use crate::program::compiler;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Descriptor (.json) or bundled mission
    descriptor: String,
    /// Print the canonical form, with all defaults, as the journal hashes it
    #[arg(long)]
    json: bool,
}

pub fn cmd_validate(options: &Options) -> Result<ExitCode> {
    let source = Source::named(&options.descriptor)?;
    // A state root's configuration can only permit less, so these checks hold for every root.
    if let Err(refused) = workflow::validate(&source.descriptor.steps, Edition::CURRENT) {
        if options.json {
            print::json("coo-workflow-refusal/1", &refused.view())?;
        }
        return Err(refused).with_context(|| format!("mission {}", source.name));
    }
    let name = source.module.to_string();
    let task = compiler::Task {
        name: &name,
        wasm: &source.wasm.bytes()?,
        wall_clock_max: compiler::EXAMINE_MAX,
    };
    let shown = || format!("module {name}");
    let report = compiler::examine(&task).with_context(shown)?;
    report.ensure_admitted().with_context(shown)?;
    if options.json {
        print::out(&(source.descriptor.canonical()? + "\n"))?;
    } else {
        print::out(&format!(
            "Valid: {} ({}, {}, module {})\n",
            print::one_line(&source.name),
            source.descriptor.mission_type,
            print::count(source.descriptor.steps.len(), "step"),
            source.module.short()
        ))?;
    }
    for warning in warnings(&source.descriptor, |interface| report.uses(interface)) {
        let text = format!("descriptor {}: {warning}", source.name);
        print::note_hint(&text, warning.hint());
    }
    if !options.json {
        let name = print::one_line(&source.name);
        print::next(&format!("'coo run {name}' runs it"));
    }
    Ok(ExitCode::SUCCESS)
}
