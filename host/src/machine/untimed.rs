//! What a file is, without asking for its times. Linux from 6.13 on gives a file a new timestamp
//! with the next write after its times were read, and syncing that write takes half as long again.
//! Never follows a link.

use std::fs::File;
use std::io;
use std::path::Path;

/// A file, without its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untimed {
    pub kind: Kind,
    /// Device and inode.
    pub identity: (u64, u64),
    pub bytes: u64,
    /// Number of its names.
    pub links: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Link,
    Other,
}

#[cfg(target_os = "linux")]
impl Untimed {
    /// Looks at what `path` names.
    pub fn at(path: &Path) -> io::Result<Self> {
        use rustix::fs::{AtFlags, CWD, statx};
        Ok(Self::of(&statx(
            CWD,
            path,
            AtFlags::SYMLINK_NOFOLLOW,
            Self::ASKED,
        )?))
    }

    /// Looks at an open file.
    pub fn of_file(file: &File) -> io::Result<Self> {
        use rustix::fs::{AtFlags, statx};
        Ok(Self::of(&statx(
            file,
            "",
            AtFlags::EMPTY_PATH,
            Self::ASKED,
        )?))
    }

    const ASKED: rustix::fs::StatxFlags = rustix::fs::StatxFlags::TYPE
        .union(rustix::fs::StatxFlags::INO)
        .union(rustix::fs::StatxFlags::SIZE)
        .union(rustix::fs::StatxFlags::NLINK);

    fn of(found: &rustix::fs::Statx) -> Self {
        use rustix::fs::{FileType, makedev};
        Self {
            kind: match FileType::from_raw_mode(found.stx_mode.into()) {
                FileType::RegularFile => Kind::File,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            },
            identity: (
                makedev(found.stx_dev_major, found.stx_dev_minor),
                found.stx_ino,
            ),
            bytes: found.stx_size,
            links: found.stx_nlink.into(),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Untimed {
    /// Looks at what `path` names.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&path.symlink_metadata()?))
    }

    /// Looks at an open file.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of(&file.metadata()?))
    }

    fn of(found: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            kind: match found {
                found if found.is_file() => Kind::File,
                found if found.is_symlink() => Kind::Link,
                _ => Kind::Other,
            },
            identity: (found.dev(), found.ino()),
            bytes: found.len(),
            links: found.nlink(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn it_is_the_file_that_metadata_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "twelve bytes").unwrap();
        std::fs::hard_link(&path, folder.path().join("name")).unwrap();
        let metadata = path.metadata().unwrap();
        let expected = Untimed {
            kind: Kind::File,
            identity: (metadata.dev(), metadata.ino()),
            bytes: 12,
            links: 2,
        };
        assert_eq!(Untimed::at(&path).unwrap(), expected);
        let file = File::open(&path).unwrap();
        assert_eq!(Untimed::of_file(&file).unwrap(), expected);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(Untimed::at(&link).unwrap().kind, Kind::Link);
        assert_eq!(Untimed::at(folder.path()).unwrap().kind, Kind::Other);
    }
}
