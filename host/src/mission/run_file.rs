//! A run as one file, `coo-run/1`: journal, contents and module. Another machine can replay it
//! without the state root. One SHA-256 covers every byte after the first line; it is checked before
//! anything of the file is used. A loaded run can do no more than any other recorded run.
//!
//! Format (docs/export.md): the line `coo-run/1 <SHA-256 of all bytes that follow it>`; a line of
//! JSON, `Header`; a line of JSON for each event; then, without separators, the contents in the
//! header's order and the module.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use coo_kernel::effects::artefact::{WriteAnswer, WriteRequest};
use coo_kernel::form::digest::{Digest, ZERO};
use coo_kernel::journal::{Blob, CallBody, Kind, MissionBody, Record, StepReturnedBody};
use coo_kernel::journal::{StepStartedBody, WorldBody};
use coo_kernel::mission::MissionId;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::state::layout;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::machine::hashing::{Hashing, digest_of};
use crate::machine::input_file::{self, RUN_FILE_BYTES_MAX};
use crate::machine::temporary::TemporaryFolder;
use crate::state::history;
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, EventFacts, MissionRow, Store};

const FORMAT: &str = "coo-run/";
const VERSION: &str = "1";
/// Size of `coo-run/1 `, 64 hex digits and a line feed.
const FIRST_LINE_BYTES: usize = FORMAT.len() + VERSION.len() + 1 + 64 + 1;
/// Limit for a line. The longest is an event with 64 MiB of rows, written as JSON.
const LINE_BYTES_MAX: u64 = 512 << 20;
/// Limit for one content. The largest are artefacts and outputs.
const CONTENT_BYTES_MAX: u64 = 1 << 30;

/// The second line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Sorted by digest, without duplicates.
    contents: Vec<Blob>,
    events: u64,
    mission: MissionRow,
    module: Blob,
}

/// A line after the header: one event of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
struct Event<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    facts: Option<EventFacts>,
    kind: String,
    prev: Digest,
    seq: u64,
    sha256: Digest,
    state: String,
}

/// Writes the mission `id` to `path`, completely or not at all; returns the size in bytes. Fails if
/// `path` exists.
pub fn export(root: &StateRoot, store: &Store, id: MissionId, path: &Path) -> Result<u64> {
    write_out(path, |file| write(root, store, id, file))
}

/// Lets `write` fill a temporary file, syncs it and renames it to `path`; returns the result of
/// `write`. Fails if `path` exists.
#[allow(
    clippy::disallowed_methods,
    reason = "for commands that are told to write outside the state root"
)]
pub fn write_out<T>(path: &Path, write: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let shown = || format!("file {}: can't be written", path.display());
    if !folder.is_dir() {
        bail!("{}: {} is not a folder", shown(), folder.display());
    }
    let mut builder = tempfile::Builder::new();
    // The usual mode of a new file, reduced by the umask. The default of tempfile is 0600, which is
    // for secrets.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).with_context(shown)?;
    let written = write(file.as_file_mut())?;
    file.as_file().sync_all().with_context(shown)?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            // Sync the name, too. This fails for a folder that the user may not read, and that
            // error is ignored.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
            Ok(written)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => bail!(
            "file {}: already exists; remove it or choose another name with --output",
            path.display()
        ),
        Err(error) => Err(error.error).with_context(shown),
    }
}

