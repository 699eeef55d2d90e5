//! Cargo and rustc, as the build of a project uses them: what the workspace holds, whether the target
//! is installed, and one reproducible compilation. Cargo prints to standard error only. Neither is
//! ever installed by `coo`; an error says how to get them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use coo_kernel::project::name::MissionName;
use serde::Deserialize;

use crate::hint::Hint as _;
use crate::machine;

/// The target of every mission.
pub const TARGET: &str = "wasm32-wasip1";
/// What stands for the top of the project in what is compiled.
const TOP: &str = "/project";
/// Folders below cargo's home whose folders have sources, and what stands for each of these.
const REMAPPED: [(&str, &str); 2] = [("git/checkouts", "/git"), ("registry/src", "/registry")];
/// Variables of the user that would change a module's bytes, or the list of its sources.
const CHANGES_BYTES: [&str; 11] = [
    "CARGO_BUILD_DEP_INFO_BASEDIR",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];
/// How the names of more such variables begin.
const CHANGES_BYTES_TOO: [&str; 2] = ["CARGO_PROFILE_", "CARGO_TARGET_WASM32"];

/// The Cargo workspace of a project.
#[derive(Debug)]
pub struct Workspace {
    /// The top of the project.
    pub top: PathBuf,
    target_folder: PathBuf,
    /// Where build scripts write; the target folder unless the user names another one.
    build_folder: PathBuf,
    /// The crates in `missions/`, by name.
    pub missions: BTreeMap<String, MissionCrate>,
    /// The folders of all its crates.
    crates: Vec<PathBuf>,
}

/// A crate in `missions/`.
#[derive(Debug)]
pub struct MissionCrate {
    /// What cargo calls the file that it compiles, without `.wasm`.
    file: String,
}

/// A module as cargo compiled it.
#[derive(Debug)]
pub struct Compiled {
    pub wasm: PathBuf,
    /// The list of sources beside it.
    pub dep_info: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    /// An older cargo does not say it.
    build_directory: Option<PathBuf>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Workspace {
    /// Asks cargo for the workspace that `folder` is in.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut command = cargo()?;
        command.current_dir(folder);
        command.args(["metadata", "--no-deps", "--format-version", "1"]);
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .context("cargo: can't be started")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said: Vec<&str> = said.split_whitespace().collect();
            let said = said.join(" ");
            let said = said.trim_start_matches("error: ");
            bail!(
                anyhow!("project {}: cargo can't read it: {said}", folder.display())
                    .hint("'coo init DIR' makes a project of missions")
            );
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout)
            .context("cargo metadata: its answer can't be read")?;
        Ok(Self::from(metadata))
    }

    /// Returns the folders of crates of the workspace.
    pub fn crates(&self) -> impl Iterator<Item = &Path> {
        self.crates.iter().map(PathBuf::as_path)
    }

    /// Tells whether a file is the work of a compilation, and so no source of the project.
    pub fn is_made(&self, file: &Path) -> bool {
        file.starts_with(&self.target_folder) || file.starts_with(&self.build_folder)
    }

    /// Gets the sources of all dependencies. Cargo may write `Cargo.lock`.
    pub fn fetch(&self, locked: bool) -> Result<()> {
        let mut fetch = self.cargo("fetch", locked)?;
        run(fetch.args(["--target", TARGET]))
    }

    /// Compiles these missions for the target; cargo prints to standard error. `fetch` comes first,
    /// because flags name each registry whose sources are on this machine.
    pub fn compile(&self, names: &[String], locked: bool) -> Result<()> {
        let mut build = self.cargo("build", locked)?;
        build
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags()?)
            .env("CARGO_INCREMENTAL", "0")
            .args(["--release", "--target", TARGET, "--target-dir"])
            .arg(&self.target_folder);
        for name in names {
            build.args(["--package", name]);
        }
        run(&mut build)
    }

    /// Returns where cargo puts what it compiles of these missions.
    pub fn compiled(&self, names: &[String]) -> Vec<Compiled> {
        let folder = self.target_folder.join(TARGET).join("release");
        let of = |name: &String| {
            let file = &self.missions[name].file;
            Compiled {
                wasm: folder.join(format!("{file}.wasm")),
                dep_info: folder.join(format!("{file}.d")),
            }
        };
        names.iter().map(of).collect()
    }

    /// Returns a command of cargo in the project, without the variables that change bytes.
    fn cargo(&self, what: &str, locked: bool) -> Result<Command> {
        let mut command = cargo()?;
        command.current_dir(&self.top).arg(what);
        for (name, _) in machine::environment() {
            let changes_bytes = name.to_str().is_some_and(|name| {
                CHANGES_BYTES.contains(&name)
                    || CHANGES_BYTES_TOO
                        .iter()
                        .any(|start| name.starts_with(start))
            });
            if changes_bytes {
                command.env_remove(name);
            }
        }
        if locked {
            command.arg("--locked");
        }
        Ok(command)
    }

    /// Returns flags that keep every path of this machine out of a module, separated as cargo wants
    /// them. Each registry and each repository is named by itself, because the names of their
    /// folders differ.
    fn flags(&self) -> Result<OsString> {
        let mut flags = OsString::new();
        let mut remap = |from: &Path, to: &str| {
            if !flags.is_empty() {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        };
        remap(&self.top, TOP);
        for (below, to) in REMAPPED {
            let sources = cargo_home().map(|home| home.join(below));
            let Some(entries) = sources.and_then(|folder| folder.read_dir().ok()) else {
                continue;
            };
            let mut folders = entries
                .map(|entry| Ok(entry?.path()))
                .collect::<std::io::Result<Vec<_>>>()
                .with_context(|| format!("cargo's {below}: can't be read"))?;
            folders.sort();
            for folder in &folders {
                remap(folder, to);
            }
        }
        Ok(flags)
    }
}

