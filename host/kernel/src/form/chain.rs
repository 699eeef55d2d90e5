//! The hash chain over the events of a record: of a mission, or of a governed change of a
//! repository. Knows nothing of what events mean, and stores none.
//! Chain: `sha256(prev hex ‖ "\n" ‖ seq ‖ "\n" ‖ STATE ‖ "\n" ‖ kind ‖ "\n" ‖ body)`, where `prev`
//! of the first event is 64 zeros and `body` is canonical JSON. None of the first four parts can
//! hold a line break, so no two events have the same text. The number of the mission or change is
//! not part of it: equal runs have equal chains.

use std::fmt::Write as _;

use crate::form::digest::{Digest, ZERO};

/// A state or a kind of event, by the name that enters the chain.
pub trait Name: Copy {
    /// Returns the name, which has no line break.
    fn name(self) -> &'static str;
}

/// One event. `B` holds its body: a text of its own, or one in a longer text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<S, K, B = String> {
    /// 1, 2, 3, …
    pub seq: u64,
    /// The state after the event.
    pub state: S,
    pub kind: K,
    /// Canonical JSON.
    pub body: B,
    /// Digest of the event before it.
    pub prev: Digest,
    /// Digest of this event.
    pub sha256: Digest,
}

impl<S: Name, K: Name, B: AsRef<str>> Record<S, K, B> {
    /// Returns the digest that an event with this content has.
    fn digest(&self) -> Digest {
        let prev = self.prev.hex();
        let seq = self.seq.to_string();
        Digest::of_parts([
            prev.as_slice(),
            b"\n",
            seq.as_bytes(),
            b"\n",
            self.state.name().as_bytes(),
            b"\n",
            self.kind.name().as_bytes(),
            b"\n",
            self.body.as_ref().as_bytes(),
        ])
    }
}

impl<S, K> Record<S, K, &str> {
    /// Returns the event with a body of its own.
    pub fn into_owned(self) -> Record<S, K> {
        Record {
            seq: self.seq,
            state: self.state,
            kind: self.kind,
            body: self.body.to_owned(),
            prev: self.prev,
            sha256: self.sha256,
        }
    }
}

/// The end of a chain, to which events are appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    head: Digest,
    seq: u64,
}

impl Default for Chain {
    fn default() -> Self {
        Self { head: ZERO, seq: 0 }
    }
}

/// A stored event that does not fit its chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal broken at event {seq}: {what}; it was changed after it was written")]
pub struct Broken {
    pub seq: u64,
    pub what: &'static str,
}

impl Broken {
    pub(crate) const MISSING: &str = "an event is missing or out of order";
    pub(crate) const PREV: &str = "its 'prev' is not the digest of the event before";
    pub(crate) const TEXT: &str = "its text is not that of an event";
    pub(crate) const DIGEST: &str = "its digest is not that of its content";
}

impl Chain {
    /// Returns the digest of the last event.
    pub const fn head(&self) -> Digest {
        self.head
    }

    /// Returns the number of the last event; 0 before the first.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns the chain that ends with event `seq`, which has this digest. The caller must verify it.
    pub(crate) const fn at(head: Digest, seq: u64) -> Self {
        Self { head, seq }
    }

    /// Returns the chain that ends with `record`. The caller must have verified `record` and every
    /// event before it.
    pub const fn ending_with<S, K, B>(record: &Record<S, K, B>) -> Self {
        Self {
            head: record.sha256,
            seq: record.seq,
        }
    }

    /// Appends an event, and returns it with its number and digest.
    pub fn append<S: Name, K: Name>(&mut self, state: S, kind: K, body: String) -> Record<S, K> {
        let mut record = Record {
            seq: self.seq + 1,
            state,
            kind,
            body,
            prev: self.head,
            sha256: ZERO,
        };
        record.sha256 = record.digest();
        *self = Self::ending_with(&record);
        record
    }

    /// Writes the text of the next event to `text`, as far as its body, which the caller appends.
    pub(crate) fn begin<S: Name, K: Name>(&self, state: S, kind: K, text: &mut String) {
        self.head.write_hex(text);
        text.push('\n');
        // Never fails: it writes to a string.
        let _ = write!(text, "{}", self.seq + 1);
        for name in [state.name(), kind.name()] {
            text.push('\n');
            text.push_str(name);
        }
        text.push('\n');
    }

    /// Appends the event with this text, which begins as `begin` wrote it.
    pub(crate) fn extend(&mut self, text: &str) {
        *self = Self {
            head: Digest::of(text),
            seq: self.seq + 1,
        };
    }

    /// Accepts a stored event if it is the next one, unchanged; fails otherwise.
    pub fn verify<S: Name, K: Name, B: AsRef<str>>(
        &mut self,
        record: &Record<S, K, B>,
    ) -> Result<(), Broken> {
        let broken = |what| Broken {
            seq: record.seq,
            what,
        };
        if record.seq != self.seq + 1 {
            return Err(broken(Broken::MISSING));
        }
        if record.prev != self.head {
            return Err(broken(Broken::PREV));
        }
        if record.digest() != record.sha256 {
            return Err(broken(Broken::DIGEST));
        }
        *self = Self::ending_with(record);
        Ok(())
    }
}
