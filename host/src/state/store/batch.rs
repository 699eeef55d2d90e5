//! What a run has yet to write to the store: events with their facts, contents, frozen answers. It
//! is kept in memory while the root's lock is not held, and written in one transaction. Events are put
//! into segments here, as they come. Never reads, and decides nothing.

use std::collections::BTreeSet;

use anyhow::Result;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Blob, Broken, Chain, EventFacts, Kind, Record, Seen, Segment};
use coo_kernel::mission::state::State;

use super::{Carried, FrozenCall, Store};

/// Writes in the order in which they are to be made.
#[derive(Debug, Default)]
pub struct WriteBatch {
    writes: Vec<Write>,
    /// The segment that takes the next event of this mission; it follows `writes`.
    open: Option<(u32, Segment)>,
    /// Contents of the batch, each only once.
    contents: BTreeSet<Digest>,
    bytes: usize,
}

#[derive(Debug)]
enum Write {
    Segment(u32, Segment),
    Facts(u32, u64, EventFacts),
    Content(Digest, Vec<u8>),
    Freeze(Box<FrozenCall>),
    Cut(u32, u64),
    Carry(u32, Box<Carried>),
}

impl WriteBatch {
    /// Returns the bytes of events and contents in the batch.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the event of mission `number` that continues `chain`; `write` appends its body, canonical
    /// JSON. If that fails, nothing is added.
    pub fn append<E>(
        &mut self,
        number: u32,
        chain: Chain,
        (state, kind): (State, Kind),
        write: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<Seen<'_>, E> {
        let (bytes, segment) = self.open(number, chain);
        let seen = segment.append(state, kind, write)?;
        *bytes += seen.body.len();
        Ok(seen)
    }

    /// Adds an event of mission `number` that has its digests already, after those that were added before
    /// or, if there are none, as the next after `chain`.
    pub fn push(&mut self, number: u32, chain: Chain, record: &Record) -> Result<(), Broken> {
        let (bytes, segment) = self.open(number, chain);
        segment.push(record)?;
        *bytes += record.body.len();
        Ok(())
    }

    /// Returns the segment for the event of mission `number` that continues `chain`.
    fn open(&mut self, number: u32, chain: Chain) -> (&mut usize, &mut Segment) {
        let fits = |(of, segment): &(u32, Segment)| {
            *of == number && segment.end() == chain && !segment.is_full()
        };
        if !self.open.as_ref().is_some_and(fits) {
            self.close();
        }
        let open = self
            .open
            .get_or_insert_with(|| (number, Segment::after(chain)));
        (&mut self.bytes, &mut open.1)
    }

    fn close(&mut self) {
        if let Some((number, segment)) = self.open.take()
            && !segment.text().is_empty()
        {
            self.writes.push(Write::Segment(number, segment));
        }
    }

    /// Adds the facts beside an event, in place of earlier ones.
    pub fn put_facts(&mut self, number: u32, seq: u64, facts: EventFacts) {
        self.writes.push(Write::Facts(number, seq, facts));
    }

    /// Adds content, to be stored under its digest.
    pub fn put_blob(&mut self, content: &[u8]) -> Blob {
        let blob = Blob::of(content);
        self.put_content(&blob.sha256, content);
        blob
    }

    /// Adds content as `put_blob` does, under a digest that the caller knows.
    pub fn put_content(&mut self, sha256: &Digest, content: &[u8]) {
        if self.contents.insert(*sha256) {
            self.bytes += content.len();
            self.writes.push(Write::Content(*sha256, content.to_vec()));
        }
    }

    /// Adds an answer to be frozen, in place of an earlier one.
    pub fn freeze(&mut self, call: FrozenCall) {
        self.writes.push(Write::Freeze(Box::new(call)));
    }

    /// Adds a model call of mission `number` that is not in its journal, in place of what was known of it.
    pub fn carry(&mut self, number: u32, carried: Carried) {
        self.writes.push(Write::Carry(number, Box::new(carried)));
    }

    /// Removes the events of mission `number` from `seq` on, and keeps the model answers among them.
    pub fn cut(&mut self, number: u32, seq: u64, carried: Vec<Carried>) {
        self.close();
        let carry = |carried| Write::Carry(number, Box::new(carried));
        self.writes.extend(carried.into_iter().map(carry));
        self.writes.push(Write::Cut(number, seq));
    }
}

impl Store {
    /// Makes the writes of `batch` in the open transaction, and empties it.
    pub fn write_batch(&mut self, batch: &mut WriteBatch) -> Result<()> {
        batch.close();
        let WriteBatch { writes, .. } = std::mem::take(batch);
        for write in writes {
            match write {
                Write::Segment(number, segment) => self.put_segment(number, &segment)?,
                Write::Facts(number, seq, facts) => self.put_facts(number, seq, &facts)?,
                Write::Content(sha256, content) => self.put_content(&sha256, &content)?,
                Write::Freeze(call) => self.freeze(&call)?,
                Write::Cut(number, seq) => self.cut(number, seq)?,
                Write::Carry(number, carried) => self.carry(number, &carried)?,
            }
        }
        Ok(())
    }
}
