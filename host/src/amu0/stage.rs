//! The folder in which a restore prepares itself, at the top of what it changes: what is to come
//! in `new/`, each under the number of its step, room for what goes in `old/`, and the steps.
//! Where the steps have their name, everything they need is here and on the disk. Changes
//! nothing beside it.

#![allow(
    clippy::disallowed_methods,
    reason = "writes in a folder of its own, which it made, and nowhere else"
)]

use std::io;

use anyhow::{Context as _, Result, bail};
use cap_std::fs::{Dir, MetadataExt as _};
use coo_kernel::baseline::{
    MANIFEST_BYTES_MAX, Manifest, Mode, Node, STAGE, Step, TreePath, parse_steps, print_steps,
};
use coo_kernel::digest::Digest;
use rayon::prelude::*;

use super::disk;
use super::objects::Objects;
use super::progress::Progress;
use super::scan::Folders;
use crate::fault;
use crate::hashing;
use crate::state_root::read_bounded;

/// What is to come.
const NEW: &str = "new";
/// What has gone, under the number of its step; what had to go again, with a plus behind it.
const OLD: &str = "old";
/// The steps.
const STEPS: &str = "steps.json";
/// On its way to that name.
const STEPS_WAITING: &str = "steps.waiting";

/// See the module.
pub struct Stage {
    dir: Dir,
}

impl Stage {
    /// Makes it in `top`, where none may be.
    pub fn create(top: &Dir) -> io::Result<Self> {
        fault::point("stage.create")?;
        top.create_dir(STAGE)?;
        let dir = disk::open_folder(top, STAGE.as_ref())?;
        // Files of any permissions are about to lie here.
        disk::set_folder_mode(&dir, Mode::of(0o700))?;
        dir.create_dir(NEW)?;
        dir.create_dir(OLD)?;
        Ok(Self { dir })
    }

    /// The one that an earlier process left in `top`.
    pub fn open(top: &Dir) -> io::Result<Option<Self>> {
        match disk::open_folder(top, STAGE.as_ref()) {
            Err(error) if is_absent(&error) => Ok(None),
            dir => Ok(Some(Self { dir: dir? })),
        }
    }

    /// Its handle.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// What is to come.
    pub fn coming(&self) -> io::Result<Dir> {
        disk::open_folder(&self.dir, NEW.as_ref())
    }

    /// What has gone.
    pub fn gone(&self) -> io::Result<Dir> {
        disk::open_folder(&self.dir, OLD.as_ref())
    }

    /// Writes everything that `steps` put, as `wanted` has it, and says how much that is.
    pub fn fill(
        &self,
        objects: &Objects<'_>,
        wanted: &Manifest,
        steps: &[Step],
        progress: &Progress<'_>,
    ) -> Result<usize> {
        let new = self.coming().context(STAGE)?;
        let coming = coming(wanted, steps)?;
        make_folders_and_links(&new, &coming)?;
        copy_files(objects, &new, &coming, progress)?;
        close_folders(&new, &coming)?;
        Ok(coming.len())
    }

    /// The steps get their name: all they need is here.
    pub fn seal(&self, steps: &[Step]) -> io::Result<()> {
        fault::point("stage.sync")?;
        disk::sync_file_system(&self.dir)?;
        fault::point("steps.write")?;
        let mut file = disk::create_file(&self.dir, STEPS_WAITING.as_ref())?;
        io::Write::write_all(&mut file, print_steps(steps).as_bytes())?;
        fault::point("steps.sync")?;
        file.sync_all()?;
        fault::point("steps.rename")?;
        self.dir.rename(STEPS_WAITING, &self.dir, STEPS)?;
        disk::sync_folder(&self.dir)
    }

    /// The steps, every path judged anew; none where the stage was not sealed.
    pub fn steps(&self) -> Result<Option<Vec<Step>>> {
        let file = match disk::open_file(&self.dir, STEPS.as_ref()) {
            Err(error) if is_absent(&error) => return Ok(None),
            file => file.context(STEPS)?,
        };
        let text = read_bounded(file, STEPS.as_ref(), MANIFEST_BYTES_MAX)?;
        Ok(Some(parse_steps(&text).context(STEPS)?))
    }

    /// Removes it from `top`, the steps first: without them nothing is promised.
    pub fn clear(top: &Dir) -> Result<()> {
        let cleared = (|| -> io::Result<()> {
            let Some(stage) = Self::open(top)? else {
                return Ok(());
            };
            fault::point("steps.remove")?;
            match stage.dir.remove_file(STEPS) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => {
                    removed?;
                    disk::sync_folder(&stage.dir)?;
                }
            }
            fault::point("stage.remove")?;
            if top.remove_dir_all(STAGE).is_err() {
                // Most likely a folder that its owner may not change.
                open_all(&stage.dir)?;
                top.remove_dir_all(STAGE)?;
            }
            disk::sync_folder(top)
        })();
        cleared.with_context(|| format!("{STAGE}/: can't be removed"))
    }
}

