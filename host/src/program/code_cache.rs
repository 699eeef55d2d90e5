//! The user's cache of compiled code: one folder for all state roots, keyed by module and engine. A
//! cached file is machine code. It runs only if its tag is right: HMAC-SHA256 over its name and
//! content, under a key that never leaves the folder. A file that is wrong in any way counts as
//! missing; the code is silently compiled again and the file replaced. State roots hold neither
//! code nor key, so a state root from elsewhere can't bring any.
//!
//! Reading and hashing a large program takes most of a warm start. So a file whose tag was right leaves
//! a *seal*: a tag over its inode, size and times. As long as these are the same, nobody has written to
//! the file, and it is mapped without being read. (The kernel sets the time of the last change itself.)
//!
//! Protects against files that were damaged, planted or copied by another user who can't read this
//! user's files. A process that can read these files acts as the user.

#![allow(
    unsafe_code,
    reason = "wasmtime's deserialisation is unsafe; see the one SAFETY note below"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the user's cache of compiled code, outside every state root"
)]

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use coo_kernel::form::digest::Digest;
use coo_kernel::module::structure;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use wasi_preview1_component_adapter_provider as adapter;
use wasmtime::Module;
use wasmtime::component::Component;

use crate::machine;
use crate::program::code::Code;
use crate::program::engine::Sandbox;

/// The environment variable that names the folder.
pub const VARIABLE: &str = "COO_CACHE_DIR";
/// Largest compiled code, in bytes; `CPython` compiles to some 100 MB.
pub const CODE_BYTES_MAX: u64 = 1 << 30;
/// Bound on all files together, in bytes: a hundred large programs. The files unused for longest
/// are removed first.
const CACHE_BYTES_MAX: u64 = 4 << 30;
/// Most files of the folder that are examined, more than the programs that a user compiles.
const FILES_MAX: usize = 10_000;
const KEY_FILE: &str = "key";
/// Block size of SHA-256: the longest key that HMAC uses without hashing it first.
const KEY_BYTES: usize = 64;
const TAG_BYTES: usize = 32;
/// What follows the code: the byte that gives its kind, and the tag. The code begins at the beginning,
/// because it is mapped.
const TAIL_BYTES: usize = 1 + TAG_BYTES;
/// Prefix of the data that each tag covers.
const TAG_DOMAIN: &[u8] = b"coo-compiled-code/2\0";
/// Prefix of the data that each seal covers.
const SEAL_DOMAIN: &[u8] = b"seal of compiled code\0";
/// Least age of a file that is sealed: a change within one tick of a file system's clock, milliseconds to
/// two seconds, may leave the same time behind.
const SEALED_AFTER: Duration = Duration::from_secs(2);
/// File systems of this machine, by their magic numbers: btrfs, ext2 to 4, F2FS, overlay, tmpfs, XFS, ZFS.
/// A file of another machine may change or go while it is mapped.
const LOCAL: [u64; 7] = [
    0x9123_683e,
    0xef53,
    0xf2f5_2010,
    0x794c_7630,
    0x0102_1994,
    0x5846_5342,
    0x2fc1_2fc1,
];
/// Age at which a partly written file of a killed process is removed.
const LEFT_BEHIND: Duration = Duration::from_hours(24);
/// Least time between two updates of a file's time of use.
const MARK_EVERY: Duration = Duration::from_hours(1);
const TEMPORARY_PREFIX: &str = "tmp-";
const CODE_SUFFIX: &str = ".code";
const SEAL_SUFFIX: &str = ".seal";

/// The kind of compiled code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Component,
    /// A core module that runs unchanged.
    Module,
}

impl Kind {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Component => b'c',
            Self::Module => b'm',
        }
    }

    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            b'c' => Some(Self::Component),
            b'm' => Some(Self::Module),
            _ => None,
        }
    }
}

