//! Segments of a journal: consecutive events as one text, which is what the chain covers, event after
//! event, each followed by a line feed. A store keeps a segment in one row, so that events are written
//! and read by the hundred. Invariants: a body is canonical JSON and so has no line break; what a segment
//! says is used only once `verified` has followed the chain through it. Reads and writes no store.
//!
//! The five lines of an event are its `prev`, number, state, kind and body (see `form::chain`). The digest
//! of an event is the `prev` of the next one; that of the last stands beside the text.

use std::ops::Range;

use super::{Broken, Chain, Kind, Record, Seen};
use crate::form::digest::Digest;
use crate::mission::state::State;

/// A segment is closed when its text has this many bytes. Large enough that a row costs nothing beside
/// the digests of its events, small enough that several of them are in memory.
pub const SEGMENT_BYTES: usize = 128 << 10;

/// Length of `prev` and its line break.
const PREV_BYTES: usize = 65;

/// Consecutive events, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    first: u64,
    /// Of the last event; of the one before the first, if there is none.
    end: Chain,
    text: String,
}

/// Consecutive events that continue a chain, of which some may have been passed.
#[derive(Debug, Default)]
pub struct Verified {
    text: String,
    events: std::vec::IntoIter<Place>,
}

/// Where an event stands in the text of its segment.
#[derive(Debug)]
struct Place {
    seq: u64,
    state: State,
    kind: Kind,
    prev: Digest,
    sha256: Digest,
    body: Range<usize>,
}

impl Segment {
    /// Returns a segment without events, whose first event will continue `chain`.
    #[must_use]
    pub fn after(chain: Chain) -> Self {
        Self {
            first: chain.seq() + 1,
            end: chain,
            text: String::new(),
        }
    }

    /// Returns a segment as a store has it; nothing of it is verified.
    #[must_use]
    pub fn stored(first: u64, last: u64, sha256: Digest, text: String) -> Self {
        Self {
            first,
            end: Chain::at(sha256, last),
            text,
        }
    }

    /// Returns the number of the first event.
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Returns the chain that ends with the last event.
    #[must_use]
    pub const fn end(&self) -> Chain {
        self.end
    }

