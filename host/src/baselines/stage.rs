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
use cap_std::fs::Dir;
use coo_kernel::baseline::{
    MANIFEST_BYTES_MAX, Manifest, Mode, Node, STAGE, Step, TreePath, parse_steps, print_steps,
};
use coo_kernel::form::digest::Digest;
use rayon::prelude::*;

use super::disk;
use super::objects::Objects;
use super::progress::Progress;
use super::scan::Folders;
use super::sparse::Sparse;
use crate::machine::fault;
use crate::machine::hashing;
use crate::machine::input_file::read_bounded;

/// What is to come.
const NEW: &str = "new";
/// What has gone, under the number of its step; what had to go again, with a plus behind it.
const OLD: &str = "old";
/// The steps.
const STEPS: &str = "steps.json";
/// On its way to that name.
const STEPS_WAITING: &str = "steps.waiting";
/// The steps that close again what was opened to be read.
const OPENED: &str = "opened.json";
/// On its way to that name.
const OPENED_WAITING: &str = "opened.waiting";
/// What is set aside, each under its own name, and the record of artefacts.
pub const ASIDE: &str = "aside";
/// That record.
const RECORD: &str = "artefacts_on_record.json";

/// See the module.
pub struct Stage {
    dir: Dir,
}

impl Stage {
    /// Makes it in `top`, where none may be.
    pub fn create(top: &Dir) -> io::Result<Self> {
        fault::point("stage.create")?;
        // Files of any mode are about to lie here: nobody else gets in.
        let dir = disk::create_folder(top, STAGE.as_ref())?;
        disk::create_folder(&dir, NEW.as_ref())?;
        disk::create_folder(&dir, OLD.as_ref())?;
        Ok(Self { dir })
    }

    /// The one that an earlier process left in `top`.
    pub fn open(top: &Dir) -> io::Result<Option<Self>> {
        match disk::open_folder(top, STAGE.as_ref()) {
            Err(error) if is_absent(&error) => Ok(None),
            dir => Ok(Some(Self { dir: dir? })),
        }
    }