/// Compiled code that comes from the compiler, or from the cache with a valid tag.
#[derive(Debug, Clone)]
pub struct CompiledCode {
    kind: Kind,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// The code, and what follows it.
    Memory { bytes: Arc<Vec<u8>>, length: usize },
    /// A file of the cache whose seal is right.
    File(Arc<std::fs::File>),
}

impl CompiledCode {
    /// Wraps the output of the compiler. Only `compiler` may call this.
    pub(crate) fn compiled(kind: Kind, bytes: Vec<u8>) -> Self {
        let place = Place::Memory {
            length: bytes.len(),
            bytes: Arc::new(bytes),
        };
        Self { kind, place }
    }

    /// Loads the code into the engine, ready to be linked.
    pub fn loaded(&self, sandbox: &Sandbox) -> anyhow::Result<Code> {
        let engine = &sandbox.engine;
        // SAFETY: wasmtime trusts its input to be the output of `serialize` for the same kind, and a
        // mapped file to stay as it is. Bytes in memory are out of reach of other processes; they came
        // from the compiler of this program, or carry the tag that this user's key gives to exactly
        // such output. A file has a seal, so it is as it was when its tag was right. The cache never
        // writes to a file that has its name; another process that can acts as the user.
        let loaded = unsafe {
            match self.kind {
                Kind::Component => match &self.place {
                    Place::Memory { bytes, length } => {
                        Component::deserialize(engine, &bytes[..*length])
                    }
                    // This very file, whatever has its name now.
                    Place::File(file) => {
                        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
                        Component::deserialize_file(engine, path)
                    }
                }
                .map(Code::Component),
                Kind::Module => match &self.place {
                    Place::Memory { bytes, length } => {
                        Module::deserialize(engine, &bytes[..*length])
                    }
                    Place::File(file) => Module::deserialize_open_file(engine, file.try_clone()?),
                }
                .map(Code::Module),
            }
        };
        // Code of another engine build under the same key is refused here and never run.
        loaded.map_err(anyhow::Error::from)
    }
}

/// The key of cached code: the module, and everything that decides what it is compiled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    module: Digest,
    /// Digest of the engine and of everything that judges and adapts a module.
    engine: Digest,
}

/// Digest of the rules and adapters of admission. Code admitted under other rules is not run.
static EDITION: LazyLock<Digest> = LazyLock::new(|| {
    let bounds = format!("{:?}", structure::BOUNDS);
    let mut parts: Vec<&[u8]> = vec![
        env!("CARGO_PKG_VERSION").as_bytes(),
        adapter::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
        adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        bounds.as_bytes(),
    ];
    parts.extend(
        crate::program::wit::WIT
            .iter()
            .map(|(_, text)| text.as_bytes()),
    );
    Digest::of_parts(parts)
});

impl Name {
    /// Returns the name for `module`, compiled for `sandbox`.
    #[must_use]
    pub fn of(sandbox: &Sandbox, module: &Digest) -> Self {
        Self {
            module: *module,
            engine: Digest::of_parts([
                sandbox.code_key.as_bytes().as_slice(),
                EDITION.as_bytes().as_slice(),
            ]),
        }
    }

    fn file(&self, suffix: &str) -> String {
        let engine = self.engine.to_string();
        format!("{}-{}{suffix}", self.module, &engine[..16])
    }

    /// Returns the unfinished seal of a file with this metadata and kind under `key`.
    fn seal(&self, key: &[u8; KEY_BYTES], kind: u8, file: &std::fs::Metadata) -> Hmac<Sha256> {
        let mut seal = Hmac::<Sha256>::new(&(*key).into());
        seal.update(SEAL_DOMAIN);
        seal.update(self.module.as_bytes());
        seal.update(self.engine.as_bytes());
        seal.update(&[kind]);
        for number in [file.dev(), file.ino(), file.size()] {
            seal.update(&number.to_le_bytes());
        }
        for number in [
            file.mtime(),
            file.mtime_nsec(),
            file.ctime(),
            file.ctime_nsec(),
        ] {
            seal.update(&number.to_le_bytes());
        }
        seal
    }

