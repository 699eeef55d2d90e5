//! Where the modules that run scripts are: JavaScript's in the binary, Python's in a file that the user
//! or a wheel has installed. The binary pins the digest of each, so a file is read only when its bytes
//! are needed, and then it must be the pinned one. Runs no guest code.

#![allow(
    clippy::disallowed_methods,
    reason = "installs and removes runners in the user's folder for data, which no state root is in"
)]

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bytes::Bytes;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::script::Language;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::hint::Hint as _;
use crate::machine::{self, input_file, output_file};
use crate::program::bundle;

/// What is pinned about the runners that are not in the binary.
const PINNED: &str = include_str!("../../../manifests/runners.json");
/// The folder of runners, below a folder for shared data.
const FOLDER: &str = "coo/runners";

/// Digests of the runners in the binary.
static INSIDE: LazyLock<Vec<(Language, Digest)>> = LazyLock::new(|| {
    let inside = Language::ALL.into_iter().filter_map(|language| {
        let module = bundle::module(language.name())?;
        Some((language, Digest::of(module.wasm)))
    });
    inside.collect()
});

/// `manifests/runners.json`, format `coo-runners/1`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    /// Sorted by name.
    runners: Vec<Pinned>,
}

/// A runner that is not in the binary.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    pub name: Language,
    pub sha256: Digest,
    pub bytes: u64,
    /// Release of the interpreter.
    pub version: String,
    /// What it was built with.
    pub builder: String,
}

/// Where a runner is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the binary.
    Inside,
    /// In this file.
    File(PathBuf),
    /// Nowhere that `coo` looks.
    Missing,
}

/// A runner, as `coo runner list` shows it.
#[derive(Debug)]
pub struct Runner {
    pub language: Language,
    pub sha256: Digest,
    pub bytes: u64,
    pub place: Place,
}

/// Returns what the binary pins about a runner that is not in it.
fn pinned(language: Language) -> Option<Pinned> {
    let manifest: Manifest = serde_json::from_str(PINNED).ok()?;
    let mut runners = manifest.runners.into_iter();
    runners.find(|runner| runner.name == language)
}

/// Returns all runners that this build knows.
pub fn all() -> Vec<Runner> {
    let known = Language::ALL.into_iter().filter_map(|language| {
        if let Some(module) = bundle::module(language.name()) {
            return Some(Runner {
                language,
                sha256: Digest::of(module.wasm),
                bytes: module.wasm.len() as u64,
                place: Place::Inside,
            });
        }
        let pinned = pinned(language)?;
        let place = installed(language).map_or(Place::Missing, Place::File);
        Some(Runner {
            language,
            sha256: pinned.sha256,
            bytes: pinned.bytes,
            place,
        })
    });
    known.collect()
}

/// Returns the digest of the runner of `language`, whether it is installed or not.
pub fn digest(language: Language) -> Result<Digest> {
    if let Some((_, sha256)) = INSIDE.iter().find(|(inside, _)| *inside == language) {
        return Ok(*sha256);
    }
    let pinned = pinned(language).with_context(|| format!("runner {}: none", language.name()))?;
    if installed(language).is_none() {
        return Err(missing(language));
    }
    Ok(pinned.sha256)
}

/// Returns the bytes of the runner of `language`, which are the pinned ones.
pub fn read(language: Language) -> Result<Bytes> {
    if let Some(module) = bundle::module(language.name()) {
        return Ok(Bytes::from_static(module.wasm));
    }
    let path = installed(language).ok_or_else(|| missing(language))?;
    let wasm = input_file::read(&path, MODULE_BYTES_MAX).context("runner")?;
    ensure_pinned(language, &path, &wasm)?;
    Ok(wasm.into())
}

/// Returns the installed runner with this digest; none if there is no such.
pub fn with_digest(sha256: &Digest) -> Option<Language> {
    let mut known = Language::ALL.into_iter();
    known.find(|language| digest(*language).is_ok_and(|found| found == *sha256))
}

fn missing(language: Language) -> anyhow::Error {
    let name = language.name();
    anyhow!(
        "runner {name}: is not installed; {} scripts need it",
        language.title()
    )
    .hint(format!(
        "'coo runner add FILE' installs it from a {name}.wasm, which '.ci/build-{name}' in a clone of coo builds"
    ))
}

