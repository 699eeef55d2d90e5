//! The index of a pack, as data. A pack is one file with the contents that one capture added: a
//! header, the contents one after the other, then the index, which says by digest where each lies, then
//! the number of its rows. The pack is named by the digest of its index. This module reads no file, and
//! vouches for no content: its reader compares the digest.

use crate::form::digest::Digest;

/// The first bytes of a pack.
pub const HEADER: &[u8; 16] = b"coo-amu0-pack/1\n";
/// The last bytes of a pack: the number of rows, little-endian.
pub const COUNT_BYTES: usize = 8;
/// A row: digest, offset, size.
const ROW_BYTES: usize = 32 + 8 + 8;
/// Largest index that is read, as for a manifest: some millions of rows.
pub const INDEX_BYTES_MAX: u64 = super::MANIFEST_BYTES_MAX;

/// Where a content lies in its pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub sha256: Digest,
    /// From the beginning of the file.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
}

/// A file that is not a whole pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPack {
    #[error("does not begin as a pack of this format ('coo-amu0-pack/1')")]
    Header,
    #[error("has {found} bytes, and its index ends at none of them")]
    Length { found: u64 },
    #[error("its index was changed after it was written, it has SHA-256 {}", .0.short())]
    Changed(Digest),
    #[error("row {0} of its index does not follow the one before, or leads out of the pack")]
    Row(usize),
}

/// The index of a pack: sorted by digest, and every row within the pack.
#[derive(Debug, PartialEq, Eq)]
pub struct Index {
    rows: Vec<u8>,
}

/// Returns the bytes that end a pack which holds `places`, each digest once, and the pack's name.
pub fn end_of(places: &mut [Place]) -> (Vec<u8>, Digest) {
    places.sort_unstable();
    let mut bytes = Vec::with_capacity(places.len() * ROW_BYTES + COUNT_BYTES);
    for place in places.iter() {
        bytes.extend_from_slice(place.sha256.as_bytes());
        bytes.extend_from_slice(&place.offset.to_le_bytes());
        bytes.extend_from_slice(&place.size.to_le_bytes());
    }
    let name = Digest::of(&bytes);
    bytes.extend_from_slice(&(places.len() as u64).to_le_bytes());
    (bytes, name)
}

/// Returns where the index of a pack of `length` bytes begins, and its size, by the pack's last bytes.
pub fn index_at(length: u64, count: [u8; COUNT_BYTES]) -> Result<(u64, u64), NotAPack> {
    let refused = NotAPack::Length { found: length };
    let size = u64::from_le_bytes(count).checked_mul(ROW_BYTES as u64);
    let size = size.filter(|size| *size <= INDEX_BYTES_MAX);
    let size = size.ok_or_else(|| refused.clone())?;
    let begin = length.checked_sub(COUNT_BYTES as u64);
    let begin = begin.and_then(|end| end.checked_sub(size));
    let begin = begin.filter(|begin| *begin >= HEADER.len() as u64);
    Ok((begin.ok_or(refused)?, size))
}

impl Index {
    /// Checks the index of the pack `name`, whose index begins at `begin`.
    pub fn parse(rows: Vec<u8>, name: &Digest, begin: u64) -> Result<Self, NotAPack> {
        let found = Digest::of(&rows);
        if found != *name {
            return Err(NotAPack::Changed(found));
        }
        let index = Self { rows };
        let mut last: Option<Digest> = None;
        for number in 0..index.len() {
            let place = index.place(number);
            let end = place.offset.checked_add(place.size);
            let is_inside =
                place.offset >= HEADER.len() as u64 && end.is_some_and(|end| end <= begin);
            if !is_inside || last.is_some_and(|last| last >= place.sha256) {
                return Err(NotAPack::Row(number + 1));
            }
            last = Some(place.sha256);
        }
        if !index.rows.len().is_multiple_of(ROW_BYTES) {
            return Err(NotAPack::Row(index.len() + 1));
        }
        Ok(index)
    }