    /// Returns the text of all events.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether no further event should be appended.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.text.len() >= SEGMENT_BYTES
    }

    /// Appends the next event, whose body `write` appends to the given text: canonical JSON, and nothing
    /// of what is there already is changed. If it fails, nothing is appended.
    pub fn append<E>(
        &mut self,
        state: State,
        kind: Kind,
        write: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<Seen<'_>, E> {
        let begin = self.text.len();
        let prev = self.end.head();
        self.end.begin(state, kind, &mut self.text);
        let body = self.text.len();
        if let Err(error) = write(&mut self.text) {
            self.text.truncate(begin);
            return Err(error);
        }
        debug_assert!(
            !self.text[body..].contains('\n'),
            "a body with a line break"
        );
        self.end.extend(&self.text[begin..]);
        let end = self.text.len();
        self.text.push('\n');
        Ok(Seen {
            seq: self.end.seq(),
            state,
            kind,
            body: &self.text[body..end],
            prev,
            sha256: self.end.head(),
        })
    }

    /// Appends an event that has its number and digests already, and comes from a verified journal.
    /// Fails if it is not the next one.
    pub fn push(&mut self, record: &Record) -> Result<(), Broken> {
        let mut next = self.end;
        next.verify(record)?;
        if record.body.contains('\n') {
            return Err(Broken {
                seq: record.seq,
                what: Broken::TEXT,
            });
        }
        self.end.begin(record.state, record.kind, &mut self.text);
        self.text.push_str(&record.body);
        self.text.push('\n');
        self.end = next;
        Ok(())
    }

    /// Returns the events before `seq`.
    pub fn before(&self, seq: u64) -> Result<Self, Broken> {
        let mut start = 0;
        let mut kept = Self {
            first: self.first,
            end: Chain::default(),
            text: String::new(),
        };
        while start < self.text.len() {
            let (place, end) = self.place(start)?;
            if place.seq >= seq {
                break;
            }
            kept.end = Chain::at(place.sha256, place.seq);
            start = end;
        }
        kept.text.push_str(&self.text[..start]);
        Ok(kept)
    }

    /// Returns all events, not verified.
    pub fn records(&self) -> Result<Vec<Record>, Broken> {
        let mut records = Vec::new();
        let mut start = 0;
        while start < self.text.len() {
            let (place, end) = self.place(start)?;
            records.push(place.seen(&self.text).into_owned());
            start = end;
        }
        Ok(records)
    }

    /// Follows `chain` through the events. Fails at the first one that does not continue it.
    pub fn verified(self, chain: &mut Chain) -> Result<Verified, Broken> {
        let mut events = Vec::new();
        let mut start = 0;
        while start < self.text.len() {
            let (place, end) = self.place(start)?;
            let broken = |what| Broken {
                seq: place.seq,
                what,
            };
            if place.seq != chain.seq() + 1 {
                return Err(broken(Broken::MISSING));
            }
            if place.prev != chain.head() {
                return Err(broken(Broken::PREV));
            }
            chain.extend(&self.text[start..end - 1]);
            if place.sha256 != chain.head() {
                return Err(broken(Broken::DIGEST));
            }
            events.push(place);
            start = end;
        }
        if *chain != self.end {
            return Err(Broken {
                seq: self.end.seq(),
                what: Broken::MISSING,
            });
        }
        Ok(Verified {
            text: self.text,
            events: events.into_iter(),
        })
    }

    /// Reads the event whose text begins at `start`, and returns where the next one begins.
    fn place(&self, start: usize) -> Result<(Place, usize), Broken> {
        // It has no number that can be trusted: the one that it should have.
        let broken = || Broken {
            seq: self.text[..start]
                .bytes()
                .filter(|byte| *byte == b'\n')
                .count() as u64
                / 5
                + self.first,
            what: Broken::TEXT,
        };
        let prev = digest_at(&self.text, start).ok_or_else(broken)?;
        let mut at = start + PREV_BYTES;
        let mut line = || {
            let rest = self.text.get(at..)?;
            let length = rest.find('\n')?;
            at += length + 1;
            Some(&rest[..length])
        };
        let [seq, state, kind, body] = [line(), line(), line(), line()];
        let seq = seq.filter(|text| !text.starts_with(['0', '+']));
        let seq = seq.and_then(|text| text.parse().ok()).ok_or_else(broken)?;
        let state = state.and_then(|text| text.parse().ok());
        let kind = kind.and_then(|text| text.parse().ok());
        let body = body.ok_or_else(broken)?;
        let sha256 = if at == self.text.len() {
            self.end.head()
        } else {
            digest_at(&self.text, at).ok_or_else(broken)?
        };
        let place = Place {
            seq,
            state: state.ok_or_else(broken)?,
            kind: kind.ok_or_else(broken)?,
            prev,
            sha256,
            body: at - 1 - body.len()..at - 1,
        };
        Ok((place, at))
    }
}

/// Reads the digest whose line begins at `start`.
fn digest_at(text: &str, start: usize) -> Option<Digest> {
    let line = text.as_bytes().get(start..start + PREV_BYTES)?;
    let (digits, rest) = line.split_first_chunk()?;
    Digest::from_hex(digits).filter(|_| rest == b"\n")
}

impl Place {
    fn seen<'a>(&self, text: &'a str) -> Seen<'a> {
        Seen {
            seq: self.seq,
            state: self.state,
            kind: self.kind,
            body: &text[self.body.clone()],
            prev: self.prev,
            sha256: self.sha256,
        }
    }
}

