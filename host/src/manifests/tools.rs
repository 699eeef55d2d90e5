//! The tools manifest: `coo` itself, what it was built with, and the tools that a governed change
//! of a repository calls, each with path, digest and version. A tool is run in an environment of
//! its own to ask for its version and, for Python and rustc, for the executable behind it. A
//! missing tool is null. Never guesses what a script or proxy would start.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::text_of;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::EngineSettings;
use serde::Serialize;

use super::TOOLS_FORMAT;
use crate::hint::Hint as _;
use crate::machine;
use crate::machine::hashing;
use crate::machine::outside::{self, Bounds, End, Failed, Outputs};
use crate::program::engine;
use crate::state::config::Config;

/// Tools that every governed change of a repository calls, whatever the configuration says.
const TOOLS: [&str; 2] = ["git", PYTHON];
pub const PYTHON: &str = "python3";
/// Time after which a tool that does not answer is ended.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Number of bytes of its output that are kept.
const VERSION_BYTES_MAX: usize = 4 << 10;
/// A tool that prints more than this when asked for its version has no version.
const PRINTED_BYTES_MAX: u64 = 64 << 10;
const NAME_BYTES_MAX: usize = 64;

/// The content of `tools_manifest.json`.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct ToolManifest {
    build: Build,
    coo: Coo,
    format: &'static str,
    tools: BTreeMap<String, Option<Tool>>,
}

/// What this `coo` was built with.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Build {
    rustc: &'static str,
    sqlite: &'static str,
    wasmtime: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Coo {
    engine: Vec<String>,
    engine_sha256: Digest,
    path: String,
    sha256: Digest,
    target: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Tool {
    /// The executable that the tool says it runs in the end, if it can tell.
    executable: Option<Executable>,
    /// `script` if the file begins with `#!`, so that it may start anything; otherwise `binary`.
    kind: &'static str,
    path: String,
    /// `path` with all links resolved.
    resolved: String,
    sha256: Digest,
    version: Option<String>,
}

/// The executable that a tool says it runs.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Executable {
    path: String,
    /// `path` with all links resolved.
    resolved: String,
    sha256: Digest,
}

impl ToolManifest {
    /// Returns the version of `python3`, if it is installed.
    pub fn python(&self) -> Option<String> {
        self.tools.get(PYTHON)?.as_ref()?.version.clone()
    }
}

/// Reads everything and runs the tools.
pub fn manifest(config: &Config) -> Result<ToolManifest> {
    let mut tools = BTreeMap::new();
    let configured = config.tools.iter().map(String::as_str);
    for name in TOOLS.into_iter().chain(configured) {
        check_name(name)?;
        if !tools.contains_key(name) {
            let found = tool(name).with_context(|| format!("tool '{name}'"))?;
            tools.insert(name.to_owned(), found);
        }
    }
    let sandbox = engine::build(EngineSettings::default())?;
    let path = machine::executable().context("coo: its own executable can't be found")?;
    Ok(ToolManifest {
        build: Build {
            rustc: env!("COO_RUSTC"),
            sqlite: rusqlite::version(),
            wasmtime: engine::WASMTIME_VERSION,
        },
        coo: Coo {
            engine: sandbox.identity.lines().map(str::to_owned).collect(),
            engine_sha256: sandbox.identity_sha256,
            sha256: digest_of(&path)?,
            path: shown(&path),
            target: env!("COO_TARGET"),
            version: env!("CARGO_PKG_VERSION"),
        },
        format: TOOLS_FORMAT,
        tools,
    })
}

fn check_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    if name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || name.starts_with(['.', '-'])
        || !name.bytes().all(plain)
    {
        bail!(
            anyhow!(
                "configuration: tool '{}' must be the plain name of a program in \
                 PATH, 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ + -",
                name.escape_debug().take(NAME_BYTES_MAX).collect::<String>()
            )
            .hint("correct \"tools\" in config.json")
        );
    }
    Ok(())
}

fn tool(name: &str) -> Result<Option<Tool>> {
    let folder = machine::working_directory().context("working directory")?;
    let Ok(path) = which::which_in(name, absolute_path(), folder) else {
        return Ok(None);
    };
    let resolved = path
        .canonicalize()
        .with_context(|| format!("{}: can't be followed", path.display()))?;
    Ok(Some(Tool {
        executable: executable(name, &path)?,
        kind: kind(&resolved)?,
        sha256: digest_of(&resolved)?,
        version: first_line_of(&path, &["--version"], TIME_MAX)?,
        path: shown(&path),
        resolved: shown(&resolved),
    }))
}

/// Returns `PATH` without relative folders, so that no program from the working directory, which
/// may belong to another user, is started.
fn absolute_path() -> Option<OsString> {
    let path = machine::env_os("PATH")?;
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    std::env::join_paths(folders).ok()
}

fn kind(path: &Path) -> Result<&'static str> {
    let shown = || format!("executable {}: can't be read", path.display());
    let mut start = Vec::new();
    let file = File::open(path).with_context(shown)?;
    file.take(2).read_to_end(&mut start).with_context(shown)?;
    Ok(if start == b"#!" { "script" } else { "binary" })
}