impl From<Metadata> for Workspace {
    fn from(metadata: Metadata) -> Self {
        let Metadata {
            packages,
            target_directory,
            build_directory,
            workspace_root,
        } = metadata;
        let missions = workspace_root.join("missions");
        let mut found = BTreeMap::new();
        let mut crates = Vec::new();
        for package in packages {
            let Some(folder) = package.manifest_path.parent() else {
                continue;
            };
            crates.push(folder.to_owned());
            if folder.parent() != Some(&missions) {
                continue;
            }
            if let Some(file) = package.targets.iter().find_map(Target::file) {
                found.insert(package.name, MissionCrate { file });
            }
        }
        Self {
            top: workspace_root,
            build_folder: build_directory.unwrap_or_else(|| target_directory.clone()),
            target_folder: target_directory,
            missions: found,
            crates,
        }
    }
}

impl Target {
    /// Returns the name of the module that this target gives, if it gives one.
    fn file(&self) -> Option<String> {
        let has = |kind: &str| self.crate_types.iter().any(|found| found == kind);
        if has("cdylib") {
            return Some(self.name.replace('-', "_"));
        }
        has("bin").then(|| self.name.clone())
    }
}

/// Returns the folder in which cargo keeps registries.
fn cargo_home() -> Option<PathBuf> {
    let named = machine::env_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(machine::env_os("HOME")?).join(".cargo")))
}

/// Returns the names of the crates of `missions/` that are to be built: those of `wanted`, or all.
pub fn choose(workspace: &Workspace, wanted: &[String]) -> Result<Vec<String>> {
    let known: Vec<&str> = workspace.missions.keys().map(String::as_str).collect();
    if known.is_empty() {
        bail!(
            anyhow!(
                "project {}: has no mission crate in missions/",
                workspace.top.display()
            )
            .hint("'coo new NAME' adds one, 'coo init DIR' makes a project")
        );
    }
    for name in wanted {
        // What is no name at all is shown by the same error.
        if !known.contains(&name.as_str()) {
            let is_name = MissionName::parse(name).is_ok();
            let next = if is_name {
                format!("'coo new {name}' adds it; there is {}", known.join(", "))
            } else {
                format!("there is {}", known.join(", "))
            };
            bail!(anyhow!("mission '{name}': no crate in missions/ of the project").hint(next));
        }
    }
    let all = known.iter().map(|name| (*name).to_owned());
    let chosen = all.filter(|name| wanted.is_empty() || wanted.contains(name));
    Ok(chosen.collect())
}

