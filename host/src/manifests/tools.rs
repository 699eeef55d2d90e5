//! The tools manifest: `coo` itself, what it was built with, and the tools that a governed
//! change of a repository calls, each with path, digest and version. A tool is asked for its
//! version in an environment of its own; one that is not there is null.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use coo_kernel::baseline::text_of;
use coo_kernel::descriptor::EngineSettings;
use coo_kernel::digest::Digest;
use serde::Serialize;

use super::TOOLS_FORMAT;
use crate::config::Config;
use crate::{engine, hashing, machine};

/// Called by a governed change of a repository, whatever the configuration says.
const TOOLS: [&str; 2] = ["git", PYTHON];
pub const PYTHON: &str = "python3";
/// So long may a tool take to say its version, before it is ended.
const VERSION_TIME_MAX: Duration = Duration::from_secs(20);
/// So much of what it prints is read.
const VERSION_BYTES_MAX: u64 = 4 << 10;
const NAME_BYTES_MAX: usize = 64;

/// `tools_manifest.json`.
#[derive(Serialize)]
pub struct Manifest {
    build: Build,
    coo: Coo,
    format: &'static str,
    tools: BTreeMap<String, Option<Tool>>,
}

/// What this build of `coo` was made with.
#[derive(Serialize)]
struct Build {
    rustc: &'static str,
    sqlite: &'static str,
    wasmtime: &'static str,
}

#[derive(Serialize)]
struct Coo {
    engine: Vec<String>,
    engine_sha256: Digest,
    path: String,
    sha256: Digest,
    target: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Tool {
    path: String,
    /// Where links lead from there.
    resolved: String,
    sha256: Digest,
    version: Option<String>,
}

impl Manifest {
    /// Version of the Python that is called, if there is one.
    pub fn python(&self) -> Option<String> {
        self.tools.get(PYTHON)?.as_ref()?.version.clone()
    }
}

/// Looks at everything.
pub fn manifest(config: &Config) -> Result<Manifest> {
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
    Ok(Manifest {
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
            "configuration: tool '{}' must be the plain name of a program in PATH, 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ + -; correct \"tools\" in config.json",
            name.escape_debug().take(NAME_BYTES_MAX).collect::<String>()
        );
    }
    Ok(())
}

fn tool(name: &str) -> Result<Option<Tool>> {
    let folder = machine::working_directory().context("working directory")?;
    let Ok(path) = which::which_in(name, machine::env_os("PATH"), folder) else {
        return Ok(None);
    };
    let resolved = path
        .canonicalize()
        .with_context(|| format!("{}: can't be followed", path.display()))?;
    Ok(Some(Tool {
        sha256: digest_of(&resolved)?,
        version: version(&path, VERSION_TIME_MAX)?,
        path: shown(&path),
        resolved: shown(&resolved),
    }))
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

/// The first line of what `path --version` prints; none where it fails or prints nothing.
fn version(path: &Path, time_max: Duration) -> Result<Option<String>> {
    let mut command = Command::new(path);
    command
        .arg("--version")
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, to be ended with whatever it starts.
        .process_group(0);
    if let Some(path) = machine::env_os("PATH") {
        command.env("PATH", path);
    }
    // A script whose interpreter is not there is a tool that can't say its version.
    let Ok(child) = command.spawn() else {
        return Ok(None);
    };
    let group = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    // Waits in the place of this thread, which can thus stop waiting.
    std::thread::spawn(move || sender.send(first_line(child)));
    if let Ok(line) = receiver.recv_timeout(time_max) {
        Ok(line)
    } else {
        // It may have ended this moment: then there is nobody to end.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        bail!(
            "{}: '--version' took more than {} seconds; put a working one into PATH",
            path.display(),
            time_max.as_secs()
        )
    }
}

fn first_line(mut child: Child) -> Option<String> {
    let mut printed = Vec::new();
    let pipe = child.stdout.take()?;
    let read = pipe.take(VERSION_BYTES_MAX).read_to_end(&mut printed);
    // The pipe is closed by now: whoever prints on and on is ended by that.
    let status = child.wait().ok()?;
    read.ok()?;
    let text = String::from_utf8_lossy(&printed).into_owned();
    let line = text.lines().next()?.trim();
    (status.success() && !line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What a script of these lines says of its version, and whether in time.
    fn said(script: &str, time_max: Duration) -> Result<Option<String>> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("tool");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        version(&path, time_max)
    }

    #[test]
    fn a_version_is_the_first_line_of_a_tool_that_succeeds() {
        let said = |script: &str| said(script, VERSION_TIME_MAX).unwrap();
        let two = "#!/bin/sh\necho ' tool 1.2 '; echo more; pwd";
        assert_eq!(said(two).as_deref(), Some("tool 1.2"));
        let surroundings = "#!/bin/sh\necho \"$1 $(pwd) $LC_ALL ${HOME-none}\"; cat";
        assert_eq!(said(surroundings).as_deref(), Some("--version / C none"));
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