fn write(root: &StateRoot, store: &Store, id: MissionId, file: &mut File) -> Result<u64> {
    // The journal is read twice, and another process may be writing to it.
    let _snapshot = store.snapshot()?;
    let mission = store.mission(id)?.context("mission: gone")?;
    let mut contents = std::collections::BTreeMap::new();
    let (progress, chain) = history::walk(store, id, |record| {
        for blob in contents_of(record)? {
            contents.insert(blob.sha256, blob);
        }
        Ok(())
    })?;
    let module_sha256 = progress.mission.as_ref().map(|body| body.module);
    let module = root.read_bounded(&layout::module(&mission.module), MODULE_BYTES_MAX)?;
    if module_sha256 != Some(mission.module) || Digest::of(&module) != mission.module {
        bail!(
            "mission {}: its module is not the one its journal names; it was changed after the run",
            mission.id
        );
    }
    let descriptor = store.blob(&mission.descriptor)?;
    contents.insert(mission.descriptor, Blob::of(&descriptor));

    let first_line = |digest: Digest| format!("{FORMAT}{VERSION} {digest}\n");
    file.write_all(first_line(ZERO).as_bytes())?;
    let mut out = Hashing::new(BufWriter::new(&mut *file));
    let header = Header {
        contents: contents.into_values().collect(),
        events: chain.seq(),
        mission: mission.clone(),
        module: Blob::of(&module),
    };
    line_to(&mut out, &header)?;
    history::walk(store, id, |record| {
        line_to(
            &mut out,
            &Event {
                body: serde_json::from_str(&record.body)?,
                facts: store.event_facts(id.number(), record.seq)?,
                kind: record.kind.name().to_owned(),
                prev: record.prev,
                seq: record.seq,
                sha256: record.sha256,
                state: record.state.name().to_owned(),
            },
        )
    })?;
    for blob in &header.contents {
        out.write_all(&store.blob(&blob.sha256)?)?;
    }
    out.write_all(&module)?;
    let digest = out.finish()?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(first_line(digest).as_bytes())?;
    Ok(file.seek(SeekFrom::End(0))?)
}

fn line_to<T: Write>(out: &mut Hashing<T>, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value)? + "\n";
    Ok(out.write_all(text.as_bytes())?)
}

/// Returns the contents that an event names.
fn contents_of(record: &Record) -> Result<Vec<Blob>> {
    let body = record.body.as_str();
    Ok(match record.kind {
        Kind::StepStarted => vec![serde_json::from_str::<StepStartedBody>(body)?.input],
        Kind::StepReturned => {
            let body: StepReturnedBody = serde_json::from_str(body)?;
            body.output
                .into_iter()
                .chain([body.stderr, body.stdout])
                .collect()
        }
        Kind::GatewayWrite => {
            let body: CallBody<'_> = serde_json::from_str(body)?;
            let request: WriteRequest = serde_json::from_str(body.request.get())?;
            match serde_json::from_str(body.answer.get())? {
                WriteAnswer::Refused(_) | WriteAnswer::Conflict(_) => Vec::new(),
                WriteAnswer::Written(_) => vec![Blob {
                    bytes: request.bytes,
                    sha256: request.sha256,
                }],
            }
        }
        Kind::World => {
            let body: WorldBody = serde_json::from_str(body)?;
            let blob = |artefact: &coo_kernel::effects::artefact::Artefact| Blob {
                bytes: artefact.bytes,
                sha256: artefact.sha256,
            };
            body.artefacts.iter().map(blob).collect()
        }
        _ => Vec::new(),
    })
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
    let damaged = |found: Digest| {
        anyhow::anyhow!(
            "{}: was changed or cut short: its content has SHA-256 {}, its first line says {}; get a new copy",
            shown(),
            found.short(),
            stated.short()
        )
    };
    // Check the digest before anything behind the first line is parsed.
    let found = digest_of(&mut file).with_context(shown)?;
    if found != stated {
        return Err(damaged(found));
    }
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
    let found = input.into_inner().digest();
    if found != stated {
        return Err(damaged(found));
    }
    store.commit(Durability::Process)?;
    Ok((folder, root, store, mission))
}

/// Returns whether the file at `path` begins like an exported run, in any format version.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    let Ok(mut file) = input_file::open("file", path) else {
        return false;
    };
    let mut start = [0; FORMAT.len()];
    file.read_exact(&mut start).is_ok() && start == FORMAT.as_bytes()
}

