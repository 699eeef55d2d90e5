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
use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

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

/// The file, and what was found wrong so far.
struct Whole<'a> {
    text: &'a str,
    problems: &'a RefCell<Vec<Problem>>,
}

/// A value: its text, which is a slice of the file's, and the path to it.
struct Node<'a> {
    text: &'a str,
    field: String,
    whole: &'a Whole<'a>,
}

impl<'a> Node<'a> {
    fn problem(&self, what: String) -> Problem {
        Problem {
            line: line(self.whole.text, self.text),
            field: self.field.clone(),
            what,
        }
    }

    /// Gives an error the place of this value, unless it has one from further inside.
    fn place<T>(&self, result: Result<T, Wrong>) -> Result<T, Wrong> {
        result.map_err(|Wrong(problem)| {
            if problem.line > 0 {
                return Wrong(problem);
            }
            Wrong(self.problem(problem.what))
        })
    }

    fn json<T>(&self, result: Result<T, serde_json::Error>) -> Result<T, Wrong> {
        result.map_err(|error| Wrong(self.problem(in_place(&error))))
    }

    fn found(&self) -> de::Unexpected<'static> {
        match self.text.as_bytes().first() {
            Some(b'{') => de::Unexpected::Map,
            Some(b'[') => de::Unexpected::Seq,
            Some(b'"') => de::Unexpected::Other("a text"),
            Some(b'n') => de::Unexpected::Unit,
            Some(b't') => de::Unexpected::Bool(true),
            Some(b'f') => de::Unexpected::Bool(false),
            _ => de::Unexpected::Other("a number"),
        }
    }

    fn inner(&self, step: fmt::Arguments<'_>, text: &'a str) -> Self {
        Self {
            text,
            field: format!("{}{step}", self.field),
            whole: self.whole,
        }
    }

    fn list<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if !self.text.starts_with('[') {
            return self.place(Err(Wrong::invalid_type(self.found(), &visitor)));
        }
        let items: Vec<&RawValue> = self.json(serde_json::from_str(self.text))?;
        let items = items
            .iter()
            .enumerate()
            .map(|(i, item)| self.inner(format_args!("[{i}]"), item.get()))
            .collect::<Vec<_>>();
        let mut list = List(items.into_iter());
        self.place(visitor.visit_seq(&mut list))
    }

    /// `fields`: those that the type has; `None` if any name is permitted.
    fn object<V: Visitor<'a>>(
        self,
        visitor: V,
        fields: Option<&'static [&'static str]>,
    ) -> Result<V::Value, Wrong> {
        if !self.text.starts_with('{') {
            return self.place(Err(Wrong::invalid_type(self.found(), &visitor)));
        }
        let mut known: Vec<(String, Node<'a>)> = Vec::new();
        for (name, value) in self.json(entries(self.text))? {
            let dot = if self.field.is_empty() { "" } else { "." };
            let inner = self.inner(format_args!("{dot}{}", shown(&name)), value.get());
            let what = match fields {
                _ if self.field.is_empty() && name == SCHEMA => continue,
                _ if known.iter().any(|(earlier, _)| *earlier == name) => "found twice".to_owned(),
                Some(fields) if !fields.contains(&name.as_str()) => {
                    unknown("no such field", &name, fields)
                }
                _ => {
                    known.push((name, inner));
                    continue;
                }
            };
            // The rest is read all the same, so that one run tells everything.
            self.whole.problems.borrow_mut().push(inner.problem(what));
        }
        let object = Object {
            fields: known.into_iter(),
            value: None,
        };
        self.place(visitor.visit_map(object))
    }
}

/// What only a type that accepts anything asks for is read by `serde_json`: no field of it can be
/// unknown.
macro_rules! scalar {
    ($($name:ident)*) => { $(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.deserialize_scalar(visitor)
        }
    )* };
}

impl<'a> Node<'a> {
    fn deserialize_scalar<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let read = match self.text.as_bytes().first() {
            Some(b'{' | b'[') => Err(Wrong::invalid_type(self.found(), &visitor)),
            Some(b'"') => visitor.visit_string(self.json(serde_json::from_str(self.text))?),
            Some(b'n') => visitor.visit_unit(),
            Some(b't' | b'f') => visitor.visit_bool(self.text == "true"),
            _ => {
                let number: serde_json::Number = self.json(serde_json::from_str(self.text))?;
                match (number.as_u64(), number.as_i64()) {
                    (Some(number), _) => visitor.visit_u64(number),
                    (None, Some(number)) => visitor.visit_i64(number),
                    (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
                }
            }
        };
        self.place(read)
    }
}

impl<'de> de::Deserializer<'de> for Node<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let mut from = serde_json::Deserializer::from_str(self.text);
        let read = de::Deserializer::deserialize_any(&mut from, visitor);
        self.json(read)
    }

    scalar! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.text == "null" {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_scalar(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        // `RawValue` asks by a name of its own, which only `serde_json` knows.
        if name.starts_with('$') {
            let mut from = serde_json::Deserializer::from_str(self.text);
            let read = de::Deserializer::deserialize_newtype_struct(&mut from, name, visitor);
            return self.json(read);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.object(visitor, None)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.object(visitor, Some(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if self.text.starts_with('"') {
            let word: String = self.json(serde_json::from_str(self.text))?;
            let word: StringDeserializer<Wrong> = word.into_deserializer();
            return self.place(visitor.visit_enum(word));
        }
        if self.text.starts_with('{') {
            let fields = self.json(entries(self.text))?;
            let wrong = match fields.as_slice() {
                [(name, _)] if variants.contains(&name.as_str()) => None,
                [(name, _)] => Some(unknown(
                    &format!("field '{}' found", shown(name)),
                    name,
                    variants,
                )),
                several => Some(format!(
                    "{} fields found; exactly one of {} needed",
                    several.len(),
                    variants.join(", ")
                )),
            };
            if let Some(wrong) = wrong {
                return self.place(Err(Wrong::custom(wrong)));
            }
            let mut from = serde_json::Deserializer::from_str(self.text);
            let read = de::Deserializer::deserialize_enum(&mut from, name, variants, visitor);
            return self.json(read);
        }
        let needed = format!("one of {}", variants.join(", "));
        self.place(Err(Wrong::invalid_type(self.found(), &needed.as_str())))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }
}

struct List<'a>(std::vec::IntoIter<Node<'a>>);

impl<'de> de::SeqAccess<'de> for &mut List<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        self.0.next().map(|node| seed.deserialize(node)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Object<'a> {
    fields: std::vec::IntoIter<(String, Node<'a>)>,
    value: Option<Node<'a>>,
}

impl<'de> de::MapAccess<'de> for Object<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let Some((name, value)) = self.fields.next() else {
            return Ok(None);
        };
        let name: StringDeserializer<Wrong> = name.into_deserializer();
        let key = value.place(seed.deserialize(name));
        self.value = Some(value);
        key.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => Err(Wrong::custom("a value without a name")),
        }
    }
}

#[cfg(test)]
mod tests;