    /// Returns the unfinished tag of `code` under `key`.
    fn tag(&self, key: &[u8; KEY_BYTES], kind: u8, code: &[u8]) -> Hmac<Sha256> {
        let mut tag = Hmac::<Sha256>::new(&(*key).into());
        tag.update(TAG_DOMAIN);
        tag.update(self.module.as_bytes());
        tag.update(self.engine.as_bytes());
        tag.update(&[kind]);
        tag.update(code);
        tag
    }
}

/// The user's folder and its key. Without a folder, only the last code of this process is kept.
pub struct CodeCache(Option<Folder>);

struct Folder {
    dir: Dir,
    key: [u8; KEY_BYTES],
}

/// The last code, if there is no folder: `verify` still compiles only once for all its runs.
static LAST: Mutex<Option<(Name, CompiledCode)>> = Mutex::new(None);

/// Returns the path of the user's cache: `COO_CACHE_DIR`, else `$XDG_CACHE_HOME/coo`, else
/// `$HOME/.cache/coo`. A relative path is ignored, because it would name a different cache in each
/// folder.
#[must_use]
pub fn folder_of_user() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(machine::env_os(name)?);
        path.is_absolute().then_some(path)
    };
    if machine::env_os(VARIABLE).is_some() {
        return absolute(VARIABLE);
    }
    absolute("XDG_CACHE_HOME")
        .map(|path| path.join("coo"))
        .or_else(|| Some(absolute("HOME")?.join(".cache").join("coo")))
}

impl CodeCache {
    /// Opens the user's cache. If it can't be opened, or other users may write to it, nothing is
    /// kept on disk.
    #[must_use]
    pub fn of_user() -> Self {
        Self::at(folder_of_user().as_deref())
    }

    /// Opens the cache in the folder at `path`.
    #[must_use]
    pub fn at(path: Option<&Path>) -> Self {
        Self(path.and_then(|path| Folder::open(path).ok()))
    }

    /// Returns the code cached under `name`: to be mapped if its seal is right, otherwise read, its tag
    /// verified.
    #[must_use]
    pub fn load(&self, name: &Name) -> Option<CompiledCode> {
        let sealed = self.0.as_ref().and_then(|folder| folder.sealed(name).ok());
        sealed.or_else(|| self.load_whole(name))
    }

    /// Returns the code cached under `name`, read, its tag verified.
    #[must_use]
    pub fn load_whole(&self, name: &Name) -> Option<CompiledCode> {
        if let Some(folder) = &self.0 {
            return folder.load(name).ok();
        }
        let last = LAST.lock().ok()?;
        let (kept, code) = last.as_ref()?;
        (kept == name).then(|| code.clone())
    }

