//! SHA-256 of what passes through a reader or writer, in bounded memory. Keeps nothing of it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;

use cap_std::fs::Dir;
use coo_kernel::baseline::freeze::covered::Stamp;
use coo_kernel::form::digest::Digest;
use sha2::{Digest as _, Sha256};

/// So much is in memory at a time.
const BUFFER_BYTES: usize = 128 << 10;

/// Of everything that is left to read.
pub fn digest_of(mut read: impl Read) -> io::Result<Digest> {
    Ok(copy(&mut read, &mut io::sink())?.0)
}

/// What changes when somebody changes the file, as the kernel's `Stamp` has it.
pub fn stamp_of(file: &File) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok([
        metadata.dev().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.size().cast_signed(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ])
}

/// As `stamp_of`, of the file `name` in `folder`, which is not opened: closing a database would
/// take away the locks that this process has on it. A link is an error.
pub fn stamp_at(folder: &Dir, name: &str) -> io::Result<Stamp> {
    use cap_std::fs::MetadataExt as _;

    let metadata = folder.symlink_metadata(name)?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is no plain file",
        ));
    }
    Ok([
        metadata.dev().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.size().cast_signed(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ])
}

/// Reads `from` to its end into `to` and gives digest and size of what went through.
pub fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<(Digest, u64)> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut hasher = Sha256::new();
    let mut size = 0;
    loop {
        let n = match from.read(&mut buffer) {
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

/// Takes the digest of what passes through.
pub struct Hashing<T> {
    inner: T,
    hasher: Sha256,
}

impl<T> Hashing<T> {
    /// Around `inner`, nothing passed yet.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
        }
    }

    /// Of all that has passed.
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
    /// Writes all of `bytes`.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }

    /// Flushes, and gives the digest of all that was written.
    pub fn finish(mut self) -> io::Result<Digest> {
        self.inner.flush()?;
        Ok(self.digest())
    }
}