fn ensure_pinned(language: Language, path: &Path, wasm: &[u8]) -> Result<()> {
    let name = language.name();
    let pinned = pinned(language).with_context(|| format!("runner {name}: none is pinned"))?;
    let found = Digest::of(wasm);
    if found != pinned.sha256 {
        bail!(
            anyhow!(
                "runner {}: has SHA-256 {found}, this coo takes {}",
                path.display(),
                pinned.sha256
            )
            .hint("take the runner that was released with this coo")
            .hint("a descriptor's module.file can name any module")
        );
    }
    Ok(())
}

/// Returns the file of an installed runner: beside this program, as a wheel puts it, or in the user's
/// folder for data.
fn installed(language: Language) -> Option<PathBuf> {
    let beside = machine::executable().ok().and_then(|program| {
        let prefix = program.parent()?.parent()?;
        Some(prefix.join("share").join(FOLDER))
    });
    let file = |folder: PathBuf| folder.join(file_name(language));
    let mut folders = beside.into_iter().chain(folder_of_user());
    folders.find_map(|folder| Some(file(folder)).filter(|path| path.is_file()))
}

fn file_name(language: Language) -> String {
    format!("{}.wasm", language.name())
}

/// Returns the user's folder of runners.
fn folder_of_user() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(machine::env_os(name)?);
        path.is_absolute().then_some(path)
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local").join("share")))
        .map(|folder| folder.join(FOLDER))
}

/// Installs the runner in `path`, a wheel or a module, into the user's folder for data. Returns its
/// language and its new place.
pub fn add(path: &Path) -> Result<(Language, PathBuf)> {
    let (language, wasm) = find_in(path)?;
    ensure_pinned(language, path, &wasm)?;
    let folder = folder_of_user()
        .context("runner: neither XDG_DATA_HOME nor HOME names a folder to install it in")?;
    let place = folder.join(file_name(language));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("folder {}: can't be made", folder.display()))?;
    output_file::write_over(&place, &wasm)?;
    Ok((language, place))
}

/// Removes an installed runner from the user's folder; returns its place, or none if it was not there.
pub fn remove(language: Language) -> Result<Option<PathBuf>> {
    let Some(place) = folder_of_user().map(|folder| folder.join(file_name(language))) else {
        return Ok(None);
    };
    if !place.is_file() {
        return Ok(None);
    }
    std::fs::remove_file(&place)
        .with_context(|| format!("runner {}: can't be removed", place.display()))?;
    Ok(Some(place))
}

/// Returns the runner in a wheel or in a module, by its file's name.
fn find_in(path: &Path) -> Result<(Language, Vec<u8>)> {
    let name_of = |name: &str| {
        let name = name.rsplit('/').next().unwrap_or(name);
        Language::named(name.strip_suffix(".wasm")?)
    };
    let shown = path.display();
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    if !Path::new(&*file_name)
        .extension()
        .is_some_and(|extension| extension == "whl" || extension == "zip")
    {
        let pinned_now = |wasm: &[u8]| {
            let found = Digest::of(wasm);
            let mut all = Language::ALL.into_iter();
            all.find(|language| pinned(*language).is_some_and(|pinned| pinned.sha256 == found))
        };
        let wasm = input_file::read(path, MODULE_BYTES_MAX).context("runner")?;
        let language = pinned_now(&wasm).or_else(|| name_of(&file_name));
        let language = language
            .with_context(|| format!("runner {shown}: none that this coo knows"))
            .hint("name it python.wasm")?;
        return Ok((language, wasm));
    }
    let file: File = input_file::open("runner", path)?;
    let mut archive =
        zip::ZipArchive::new(file).with_context(|| format!("runner {shown}: is no archive"))?;
    let found = archive.file_names().find_map(|name| {
        let name = name.ok()?;
        Some((name_of(&name)?, name.into_owned()))
    });
    let (language, member) = found
        .with_context(|| format!("runner {shown}: no runner in this archive"))
        .hint("it has a file python.wasm")?;
    let member = archive
        .by_name(&member)
        .with_context(|| format!("runner {shown}: can't be read"))?;
    let mut wasm = Vec::new();
    member
        .take(MODULE_BYTES_MAX + 1)
        .read_to_end(&mut wasm)
        .with_context(|| format!("runner {shown}: can't be read"))?;
    ensure!(
        wasm.len() as u64 <= MODULE_BYTES_MAX,
        "runner {shown}: more than {MODULE_BYTES_MAX} bytes, which is the limit"
    );
    Ok((language, wasm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pinned_can_be_read() {
        let manifest: Manifest = serde_json::from_str(PINNED).unwrap();
        assert_eq!(manifest.format, "coo-runners/1");
        assert!(manifest.runners.is_sorted_by_key(|runner| runner.name));
    }
}
