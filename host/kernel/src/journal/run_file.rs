//! The format of an exported run, `coo-run/1`: journal, contents and module in one file. One SHA-256
//! covers every byte after the first line. `Reader` takes such a file piece by piece, so that no
//! more than one piece is in memory. Reads and writes no files, and checks no chain.
//!
//! Format (docs/export.md): the line `coo-run/1 <SHA-256 of all bytes that follow it>`; a line of
//! JSON, `Header`; a line of JSON for each event; then, without separators, the contents in the
//! header's order and the module.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Blob, CallBody, EventFacts, IntentBody, Kind, MissionBody, OutcomeBody, Record,
    StepReturnedBody, StepStartedBody, UnknownKind, WorldBody,
};
use crate::effects::artefact::{WriteAnswer, WriteRequest};
use crate::form::digest::Digest;
use crate::mission::row::MissionRow;
use crate::mission::state::UnknownState;
use crate::module::structure::MODULE_BYTES_MAX;

const FORMAT: &str = "coo-run/";
const VERSION: &str = "1";
/// Size of `coo-run/1 `, 64 hex digits and a line feed.
pub const FIRST_LINE_BYTES: usize = FORMAT.len() + VERSION.len() + 1 + 64 + 1;
/// Returns the name of the format that this build writes and reads.
#[must_use]
pub fn format_name() -> String {
    format!("{FORMAT}{VERSION}")
}

/// Limit for a line. The longest is an event with 64 MiB of rows, written as JSON.
pub const LINE_BYTES_MAX: u64 = 512 << 20;
/// Limit for one content. The largest are artefacts and outputs.
const CONTENT_BYTES_MAX: u64 = 1 << 30;

/// The second line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Sorted by digest, without duplicates.
    pub contents: Vec<Blob>,
    pub events: u64,
    pub mission: MissionRow,
    pub module: Blob,
    /// Whether the file leaves the module out: a runner, which the reader must have installed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub without_module: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A line after the header: one event of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(crate) struct Event<'a> {
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

/// Why a file is not an exported run that this build reads.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    #[error("is not a run that 'coo export' wrote")]
    NotARun,
    /// A format of another release.
    #[error("has format {FORMAT}{0}, this build reads {FORMAT}{VERSION}")]
    Version(String),
    #[error("was changed or cut short in its first line")]
    FirstLine,
    #[error(
        "was changed or cut short: its content has SHA-256 {}, its first line says {}",
        .found.short(), .stated.short()
    )]
    Changed { found: Digest, stated: Digest },
    #[error(transparent)]
    HeaderLine(NotALine),
    #[error("its header: {0}")]
    Header(serde_json::Error),
    #[error("event {seq}: {error}")]
    EventLine { seq: u64, error: NotALine },
    #[error("event {seq}: {error}")]
    Event { seq: u64, error: serde_json::Error },
    #[error(transparent)]
    State(#[from] UnknownState),
    #[error(transparent)]
    Kind(#[from] UnknownKind),
    #[error("event {seq}: has number {found}")]
    Number { seq: u64, found: u64 },
    #[error("its header and its first event name different missions")]
    OtherMission,
    #[error("its header lists a content twice or out of order")]
    Contents,
    #[error("content {}: {} bytes, {bytes_max} is the limit", .content.sha256.short(), .content.bytes)]
    TooLarge { content: Blob, bytes_max: u64 },
    #[error("content {}: is not what it should be", .0.sha256.short())]
    OtherContent(Blob),
    #[error("has more behind its end")]
    Longer,
}

impl RunFileError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Version(_) => Some("use the coo that wrote it"),
            Self::FirstLine | Self::Changed { .. } | Self::Contents => Some("get a new copy"),
            Self::Number { .. } => Some("get a new copy of the file"),
            Self::NotARun
            | Self::HeaderLine(_)
            | Self::Header(_)
            | Self::EventLine { .. }
            | Self::Event { .. }
            | Self::State(_)
            | Self::Kind(_)
            | Self::OtherMission
            | Self::TooLarge { .. }
            | Self::OtherContent(_)
            | Self::Longer => None,
        }
    }
}

/// Why a piece is not a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotALine {
    #[error("a line is missing or too long")]
    End,
    #[error("stream did not contain valid UTF-8")]
    Text,
}

/// Returns whether a file with this beginning is an exported run, in any version of the format.
#[must_use]
pub fn is_one(beginning: &[u8]) -> bool {
    beginning.starts_with(FORMAT.as_bytes())
}

