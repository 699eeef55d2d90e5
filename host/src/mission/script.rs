//! Gathers a script with everything that it needs into one bundle: the modules that a JavaScript file
//! imports, and the folders and wheels that a descriptor or `--with` puts beside a Python file. The same
//! files give the same bundle, wherever they are. Runs nothing.

mod javascript;
mod typescript;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::script::{BUNDLE_BYTES_MAX, Bundle, Language, ScriptRef};

use crate::hint::Hint as _;
use crate::machine::input_file::{self, read as read_file};

/// Deepest folder of modules.
const DEPTH_MAX: usize = 32;
/// Extensions of native code, which no sandbox of `coo` loads.
const NATIVE: [&str; 5] = ["so", "pyd", "dll", "dylib", "node"];

/// A script with everything that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The bundle's text, as the record keeps it.
    pub text: Arc<str>,
    /// SHA-256 of `text`.
    pub sha256: Digest,
}

impl Script {
    /// Returns the script whose bundle has this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self {
            sha256: Digest::of(text),
            text: text.into(),
        }
    }

    /// Gathers the script that a descriptor in `folder` names. Fails if the descriptor pins another.
    pub fn gather(named: &ScriptRef, language: Language, folder: &Path) -> Result<Self> {
        let shown = || format!("script {}", named.file);
        let file = folder.join(&named.file);
        let bundle = match language {
            Language::Python => python(&file, named, folder),
            Language::JavaScript if named.with.is_empty() => javascript::bundle(&file),
            Language::JavaScript => Err(anyhow!("packages are for Python scripts")
                .hint("import modules of JavaScript by a relative path")),
        };
        let script = Self::of(&bundle.with_context(shown)?.text().with_context(shown)?);
        if let Some(pinned) = named.sha256
            && pinned != script.sha256
        {
            bail!(
                anyhow!(
                    "{}: its files have SHA-256 {}, script.sha256 pins {pinned}",
                    shown(),
                    script.sha256
                )
                .hint("restore the pinned files or pin the new ones")
            );
        }
        Ok(script)
    }
}

/// Returns the text of a source file.
fn source_text(path: &Path) -> Result<String> {
    let bytes = read_file(path, BUNDLE_BYTES_MAX)?;
    let text = String::from_utf8(bytes)
        .ok()
        .with_context(|| format!("file {}: is not UTF-8 text", path.display()))
        .hint("save it as UTF-8")?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map_or_else(|| text.clone(), str::to_owned))
}

fn file_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("file {}: its name is not text", path.display()))?;
    Ok(name.to_owned())
}

fn python(file: &Path, named: &ScriptRef, folder: &Path) -> Result<Bundle> {
    let mut bundle = Bundle::new(&file_name(file)?, source_text(file)?);
    for with in &named.with {
        let path = folder.join(with);
        let shown = || format!("package {with}");
        if path.is_dir() {
            let mut walk = Walk {
                bundle: &mut bundle,
                bytes: 0,
            };
            walk.folder(&path, "", 0).with_context(shown)?;
            continue;
        }
        let name = file_name(&path).with_context(shown)?;
        match name.rsplit_once('.') {
            Some((stem, "whl")) if !stem.ends_with("-none-any") => bail!(
                anyhow!("{}: has native code, which does not run here", shown())
                    .hint("take a wheel whose name ends in none-any.whl, if the package has one")
            ),
            Some((_, "whl" | "zip")) => {}
            _ => bail!(
                anyhow!("{}: neither a folder nor a wheel", shown())
                    .hint("'pip download --no-deps NAME' gets a package's wheel")
            ),
        }
        let zip = read_file(&path, BUNDLE_BYTES_MAX).with_context(shown)?;
        bundle.add_package(&name, &zip).with_context(shown)?;
    }
    Ok(bundle)
}

/// Adds the Python files of a folder.
struct Walk<'a> {
    bundle: &'a mut Bundle,
    /// Bytes read so far.
    bytes: u64,
}

impl Walk<'_> {
    /// Adds the files of `folder`; `inside` is its path in the bundle, with a `/` at its end.
    fn folder(&mut self, folder: &Path, inside: &str, depth: usize) -> Result<()> {
        ensure!(
            depth < DEPTH_MAX,
            "folder {}: more than {DEPTH_MAX} folders deep, which is the limit",
            folder.display()
        );
        let shown = || format!("folder {}: can't be read", folder.display());
        let mut names = Vec::new();
        for entry in folder.read_dir().with_context(shown)? {
            names.push(entry.with_context(shown)?.file_name());
        }
        names.sort();
        for name in names {
            let path = folder.join(&name);
            // What Python itself can't import has no name that matters.
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') || name == "__pycache__" {
                continue;
            }
            let inside = format!("{inside}{name}");
            if path.is_dir() {
                self.folder(&path, &format!("{inside}/"), depth + 1)?;
            } else if extension(name) == Some("py") {
                let source = source_text(&path)?;
                self.bytes += source.len() as u64;
                ensure!(
                    self.bytes <= BUNDLE_BYTES_MAX,
                    "more than {BUNDLE_BYTES_MAX} bytes of sources, which is the limit"
                );
                self.bundle.add_file(&inside, source)?;
            } else if is_native(name) {
                bail!(
                    anyhow!(
                        "file {}: native code, which does not run here",
                        path.display()
                    )
                    .hint("leave the package out, or take one that is Python alone")
                );
            }
        }
        Ok(())
    }
}

fn is_native(name: &str) -> bool {
    extension(name).is_some_and(|extension| NATIVE.contains(&extension))
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// Returns the path without `.` and `..`, as text alone: nothing is looked up.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(clean.components().next_back(), Some(Component::Normal(_))) =>
            {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// Returns whether a file is there, and regular.
fn is_file(path: &Path) -> bool {
    input_file::open("", path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::lexical;
    use std::path::Path;

    #[test]
    fn a_path_is_cleaned_as_text() {
        for (path, clean) in [
            ("a/./b/../c.js", "a/c.js"),
            ("../a/../../b.js", "../../b.js"),
            ("/a/../../b", "/../b"),
            ("a/..", ""),
        ] {
            assert_eq!(lexical(Path::new(path)), Path::new(clean), "{path}");
        }
    }
}
