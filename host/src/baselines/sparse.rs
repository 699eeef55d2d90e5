//! Writes a content with holes in place of long runs of zeros, so that a large sparse file takes about
//! as little disk space as its original. The content is the same, byte for byte. Never writes outside
//! the part of the file that it was given.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;

/// File systems allocate blocks of this many bytes, or of a multiple.
const BLOCK_BYTES: usize = 4096;

/// A writer for a file, or a part of one, that is written from beginning to end.
pub struct Sparse<'a> {
    file: &'a File,
    /// Where the next byte belongs.
    at: u64,
    /// Whether the bytes before are zeros that were not written.
    ends_with_hole: bool,
}

impl<'a> Sparse<'a> {
    /// Creates a writer for `file`, which must have nothing from `offset` on.
    pub fn new(file: &'a File, offset: u64) -> Self {
        Self {
            file,
            at: offset,
            ends_with_hole: false,
        }
    }

    /// Sets the file's length if the file ends with a hole. Must be called after the last write, unless
    /// something follows in the file.
    #[allow(
        clippy::disallowed_methods,
        reason = "of a new file that the caller made"
    )]
    pub fn finish(self) -> io::Result<()> {
        if self.ends_with_hole {
            self.file.set_len(self.at)?;
        }
        Ok(())
    }
}

impl Write for Sparse<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Up to the next block boundary.
            let inside = usize::try_from(self.at % BLOCK_BYTES as u64).unwrap_or_default();
            let (part, after) = rest.split_at(rest.len().min(BLOCK_BYTES - inside));
            self.ends_with_hole = part.iter().all(|byte| *byte == 0);
            if !self.ends_with_hole {
                self.file.write_all_at(part, self.at)?;
            }
            self.at += part.len() as u64;
            rest = after;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "makes files for itself")]
mod tests {
    use std::io::{Read as _, Seek as _, SeekFrom};
    use std::os::unix::fs::MetadataExt as _;

    use proptest::prelude::*;

    use super::*;

    fn written(parts: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        let mut sparse = Sparse::new(&file, 0);
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
