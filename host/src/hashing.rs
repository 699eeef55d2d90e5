//! SHA-256 of what passes through a reader or writer, in bounded memory. Keeps nothing of it.

use std::io::{self, Read, Write};

use coo_kernel::digest::Digest;
use sha2::{Digest as _, Sha256};

/// Of everything that is left to read.
pub fn digest_of(read: impl Read) -> io::Result<Digest> {
    let mut hashed = Hashing::new(read);
    io::copy(&mut hashed, &mut io::sink())?;
    Ok(hashed.digest())
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
