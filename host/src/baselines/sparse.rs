//! Writes a file with holes in place of long runs of zeros, so that a large sparse file takes about
//! as little disk space as its original. The content is the same, byte for byte.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};

/// File systems allocate blocks of this many bytes, or of a multiple.
const BLOCK_BYTES: usize = 4096;

/// A writer for a file that is written from beginning to end.
pub struct Sparse<'a> {
    file: &'a mut File,
    /// Number of bytes written so far, including holes.
    length: u64,
    /// Number of zeros at the end that are not written yet.
    hole: u64,
}

impl<'a> Sparse<'a> {
    /// Creates a writer for `file`, which must be empty.
    pub fn new(file: &'a mut File) -> Self {
        Self {
            file,
            length: 0,
            hole: 0,
        }
    }

    /// Sets the file's length if the file ends with a hole. Must be called after the last write.
    #[allow(
        clippy::disallowed_methods,
        reason = "of a new file that the caller made"
    )]
    pub fn finish(self) -> io::Result<()> {
        if self.hole > 0 {
            self.file.set_len(self.length)?;
        }
        Ok(())
    }
}

impl Write for Sparse<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Up to the next block boundary.
            let inside = usize::try_from(self.length % BLOCK_BYTES as u64).unwrap_or_default();
            let (part, after) = rest.split_at(rest.len().min(BLOCK_BYTES - inside));
            if part.iter().all(|byte| *byte == 0) {
                self.hole += part.len() as u64;
            } else {
                if self.hole > 0 {
                    self.file.seek(SeekFrom::Start(self.length))?;
                    self.hole = 0;
                }
                self.file.write_all(part)?;
            }
            self.length += part.len() as u64;
            rest = after;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "makes files for itself")]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::MetadataExt as _;

    use proptest::prelude::*;

    use super::*;

    fn written(parts: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        let mut sparse = Sparse::new(&mut file);
        for part in parts {
            sparse.write_all(part).unwrap();
        }
        sparse.finish().unwrap();
        let mut content = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut content).unwrap();
        (content, file.metadata().unwrap().blocks() * 512)
    }

    #[test]
    fn what_is_zeros_for_long_takes_no_room() {
        let zeros = vec![0; 8 << 20];
        let (content, on_disk) = written(&[b"begin", &zeros, b"middle", &zeros]);
        let expected = [&b"begin"[..], &zeros, b"middle", &zeros].concat();
        assert!(content == expected);
        assert!(on_disk < 1 << 20, "{on_disk}");
    }

    proptest! {
        #[test]
        fn every_byte_is_where_it_was(
            parts in prop::collection::vec((0..3_u8, 0..10_000_usize), 0..12),
        ) {
            let parts: Vec<Vec<u8>> = parts
                .into_iter()
                .map(|(byte, length)| vec![byte; length])
                .collect();
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(written(&parts).0, parts.concat());
        }
    }
}
