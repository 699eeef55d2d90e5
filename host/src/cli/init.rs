//! `coo init`: creates the state root, so that its configuration can be changed before the first
//! run. With a folder it also makes a project of missions there, which runs at once. Every command
//! that runs a mission also creates a missing root. Never replaces a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::project::name::MissionName;
use coo_kernel::state::layout;

use super::print;
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::machine;
use crate::project::{self, File, Outcome};
use crate::session::Session;

/// Columns of a path in the list of files.
const PATH_COLUMNS: usize = 32;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Folder of a new project; '.' is the working directory
    dir: Option<PathBuf>,
    /// Name of the project's first mission [default: that of the folder]
    #[arg(long, value_name = "NAME", requires = "dir")]
    name: Option<String>,
}

impl Options {
    /// Returns the folder that the state root is created in.
    pub fn folder(&self) -> &Path {
        match self.dir.as_deref() {
            None => Path::new(""),
            Some(folder) if folder == Path::new(".") => Path::new(""),
            Some(folder) => folder,
        }
    }
}

pub fn cmd_init(root: &Path, options: &Options) -> Result<ExitCode> {
    if options.dir.is_none() {
        let (text, existed) = state_root(root)?;
        print::out(&text)?;
        if !existed {
            print::next("'coo run-demo' runs the first mission");
            print::next("'coo init DIR' makes a project of your own missions");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let top = options.folder();
    let name = name(top, options.name.as_deref())?;
    let files = project::project(&name);
    let outcomes = project::check(top, &files)?;
    let (text, _) = state_root(root)?;
    project::make(top, &files, &outcomes)?;
    let place = match top.to_str() {
        Some("") => "the working directory".to_owned(),
        _ => top.display().to_string(),
    };
    print::out(&format!("{text}{}", listed(&place, &files, &outcomes)))?;
    if !top.as_os_str().is_empty() {
        print::next(&format!("'cd {}' goes there", top.display()));
    }
    say_next(&name);
    Ok(ExitCode::SUCCESS)
}

/// Says how a mission that was just made is built and run.
pub fn say_next(name: &MissionName) {
    print::next(&format!(
        "'coo build' compiles it, 'coo run {name}.json' runs it"
    ));
}

/// Creates the state root if it is missing. Returns what there is to say about it, and whether it
/// existed.
fn state_root(root: &Path) -> Result<(String, bool)> {
    let existed = root.join(layout::STORE).exists();
    let session = Session::create(root, Purpose::Change, print::note)?;
    let model = session
        .config()?
        .llm
        .default_model
        .as_deref()
        .unwrap_or("none");
    let text = format!(
        "State root {} {}\n  Default model: {}\n  Configuration: {}\n",
        root.display(),
        if existed { "already exists" } else { "created" },
        print::one_line(model),
        root.join("config.json").display(),
    );
    Ok((text, existed))
}

/// Returns the name of the first mission: the one given, or the folder's.
fn name(top: &Path, given: Option<&str>) -> Result<MissionName> {
    if let Some(given) = given {
        return parse(given);
    }
    let here = machine::working_directory().context("working directory")?;
    let folder = here.join(top);
    // `..` has no name of its own.
    let folder = folder.canonicalize().unwrap_or(folder);
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    MissionName::of_folder(&folder).ok_or_else(|| {
        anyhow!(
            "folder '{}': its name is no name of a mission",
            print::one_line(&folder)
        )
        .hint("give one with --name, such as --name mail-sort")
    })
}

/// Takes a name that was typed.
pub fn parse(name: &str) -> Result<MissionName> {
    MissionName::parse(name)
        .with_context(|| format!("mission name '{}'", print::one_line(name)))
        .hint("take a name such as mail-sort")
}

/// Returns the list of files, with what each is for or why it stays.
pub fn listed(place: &str, files: &[File], outcomes: &[Outcome]) -> String {
    let made = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Made)
        .count();
    let mut text = format!("{} made in {place}\n", print::count(made, "file"));
    for (file, outcome) in files.iter().zip(outcomes) {
        let about = match outcome {
            Outcome::Made => file.about,
            Outcome::Same => "was there already",
            Outcome::Kept => "another file is there, and stays",
        };
        // One line stands for all files of the SDK that are as they should be.
        if !file.about.is_empty() || *outcome == Outcome::Kept {
            let _ = writeln!(text, "  {:PATH_COLUMNS$}{about}", file.path);
        }
    }
    text
}