/// Asks `path`, the tool called `name`, for the executable behind it. Returns `None` if the tool
/// cannot be asked, or answers nothing that is a file.
fn executable(name: &str, path: &Path) -> Result<Option<Executable>> {
    let (question, below): (&[&str], _) = if name == "rustc" {
        // Most often this is a proxy of rustup.
        (&["--print", "sysroot"], "bin/rustc")
    } else if is_python(name) {
        // -E and -s: the user's own settings must not change the answer.
        (&["-E", "-s", "-c", "import sys; print(sys.executable)"], "")
    } else {
        return Ok(None);
    };
    let Some(said) = first_line_of(path, question, TIME_MAX)? else {
        return Ok(None);
    };
    let told = match below {
        "" => PathBuf::from(said),
        below => Path::new(&said).join(below),
    };
    match told.canonicalize() {
        Ok(resolved) if told.is_absolute() && resolved.is_file() => Ok(Some(Executable {
            sha256: digest_of(&resolved)?,
            path: shown(&told),
            resolved: shown(&resolved),
        })),
        _ => Ok(None),
    }
}

/// Returns true for `python`, `python3`, `python3.12` and the like.
fn is_python(name: &str) -> bool {
    name.strip_prefix("python")
        .is_some_and(|version| version.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    text_of(path.as_os_str().as_bytes())
}

fn digest_of(path: &PathBuf) -> Result<Digest> {
    File::open(path)
        .and_then(hashing::digest_of)
        .with_context(|| format!("executable {}: can't be read", path.display()))
}

/// Runs the tool with these arguments and returns the first line it prints; `None` if it fails or
/// prints nothing.
fn first_line_of(path: &Path, question: &[&str], time_max: Duration) -> Result<Option<String>> {
    let mut command = Command::new(path);
    command
        .args(question)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/");
    // Shims and proxies look in HOME or PATH for the program that they start.
    for name in ["HOME", "PATH"] {
        if let Some(value) = machine::env_os(name) {
            command.env(name, value);
        }
    }
    let bounds = Bounds {
        time: time_max,
        kept_bytes: VERSION_BYTES_MAX,
        printed_bytes_max: PRINTED_BYTES_MAX,
    };
    let ended = match outside::run(&mut command, Outputs::Standard, &bounds) {
        Ok(ended) => ended,
        // For example a script whose interpreter is missing: such a tool has no version.
        Err(Failed::Start(_)) => return Ok(None),
        Err(failed) => return Err(failed).with_context(|| path.display().to_string()),
    };
    match ended.end {
        End::Exited(status) if status.success() => Ok(first_line(&ended.printed)),
        End::Exited(_) | End::OutOfBytes => Ok(None),
        End::OutOfTime => bail!(
            anyhow!(
                "{}: '{}' took more than {} seconds",
                path.display(),
                question.join(" "),
                time_max.as_secs()
            )
            .hint("put a working one into PATH")
        ),
    }
}

fn first_line(printed: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(printed);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Returns what a script of these lines says when asked for its version.
    fn said(script: &str, time_max: Duration) -> Result<Option<String>> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("tool");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        first_line_of(&path, &["--version"], time_max)
    }

    #[test]
    fn a_version_is_the_first_line_of_a_tool_that_succeeds() {
        let said = |script: &str| said(script, TIME_MAX).unwrap();
        let two = "#!/bin/sh\necho ' tool 1.2 '; echo more; pwd";
        assert_eq!(said(two).as_deref(), Some("tool 1.2"));
        // The daemon keeps the output open, and must not be waited for.
        let daemon = "#!/bin/sh\nsetsid sleep 1000 &\necho tool 3";
        assert_eq!(said(daemon).as_deref(), Some("tool 3"));
        let long = "#!/bin/sh\ni=0; while [ $i -lt 900 ]; do echo tool 4; i=$((i+1)); done";
        assert_eq!(said(long).as_deref(), Some("tool 4"));
        let environment = "#!/bin/sh\necho \"$1 $(pwd) $LC_ALL ${USER-none}\"; cat";
        assert_eq!(said(environment).as_deref(), Some("--version / C none"));
        for nothing in [
            "#!/bin/sh\necho 1; exit 3",
            "#!/bin/sh\necho 1 >&2",
            "#!/bin/sh\nwhile :; do echo 1; done",
            "#!/no/such/interpreter\n",
            "",
        ] {
            assert_eq!(said(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_tool_that_can_tell_is_asked_what_runs_in_the_end() {
        let folder = tempfile::TempDir::new().unwrap();
        let made = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let real = made("bin/rustc", "\x7fELF");
        let top = folder.path().display();
        let python = made(
            "shim",
            &format!("#!/bin/sh\n[ \"$3\" = -c ] && echo {top}/bin/rustc"),
        );
        let rustc = made(
            "proxy",
            &format!("#!/bin/sh\n[ \"$2\" = sysroot ] && echo {top}"),
        );
        for (name, tool) in [("python3", &python), ("rustc", &rustc)] {
            assert_eq!(kind(tool).unwrap(), "script");
            let told = executable(name, tool).unwrap().unwrap();
            assert_eq!(told.sha256, digest_of(&real).unwrap());
            assert_eq!(told.path, shown(&real));
            assert_ne!(told.sha256, digest_of(tool).unwrap());
            // Other tools are not asked, whatever they would say.
            assert!(executable("git", tool).unwrap().is_none());
        }
        assert_eq!(kind(&real).unwrap(), "binary");
        for silent in ["exit 1", "echo bin/rustc", "echo /no/such/file", "echo /"] {
            let tool = made("silent", &format!("#!/bin/sh\n{silent}"));
            assert!(executable("python3", &tool).unwrap().is_none(), "{silent}");
        }
    }

    #[test]
    fn a_tool_that_does_not_end_is_ended() {
        let error = said("#!/bin/sh\nsleep 1000", Duration::from_millis(50)).unwrap_err();
        assert!(
            format!("{error:#}").contains("--version' took more than"),
            "{error:#}"
        );
    }

    #[test]
    fn only_plain_names_are_looked_up() {
        for good in ["git", "python3", "g++", "wasm-tools", "x_1.2"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-v", "/bin/sh", "a b", "é", &"a".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
