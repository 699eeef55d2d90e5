//! Reads JSON that people write: descriptors, configurations, amendments, rulesets. Everything that
//! is wrong with a file is a [`Problem`] with its line and the path of its field. Nothing is
//! guessed: unknown and doubled fields are refused, and an object is never written as a list.
//!
//! `serde_json` reads the text, and this file walks along types: a derived `Deserialize` names
//! fields and types, but knows neither lines nor paths, stops at the first unknown field, and takes
//! `["a", "b"]` for an object with two fields. JSON that `coo` itself wrote is read by `serde_json`
//! alone.

use std::cell::RefCell;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

mod node;

use node::{Node, Whole};

/// Problems that are told, at most. More than these are the same mistake again.
const PROBLEMS_MAX: usize = 20;
/// The field that names a JSON Schema for editors. It may stand in the outermost object of every
/// file, and means nothing here.
const SCHEMA: &str = "$schema";

/// One thing that is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1; 0 if the place is not known.
    pub line: usize,
    /// Names and indices, as in `steps[0].id`; empty for the file as a whole.
    pub field: String,
    /// What was found, and what is permitted.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.what)
    }
}

/// Everything that is wrong with a file: at least one problem, in the order of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Returns problems in the order of lines, or nothing if there is none.
    pub fn of(mut all: Vec<Problem>) -> Option<Self> {
        all.sort_by_key(|problem| problem.line);
        all.truncate(PROBLEMS_MAX);
        (!all.is_empty()).then_some(Self(all))
    }

    /// Returns all but the first, each as a sentence.
    pub fn others(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .skip(1)
            .map(|problem| format!("and {problem}"))
    }

    /// Returns all in one sentence, for errors that have no lines of their own for the rest.
    pub fn all(&self) -> String {
        let all: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        all.join("; ")
    }

    /// Returns all of them.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    /// Returns the first, and the rest.
    pub fn split(&self) -> Option<(&Problem, &[Problem])> {
        self.0.split_first()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Shows the first. The rest are for lines of their own.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.split().map_or(Ok(()), |(first, _)| first.fmt(f))
    }
}

impl std::error::Error for Problems {}

/// Reads `bytes` into a type. A byte order mark is skipped.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problems> {
    let text = text(bytes)?;
    let problems = RefCell::new(Vec::new());
    let whole = Whole {
        text,
        problems: &problems,
    };
    let read = T::deserialize(Node {
        text: root(text)?,
        field: String::new(),
        whole: &whole,
    });
    let mut problems = problems.into_inner();
    let read = read.map_err(|Wrong(problem)| problems.push(problem));
    match (read, Problems::of(problems)) {
        (Ok(read), None) => Ok(read),
        (_, Some(problems)) => Err(problems),
        (Err(()), None) => Err(Problem::whole("can't be understood").into()),
    }
}

/// Returns the line of a field in `bytes`, counted from 1; 0 if it is not there. For fields whose
/// value is found wrong only after reading.
pub fn line_of(bytes: &[u8], field: &str) -> usize {
    find(bytes, field).unwrap_or(0)
}

fn find(bytes: &[u8], field: &str) -> Option<usize> {
    let whole = text(bytes).ok()?;
    let mut node = root(whole).ok()?;
    for step in field.split(['.', '[']).filter(|step| !step.is_empty()) {
        let inner = match step.strip_suffix(']') {
            Some(index) => serde_json::from_str::<Vec<&RawValue>>(node)
                .ok()?
                .get(index.parse::<usize>().ok()?)?
                .get(),
            // A field that is missing is missing from its object.
            None => match entries(node).ok()?.into_iter().find(|(key, _)| key == step) {
                Some((_, value)) => value.get(),
                None => break,
            },
        };
        node = inner;
    }
    Some(line(whole, node))
}

fn text(bytes: &[u8]) -> Result<&str, Problems> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        Problem {
            line: before.split(|byte| *byte == b'\n').count(),
            ..Problem::whole("not UTF-8; save the file as UTF-8")
        }
        .into()
    })
}

