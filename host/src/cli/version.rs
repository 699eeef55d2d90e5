//! `coo version`: shows what two builds must have in common to agree on a recording (engine, imported
//! interfaces, editions, formats), and how this build was made. Opens no state root and asks nothing
//! of the machine.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use coo_kernel::baseline::{self, freeze};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::run_file;
use coo_kernel::mission::descriptor::{self, EngineSettings};
use coo_kernel::mission::edition::Edition;
use coo_kernel::module::{module_set, surface};
use coo_kernel::pack;
use serde::Serialize;

use super::print;
use crate::program::{bundle, engine};
use crate::state::store;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View {
    version: &'static str,
    target: &'static str,
    profile: &'static str,
    /// Cargo features that are switched on.
    features: Vec<&'static str>,
    compiler: &'static str,
    engine: Engine,
    surface_sha256: Digest,
    module_set_sha256: Digest,
    /// Editions of coo's own rules.
    editions: Editions,
    formats: Vec<Format>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Engine {
    wasmtime: &'static str,
    /// The identity of the engine with default settings, as runs record it.
    sha256: Digest,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Editions {
    writes: Edition,
    reads: Vec<Edition>,
}

/// A format that leaves this build or enters it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Format {
    of: &'static str,
    writes: String,
    reads: Vec<String>,
}

impl Format {
    fn new(of: &'static str, writes: impl Into<String>, older: &[&str]) -> Self {
        let writes = writes.into();
        let reads = older.iter().map(|name| (*name).to_owned());
        Self {
            of,
            reads: reads.chain([writes.clone()]).collect(),
            writes,
        }
    }
}

pub fn cmd_version(options: &Options) -> Result<ExitCode> {
    let view = view()?;
    if options.json {
        print::json("coo-version/1", &view)?;
    } else {
        print::out(&text(&view))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn view() -> Result<View> {
    let switched = [
        ("fault-injection", cfg!(feature = "fault-injection")),
        ("repository", cfg!(feature = "repository")),
    ];
    Ok(View {
        version: env!("CARGO_PKG_VERSION"),
        target: env!("COO_TARGET"),
        profile: env!("COO_PROFILE"),
        features: switched
            .iter()
            .filter_map(|(name, is_on)| is_on.then_some(*name))
            .collect(),
        compiler: env!("COO_RUSTC"),
        engine: Engine {
            wasmtime: engine::WASMTIME_VERSION,
            sha256: engine::build(EngineSettings::default())?.identity_sha256,
        },
        surface_sha256: surface::digest(),
        module_set_sha256: module_set::digest(&bundle::members()),
        editions: Editions {
            writes: Edition::CURRENT,
            reads: Edition::ALL.to_vec(),
        },
        formats: vec![
            Format::new("descriptor", descriptor::FORMAT, &[]),
            Format::new("exported run", run_file::format_name(), &[]),
            Format::new("pack", pack::FORMAT, &[]),
            Format::new(
                "baseline",
                baseline::FORMAT,
                &[baseline::FORMAT_OF_NINE_BITS],
            ),
            Format::new("freeze manifest", freeze::FORMAT, &[freeze::FORMAT_1]),
            Format::new("coo.db", store::FORMAT.to_string(), &[]),
        ],
    })
}

fn text(view: &View) -> String {
    let features = match view.features.as_slice() {
        [] => "none".to_owned(),
        features => features.join(", "),
    };
    let editions = view
        .editions
        .reads
        .iter()
        .map(|edition| u32::from(*edition));
    let editions: Vec<String> = editions.map(|number| number.to_string()).collect();
    let mut text = format!(
        "coo {}\n  Target: {}\n  Profile: {}\n  Features: {features}\n  Compiler: {}\n  \
         Engine: wasmtime {}, SHA-256 {}\n  Surface: SHA-256 {}\n  Module set: SHA-256 {}\n  \
         Rules: writes edition {}, reads {}\n\nFormats\n",
        view.version,
        view.target,
        view.profile,
        view.compiler,
        view.engine.wasmtime,
        view.engine.sha256,
        view.surface_sha256,
        view.module_set_sha256,
        u32::from(view.editions.writes),
        editions.join(", "),
    );
    for format in &view.formats {
        let _ = writeln!(
            text,
            "  {}: writes {}, reads {}",
            format.of,
            format.writes,
            format.reads.join(", ")
        );
    }
    text
}
