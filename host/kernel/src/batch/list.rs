//! What a batch runs: a list of missions, or one mission with a row of input for each run.
//! Invariant: a list is read as a whole or refused with all that is wrong with it. The order of the
//! entries is that of the lines. Reads no file: a named mission is found by the host.

mod csv_rows;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::shard::{NotAShard, SHARDS_MAX, Shard};
use crate::form::canonical;
use crate::form::digest::Digest;
use crate::form::plain;
use crate::form::strict::{self, Problem, Problems};
use crate::mission::descriptor::{DESCRIPTOR_BYTES_MAX, Descriptor, DescriptorError, FORMAT};

/// Longest line, in bytes: that of a descriptor, which a line may hold.
pub const LINE_BYTES_MAX: usize = DESCRIPTOR_BYTES_MAX;
/// Largest list, in bytes: it is in memory as long as the batch runs.
pub const LIST_BYTES_MAX: usize = 1 << 30;
/// Missions in one list: the number of a mission has six digits, and longer lists can be split.
pub const MISSIONS_MAX: usize = 1_000_000;
/// Longest label, in bytes: it stands in one line of a report.
pub const ID_BYTES_MAX: usize = 200;
/// Bad lines that are told. More than these are the same mistake again.
const BAD_LINES_MAX: usize = 20;

/// What is to be run, in order: at least one mission.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    pub entries: Vec<Entry>,
    /// Digest of the bytes of the list, by which a resumed batch knows its list again.
    pub sha256: Digest,
}

/// One mission of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its first line in the list, counted from 1; 0 if the list is no file.
    pub line: usize,
    /// The user's label; no other entry of the list has it.
    pub id: Option<String>,
    pub mission: What,
}

/// Which mission an entry stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Written in the list itself. A relative module path starts at the folder of the list.
    Inline(Box<Descriptor>),
    /// A bundled mission or a descriptor file.
    Named {
        /// As `coo run` takes it.
        mission: String,
        /// Takes the place of the input of the first step that a guest runs.
        input: Option<Value>,
    },
    /// The one mission of the batch, with this input.
    Row(Value),
}

/// Why a list is refused. The texts complete `ERROR: list FILE: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// More than `LIST_BYTES_MAX`.
    #[error("{found} bytes, limit {LIST_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
    },
    /// More than `MISSIONS_MAX`.
    #[error("line {line}: more than {MISSIONS_MAX} missions, which is the limit")]
    TooMany {
        /// The line of the first that is too much; 0 if the list is no file.
        line: usize,
    },
    /// Blank lines, or a header alone.
    #[error("no missions found; at least 1 needed")]
    Empty,
    /// The mission can't take a row.
    #[error(transparent)]
    Input(#[from] InputRefused),
    /// Lines that are no entries.
    #[error("{0}")]
    Wrong(Problems),
}

impl ListError {
    /// Returns what the user can do about it, and what else is wrong.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::TooLarge { .. } | Self::TooMany { .. } => {
                vec!["split the list and run one batch for each part".to_owned()]
            }
            Self::Empty => vec!["write one mission on each line".to_owned()],
            Self::Input(refused) => refused.hint().map(str::to_owned).into_iter().collect(),
            Self::Wrong(problems) => problems
                .others()
                .chain(["see docs/batch.md for the form of a list".to_owned()])
                .collect(),
        }
    }
}

/// Why a mission can't take an input. The texts complete `ERROR: descriptor FILE: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputRefused {
    /// Every step is a person's.
    #[error("steps: none found that a guest runs; an input needs one")]
    NoGuestStep,
    /// With the input, the descriptor is longer than a descriptor can be.
    #[error("{found} bytes with the input, limit {DESCRIPTOR_BYTES_MAX}")]
    TooLarge {
        /// In bytes, in canonical form.
        found: usize,
    },
    /// A value that has no canonical form.
    #[error("the input has no canonical JSON form")]
    NotCanonical,
}

impl InputRefused {
    /// Returns what the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoGuestStep => "add a step without 'human', or give no input",
            Self::TooLarge { .. } => "put large inputs in the world database",
            Self::NotCanonical => "give a text",
        })
    }
}