    /// Returns the number of contents.
    pub fn len(&self) -> usize {
        self.rows.len() / ROW_BYTES
    }

    /// Returns whether the pack holds nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns where the content with this digest lies; `None` if the pack does not have it.
    pub fn get(&self, sha256: &Digest) -> Option<Place> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let place = self.place(middle);
            match place.sha256.cmp(sha256) {
                std::cmp::Ordering::Equal => return Some(place),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn place(&self, number: usize) -> Place {
        let row = &self.rows[number * ROW_BYTES..][..ROW_BYTES];
        let part = |from: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&row[from..from + 8]);
            u64::from_le_bytes(number)
        };
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(&row[..32]);
        Place {
            sha256: Digest::from_bytes(sha256),
            offset: part(32),
            size: part(40),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(sizes: &[u16]) -> (Vec<Place>, u64) {
        let mut end = HEADER.len() as u64;
        let mut places = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            places.push(Place {
                sha256: Digest::of(number.to_le_bytes()),
                offset: end,
                size: u64::from(*size),
            });
            end += u64::from(*size);
        }
        (places, end)
    }

    fn split(end: &[u8]) -> (Vec<u8>, [u8; COUNT_BYTES]) {
        let (rows, count) = end.split_at(end.len() - COUNT_BYTES);
        (rows.to_vec(), count.try_into().unwrap())
    }

    proptest! {
        #[test]
        fn every_content_is_found_where_it_was_put(
            sizes in prop::collection::vec(any::<u16>(), 0..40),
        ) {
            let (mut all, begin) = places(&sizes);
            let (end, name) = end_of(&mut all);
            let (rows, count) = split(&end);
            let length = begin + end.len() as u64;
            prop_assert_eq!(index_at(length, count), Ok((begin, rows.len() as u64)));
            let index = Index::parse(rows, &name, begin).unwrap();
            prop_assert_eq!(index.len(), sizes.len());
            for place in &all {
                prop_assert_eq!(index.get(&place.sha256), Some(*place));
            }
            prop_assert_eq!(index.get(&Digest::of("none of them")), None);
        }

        #[test]
        fn no_bytes_lead_out_of_a_pack(
            rows in prop::collection::vec(any::<u8>(), 0..200),
            count in any::<[u8; COUNT_BYTES]>(),
            length in any::<u64>(),
            begin in 0..1_000_u64,
        ) {
            if let Ok((begin, size)) = index_at(length, count) {
                prop_assert_eq!(begin + size + COUNT_BYTES as u64, length);
            }
            let name = Digest::of(&rows);
            if let Ok(index) = Index::parse(rows, &name, begin) {
                for number in 0..index.len() {
                    let place = index.place(number);
                    prop_assert!(place.offset + place.size <= begin);
                }
            }
        }
    }

    #[test]
    fn an_index_that_was_changed_is_refused() {
        let (mut all, begin) = places(&[3, 4]);
        let (end, name) = end_of(&mut all);
        let (mut rows, _) = split(&end);
        // Shorter than the content that it names.
        assert_eq!(
            Index::parse(rows.clone(), &name, begin - 1),
            Err(NotAPack::Row(
                1 + all.iter().position(|p| p.offset + p.size == begin).unwrap()
            ))
        );
        rows.rotate_left(ROW_BYTES);
        let other = Digest::of(&rows);
        assert_eq!(
            Index::parse(rows.clone(), &name, begin),
            Err(NotAPack::Changed(other))
        );
        assert_eq!(
            Index::parse(rows.clone(), &other, begin),
            Err(NotAPack::Row(2))
        );
        rows.push(0);
        let other = Digest::of(&rows);
        assert!(Index::parse(rows, &other, begin).is_err());
        assert!(index_at(11 + 8, 1_u64.to_le_bytes()).is_err());
        assert!(index_at(7, 0_u64.to_le_bytes()).is_err());
        assert!(index_at(u64::MAX, u64::MAX.to_le_bytes()).is_err());
    }
}
