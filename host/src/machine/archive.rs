//! Zip files whose bytes follow from their members alone: sorted by name, with one time, one mode
//! and one compression. A reader accepts nothing but the bytes that the writer here makes. Never
//! unpacks a member to the disk.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use anyhow::{Context as _, Result, anyhow, bail};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// Content by name.
pub type Members = BTreeMap<String, Vec<u8>>;

/// Returns a zip file that stores its members without compression, so that no release of a
/// compressor can change its bytes.
pub fn stored(members: &Members) -> Result<Vec<u8>> {
    written(members, CompressionMethod::Stored)
}

/// Returns a zip file with compressed members.
#[cfg(feature = "repository")]
pub fn deflated(members: &Members) -> Result<Vec<u8>> {
    written(members, CompressionMethod::Deflated)
}

fn written(members: &Members, method: CompressionMethod) -> Result<Vec<u8>> {
    // Times of files would make every file different.
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(name.as_str(), options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Returns the members of a zip file that `stored` wrote. Every other zip file is refused: with a
/// comment, other flags, another order, a member twice, or bytes before, between or after. So the
/// members together never have more bytes than the file.
pub fn read_stored(content: &[u8], members_max: usize) -> Result<Members> {
    let mut zip =
        ZipArchive::new(Cursor::new(content)).map_err(|_| anyhow!("is not a whole zip file"))?;
    if zip.len() > members_max {
        bail!("{} files, {members_max} is the limit", zip.len());
    }
    let mut members = Members::new();
    let mut rest = content.len() as u64;
    for at in 0..zip.len() {
        let shown = || format!("file {} of the zip file", at + 1);
        let damaged = || anyhow!("{}: is damaged", shown());
        let file = zip.by_index(at).map_err(|_| damaged())?;
        let name = file.name().map_err(|_| damaged())?.into_owned();
        if file.compression() != CompressionMethod::Stored {
            bail!("{}: is compressed; 'coo pack' compresses none", shown());
        }
        let mut member = Vec::new();
        file.take(rest + 1)
            .read_to_end(&mut member)
            .map_err(|_| damaged())?;
        // Members that share their bytes would be more together than the file.
        rest = rest
            .checked_sub(member.len() as u64)
            .with_context(|| format!("{}: overlaps another one", shown()))?;
        members.insert(name, member);
    }
    if stored(&members)? != content {
        bail!("is not written as 'coo pack' writes it (order, flags, comment, or more bytes)");
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> Members {
        Members::from([
            ("b/c.txt".to_owned(), b"x".repeat(999)),
            ("a.txt".to_owned(), Vec::new()),
        ])
    }

    #[test]
    fn the_same_members_are_the_same_bytes_and_are_read_back() {
        let zip = stored(&some()).unwrap();
        assert_eq!(zip, stored(&some()).unwrap());
        assert_eq!(read_stored(&zip, 2).unwrap(), some());
        let error = read_stored(&zip, 1).unwrap_err();
        assert_eq!(error.to_string(), "2 files, 1 is the limit");
    }

    type Writer = ZipWriter<Cursor<Vec<u8>>>;

    fn made(edit: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        edit(&mut zip);
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn any_other_zip_file_is_refused() {
        let refused = |content: &[u8]| format!("{:#}", read_stored(content, 9).unwrap_err());
        let zip = stored(&some()).unwrap();
        assert!(refused(b"").starts_with("is not a whole zip file"));
        assert!(refused(&zip[..zip.len() - 1]).starts_with("is not a whole zip file"));
        for more in [[&zip[..], b"\n"].concat(), [b"\n", &zip[..]].concat()] {
            refused(&more);
        }
        let compressed = written(&some(), CompressionMethod::Deflated).unwrap();
        assert!(refused(&compressed).contains("is compressed"));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        let reordered = made(|zip| {
            for name in ["b", "a"] {
                zip.start_file(name, options).unwrap();
            }
        });
        assert!(refused(&reordered).starts_with("is not written as"));
        let commented = made(|zip| {
            zip.start_file("a", options).unwrap();
            zip.set_comment("hello").unwrap();
        });
        assert!(refused(&commented).starts_with("is not written as"));
        let executable = made(|zip| {
            zip.start_file("a", options.unix_permissions(0o755))
                .unwrap();
        });
        assert!(refused(&executable).starts_with("is not written as"));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_what_is_written(
            members in prop::collection::btree_map(
                "[a-z/.é]{0,9}", prop::collection::vec(any::<u8>(), 0..40), 0..5,
            ),
            place: prop::sample::Index, byte: u8, cut: bool,
        ) {
            let zip = stored(&members).unwrap();
            prop_assert_eq!(&read_stored(&zip, 9).unwrap(), &members);
            let mut changed = zip.clone();
            let place = place.index(zip.len());
            if cut {
                changed.truncate(place);
            } else {
                changed[place] = byte;
            }
            if let Ok(read) = read_stored(&changed, 9) {
                prop_assert_eq!(stored(&read).unwrap(), changed);
            }
        }
    }
}
