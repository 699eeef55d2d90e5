//! `coo audit <module>`: prints hash, kind, every import with what it permits, and the verdict,
//! exactly as a run would decide it. Runs and compiles nothing; a child process examines the
//! module, within bounds.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::module::surface::Reach;
use serde::Serialize;

use super::print;
use crate::machine::input_file::read as read_file;
use crate::program::admission::{Encoded, EntryPoint, Report};
use crate::program::bundle;
use crate::program::compiler;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// A .wasm file, or a module of the set by name
    module: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View<'a> {
    module: String,
    sha256: Digest,
    bytes: usize,
    #[serde(flatten)]
    report: &'a Report,
    admitted: bool,
    reasons: Vec<String>,
}

pub fn cmd_audit(options: &Options) -> Result<ExitCode> {
    let name = options.module.display().to_string();
    let wasm = match bundle::module(&name) {
        Some(module) if !options.module.exists() => module.wasm.to_vec(),
        _ => read_file(&options.module, MODULE_BYTES_MAX).context("module")?,
    };
    let task = compiler::Task {
        name: &name,
        wasm: &wasm,
        wall_clock_max: compiler::EXAMINE_MAX,
    };
    let report = compiler::examine(&task).with_context(|| format!("module {name}"))?;
    let reasons = report.reasons();
    let view = View {
        sha256: Digest::of(&wasm),
        bytes: wasm.len(),
        admitted: reasons.is_empty(),
        report: &report,
        reasons,
        module: name,
    };
    if options.json {
        print::json("coo-audit/1", &view)?;
    } else {
        print::out(&text(&view))?;
    }
    Ok(print::done(view.admitted))
}

fn text(view: &View<'_>) -> String {
    let kind = match view.report.encoded {
        Encoded::CoreModule => "core module, run as it is",
        Encoded::AdaptedModule => "core module (WASI preview 1), adapted to a component",
        Encoded::LiftedModule => "core module, turned into a component",
        Encoded::Component => "component",
    };
    let entry = view.report.entry.as_ref().map(EntryPoint::shown);
    let entry = entry.as_deref().unwrap_or("none");
    let mut text = format!(
        "Module {}\n  SHA-256: {}\n  Size: {} bytes\n  Kind: {kind}\n  Entry: {entry}\n\nImports\n",
        print::one_line(&view.module),
        view.sha256,
        view.bytes,
    );
    if view.report.imports.is_empty() {
        text.push_str("  none\n");
    }
    for import in &view.report.imports {
        let mark = match (&import.refused, import.reach) {
            (Some(_), _) => "REFUSED",
            (None, Some(Reach::World)) => "world  ",
            (None, _) => "sandbox",
        };
        let said = import
            .refused
            .as_deref()
            .or(import.permits.as_deref())
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  {mark} {}\n          {}",
            print::one_line(&import.interface),
            print::one_line(said)
        );
        if !import.functions.is_empty() {
            let options = textwrap::Options::new(78)
                .initial_indent("          ")
                .subsequent_indent("          ")
                // Names stay in one piece, so that a text search finds them.
                .word_splitter(textwrap::WordSplitter::NoHyphenation);
            let _ = writeln!(
                text,
                "{}",
                textwrap::fill(&print::one_line(&import.functions.join(" ")), options)
            );
        }
    }
    if view.admitted {
        text.push_str("\nVerdict: ADMITTED\n");
    } else {
        text.push_str("\nVerdict: REFUSED\n");
        for reason in &view.reasons {
            let _ = writeln!(text, "  - {}", print::one_line(reason));
        }
    }
    text
}
