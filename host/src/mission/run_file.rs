//! Exports a run to one file, and loads such a file into a state root of its own. The kernel knows
//! the format (`journal::run_file`); this file reads and writes it. Nothing of a file is used before
//! its digest was checked, and a loaded run can do no more than any other recorded run.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::digest::{Digest, ZERO};
use coo_kernel::journal::run_file::{
    self, FIRST_LINE_BYTES, Header, LINE_BYTES_MAX, Part, Reader, RunFileError, Wants,
};
use coo_kernel::journal::{Blob, Chain, SEGMENT_BYTES};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::state::layout;

use crate::hint::Hint as _;
use crate::machine::hashing::{Hashing, digest_of};
use crate::machine::input_file::{self, RUN_FILE_BYTES_MAX};
use crate::machine::output_file;
use crate::machine::temporary::TemporaryFolder;
use crate::program::runners;
use crate::state::history;
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, Store, WriteBatch};

/// Writes the mission `id` to `path`, completely or not at all; returns the size in bytes. Fails if
/// `path` exists. `without_runner` leaves the module of a script out.
pub fn export(
    root: &StateRoot,
    store: &Store,
    id: MissionId,
    path: &Path,
    without_runner: bool,
) -> Result<u64> {
    output_file::write_out(path, |file| write(root, store, id, file, without_runner))
}

fn write(
    root: &StateRoot,
    store: &Store,
    id: MissionId,
    file: &mut File,
    without_runner: bool,
) -> Result<u64> {
    // The journal is read twice, and another process may be writing to it.
    let _snapshot = store.snapshot()?;
    let mission = store.mission(id)?.context("mission: gone")?;
    let mut contents = std::collections::BTreeMap::new();
    let (progress, chain) = history::walk(store, id, |record| {
        for blob in run_file::contents_of(record)? {
            contents.insert(blob.sha256, blob);
        }
        Ok(())
    })?;
    let module_sha256 = progress.mission.as_ref().map(|body| body.module);
    let is_script = progress
        .mission
        .as_ref()
        .is_some_and(|body| body.script.is_some());
    if without_runner && !is_script {
        bail!(
            anyhow!("mission {id}: is no script, so it has no runner to leave out")
                .hint("leave out --without-runner")
        );
    }
    let module = root.read_bounded(&layout::module(&mission.module), MODULE_BYTES_MAX)?;
    if module_sha256 != Some(mission.module) || Digest::of(&module) != mission.module {
        bail!(
            "mission {}: its module is not the one its journal names; it was changed after the run",
            mission.id
        );
    }
    let descriptor = store.blob(&mission.descriptor)?;
    contents.insert(mission.descriptor, Blob::of(&descriptor));

    file.write_all(run_file::first_line(ZERO).as_bytes())?;
    let mut out = Hashing::new(BufWriter::new(&mut *file));
    let header = Header {
        contents: contents.into_values().collect(),
        events: chain.seq(),
        mission: mission.clone(),
        module: Blob::of(&module),
        without_module: without_runner,
    };
    out.write_all(run_file::header_line(&header)?.as_bytes())?;
    history::walk(store, id, |record| {
        let facts = store.event_facts(id.number(), record.seq)?;
        Ok(out.write_all(run_file::event_line(record, facts)?.as_bytes())?)
    })?;
    for blob in &header.contents {
        out.write_all(&store.blob(&blob.sha256)?)?;
    }
    if !without_runner {
        out.write_all(&module)?;
    }
    let digest = out.finish()?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(run_file::first_line(digest).as_bytes())?;
    Ok(file.seek(SeekFrom::End(0))?)
}