/// Returns the mission with `input` as the input of its first step that a guest runs, as if its
/// author had written it there: text reaches the guest unchanged, any other value as canonical JSON.
pub fn with_input(descriptor: &Descriptor, input: &Value) -> Result<Descriptor, InputRefused> {
    let mut descriptor = descriptor.clone();
    let step = descriptor.steps.iter_mut().find(|s| s.human.is_none());
    step.ok_or(InputRefused::NoGuestStep)?.input = input.clone();
    let canonical = descriptor.canonical();
    let found = canonical.map_err(|_| InputRefused::NotCanonical)?.len();
    // Else no later command could read the descriptor that the record holds.
    if found > DESCRIPTOR_BYTES_MAX {
        return Err(InputRefused::TooLarge { found });
    }
    Ok(descriptor)
}

/// A line that names a mission.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    /// A label for results and reports; no other line has it.
    #[cfg_attr(feature = "schemas", schemars(length(min = 1, max = 200)))]
    #[serde(default)]
    id: Option<String>,
    /// In place of the input that the mission's first step has; null leaves that one.
    #[serde(default)]
    input: Option<Value>,
    /// A bundled mission or a descriptor file.
    #[cfg_attr(feature = "schemas", schemars(length(min = 1)))]
    mission: String,
}

impl List {
    /// Reads a list of missions: JSONL, of which each line is a descriptor or names a mission.
    pub fn of_missions(bytes: &[u8]) -> Result<Self, ListError> {
        let mut reading = Reading::of(bytes)?;
        for (line, text) in lines(bytes) {
            if reading.is_full() {
                break;
            }
            let entry = within_bounds(text).and_then(|()| mission(text));
            reading.add(line, entry)?;
        }
        reading.end()
    }

    /// Reads rows of inputs for the mission `descriptor`: JSONL, of which each line is a value.
    pub fn of_rows(bytes: &[u8], descriptor: &Descriptor) -> Result<Self, ListError> {
        let mut reading = Reading::of(bytes)?;
        let room = room_for_input(descriptor)?;
        for (line, text) in lines(bytes) {
            if reading.is_full() {
                break;
            }
            let row = within_bounds(text).and_then(|()| {
                let value: Value = strict::read(text).map_err(Problems::into_vec)?;
                row(value, room)
            });
            reading.add(line, row)?;
        }
        reading.end()
    }

    /// Reads rows of inputs for the mission `descriptor`: CSV with a header, of which each record is
    /// an object of texts.
    pub fn of_csv(bytes: &[u8], descriptor: &Descriptor) -> Result<Self, ListError> {
        let mut reading = Reading::of(bytes)?;
        let room = room_for_input(descriptor)?;
        for (line, record) in csv_rows::read(bytes) {
            if reading.is_full() {
                break;
            }
            reading.add(line, record.and_then(|value| row(value, room)))?;
        }
        reading.end()
    }

    /// Makes a list of descriptor files, in the order of their paths' bytes, each once.
    pub fn of_paths(mut paths: Vec<String>) -> Result<Self, ListError> {
        paths.sort_unstable();
        paths.dedup();
        if paths.is_empty() {
            return Err(ListError::Empty);
        }
        if paths.len() > MISSIONS_MAX {
            return Err(ListError::TooMany { line: 0 });
        }
        let sha256 = Digest::of(paths.join("\n"));
        let named = |mission| Entry {
            line: 0,
            id: None,
            mission: What::Named {
                mission,
                input: None,
            },
        };
        Ok(Self {
            entries: paths.into_iter().map(named).collect(),
            sha256,
        })
    }
}

/// A list of which a part was read.
struct Reading {
    entries: Vec<Entry>,
    /// The line of each label.
    ids: BTreeMap<String, usize>,
    /// Of each bad line what is wrong with it: at least one problem.
    bad: Vec<Vec<Problem>>,
    sha256: Digest,
}

/// What a line holds: its label and its mission; or everything that is wrong with it.
type Line = Result<(Option<String>, What), Vec<Problem>>;

impl Reading {
    fn of(bytes: &[u8]) -> Result<Self, ListError> {
        if bytes.len() > LIST_BYTES_MAX {
            return Err(ListError::TooLarge { found: bytes.len() });
        }
        Ok(Self {
            entries: Vec::new(),
            ids: BTreeMap::new(),
            bad: Vec::new(),
            sha256: Digest::of(bytes),
        })
    }

    fn is_full(&self) -> bool {
        self.bad.len() == BAD_LINES_MAX
    }

