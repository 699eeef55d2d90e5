//! A guest's write of an artefact, as request and answer in the journal, and the rule for the
//! answer: no artefact replaces other content, and no two differ only in case. Looks at no disk.

use serde::{Deserialize, Serialize};

use super::{Artefact, WritePermit};
use crate::form::canonical::{self, Canonical, Sink};
use crate::form::digest::Digest;
use crate::state::index::Found;

/// A guest's request to write a file, as the journal records it: the content by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WriteRequest {
    pub bytes: u64,
    /// The path as the guest gave it, not validated.
    pub path: String,
    /// Digest of the content.
    pub sha256: Digest,
}

/// The answer to the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WriteAnswer {
    /// The path exists with other content, or differs from another only in case.
    Conflict(String),
    /// The write is not permitted.
    Refused(String),
    Written(Artefact),
}

fn write_content(bytes: u64, path: &str, sha256: &Digest, sink: &mut impl Sink) {
    sink.text(r#"{"bytes":"#);
    sink.natural(bytes);
    sink.text(r#","path":"#);
    sink.quoted(path);
    sink.text(r#","sha256":""#);
    sink.text(std::str::from_utf8(&sha256.hex()).unwrap_or_default());
    sink.text(r#""}"#);
}

impl Canonical for WriteRequest {
    fn write_to(&self, sink: &mut impl Sink) {
        write_content(self.bytes, &self.path, &self.sha256, sink);
    }
}

impl Canonical for WriteAnswer {
    fn write_to(&self, sink: &mut impl Sink) {
        match self {
            Self::Conflict(_) | Self::Refused(_) => canonical::serialised(self, sink),
            Self::Written(artefact) => {
                sink.text(r#"{"written":"#);
                write_content(artefact.bytes, &artefact.path, &artefact.sha256, sink);
                sink.text("}");
            }
        }
    }
}

/// What already has the requested path, or one that differs from it only in case.
#[derive(Debug, Default)]
pub struct Taken<'a> {
    /// The path that the same run has staged.
    pub staged: Option<&'a str>,
    /// Path and content of the artefact on record. It keeps its path, even if its file is gone.
    pub recorded: Option<(&'a str, Digest)>,
    /// The object on the disk. An object in place of one of its folders counts as well.
    pub found: Option<Found>,
}

/// Returns the answer to a request whose path has this permit.
pub fn judge(permit: &WritePermit, request: &WriteRequest, taken: &Taken<'_>) -> WriteAnswer {
    let path = permit.path();
    let like = taken.staged.or(taken.recorded.map(|(path, _)| path));
    if let Some(other) = like.filter(|other| *other != path) {
        return WriteAnswer::Conflict(format!(
            "'{path}' differs from '{other}' only in case; choose another name"
        ));
    }
    if let Some(Found::Else(what)) = taken.found {
        return WriteAnswer::Refused(format!("'{path}': {what} is in the way"));
    }
    let has_other = |content: Option<Digest>| content.is_some_and(|it| it != request.sha256);
    let on_disk = match taken.found {
        Some(Found::File(content)) => Some(content),
        _ => None,
    };
    if has_other(on_disk) || has_other(taken.recorded.map(|(_, content)| content)) {
        return WriteAnswer::Conflict(format!(
            "'{path}' exists with other content; raise its version"
        ));
    }
    WriteAnswer::Written(Artefact {
        bytes: request.bytes,
        path: path.to_owned(),
        sha256: request.sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::super::permit;
    use super::*;

    const PATH: &str = "a/A_v1.0.md";

    fn judged(taken: &Taken<'_>) -> WriteAnswer {
        let request = WriteRequest {
            bytes: 1,
            path: PATH.to_owned(),
            sha256: Digest::of("x"),
        };
        judge(&permit(PATH).unwrap(), &request, taken)
    }

    #[test]
    fn request_and_answers_write_their_canonical_form() {
        let sha256 = Digest::of("x");
        let path = "a \"b\"".to_owned();
        let request = WriteRequest {
            bytes: 7,
            path: path.clone(),
            sha256,
        };
        let mut text = String::new();
        request.write_to(&mut text);
        assert_eq!(text, canonical::to_string(&request).unwrap());
        let artefact = Artefact {
            bytes: u64::MAX,
            path: path.clone(),
            sha256,
        };
        for answer in [
            WriteAnswer::Conflict(path.clone()),
            WriteAnswer::Refused(path),
            WriteAnswer::Written(artefact),
        ] {
            let mut text = String::new();
            answer.write_to(&mut text);
            assert_eq!(text, canonical::to_string(&answer).unwrap());
        }
    }

    #[test]
    fn a_path_that_is_free_or_has_the_same_content_is_written() {
        let same = Digest::of("x");
        for taken in [
            Taken::default(),
            Taken {
                staged: Some(PATH),
                recorded: Some((PATH, same)),
                found: Some(Found::File(same)),
            },
        ] {
            assert!(
                matches!(judged(&taken), WriteAnswer::Written(artefact) if artefact.path == PATH),
                "{taken:?}"
            );
        }
    }

    #[test]
    fn other_content_other_case_and_other_objects_are_answered_each_in_its_way() {
        let (same, other) = (Digest::of("x"), Digest::of("y"));
        let recorded = |path, sha256| Taken {
            recorded: Some((path, sha256)),
            ..Taken::default()
        };
        let conflict = |taken: &Taken<'_>, reason: &str| match judged(taken) {
            WriteAnswer::Conflict(text) => assert!(text.ends_with(reason), "{text}"),
            answer => panic!("{taken:?}: {answer:?}"),
        };
        conflict(&recorded(PATH, other), "raise its version");
        // The record counts even if somebody has put other content in the file's place.
        let taken = Taken {
            found: Some(Found::File(same)),
            ..recorded(PATH, other)
        };
        conflict(&taken, "raise its version");
        let taken = Taken {
            found: Some(Found::File(other)),
            ..recorded(PATH, same)
        };
        conflict(&taken, "raise its version");
        conflict(&recorded("a/a_v1.0.md", same), "choose another name");
        let taken = Taken {
            staged: Some("A/A_v1.0.md"),
            ..recorded(PATH, same)
        };
        conflict(
            &taken,
            "differs from 'A/A_v1.0.md' only in case; choose another name",
        );
        let taken = Taken {
            found: Some(Found::Else("a pipe")),
            ..Taken::default()
        };
        let refused = WriteAnswer::Refused(format!("'{PATH}': a pipe is in the way"));
        assert_eq!(judged(&taken), refused);
    }
}
