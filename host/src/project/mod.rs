//! A project of missions on the disk: a folder with a Cargo workspace, crates in `missions/`, their
//! modules in `missions/dist/`, and a descriptor for each. This room makes such a project, has cargo
//! build it, and tells whether a module is older than its sources. It runs no mission.

mod build;
mod cargo;
mod place;
mod stale;
mod template;

use std::path::{Path, PathBuf};

pub use build::{DIGEST_FILE, Result as BuildResult, build};
pub use cargo::Workspace;
pub use place::{Outcome, check, keep_in_git, make};
pub use stale::stale;
pub use template::{File, GITIGNORE, STATE_ROOT_IGNORES, leaves_out_env, mission, project};

/// The folder of modules, from the top of the project.
pub const DIST: &str = "missions/dist";
/// What a folder has if it is the top of a project that `coo init` made.
const MARKS: [&str; 2] = ["Cargo.toml", "vendor/coo-guest/Cargo.toml"];

/// Returns the top of the project that `folder` is in: the folder itself or the nearest one above.
#[must_use]
pub fn find(folder: &Path) -> Option<PathBuf> {
    let is_top = |folder: &&Path| MARKS.iter().all(|mark| folder.join(mark).is_file());
    folder.ancestors().find(is_top).map(Path::to_owned)
}
