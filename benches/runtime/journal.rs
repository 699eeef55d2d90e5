//! Appending to the journal, in one transaction and with one durable commit for each event, beside
//! writing the same bytes to a preallocated file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Result;
use coo::inside::machine::Stopwatch;
use coo::inside::state::{Durability, Store, WriteBatch};
use coo_kernel::journal::{Chain, Kind};
use coo_kernel::mission::state::State;

use crate::Scale;
use crate::table::{Samples, group, line, note, us};

/// Bytes after which a batch is written, as a recording tape does.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// Body of one event.
const BODY_BYTES: usize = 540;
/// Size of the raw file, which is overwritten from the start when it is full, as a log is.
const FILE_BYTES: usize = 4 << 20;

/// Writes event after event, including digests, as a recording tape does.
struct Journal {
    store: Store,
    batch: WriteBatch,
    body: String,
    mission: u32,
    chain: Chain,
}

impl Journal {
    /// Appends one event; returns the bytes of all that is stored of it.
    fn append(&mut self) -> Result<usize> {
        let kind = (State::Run, Kind::DbQuery);
        let content = self.body.as_str();
        let event = self.batch.append(self.mission, self.chain, kind, |body| {
            body.push_str(content);
            Ok::<_, anyhow::Error>(())
        })?;
        self.chain = Chain::ending_with(&event);
        let names = event.state.name().len() + event.kind.name().len();
        Ok(event.body.len() + names + 2 * event.sha256.as_bytes().len() + size_of_val(&event.seq))
    }

    fn write(&mut self) -> Result<()> {
        self.store.write_batch(&mut self.batch)
    }

    /// Begins a new mission, in which the sequence numbers start again.
    fn next_mission(&mut self) {
        self.mission += 1;
        self.chain = Chain::default();
    }

    fn many(&mut self, count: u32) -> Result<f64> {
        self.next_mission();
        let stopwatch = Stopwatch::start();
        for _ in 0..count {
            self.append()?;
            if self.batch.bytes() > BATCH_BYTES_MAX {
                self.write()?;
            }
        }
        self.write()?;
        self.store.commit(Durability::Power)?;
        Ok(us(stopwatch.elapsed()) / f64::from(count))
    }

    fn one_by_one(&mut self, count: u32) -> Result<f64> {
        self.next_mission();
        let stopwatch = Stopwatch::start();
        for _ in 0..count {
            self.append()?;
            self.write()?;
            self.store.commit(Durability::Power)?;
        }
        Ok(us(stopwatch.elapsed()) / f64::from(count))
    }
}

/// Writes the same bytes to a file whose blocks are already allocated.
struct Raw {
    file: File,
    at: usize,
    event: Vec<u8>,
}

impl Raw {
    fn append(&mut self) -> Result<()> {
        if self.at + self.event.len() > FILE_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(&self.event, self.at as u64)?;
        self.at += self.event.len();
        Ok(())
    }

    fn many(&mut self, count: u32) -> Result<f64> {
        let stopwatch = Stopwatch::start();
        for _ in 0..count {
            self.append()?;
        }
        self.file.sync_data()?;
        Ok(us(stopwatch.elapsed()) / f64::from(count))
    }

    fn one_by_one(&mut self, count: u32) -> Result<f64> {
        let stopwatch = Stopwatch::start();
        for _ in 0..count {
            self.append()?;
            self.file.sync_data()?;
        }
        Ok(us(stopwatch.elapsed()) / f64::from(count))
    }
}

pub fn measure(scale: Scale, folder: &Path) -> Result<()> {
    let mut journal = Journal {
        store: Store::open_or_create(folder)?,
        batch: WriteBatch::default(),
        body: format!(r#"{{"answer":"{}"}}"#, "x".repeat(BODY_BYTES - 13)),
        mission: 0,
        chain: Chain::default(),
    };
    // The body, number, state, kind and two digests.
    let event = vec![b'x'; journal.append()?];
    let path = folder.join("raw");
    std::fs::write(&path, vec![0; FILE_BYTES])?;
    let mut raw = Raw {
        file: OpenOptions::new().write(true).open(&path)?,
        at: 0,
        event,
    };
    raw.file.sync_all()?;

    let (many, few) = (scale.of(10_000, 500), scale.of(300, 20));
    let [mut batch, mut batch_floor, mut single, mut single_floor] =
        std::array::from_fn(|_| Samples::default());
    // The first round warms up: the log grows to the size that it then keeps.
    for round in 0..=scale.of(7, 1) {
        let times = [
            (&mut batch, journal.many(many)?),
            (&mut batch_floor, raw.many(many)?),
            (&mut single, journal.one_by_one(few)?),
            (&mut single_floor, raw.one_by_one(few)?),
        ];
        if round > 0 {
            for (samples, time) in times {
                samples.add(time);
            }
        }
    }
    group("One event appended to the journal", "µs");
    line(
        &format!("{many} in one transaction, synced once"),
        batch.median(),
        batch_floor.median(),
        2,
    );
    line(
        "each committed and synced",
        single.median(),
        single_floor.median(),
        1,
    );
    note(&format!(
        "Floors: the same {} bytes to a preallocated file, fdatasync.",
        raw.event.len()
    ));
    Ok(())
}