/// Fails if rustc can't compile for the target. Returns the first line of what it says of itself.
pub fn compiler(top: &Path) -> Result<String> {
    let version = rustc(top, &["-V"])?;
    let folder = rustc(top, &["--print", "target-libdir", "--target", TARGET])?;
    let has_std = Path::new(&folder).read_dir().is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
        })
    });
    if has_std {
        return Ok(version);
    }
    Err(anyhow!("target {TARGET}: not installed for {version}")
        .hint(format!("run 'rustup target add {TARGET}'")))
}

fn rustc(top: &Path, arguments: &[&str]) -> Result<String> {
    let program = machine::env_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&program)
        .args(arguments)
        .current_dir(top)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| missing(&program.to_string_lossy(), &error))?;
    if !output.status.success() {
        bail!(
            "{} {}: {}",
            program.to_string_lossy(),
            arguments.join(" "),
            how_ended(output.status)
        );
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

/// Returns a command for cargo.
fn cargo() -> Result<Command> {
    let program = which::which("cargo").map_err(|error| missing("cargo", &error))?;
    Ok(Command::new(program))
}

/// Runs cargo to its end. All that it prints goes to standard error: results alone go to standard
/// output.
fn run(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().context("cargo: can't be started")?;
    if status.success() {
        return Ok(());
    }
    Err(
        anyhow!("cargo: {}, so no module was replaced", how_ended(status))
            .hint("correct what cargo says above"),
    )
}

fn missing(program: &str, why: &dyn std::fmt::Display) -> Error {
    anyhow!("{program}: can't be started: {why}").hint(format!(
        "install Rust from https://rustup.rs, then run 'rustup target add {TARGET}'"
    ))
}

fn how_ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => "was stopped by a signal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missions_are_the_crates_below_missions_that_give_a_module() {
        let text = r#"{
            "workspace_root": "/p", "target_directory": "/t", "more": 1,
            "packages": [
                {"name": "mail-sort", "manifest_path": "/p/missions/mail-sort/Cargo.toml",
                 "targets": [{"name": "mail_sort", "crate_types": ["cdylib"]}]},
                {"name": "a-program", "manifest_path": "/p/missions/a-program/Cargo.toml",
                 "targets": [{"name": "lib", "crate_types": ["lib"]},
                             {"name": "a-program", "crate_types": ["bin"]}]},
                {"name": "words", "manifest_path": "/p/missions/words/Cargo.toml",
                 "targets": [{"name": "words", "crate_types": ["lib"]}]},
                {"name": "coo-guest", "manifest_path": "/p/vendor/coo-guest/Cargo.toml",
                 "targets": [{"name": "coo_guest", "crate_types": ["lib"]}]}
            ]}"#;
        let workspace = Workspace::from(serde_json::from_str::<Metadata>(text).unwrap());
        let files = workspace.missions.iter();
        let files: Vec<_> = files
            .map(|(name, mission)| (name.as_str(), mission.file.as_str()))
            .collect();
        assert_eq!(
            files,
            [("a-program", "a-program"), ("mail-sort", "mail_sort")]
        );
        assert_eq!(workspace.crates().count(), 4);
        assert!(workspace.is_made(Path::new("/t/wasm32-wasip1/release/build/a-1/out/b.rs")));
        assert!(!workspace.is_made(Path::new("/p/missions/words/src/lib.rs")));
        assert_eq!(choose(&workspace, &[]).unwrap(), ["a-program", "mail-sort"]);
        let wanted = ["mail-sort".to_owned(), "mail-sort".to_owned()];
        assert_eq!(choose(&workspace, &wanted).unwrap(), ["mail-sort"]);
        assert!(choose(&workspace, &["words".to_owned()]).is_err());
    }
}