impl Verified {
    /// Returns the next event; `None` at the end of the segment.
    #[must_use]
    pub fn front(&self) -> Option<Seen<'_>> {
        let place = self.events.as_slice().first()?;
        Some(place.seen(&self.text))
    }

    /// Moves past the next event.
    pub fn pass(&mut self) {
        self.events.next();
    }

    /// Returns the next event and moves past it.
    pub fn pop(&mut self) -> Option<Seen<'_>> {
        let place = self.events.next()?;
        Some(place.seen(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(bodies: &[String]) -> (Segment, Vec<Record>) {
        let mut chain = Chain::default();
        let mut segment = Segment::after(chain);
        let mut records = Vec::new();
        for body in bodies {
            let record = chain.append(State::Run, Kind::DbQuery, body.clone());
            let write = |text: &mut String| {
                text.push_str(body);
                Ok::<_, ()>(())
            };
            let seen = segment.append(State::Run, Kind::DbQuery, write).unwrap();
            assert_eq!(seen.into_owned(), record);
            records.push(record);
        }
        (segment, records)
    }

    #[test]
    fn a_body_that_is_not_written_leaves_nothing() {
        let (mut written, _) = segment(&["{}".to_owned()]);
        let before = written.clone();
        let refused = written.append(State::Run, Kind::DbQuery, |text| {
            text.push_str("half");
            Err("refused")
        });
        assert_eq!(refused, Err("refused"));
        assert_eq!(written, before);
    }

    #[test]
    fn an_event_that_is_not_the_next_or_has_two_lines_is_not_pushed() {
        let (_, records) = segment(&["1".to_owned(), "2".to_owned()]);
        let mut pushed = Segment::after(Chain::default());
        assert_eq!(pushed.push(&records[1]).unwrap_err().what, Broken::MISSING);
        let lines = Chain::default().append(State::Run, Kind::World, "{\n}".to_owned());
        assert_eq!(pushed.push(&lines).unwrap_err().what, Broken::TEXT);
        pushed.push(&records[0]).unwrap();
        pushed.push(&records[1]).unwrap();
        assert_eq!(pushed.records().unwrap(), records);
    }

    proptest! {
        #[test]
        fn a_segment_is_read_as_it_was_written(
            texts in prop::collection::vec(".{0,40}", 0..20),
            cut in 0_u64..25,
        ) {
            let bodies: Vec<String> =
                texts.iter().map(|text| serde_json::to_string(text).unwrap()).collect();
            let (written, records) = segment(&bodies);
            prop_assert_eq!(&written.records().unwrap(), &records);
            let stored = Segment::stored(
                written.first(),
                written.end().seq(),
                written.end().head(),
                written.text().to_owned(),
            );
            prop_assert_eq!(&stored, &written);
            let mut chain = Chain::default();
            let mut verified = stored.verified(&mut chain).unwrap();
            prop_assert_eq!(chain, written.end());
            for record in &records {
                prop_assert_eq!(verified.front().unwrap().into_owned(), record.clone());
                prop_assert_eq!(&verified.pop().unwrap().into_owned(), record);
            }
            prop_assert!(verified.pop().is_none());
            // Cut at any event, what is left is a segment.
            let kept = written.before(cut).unwrap();
            let expected: Vec<Record> =
                records.into_iter().filter(|record| record.seq < cut).collect();
            prop_assert_eq!(&kept.records().unwrap(), &expected);
            let mut chain = Chain::default();
            prop_assert!(kept.clone().verified(&mut chain).is_ok());
            prop_assert_eq!(chain, kept.end());
        }

        #[test]
        fn every_changed_byte_is_found(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let (written, _) = segment(&[r#"{"a":1}"#.to_owned(), r#""ä""#.to_owned(), "[]".to_owned()]);
            let mut bytes = written.text().as_bytes().to_vec();
            let at = at.index(bytes.len());
            let is_changed = bytes[at] != byte;
            bytes[at] = byte;
            let Ok(text) = String::from_utf8(bytes) else {
                return Ok(());
            };
            let stored = Segment::stored(1, 3, written.end().head(), text);
            // Neither panics, whatever it is given.
            let _ = (stored.records(), stored.before(2));
            prop_assert_eq!(stored.verified(&mut Chain::default()).is_err(), is_changed);
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "(?s).{0,300}", last in any::<u64>()) {
            let stored = Segment::stored(1, last, crate::form::digest::ZERO, text.clone());
            let _ = (stored.records(), stored.before(2));
            let verified = stored.verified(&mut Chain::default());
            prop_assert!(verified.is_err() || (text.is_empty() && last == 0));
        }
    }
}