    /// Caches `code` for the next run. Best effort: code that is not cached is compiled again.
    pub fn save(&self, name: &Name, code: CompiledCode) {
        if let Some(folder) = &self.0 {
            if folder.save(name, &code).is_ok() {
                let _ = folder.make_room();
            }
        } else if let Ok(mut last) = LAST.lock() {
            *last = Some((*name, code));
        }
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

impl Folder {
    /// Opens the folder; creates it if necessary, accessible only to the user.
    fn open(path: &Path) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(refused("no folder"));
        };
        let mut private = std::fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        if path.symlink_metadata().is_err() {
            private.create(path)?;
        }
        let dir = Dir::open_ambient_dir(parent, ambient_authority())?.open_dir_nofollow(name)?;
        let metadata = dir.open(".")?.into_std().metadata()?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
            return Err(refused("others may write to it"));
        }
        let key = key(&dir)?;
        Ok(Self { dir, key })
    }

    /// Returns the code if nothing has changed it since its tag was verified.
    fn sealed(&self, name: &Name) -> io::Result<CompiledCode> {
        let mut seal = open_plain(&self.dir, &name.file(SEAL_SUFFIX))?;
        let stated = read(&mut seal, TAIL_BYTES as u64)?;
        let Some((&byte, stated)) = stated.split_first() else {
            return Err(refused("too short"));
        };
        let kind = Kind::of_byte(byte).ok_or_else(|| refused("of no known kind"))?;
        let file = open_plain(&self.dir, &name.file(CODE_SUFFIX))?;
        let kind_of_disk = rustix::fs::fstatfs(&file)?.f_type;
        if !u64::try_from(kind_of_disk).is_ok_and(|kind| LOCAL.contains(&kind)) {
            return Err(refused("not on this machine"));
        }
        name.seal(&self.key, byte, &file.metadata()?)
            .verify_slice(stated)
            .map_err(|_| refused("changed since"))?;
        mark(&seal);
        Ok(CompiledCode {
            kind,
            place: Place::File(Arc::new(file)),
        })
    }

    fn load(&self, name: &Name) -> io::Result<CompiledCode> {
        let mut file = open_plain(&self.dir, &name.file(CODE_SUFFIX))?;
        let before = file.metadata()?;
        let bytes = read(&mut file, before.len())?;
        let length = bytes.len().checked_sub(TAIL_BYTES);
        let length = length.ok_or_else(|| refused("too short"))?;
        let (code, tail) = bytes.split_at(length);
        let (byte, tag) = (tail[0], &tail[1..]);
        let kind = Kind::of_byte(byte).ok_or_else(|| refused("of no known kind"))?;
        // In constant time, so that the time reveals nothing about how much of a guessed tag is
        // right.
        name.tag(&self.key, byte, code)
            .verify_slice(tag)
            .map_err(|_| refused("not of this user's making"))?;
        // Best effort: a file without a seal is read and verified again.
        let _ = self.put_seal(name, byte, &file, &before);
        let place = Place::Memory {
            bytes: Arc::new(bytes),
            length,
        };
        Ok(CompiledCode { kind, place })
    }

    /// Seals a file that was verified and had the metadata `before` when it was opened.
    fn put_seal(
        &self,
        name: &Name,
        kind: u8,
        file: &std::fs::File,
        before: &std::fs::Metadata,
    ) -> io::Result<()> {
        // So that what was read is what a power failure leaves.
        file.sync_data()?;
        let after = file.metadata()?;
        let changed = |of: &std::fs::Metadata| (of.ctime(), of.ctime_nsec());
        let since_ms =
            machine::now_unix_ms() - (after.ctime() * 1000 + after.ctime_nsec() / 1_000_000);
        let is_old =
            u64::try_from(since_ms).is_ok_and(|ms| u128::from(ms) > SEALED_AFTER.as_millis());
        if changed(before) != changed(&after) || !is_old {
            return Err(refused("changed a moment ago"));
        }
        let seal = name.seal(&self.key, kind, &after).finalize().into_bytes();
        self.place(&[&[kind], seal.as_slice()], &name.file(SEAL_SUFFIX))
    }

    fn save(&self, name: &Name, code: &CompiledCode) -> io::Result<()> {
        let Place::Memory { bytes, length } = &code.place else {
            // It is there already.
            return Ok(());
        };
        let content = &bytes[..*length];
        if content.len() as u64 > CODE_BYTES_MAX {
            return Err(refused("too large"));
        }
        let byte = code.kind.to_byte();
        let tag = name.tag(&self.key, byte, content).finalize().into_bytes();
        self.place(&[content, &[byte], tag.as_slice()], &name.file(CODE_SUFFIX))
    }

    /// Writes a file and gives it its name.
    fn place(&self, parts: &[&[u8]], name: &str) -> io::Result<()> {
        let temporary = self.write(parts)?;
        let renamed = self.dir.rename(&temporary, &self.dir, name);
        if renamed.is_err() {
            let _ = self.dir.remove_file(&temporary);
        }
        renamed
    }

    /// Writes a file with a name that no other process uses. Does not sync it: after a power
    /// failure its tag is wrong, and the code is compiled again.
    fn write(&self, parts: &[&[u8]]) -> io::Result<String> {
        write_new(&self.dir, parts)
    }

    /// Removes the files unused for longest while all together are too large, and the leftovers of
    /// killed processes.
    fn make_room(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in self.dir.entries()?.take(FILES_MAX) {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let metadata = entry.metadata()?;
            let mut used = metadata.modified()?.into_std();
            if let Some(stem) = name.strip_suffix(CODE_SUFFIX)
                && let Ok(seal) = self.dir.metadata(format!("{stem}{SEAL_SUFFIX}"))
            {
                used = used.max(seal.modified()?.into_std());
            }
            if name.starts_with(TEMPORARY_PREFIX) {
                if used.elapsed().is_ok_and(|age| age > LEFT_BEHIND) {
                    let _ = self.dir.remove_file(&name);
                }
            } else if name.ends_with(CODE_SUFFIX) {
                kept.push((used, metadata.len(), name));
            }
        }
        kept.sort();
        let mut all: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        // The last one was just compiled.
        kept.pop();
        for (_, bytes, name) in kept {
            if all <= CACHE_BYTES_MAX {
                break;
            }
            self.dir.remove_file(&name)?;
            if let Some(stem) = name.strip_suffix(CODE_SUFFIX) {
                let _ = self.dir.remove_file(format!("{stem}{SEAL_SUFFIX}"));
            }
            all -= bytes;
        }
        Ok(())
    }
}

