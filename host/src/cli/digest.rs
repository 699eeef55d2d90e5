//! `coo digest`: prints the SHA-256 of the module set, from the binary or from a folder, compares
//! the set with what is pinned about it, and writes that down. The kernel's `module_set` documents
//! the canonical form of the digest, its `pinned` the manifest. Writes no file but the manifest.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::exit::Exit;
use coo_kernel::module::module_set::{self, Member};
use coo_kernel::module::pinned::{BYTES_MAX, ModuleManifest};
use serde::Serialize;

use super::print;
use crate::hint::Hint as _;
use crate::machine::input_file::{DIGEST_FILE_BYTES_MAX, read as read_file};
use crate::machine::output_file;
use crate::program::{bundle, pinned};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Folder with .wasm files [default: the set inside the binary]
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Compare with a digest file or a module manifest, or without FILE with this release
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = RELEASE)]
    check: Option<String>,
    /// Write the module manifest [default FILE: manifests/modules.json]
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = MANIFEST,
        conflicts_with = "check"
    )]
    write: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Stands for what is inside the binary. A file can't have this name.
const RELEASE: &str = "";
/// Where this repository keeps the manifest.
const MANIFEST: &str = "manifests/modules.json";
/// The file beside the modules that says what built them.
const BUILDER: &str = "BUILDER";

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View {
    sha256: Digest,
    modules: Vec<Member>,
    /// The digest that the set is compared with.
    pinned: Option<String>,
    matches: Option<bool>,
    /// How the set differs from the module manifest, a line for each difference.
    differences: Vec<String>,
}

/// A module set with its bytes.
struct Set {
    /// Sorted by name.
    modules: Vec<(String, Vec<u8>)>,
    /// What built it; empty if that is not known.
    builder: String,
}

/// What a set is compared with.
enum Pinned {
    Digest(String),
    Manifest(ModuleManifest),
}

pub fn cmd_digest(options: &Options) -> Result<ExitCode> {
    let set = match &options.modules {
        Some(folder) => Set::of_folder(folder)?,
        None => Set::of_binary(),
    };
    let members = set.members();
    let sha256 = module_set::digest(&members);
    let pinned = options.check.as_deref().map(Pinned::read).transpose()?;
    let (digest, differences) = match &pinned {
        None => (None, Vec::new()),
        Some(Pinned::Digest(digest)) => (Some(digest.clone()), Vec::new()),
        Some(Pinned::Manifest(manifest)) => {
            let compared = pinned::compare(manifest, set.each(), &set.builder);
            let lines = [compared.differences, compared.problems].concat();
            (Some(manifest.sandbox_digest.to_string()), lines)
        }
    };
    if let Some(file) = &options.write {
        write(file, &set)?;
    }
    let matches = digest
        .as_ref()
        .map(|digest| *digest == sha256.to_string() && differences.is_empty());
    let view = View {
        sha256,
        modules: members,
        pinned: digest,
        matches,
        differences,
    };
    if options.json {
        print::json("coo-module-set-digest/1", &view)?;
    } else {
        print::out(&text(&view))?;
    }
    if let Some(file) = &options.write {
        print::note(&format!("module manifest written to {}", file.display()));
    }
    if view.matches == Some(false) {
        print::error(&differs(&view));
        return Ok(print::code(Exit::Differs));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(view: &View) -> String {
    let listing = module_set::listing(&view.modules);
    let set = format!("{}  module set\n", view.sha256);
    let lines = view.differences.iter().map(|line| format!("{line}\n"));
    [listing, set].into_iter().chain(lines).collect()
}

fn differs(view: &View) -> anyhow::Error {
    let hint = "rebuild the modules or pin the new digest";
    let Some(first) = view.differences.first() else {
        let pinned = view.pinned.as_deref().unwrap_or_default();
        let pinned = print::one_line(pinned);
        return anyhow!(
            "module set: has SHA-256 {}, pinned is {pinned}",
            view.sha256
        )
        .hint(hint);
    };
    let count = print::count(view.differences.len(), "difference");
    anyhow!("module set: {count} from the module manifest, the first: {first}")
        .hint("rebuild the modules, or pin them with 'coo digest --modules DIR --write FILE'")
}

impl Set {
    fn of_binary() -> Self {
        let modules = bundle::MODULES.iter();
        let modules = modules.map(|module| (module.file.to_owned(), module.wasm.to_vec()));
        Self {
            modules: modules.collect(),
            builder: pinned::BUILDER.to_owned(),
        }
    }

    fn of_folder(folder: &Path) -> Result<Self> {
        let modules = pinned::modules_in(folder)?;
        let shown = folder.display();
        anyhow::ensure!(!modules.is_empty(), "folder {shown}: no .wasm files in it");
        let builder = folder.join(BUILDER);
        let builder = if builder.exists() {
            let text = read_file(&builder, DIGEST_FILE_BYTES_MAX)?;
            String::from_utf8_lossy(&text).into_owned()
        } else {
            String::new()
        };
        Ok(Self { modules, builder })
    }

    fn each(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let modules = self.modules.iter();
        modules.map(|(name, wasm)| (name.as_str(), wasm.as_slice()))
    }

    fn members(&self) -> Vec<Member> {
        let members = self.each().map(|(name, wasm)| Member {
            name: name.to_owned(),
            sha256: Digest::of(wasm),
        });
        members.collect()
    }
}

impl Pinned {
    fn read(file: &str) -> Result<Self> {
        if file == RELEASE {
            return Ok(Self::Manifest(pinned::released()?));
        }
        let text = read_file(Path::new(file), BYTES_MAX).context("digest file")?;
        if text.trim_ascii_start().starts_with(b"{") {
            return Ok(Self::Manifest(manifest(Path::new(file), &text)?));
        }
        let text = String::from_utf8_lossy(&text);
        let first = text.split_whitespace().next().unwrap_or_default();
        Ok(Self::Digest(first.chars().take(80).collect()))
    }
}

fn manifest(file: &Path, text: &[u8]) -> Result<ModuleManifest> {
    ModuleManifest::parse(text).map_err(|error| {
        let hint = error.hint();
        anyhow!("module manifest {}: {error}", file.display()).hint(hint)
    })
}

/// Writes the manifest of `set`, over an earlier one and over nothing else.
fn write(file: &Path, set: &Set) -> Result<()> {
    let new = pinned::manifest_of(set.each(), &set.builder)?;
    if file.symlink_metadata().is_ok() {
        let text = read_file(file, BYTES_MAX).context("module manifest")?;
        if manifest(file, &text).is_err() {
            bail!(
                anyhow!(
                    "file {}: is there, and is not a module manifest",
                    file.display()
                )
                .hint("remove it or name another file")
            );
        }
    }
    output_file::write_over(file, new.to_text()?.as_bytes())
}