/// Returns the first line of a file whose other bytes have this digest.
#[must_use]
pub fn first_line(sha256: Digest) -> String {
    format!("{FORMAT}{VERSION} {sha256}\n")
}

/// Returns the digest that the first line states. `line` is the first `FIRST_LINE_BYTES` bytes of
/// the file, or all of a shorter one.
pub fn stated(line: &[u8]) -> Result<Digest, RunFileError> {
    let text = str::from_utf8(line).unwrap_or_default();
    let rest = text.strip_prefix(FORMAT).ok_or(RunFileError::NotARun)?;
    let version = rest.split([' ', '\n']).next().unwrap_or_default();
    if version != VERSION {
        return Err(RunFileError::Version(version.chars().take(20).collect()));
    }
    let digest = rest[version.len()..]
        .strip_prefix(' ')
        .and_then(|rest| rest.strip_suffix('\n'))
        .and_then(|digits| digits.parse().ok());
    digest.ok_or(RunFileError::FirstLine)
}

/// Fails if the bytes after the first line do not have the digest that it states.
pub fn check(stated: Digest, found: Digest) -> Result<(), RunFileError> {
    if found == stated {
        Ok(())
    } else {
        Err(RunFileError::Changed { found, stated })
    }
}

/// Returns the line of the header.
pub fn header_line(header: &Header) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(header)? + "\n")
}

/// Returns the line of an event.
pub fn event_line(record: &Record, facts: Option<EventFacts>) -> Result<String, serde_json::Error> {
    let event = Event {
        body: serde_json::from_str(&record.body)?,
        facts,
        kind: record.kind.name().to_owned(),
        prev: record.prev,
        seq: record.seq,
        sha256: record.sha256,
        state: record.state.name().to_owned(),
    };
    Ok(serde_json::to_string(&event)? + "\n")
}

/// Returns the contents that an event names.
pub fn contents_of(record: &Record) -> Result<Vec<Blob>, serde_json::Error> {
    let body = record.body.as_str();
    Ok(match record.kind {
        Kind::Mission => {
            let body: MissionBody = serde_json::from_str(body)?;
            body.script.into_iter().collect()
        }
        Kind::StepStarted => vec![serde_json::from_str::<StepStartedBody>(body)?.input],
        Kind::StepReturned => {
            let body: StepReturnedBody = serde_json::from_str(body)?;
            body.output
                .into_iter()
                .chain([body.stderr, body.stdout])
                .collect()
        }
        Kind::LlmIntent => {
            let body: IntentBody = serde_json::from_str(body)?;
            body.request.kept()
        }
        Kind::LlmOutcome => {
            let body: OutcomeBody = serde_json::from_str(body)?;
            body.kept()
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
            let artefacts = body.artefacts.iter();
            artefacts
                .map(|artefact| Blob {
                    bytes: artefact.bytes,
                    sha256: artefact.sha256,
                })
                .collect()
        }
        _ => Vec::new(),
    })
}

/// The piece of a file that a `Reader` takes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// All bytes up to the next line feed, and that one; at most `LINE_BYTES_MAX`.
    Line,
    /// This many bytes, or fewer at the end of the file.
    Bytes(u64),
    /// None: the file ends here.
    End,
}

/// What a piece of a file means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Event(Record, Option<Box<EventFacts>>),
    Content(Vec<u8>),
    Module(Vec<u8>),
}

/// Takes the pieces after the header, in order.
#[derive(Debug)]
pub struct Reader {
    header: Header,
    /// Numbers of the parts taken so far.
    events: u64,
    contents: usize,
    has_module: bool,
}

/// What a `Reader` takes next.
enum Next {
    Event,
    Content(Blob),
    Module(Blob),
    End,
}

impl Reader {
    /// Returns a reader of what follows this line of a header.
    pub fn after(header_line: &[u8]) -> Result<Self, RunFileError> {
        let text = line(header_line).map_err(RunFileError::HeaderLine)?;
        let reader = Self {
            header: serde_json::from_str(text).map_err(RunFileError::Header)?,
            events: 0,
            contents: 0,
            has_module: false,
        };
        reader.check_order()?;
        Ok(reader)
    }

    /// Returns the module, if the file leaves it out.
    #[must_use]
    pub fn missing_module(&self) -> Option<Digest> {
        let header = &self.header;
        header.without_module.then_some(header.module.sha256)
    }

    /// Returns the mission that the header names.
    #[must_use]
    pub fn mission(&self) -> &MissionRow {
        &self.header.mission
    }

    fn next(&self) -> Next {
        if self.events < self.header.events {
            return Next::Event;
        }
        match self.header.contents.get(self.contents) {
            Some(content) => Next::Content(*content),
            None if !self.has_module && !self.header.without_module => {
                Next::Module(self.header.module)
            }
            None => Next::End,
        }
    }