/// Notes that the code of this seal is used, at most once an hour. `make_room` uses this time. An error is
/// ignored, because a read-only folder is still useful.
fn mark(seal: &std::fs::File) {
    let used = seal.metadata().and_then(|metadata| metadata.modified());
    let age = used.ok().and_then(|at| at.elapsed().ok());
    if age.is_some_and(|age| age <= MARK_EVERY) {
        return;
    }
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    let times = rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    };
    let _ = rustix::fs::futimens(seal, &times);
}

/// Returns the folder's key. Creates it if there is none, or if other users may read it.
fn key(dir: &Dir) -> io::Result<[u8; KEY_BYTES]> {
    // Another process may create or replace it at the same time: the key in the folder counts.
    for _ in 0..10 {
        match known_key(dir) {
            Ok(key) => return Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => dir.remove_file(KEY_FILE)?,
        }
        let key = machine::random_bytes::<KEY_BYTES>()?;
        let temporary = write_new(dir, &[&key])?;
        // A hard link never replaces an existing key and never shows a partly written one.
        let linked = dir.hard_link(&temporary, dir, KEY_FILE);
        dir.remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Err(refused("its key can't be made"))
}

fn known_key(dir: &Dir) -> io::Result<[u8; KEY_BYTES]> {
    let mut file = open_plain(dir, KEY_FILE)?;
    let metadata = file.metadata()?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Err(refused("others may read the key"));
    }
    let key = read(&mut file, KEY_BYTES as u64)?;
    key.try_into().map_err(|_| refused("no key"))
}

/// Opens a regular file without following links and without blocking.
fn open_plain(dir: &Dir, name: &str) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = dir.open_with(name, &options)?.into_std();
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(refused("no plain file"))
    }
}

/// Reads all of `file`, which is `length` bytes long unless it is changed meanwhile.
fn read(file: &mut std::fs::File, length: u64) -> io::Result<Vec<u8>> {
    if length > CODE_BYTES_MAX + TAIL_BYTES as u64 {
        return Err(refused("too large"));
    }
    let mut bytes = Vec::new();
    let capacity = usize::try_from(length).unwrap_or(usize::MAX);
    bytes
        .try_reserve_exact(capacity)
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.take(length + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write_new(dir: &Dir, parts: &[&[u8]]) -> io::Result<String> {
    let number = u64::from_le_bytes(machine::random_bytes()?);
    let name = format!("{TEMPORARY_PREFIX}{}-{number:016x}", machine::process_id());
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .follow(FollowSymlinks::No);
    let mut file = dir.open_with(&name, &options)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part));
    if let Err(error) = written {
        let _ = dir.remove_file(&name);
        return Err(error);
    }
    Ok(name)
}
