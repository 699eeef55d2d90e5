//! The digest of a module set: one SHA-256 that stands for all modules of a release.
//!
//! Canonical form: one line per module, `<sha256>  <file name>\n` (as `sha256sum` prints it),
//! sorted by file name in byte order. The set's digest is the SHA-256 of that text, so that
//! `cd missions/dist && LC_ALL=C sha256sum *.wasm | sha256sum` gives the same.

use std::fmt::Write as _;

use crate::form::digest::Digest;

/// One module of the set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Member {
    /// File name, without folders.
    pub name: String,
    /// Digest of the file.
    pub sha256: Digest,
}

/// Returns the canonical text.
pub fn listing(members: &[Member]) -> String {
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort();
    sorted.iter().fold(String::new(), |mut text, member| {
        let _ = writeln!(text, "{}  {}", member.sha256, member.name);
        text
    })
}

/// Returns the set's digest.
pub fn digest(members: &[Member]) -> Digest {
    Digest::of(listing(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_arrival_does_not_count_and_names_and_contents_do() {
        let member = |name: &str, content: &str| Member {
            name: name.into(),
            sha256: Digest::of(content),
        };
        let set = [member("b.wasm", "1"), member("a.wasm", "2")];
        let turned = [set[1].clone(), set[0].clone()];
        assert_eq!(digest(&set), digest(&turned));
        assert!(listing(&set).ends_with("  b.wasm\n"));
        assert_ne!(
            digest(&set),
            digest(&[member("b.wasm", "1"), member("c.wasm", "2")])
        );
        assert_ne!(
            digest(&set),
            digest(&[member("b.wasm", "1"), member("a.wasm", "3")])
        );
    }
}