fn root(text: &str) -> Result<&str, Problems> {
    serde_json::from_str::<&RawValue>(text)
        .map(RawValue::get)
        .map_err(|error| {
            // What reads values says more exactly what is wrong with the text.
            let error = serde_json::from_str::<Value>(text).err().unwrap_or(error);
            Problem {
                line: error.line(),
                ..Problem::whole(format!("not JSON: {}", in_place(&error)))
            }
            .into()
        })
}

/// Returns the line of `part`, a slice of `whole`.
fn line(whole: &str, part: &str) -> usize {
    let at = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    let before = whole.get(..at).unwrap_or_default();
    before.split('\n').count()
}

/// Returns `serde_json`'s message with the column alone; the line stands in front.
fn in_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rsplit_once(" at line ") {
        Some((what, _)) => format!("{what} at column {}", error.column()),
        None => message,
    }
}

impl Problem {
    fn whole(what: impl Into<String>) -> Self {
        Self {
            line: 0,
            field: String::new(),
            what: what.into(),
        }
    }
}

/// An object's fields in their order, doubled ones too.
fn entries(text: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    struct Entries<'a>(Vec<(String, &'a RawValue)>);
    struct EntriesVisitor;
    impl<'de> Visitor<'de> for EntriesVisitor {
        type Value = Entries<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(Entries(entries))
        }
    }
    impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
        fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_map(EntriesVisitor)
        }
    }
    serde_json::from_str::<Entries<'_>>(text).map(|entries| entries.0)
}

/// A problem on its way out of the types that were being read.
#[derive(Debug)]
struct Wrong(Problem);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self(Problem::whole(what.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, needed: &dyn de::Expected) -> Self {
        Self::custom(format!("{} found; {} needed", plain(found), wanted(needed)))
    }

    fn invalid_value(found: de::Unexpected<'_>, needed: &dyn de::Expected) -> Self {
        Self::invalid_type(found, needed)
    }

    fn unknown_variant(found: &str, permitted: &'static [&'static str]) -> Self {
        Self::custom(unknown(
            &format!("'{}' found", shown(found)),
            found,
            permitted,
        ))
    }

    fn unknown_field(found: &str, permitted: &'static [&'static str]) -> Self {
        Self::custom(unknown("no such field", found, permitted))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("field '{field}' is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format!("field '{field}' found twice"))
    }
}

fn shown(text: &str) -> String {
    text.escape_debug().take(80).collect()
}

fn plain(found: de::Unexpected<'_>) -> String {
    match found {
        de::Unexpected::Unit => "null".to_owned(),
        de::Unexpected::Bool(value) => value.to_string(),
        de::Unexpected::Unsigned(value) => value.to_string(),
        de::Unexpected::Signed(value) => value.to_string(),
        de::Unexpected::Float(value) => value.to_string(),
        de::Unexpected::Str(value) => format!("text '{}'", shown(value)),
        de::Unexpected::Map => "an object".to_owned(),
        de::Unexpected::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// Returns what a type wants in the words of JSON.
fn wanted(needed: &dyn de::Expected) -> String {
    let needed = needed.to_string();
    match needed.as_str() {
        "u8" => "a whole number of 0 to 255".to_owned(),
        "u16" => format!("a whole number of 0 to {}", u16::MAX),
        "u32" => format!("a whole number of 0 to {}", u32::MAX),
        "u64" | "usize" => format!("a whole number of 0 to {}", u64::MAX),
        "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "an object".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other.starts_with("struct ") || other.starts_with("enum ") => {
            "an object".to_owned()
        }
        _ => needed,
    }
}

/// Says what was meant, if a permitted word is close, and what is permitted, if not.
fn unknown(what: &str, found: &str, permitted: &[&str]) -> String {
    let close = permitted
        .iter()
        .map(|word| (strsim::damerau_levenshtein(found, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min();
    match (close, permitted) {
        (Some((_, word)), _) => format!("{what}; did you mean '{word}'?"),
        (None, []) => format!("{what}; none is permitted here"),
        (None, _) => format!("{what}; permitted: {}", permitted.join(", ")),
    }
}

#[cfg(test)]
mod tests;