/// Loads the file at `path` into a new state root in the system's folder for temporary files.
/// Dropping the returned `TemporaryFolder` removes it. Fails if the file was changed or cut short.
pub fn load(path: &Path) -> Result<(TemporaryFolder, StateRoot, Store, MissionRow)> {
    let shown = || format!("file {}", path.display());
    // `open` refuses pipes, which cannot be read twice.
    let mut file = input_file::open("file", path)?;
    let stated = first_line(&mut file).with_context(shown)?;
    let length = file.metadata().with_context(shown)?.len();
    if length > RUN_FILE_BYTES_MAX {
        bail!(
            "{}: {length} bytes, {RUN_FILE_BYTES_MAX} is the limit; no run within its limits is so large",
            shown()
        );
    }
    // Check the digest before anything behind the first line is parsed.
    let found = digest_of(&mut file).with_context(shown)?;
    run_file::check(stated, found).with_context(shown)?;
    file.seek(SeekFrom::Start(FIRST_LINE_BYTES as u64))
        .with_context(shown)?;

    let folder = TemporaryFolder::new("run")?;
    let root = StateRoot::open_or_create(folder.path())?;
    root.settle()?;
    let mut store = Store::open_or_create(root.path())?;
    let mut input = BufReader::new(Hashing::new(file));
    let mission = read(&mut input, &root, &mut store).with_context(shown)?;
    // Check the digest of the bytes that were parsed: the file may have changed since the first
    // check.
    run_file::check(stated, input.into_inner().digest()).with_context(shown)?;
    store.commit(Durability::Process)?;
    Ok((folder, root, store, mission))
}

/// Returns whether the file at `path` begins like an exported run, in any format version.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    begins(path, run_file::is_one)
}

/// Returns whether the file at `path` can be opened and has a beginning that `is_one` accepts.
pub(super) fn begins(path: &Path, is_one: fn(&[u8]) -> bool) -> bool {
    let Ok(mut file) = input_file::open("file", path) else {
        return false;
    };
    let mut beginning = [0; FIRST_LINE_BYTES];
    let length = fill(&mut file, &mut beginning).unwrap_or_default();
    is_one(&beginning[..length])
}

/// Returns the digest that the first line states.
fn first_line(file: &mut File) -> Result<Digest> {
    let mut line = [0; FIRST_LINE_BYTES];
    let length = fill(file, &mut line)?;
    Ok(run_file::stated(&line[..length])?)
}

/// Reads up to the end of the buffer or of the file; returns the number of bytes.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Stores everything that follows the first line.
fn read(input: &mut impl io::BufRead, root: &StateRoot, store: &mut Store) -> Result<MissionRow> {
    let mut reader = Reader::after(&line(input)?)?;
    let mission = reader.mission().clone();
    store.insert_mission(&mission)?;
    let number = mission.id.number();
    let (mut batch, mut chain) = (WriteBatch::default(), Chain::default());
    loop {
        let piece = match reader.wants()? {
            Wants::Line => line(input)?,
            Wants::Bytes(bytes) => {
                let mut piece = Vec::new();
                input.take(bytes).read_to_end(&mut piece)?;
                piece
            }
            Wants::End => break,
        };
        match reader.take(piece)? {
            Part::Event(record, facts) => {
                batch.push(number, chain, &record)?;
                chain = Chain::ending_with(&record);
                if let Some(facts) = facts {
                    batch.put_facts(number, record.seq, *facts);
                }
                if batch.bytes() >= SEGMENT_BYTES {
                    store.write_batch(&mut batch)?;
                }
            }
            Part::Content(content) => drop(store.put_blob(&content)?),
            Part::Module(module) => root.write_new(&layout::module(&mission.module), &module)?,
        }
    }
    store.write_batch(&mut batch)?;
    if !input.fill_buf()?.is_empty() {
        return Err(RunFileError::Longer.into());
    }
    if let Some(sha256) = reader.missing_module() {
        let language = runners::with_digest(&sha256)
            .with_context(|| {
                format!("its runner, SHA-256 {sha256}, is not in the file and not installed here")
            })
            .hint("'coo runner list' shows the runners here; 'coo runner add FILE' installs one")?;
        root.write_new(&layout::module(&sha256), &runners::read(language)?)?;
    }
    Ok(mission)
}

/// Reads up to the next line feed, or up to the limit for a line.
fn line(input: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}