fn first_line(file: &mut File) -> Result<Digest> {
    let mut line = [0; FIRST_LINE_BYTES];
    let mut filled = 0;
    while filled < line.len() {
        match file.read(&mut line[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    let text = std::str::from_utf8(&line[..filled]).unwrap_or_default();
    let Some(rest) = text.strip_prefix(FORMAT) else {
        bail!("is not a run that 'coo export' wrote");
    };
    let version = rest.split([' ', '\n']).next().unwrap_or_default();
    if version != VERSION {
        bail!(
            "has format {FORMAT}{}, this build reads {FORMAT}{VERSION}; use the coo that wrote it",
            version.chars().take(20).collect::<String>()
        );
    }
    let digest = rest[version.len()..]
        .strip_prefix(' ')
        .and_then(|rest| rest.strip_suffix('\n'))
        .and_then(|digits| digits.parse().ok());
    digest.context("was changed or cut short in its first line; get a new copy")
}

fn read(input: &mut impl io::BufRead, root: &StateRoot, store: &mut Store) -> Result<MissionRow> {
    let header = line(input)?;
    let header: Header = serde_json::from_str(&header).context("its header")?;
    let mission = header.mission;
    store.insert_mission(&mission)?;
    for seq in 1..=header.events {
        let text = line(input).with_context(|| format!("event {seq}"))?;
        let event: Event<'_> =
            serde_json::from_str(&text).with_context(|| format!("event {seq}"))?;
        let record = Record {
            seq: event.seq,
            state: event.state.parse()?,
            kind: event.kind.parse()?,
            body: event.body.get().to_owned(),
            prev: event.prev,
            sha256: event.sha256,
        };
        if record.seq != seq {
            bail!(
                "event {seq}: has number {}; get a new copy of the file",
                record.seq
            );
        }
        if seq == 1 {
            agree(&mission, &record)?;
        }
        store.append(mission.id.number(), &record)?;
        if let Some(facts) = &event.facts {
            store.put_facts(mission.id.number(), record.seq, facts)?;
        }
    }
    let digests = header.contents.iter().map(|blob| blob.sha256);
    if !digests.clone().is_sorted_by(|a, b| a < b) {
        bail!("its header lists a content twice or out of order; get a new copy");
    }
    for blob in &header.contents {
        let content = exactly(input, blob, CONTENT_BYTES_MAX)?;
        store.put_blob(&content)?;
    }
    let module = exactly(input, &header.module, MODULE_BYTES_MAX)?;
    root.write_new(&layout::module(&mission.module), &module)?;
    if !input.fill_buf()?.is_empty() {
        bail!("has more behind its end");
    }
    Ok(mission)
}

/// Checks that the mission's row and the first event of its journal name the same mission.
fn agree(mission: &MissionRow, first: &Record) -> Result<()> {
    let body: MissionBody = serde_json::from_str(&first.body).context("event 1")?;
    let row = (
        mission.descriptor,
        mission.module,
        mission.mission_type.as_str(),
    );
    if (body.descriptor, body.module, body.mission_type.as_str()) != row {
        bail!("its header and its first event name different missions");
    }
    Ok(())
}

fn line(input: &mut impl io::BufRead) -> Result<String> {
    let mut text = String::new();
    input.take(LINE_BYTES_MAX).read_line(&mut text)?;
    if text.pop() != Some('\n') {
        bail!("a line is missing or too long");
    }
    Ok(text)
}

fn exactly(input: &mut impl io::BufRead, blob: &Blob, bytes_max: u64) -> Result<Vec<u8>> {
    if blob.bytes > bytes_max {
        bail!(
            "content {}: {} bytes, {bytes_max} is the limit",
            blob.sha256.short(),
            blob.bytes
        );
    }
    let mut content = Vec::new();
    input.take(blob.bytes).read_to_end(&mut content)?;
    if Blob::of(&content) != *blob {
        bail!("content {}: is not what it should be", blob.sha256.short());
    }
    Ok(content)
}