/// Whether nothing is there, or no folder on the way to it.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Lets the owner change `folder`.
pub fn open_up(folder: &Dir) -> io::Result<()> {
    let mode = Mode::of(folder.dir_metadata()?.mode() | 0o700);
    disk::set_folder_mode(folder, mode)
}

/// Lets the owner change every folder in `top`.
fn open_all(top: &Dir) -> io::Result<()> {
    let mut folders = vec![top.try_clone()?];
    while let Some(folder) = folders.pop() {
        open_up(&folder)?;
        for entry in folder.entries()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(disk::open_folder(&folder, &entry.file_name())?);
            }
        }
    }
    Ok(())
}

/// An entry that is to come.
struct Coming<'a> {
    /// Below `new/`.
    at: TreePath,
    path: &'a TreePath,
    node: &'a Node,
}

impl Coming<'_> {
    fn unwritable(&self) -> String {
        format!("{} '{}'", self.node.kind(), self.path.text())
    }
}

/// Everything that the steps put, sorted by where it waits.
fn coming<'a>(wanted: &'a Manifest, steps: &[Step]) -> Result<Vec<Coming<'a>>> {
    let entries = wanted.entries();
    let mut coming = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let Step::Put(top) = step else { continue };
        let first = entries.partition_point(|entry| entry.path < *top);
        for entry in &entries[first..] {
            if !entry.path.bytes().starts_with(top.bytes()) {
                break;
            }
            // `a-b` stands between `a` and `a/b`.
            if entry.path.is_within(top) {
                let rest = &entry.path.bytes()[top.bytes().len()..];
                coming.push(Coming {
                    at: TreePath::new([number.to_string().as_bytes(), rest].concat())?,
                    path: &entry.path,
                    node: &entry.node,
                });
            }
        }
    }
    coming.sort_unstable_by(|a, b| a.at.cmp(&b.at));
    Ok(coming)
}

fn make_folders_and_links(new: &Dir, coming: &[Coming<'_>]) -> Result<()> {
    for coming in coming {
        let written = || -> io::Result<()> {
            let folder = disk::descend(new, coming.at.parent().as_ref())?;
            let name = disk::name(coming.at.name());
            match coming.node {
                Node::Folder { .. } => {
                    fault::point("stage.folder")?;
                    folder.create_dir(name)?;
                    // Whatever the user's mask takes away.
                    let made = disk::open_folder(&folder, name)?;
                    disk::set_folder_mode(&made, Mode::of(0o700))
                }
                Node::Link { target } => {
                    fault::point("stage.link")?;
                    folder.symlink_contents(disk::name(target), name)
                }
                Node::File { .. } | Node::Other(_) => Ok(()),
            }
        };
        written().with_context(|| coming.unwritable())?;
    }
    Ok(())
}

fn copy_files(
    objects: &Objects<'_>,
    new: &Dir,
    coming: &[Coming<'_>],
    progress: &Progress<'_>,
) -> Result<()> {
    let files = coming
        .iter()
        .filter(|coming| matches!(coming.node, Node::File { .. }));
    progress.begin("files restored", files.count());
    coming
        .par_iter()
        .try_for_each_init(Folders::default, |folders, coming| {
            let Node::File { mode, sha256, size } = coming.node else {
                return Ok(());
            };
            let mut object = objects.open(sha256)?;
            let mut copied = || -> io::Result<(Digest, u64)> {
                let folder = folders.of(new, &coming.at)?;
                fault::point("stage.file")?;
                let mut file = disk::create_file(folder, disk::name(coming.at.name()))?;
                fault::point("stage.write")?;
                let copied = hashing::copy(&mut object, &mut file)?;
                disk::set_mode(&file, *mode)?;
                Ok(copied)
            };
            let copied = copied().with_context(|| coming.unwritable())?;
            if copied != (*sha256, *size) {
                bail!(objects.damaged(sha256, copied));
            }
            progress.step();
            Ok(())
        })
}

/// Gives the folders their permissions.
fn close_folders(new: &Dir, coming: &[Coming<'_>]) -> Result<()> {
    // The innermost first: a folder may forbid the way through it.
    for coming in coming.iter().rev() {
        if let Node::Folder { mode } = coming.node {
            // One that has to be moved stays open until its own step closes it.
            let is_top = coming.at.parent().is_none();
            let mode = if is_top && !mode.is_open() {
                Mode::of(mode.bits() | 0o700)
            } else {
                *mode
            };
            disk::descend(new, Some(&coming.at))
                .and_then(|folder| disk::set_folder_mode(&folder, mode))
                .with_context(|| coming.unwritable())?;
        }
    }
    Ok(())
}