    /// The one in `top`, or a new one.
    pub fn open_or_create(top: &Dir) -> io::Result<Self> {
        match Self::open(top)? {
            Some(stage) => Ok(stage),
            None => Self::create(top),
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

    /// Writes everything that `steps` put, as `wanted` has it, and gives how many entries and bytes
    /// that is.
    pub fn fill(
        &self,
        objects: &Objects<'_>,
        wanted: &Manifest,
        steps: &[Step],
        progress: &Progress<'_>,
    ) -> Result<(usize, u64)> {
        let new = self.coming().context(STAGE)?;
        let coming = coming(wanted, steps)?;
        make_folders_and_links(&new, &coming)?;
        let bytes = copy_files(objects, &new, &coming, progress)?;
        close_folders(&new, &coming)?;
        Ok((coming.len(), bytes))
    }

    /// What has gone aside, if anything is to.
    pub fn aside(&self) -> io::Result<Option<Dir>> {
        match disk::open_folder(&self.dir, ASIDE.as_ref()) {
            Err(error) if is_absent(&error) => Ok(None),
            dir => dir.map(Some),
        }
    }

    /// Makes room for what is to go aside, with `record` in it.
    pub fn begin_aside(&self, record: &str) -> io::Result<()> {
        fault::point("aside.create")?;
        let aside = disk::create_folder(&self.dir, ASIDE.as_ref())?;
        let mut file = disk::create_file(&aside, RECORD.as_ref())?;
        fault::point("aside.write")?;
        io::Write::write_all(&mut file, record.as_bytes())
    }

    /// Writes down, on the disk, which steps close again what is about to be opened.
    pub fn note_opened(&self, steps: &[Step]) -> io::Result<()> {
        self.write_steps(steps, (OPENED_WAITING, OPENED))?;
        // Of a stage that was just made, its own name as well.
        disk::sync_file_system(&self.dir)
    }

    /// The steps get their name: all they need is here, `bytes` of content among it.
    pub fn seal(&self, steps: &[Step], bytes: u64, progress: &Progress<'_>) -> io::Result<()> {
        progress.syncing(bytes);
        fault::point("stage.sync")?;
        disk::sync_file_system(&self.dir)?;
        self.write_steps(steps, (STEPS_WAITING, STEPS))
    }

    fn write_steps(&self, steps: &[Step], (waiting, name): (&str, &str)) -> io::Result<()> {
        fault::point("steps.write")?;
        let mut file = disk::create_file(&self.dir, waiting.as_ref())?;
        // Whatever the user's mask says: another process has to read them.
        disk::set_mode(&file, Mode::of(0o600))?;
        io::Write::write_all(&mut file, print_steps(steps).as_bytes())?;
        fault::point("steps.sync")?;
        file.sync_all()?;
        fault::point("steps.rename")?;
        self.dir.rename(waiting, &self.dir, name)?;
        disk::sync_folder(&self.dir)
    }

    /// The steps, every path judged anew; none where the stage was not sealed.
    pub fn steps(&self) -> Result<Option<Vec<Step>>> {
        self.read_steps(STEPS)
    }

    fn read_steps(&self, name: &str) -> Result<Option<Vec<Step>>> {
        let file = match disk::open_file(&self.dir, name.as_ref()) {
            Err(error) if is_absent(&error) => return Ok(None),
            file => file.with_context(|| name.to_owned())?,
        };
        let text = read_bounded(file, name.as_ref(), MANIFEST_BYTES_MAX)?;
        Ok(Some(parse_steps(&text).with_context(|| name.to_owned())?))
    }

    /// Gives up what nobody has promised: what was opened to be read is closed again, and the
    /// stage removed from `top`.
    pub fn give_up(top: &Dir) -> Result<()> {
        if let Some(stage) = Self::open(top).context(STAGE)? {
            for step in stage.read_steps(OPENED).context(STAGE)?.unwrap_or_default() {
                let Step::Mode(path, mode) = step else {
                    continue;
                };
                let closed = || -> io::Result<()> {
                    fault::point("closed.close")?;
                    let folder = disk::descend(top, path.parent().as_ref())?;
                    disk::set_folder_mode(&folder, disk::name(path.name()), mode)
                };
                match closed() {
                    // Somebody has removed it, or it is closed already, with what is in it.
                    Err(error)
                        if is_absent(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
                    }
                    closed => {
                        closed.with_context(|| format!("'{}': can't be closed", path.text()))?;
                    }
                }
            }
        }
        Self::clear(top)
    }

    /// Removes it from `top`, the steps first: without them nothing is promised.
    pub fn clear(top: &Dir) -> Result<()> {
        let cleared = (|| -> io::Result<()> {
            let Some(stage) = Self::open(top)? else {
                return Ok(());
            };
            // In this order: what was done is not to be closed as if it had been given up.
            for name in [OPENED, STEPS] {
                fault::point("steps.remove")?;
                match stage.dir.remove_file(name) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => {
                        removed?;
                        disk::sync_folder(&stage.dir)?;
                    }
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

/// Lets the owner change every folder in `top`.
fn open_all(top: &Dir) -> io::Result<()> {
    let mut folders = vec![top.try_clone()?];
    while let Some(folder) = folders.pop() {
        for entry in folder.entries()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let name = entry.file_name();
                disk::open_up(&folder, &name)?;
                folders.push(disk::open_folder(&folder, &name)?);
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
                    disk::create_folder(&folder, name).map(drop)
                }
                Node::Link { target } => {
                    fault::point("stage.link")?;
                    folder.symlink_contents(disk::name(target), name)
                }
                Node::File { .. } | Node::Closed { .. } | Node::Other(_) => Ok(()),
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
) -> Result<u64> {
    let sizes = coming.iter().filter_map(|coming| match coming.node {
        Node::File { size, .. } => Some(*size),
        _ => None,
    });
    let bytes = sizes.clone().fold(0, u64::saturating_add);
    progress.begin("files restored", (sizes.count(), bytes));
    coming
        .par_iter()
        .try_for_each_init(Folders::default, |folders, coming| {
            let Node::File { mode, sha256, size } = coming.node else {
                return Ok(());
            };
            let mut object = progress.reading(objects.open(sha256)?);
            let mut copied = || -> io::Result<(Digest, u64)> {
                let folder = folders.of(new, &coming.at)?;
                fault::point("stage.file")?;
                let mut file = disk::create_file(folder, disk::name(coming.at.name()))?;
                fault::point("stage.write")?;
                let mut sparse = Sparse::new(&mut file);
                let copied = hashing::copy(&mut object, &mut sparse)?;
                sparse.finish()?;
                disk::set_mode(&file, *mode)?;
                Ok(copied)
            };
            let copied = copied().with_context(|| coming.unwritable())?;
            if copied != (*sha256, *size) {
                bail!(objects.damaged(sha256, copied));
            }
            progress.step();
            Ok(())
        })?;
    Ok(bytes)
}

/// Gives the folders their modes.
fn close_folders(new: &Dir, coming: &[Coming<'_>]) -> Result<()> {
    // The innermost first: a folder may forbid the way through it.
    for coming in coming.iter().rev() {
        if let Node::Folder { mode } = coming.node {
            // One that has to be moved stays open until its own step closes it.
            let is_top = coming.at.parent().is_none();
            let mode = if is_top { mode.with(0o700) } else { *mode };
            disk::descend(new, coming.at.parent().as_ref())
                .and_then(|folder| {
                    disk::set_folder_mode(&folder, disk::name(coming.at.name()), mode)
                })
                .with_context(|| coming.unwritable())?;
        }
    }
    Ok(())
}
