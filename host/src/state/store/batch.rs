//! What a run has yet to write to the store: events with their facts, contents, frozen answers. It
//! is kept in memory while the root's lock is not held, and written in one transaction. Never reads,
//! and decides nothing.

use std::collections::BTreeSet;

use anyhow::Result;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Blob, EventFacts, Record};

use super::{Carried, FrozenCall, Store};

/// Writes in the order in which they are to be made.
#[derive(Debug, Default)]
pub struct WriteBatch {
    writes: Vec<Write>,
    /// Contents of the batch, each only once.
    contents: BTreeSet<Digest>,
    bytes: usize,
}

#[derive(Debug)]
enum Write {
    Append(u32, Record),
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

    /// Adds an event of mission `number`.
    pub fn append(&mut self, number: u32, record: Record) {
        self.bytes += record.body.len();
        self.writes.push(Write::Append(number, record));
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
        let carry = |carried| Write::Carry(number, Box::new(carried));
        self.writes.extend(carried.into_iter().map(carry));
        self.writes.push(Write::Cut(number, seq));
    }
}

impl Store {
    /// Makes the writes of `batch` in the open transaction, and empties it.
    pub fn write_batch(&mut self, batch: &mut WriteBatch) -> Result<()> {
        let WriteBatch { writes, .. } = std::mem::take(batch);
        for write in writes {
            match write {
                Write::Append(number, record) => self.append(number, &record)?,
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