    fn add(&mut self, line: usize, entry: Line) -> Result<(), ListError> {
        if self.entries.len() == MISSIONS_MAX {
            return Err(ListError::TooMany { line });
        }
        let entry = entry.and_then(|(id, mission)| {
            if let Some(id) = &id
                && let Some(first) = self.ids.insert(id.clone(), line)
            {
                let what = format!("'{}' found twice, first on line {first}", shown(id));
                self.ids.insert(id.clone(), first);
                return Err(vec![problem("id", what)]);
            }
            Ok(Entry { line, id, mission })
        });
        match entry {
            Ok(entry) => self.entries.push(entry),
            Err(mut problems) => {
                for problem in &mut problems {
                    problem.line = line;
                }
                self.bad.push(problems);
            }
        }
        Ok(())
    }

    fn end(self) -> Result<List, ListError> {
        // The first problem of every line comes before the second of any.
        let firsts = self.bad.iter().flat_map(|problems| problems.iter().take(1));
        let others = self.bad.iter().flat_map(|problems| problems.iter().skip(1));
        let told = firsts.chain(others).take(BAD_LINES_MAX).cloned().collect();
        match Problems::of(told) {
            Some(problems) => Err(ListError::Wrong(problems)),
            None if self.entries.is_empty() => Err(ListError::Empty),
            None => Ok(List {
                entries: self.entries,
                sha256: self.sha256,
            }),
        }
    }
}

/// Returns the lines that are not blank, each with its number.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    (1..)
        .zip(bytes.split(|byte| *byte == b'\n'))
        .map(|(line, text)| (line, text.trim_ascii()))
        .filter(|(_, text)| !text.is_empty())
}

fn within_bounds(text: &[u8]) -> Result<(), Vec<Problem>> {
    if text.len() > LINE_BYTES_MAX {
        let what = format!("{} bytes, limit {LINE_BYTES_MAX}", text.len());
        return Err(vec![problem("", what)]);
    }
    Ok(())
}

/// Reads a line of a list of missions.
fn mission(text: &[u8]) -> Line {
    // Which of the two forms it has. A text that is not JSON is told by the reader of the second.
    let fields: Option<Map<String, Value>> = serde_json::from_slice(text).ok();
    let has = |name| {
        fields
            .as_ref()
            .is_some_and(|fields| fields.contains_key(name))
    };
    if has("format") {
        let descriptor = Descriptor::parse(text).map_err(|error| match error {
            DescriptorError::Wrong(problems) => problems.into_vec(),
            DescriptorError::Format { found } => {
                let what = format!("'{}' found; this build reads '{FORMAT}'", shown(&found));
                vec![problem("format", what)]
            }
            DescriptorError::TooLarge { .. } => vec![problem("", error.to_string())],
        })?;
        return Ok((None, What::Inline(Box::new(descriptor))));
    }
    if fields.is_some() && !has("mission") {
        let what =
            "neither 'format' nor 'mission' found; a descriptor or the name of a mission needed";
        return Err(vec![problem("", what)]);
    }
    let Reference { id, input, mission } = strict::read(text).map_err(Problems::into_vec)?;
    let mut problems = Vec::new();
    if mission.trim().is_empty() || mission.contains('\0') {
        let what = format!("'{}' found; a name or a path needed", shown(&mission));
        problems.push(problem("mission", what));
    }
    if let Some(id) = &id
        && (id.trim().is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(plain::misleads))
    {
        let what = format!(
            "'{}' found; 1 to {ID_BYTES_MAX} bytes of visible characters needed",
            shown(id)
        );
        problems.push(problem("id", what));
    }
    if problems.is_empty() {
        Ok((id, What::Named { mission, input }))
    } else {
        Err(problems)
    }
}

/// Returns how many bytes the canonical form of an input may have, so that the descriptor with it
/// can be read again.
fn room_for_input(descriptor: &Descriptor) -> Result<usize, InputRefused> {
    let without = with_input(descriptor, &Value::Null)?.canonical();
    let without = without.map_err(|_| InputRefused::NotCanonical)?.len();
    Ok(DESCRIPTOR_BYTES_MAX - without + "null".len())
}

fn row(value: Value, room: usize) -> Line {
    match canonical::to_string(&value) {
        Ok(text) if text.len() <= room => Ok((None, What::Row(value))),
        Ok(text) => Err(vec![problem(
            "",
            format!(
                "{} bytes of input, limit {room} beside the descriptor",
                text.len()
            ),
        )]),
        Err(error) => Err(vec![problem("", error.to_string())]),
    }
}

fn problem(field: &str, what: impl Into<String>) -> Problem {
    Problem {
        line: 0,
        field: field.to_owned(),
        what: what.into(),
    }
}

fn shown(text: &str) -> String {
    text.escape_debug().take(80).collect()
}