    /// Returns the piece to take next; fails if the header demands one that no run has.
    pub fn wants(&self) -> Result<Wants, RunFileError> {
        let bounded = |content: Blob, bytes_max| {
            if content.bytes > bytes_max {
                Err(RunFileError::TooLarge { content, bytes_max })
            } else {
                Ok(Wants::Bytes(content.bytes))
            }
        };
        match self.next() {
            Next::Event => Ok(Wants::Line),
            Next::Content(content) => bounded(content, CONTENT_BYTES_MAX),
            Next::Module(module) => bounded(module, MODULE_BYTES_MAX),
            Next::End => Ok(Wants::End),
        }
    }

    /// Takes the piece that `wants` asked for; fails if it is not one.
    pub fn take(&mut self, piece: Vec<u8>) -> Result<Part, RunFileError> {
        match self.next() {
            Next::Event => {
                let (record, facts) = event(&piece, self.events + 1, self.mission())?;
                self.events += 1;
                self.check_order()?;
                Ok(Part::Event(record, facts.map(Box::new)))
            }
            Next::Content(content) => {
                let piece = exactly(piece, content)?;
                self.contents += 1;
                Ok(Part::Content(piece))
            }
            Next::Module(module) => {
                let piece = exactly(piece, module)?;
                self.has_module = true;
                Ok(Part::Module(piece))
            }
            Next::End => Err(RunFileError::Longer),
        }
    }

    /// Fails if the contents begin now and are not in order. Events are judged before.
    fn check_order(&self) -> Result<(), RunFileError> {
        let contents = &self.header.contents;
        let begin = self.events == self.header.events;
        if begin && !contents.is_sorted_by(|a, b| a.sha256 < b.sha256) {
            return Err(RunFileError::Contents);
        }
        Ok(())
    }
}

/// Reads the event with number `seq`.
fn event(
    piece: &[u8],
    seq: u64,
    mission: &MissionRow,
) -> Result<(Record, Option<EventFacts>), RunFileError> {
    let text = line(piece).map_err(|error| RunFileError::EventLine { seq, error })?;
    let form = |error| RunFileError::Event { seq, error };
    let event: Event<'_> = serde_json::from_str(text).map_err(form)?;
    let record = Record {
        seq: event.seq,
        state: event.state.parse()?,
        kind: event.kind.parse()?,
        body: event.body.get().to_owned(),
        prev: event.prev,
        sha256: event.sha256,
    };
    if record.seq != seq {
        let found = record.seq;
        return Err(RunFileError::Number { seq, found });
    }
    if seq == 1 {
        let body: MissionBody = serde_json::from_str(&record.body).map_err(form)?;
        let is_same = body.descriptor == mission.descriptor
            && body.module == mission.module
            && body.mission_type == mission.mission_type;
        if !is_same {
            return Err(RunFileError::OtherMission);
        }
    }
    Ok((record, event.facts))
}

fn line(piece: &[u8]) -> Result<&str, NotALine> {
    let text = piece.strip_suffix(b"\n").ok_or(NotALine::End)?;
    str::from_utf8(text).map_err(|_| NotALine::Text)
}

fn exactly(piece: Vec<u8>, content: Blob) -> Result<Vec<u8>, RunFileError> {
    if Blob::of(&piece) == content {
        Ok(piece)
    } else {
        Err(RunFileError::OtherContent(content))
    }
}

/// Reads a whole file that is in memory: the mission, and the parts in their order.
pub fn parse(file: &[u8]) -> Result<(MissionRow, Vec<Part>), RunFileError> {
    let (first, rest) = file.split_at(file.len().min(FIRST_LINE_BYTES));
    check(stated(first)?, Digest::of(rest))?;
    let (header, mut rest) = rest.split_at(line_bytes(rest));
    let mut reader = Reader::after(header)?;
    let mut parts = Vec::new();
    loop {
        let bytes = match reader.wants()? {
            Wants::Line => line_bytes(rest),
            Wants::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX).min(rest.len()),
            Wants::End if rest.is_empty() => return Ok((reader.header.mission, parts)),
            Wants::End => return Err(RunFileError::Longer),
        };
        let (piece, after) = rest.split_at(bytes);
        parts.push(reader.take(piece.to_vec())?);
        rest = after;
    }
}

/// Returns the length of the first line, with its line feed.
fn line_bytes(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    end.map_or(bytes.len(), |end| end + 1)
}

#[cfg(test)]
mod tests;
