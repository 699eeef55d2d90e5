//! SHA-256 of bytes that pass through a reader or writer, in bounded memory, and stamps that tell
//! whether a file was changed. Never stores the bytes.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};

use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use coo_kernel::baseline::freeze::covered::Stamp;
use coo_kernel::form::digest::Digest;
use sha2::{Digest as _, Sha256};

/// Read buffer size.
const BUFFER_BYTES: usize = 128 << 10;

thread_local! {
    /// The read buffer of each thread, so that a small file costs no large allocation.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Reads `read` to its end and returns the digest.
pub fn digest_of(mut read: impl Read) -> io::Result<Digest> {
    Ok(copy(&mut read, &mut io::sink())?.0)
}

/// Returns the stamp of a file (the kernel's `Stamp`), which changes whenever the file is changed.
pub fn stamp_of(file: &File) -> io::Result<Stamp> {
    Ok(stamp(&Metadata::from_file(file)?))
}

/// Returns the stamp of the file `name` in `folder` without opening it: closing a database would
/// release the locks that this process holds on it. A link is an error.
pub fn stamp_at(folder: &Dir, name: &str) -> io::Result<Stamp> {
    let metadata = folder.symlink_metadata(name)?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is not a regular file",
        ));
    }
    Ok(stamp(&metadata))
}

fn stamp(metadata: &Metadata) -> Stamp {
    [
        metadata.dev().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.size().cast_signed(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]
}

/// Copies `from` to its end into `to` and returns digest and size of the copied bytes.
pub fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<(Digest, u64)> {
    // Taken, and not borrowed: a reader may copy something itself.
    let mut buffer = BUFFER.take();
    buffer.resize(BUFFER_BYTES, 0);
    let copied = copy_with(&mut buffer, from, to);
    BUFFER.set(buffer);
    copied
}

fn copy_with(
    buffer: &mut [u8],
    from: &mut impl Read,
    to: &mut impl Write,
) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    loop {
        let n = match from.read(buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        size += n as u64;
    }
    Ok((Digest::from_bytes(hasher.finalize().into()), size))
}

/// A reader or writer that hashes the bytes passing through it.
pub struct Hashing<T> {
    inner: T,
    hasher: Sha256,
}

impl<T> Hashing<T> {
    /// Wraps `inner`; no bytes are hashed yet.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
        }
    }

    /// Returns the digest of all bytes so far.
    pub fn digest(self) -> Digest {
        Digest::from_bytes(self.hasher.finalize().into())
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

impl<T: Write> Hashing<T> {
    /// Writes and hashes all of `bytes`.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }

    /// Flushes the writer and returns the digest of all bytes written.
    pub fn finish(mut self) -> io::Result<Digest> {
        self.inner.flush()?;
        Ok(self.digest())
    }
}
