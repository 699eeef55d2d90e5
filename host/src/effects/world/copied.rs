//! A copy of a world in a temporary folder, on which statements can be tried before the world itself
//! changes. Reads the world's files and never opens them as a database, so it leaves nothing beside
//! them. The caller makes sure that no process writes to them.

#![allow(
    clippy::disallowed_methods,
    reason = "writes only to a temporary folder"
)]

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use coo_kernel::state::layout::WORLD;

use crate::machine::temporary::TemporaryFolder;
use crate::state::store::check_plain;

/// Copies the world below `root`, with its write-ahead log. The folder has no world if the root has
/// none.
pub fn of(root: &Path) -> Result<TemporaryFolder> {
    let folder = TemporaryFolder::new("world")?;
    let world = root.join(WORLD);
    check_plain(&world).with_context(|| format!("database {}", world.display()))?;
    for name in [WORLD.to_owned(), format!("{WORLD}-wal")] {
        let from = root.join(&name);
        let copied = File::open(&from).and_then(|mut from| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            std::io::copy(&mut from, &mut options.open(folder.path().join(&name))?)
        });
        match copied {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            copied => {
                copied.with_context(|| format!("database {}: can't be copied", from.display()))?;
            }
        }
    }
    Ok(folder)
}
