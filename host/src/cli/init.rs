//! `coo init`: creates the state root, so that its configuration can be changed before the first
//! run. With a folder it also makes a project of missions there, which runs at once. Every command
//! that runs a mission also creates a missing root. Never replaces a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::project::name::MissionName;
use coo_kernel::state::layout;
use serde::Serialize;

use super::{config, print};
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::machine::{self, input_file};
use crate::project::{self, File, Outcome};
use crate::session::Session;
use crate::state::state_root::DEFAULT_NAME;

/// Fewest columns of a path in the list of files.
const PATH_COLUMNS: usize = 32;
/// Columns between the longest path and what the file is for.
const GAP_COLUMNS: usize = 2;
/// Most bytes of a `.gitignore` in which its lines are looked up.
const GITIGNORE_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Folder of a new project; '.' is the working directory
    dir: Option<PathBuf>,
    /// Name of the project's first mission [default: that of the folder]
    #[arg(long, value_name = "NAME", requires = "dir")]
    name: Option<String>,
    /// Model that live calls ask, written to the configuration
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Made {
    root: Root,
    /// The project, if one was asked for.
    project: Option<Project>,
}

/// A state root.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Root {
    path: String,
    /// Whether it was there before.
    existed: bool,
    /// Path of the configuration.
    configuration: String,
    default_model: Option<String>,
}

impl Root {
    fn text(&self) -> String {
        format!(
            "State root {} {}\n  Default model: {}\n  Configuration: {}\n",
            self.path,
            if self.existed {
                "already exists"
            } else {
                "created"
            },
            print::one_line(self.default_model.as_deref().unwrap_or("none")),
            self.configuration,
        )
    }
}

/// A project of missions.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Project {
    folder: String,
    /// Name of its first mission.
    mission: String,
    /// Paths of the files that were made.
    made: Vec<String>,
    /// Paths at which another file is, which stays.
    kept: Vec<String>,
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
    let model = options.model.as_deref();
    if let Some(model) = model {
        config::check_model(model)?;
    }
    if options.dir.is_none() {
        let root = state_root(root, model)?;
        let existed = root.existed;
        if options.json {
            print::json(
                "coo-init/1",
                &Made {
                    root,
                    project: None,
                },
            )?;
        } else {
            print::out(&root.text())?;
        }
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
    // A root elsewhere is no part of the project.
    let is_inside = root == top.join(DEFAULT_NAME);
    if is_inside && !root.join(layout::STORE).exists() {
        project::keep_in_git(root)?;
    }
    let state = state_root(root, model)?;
    project::make(top, &files, &outcomes)?;
    let place = match top.to_str() {
        Some("") => "the working directory".to_owned(),
        _ => top.display().to_string(),
    };
    if options.json {
        let paths = |wanted: Outcome| {
            let files = files.iter().zip(&outcomes);
            let files = files.filter(|(_, outcome)| **outcome == wanted);
            files.map(|(file, _)| file.path.clone()).collect()
        };
        let project = Some(Project {
            folder: top.display().to_string(),
            mission: name.to_string(),
            made: paths(Outcome::Made),
            kept: paths(Outcome::Kept),
        });
        print::json(
            "coo-init/1",
            &Made {
                root: state,
                project,
            },
        )?;
    } else {
        let files = listed(&place, &files, &outcomes);
        print::out(&format!("{}{files}", state.text()))?;
    }
    let is_kept = |(file, outcome): (&File, &Outcome)| {
        file.path == project::GITIGNORE && *outcome == Outcome::Kept
    };
    if files.iter().zip(&outcomes).any(is_kept) {
        say_if_key_is_shown(&top.join(project::GITIGNORE));
    }
    if is_inside {
        say_if_ignored(&root.join(layout::GITIGNORE));
    }
    if !top.as_os_str().is_empty() {
        let top = print::word(&top.display().to_string());
        print::next(&format!("'cd {top}' goes there"));
    }
    say_next(&name, Path::new(""));
    if let Some(model) = model {
        print::next(&format!(
            "set OPENROUTER_API_KEY in the environment or in .env: the first run asks {model}"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how a mission that was just made is built and run. `top` is the way to the project.
pub fn say_next(name: &MissionName, top: &Path) {
    let descriptor = top.join(format!("{name}.json"));
    let descriptor = print::word(&descriptor.display().to_string());
    print::next(&format!(
        "'coo build' compiles it, 'coo run {descriptor}' runs it"
    ));
}

/// Warns if the user's own `.gitignore` does not leave out the file with the key.
fn say_if_key_is_shown(path: &Path) {
    if lines_of(path).is_some_and(|lines| project::leaves_out_env(&lines)) {
        return;
    }
    print::note_hint(
        &format!(
            "file {}: has no line '.env', so a key in .env could be committed",
            path.display()
        ),
        "add the line '.env' to it",
    );
}

/// Warns if git leaves out the whole state root, as a root does that was made without a project.
fn say_if_ignored(path: &Path) {
    if lines_of(path).is_none_or(|lines| lines.trim() != "*") {
        return;
    }
    let shown = path.display();
    let lines = project::STATE_ROOT_IGNORES.trim_end().replace('\n', ", ");
    print::note_hint(
        &format!("file {shown}: leaves out the whole state root, so no recorded run is committed"),
        &format!("write these lines into it instead of '*': {lines}"),
    );
}

/// Returns the text of a `.gitignore`; `None` if it can't be read.
fn lines_of(path: &Path) -> Option<String> {
    let content = input_file::read(path, GITIGNORE_BYTES_MAX).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

/// Creates the state root if it is missing, and writes `model` to its configuration.
fn state_root(root: &Path, model: Option<&str>) -> Result<Root> {
    let existed = root.join(layout::STORE).exists();
    let mut session = Session::create(root, Purpose::Change, print::note)?;
    if let Some(model) = model {
        session = config::change(session, config::DEFAULT_MODEL, model)?.0;
        config::say_if_model_overridden(&session);
    }
    Ok(Root {
        path: root.display().to_string(),
        existed,
        configuration: root.join("config.json").display().to_string(),
        default_model: session.config()?.llm.default_model.clone(),
    })
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
    // One line stands for all files of the SDK that are as they should be.
    let files = files.iter().zip(outcomes);
    let shown: Vec<_> = files
        .filter(|(file, outcome)| !file.about.is_empty() || **outcome == Outcome::Kept)
        .collect();
    let longest = shown.iter().map(|(file, _)| file.path.len()).max();
    let columns = PATH_COLUMNS.max(longest.unwrap_or(0) + GAP_COLUMNS);
    for (file, outcome) in shown {
        let about = match outcome {
            Outcome::Made => file.about,
            Outcome::Same => "was there already",
            Outcome::Kept => "another file is there, and stays",
        };
        let _ = writeln!(text, "  {:columns$}{about}", file.path);
    }
    text
}
