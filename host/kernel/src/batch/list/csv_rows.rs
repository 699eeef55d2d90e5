//! Reads CSV with a header as objects of texts (RFC 4180, with line ends of any kind). Stricter than
//! the parser underneath: records of another length, doubled names and unbalanced quotes are refused.

use csv_core::{ReadRecordResult, Reader};
use serde_json::{Map, Value};

use super::{LINE_BYTES_MAX, problem, shown};
use crate::form::plain;
use crate::form::strict::Problem;

/// First sizes of the buffers for a record's text and its fields; both grow.
const TEXT_BYTES: usize = 4 << 10;
const FIELDS: usize = 32;

/// The line of a record, and its object or what is wrong with it.
pub type Row = (usize, Result<Value, Vec<Problem>>);

/// Returns the records below the header, each with its line. A header that can't be used is the one
/// and only record.
pub fn read(bytes: &[u8]) -> Box<dyn Iterator<Item = Row> + '_> {
    let mut records = Records::of(bytes);
    let Some((line, header)) = records.next() else {
        return Box::new(std::iter::empty());
    };
    match header.and_then(|header| names(&header)) {
        Ok(names) => Box::new(
            records.map(move |(line, record)| (line, record.and_then(|r| object(&names, &r)))),
        ),
        Err(problems) => Box::new(std::iter::once((line, Err(problems)))),
    }
}

/// The fields of a record.
type Record = Vec<Vec<u8>>;

/// The records of a file, the header too.
struct Records<'a> {
    /// Not read yet.
    rest: &'a [u8],
    /// The line on which `rest` begins.
    line: usize,
    reader: Reader,
    /// The record's text without its quotes, and where its fields end in it.
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Set after a record that was given up, of which the parser still holds a part.
    is_over: bool,
}

impl<'a> Records<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
            line: 1,
            reader: Reader::new(),
            text: vec![0; TEXT_BYTES],
            ends: vec![0; FIELDS],
            is_over: false,
        }
    }

    /// Reads a record and returns its fields and the bytes that it has in the file; `None` at the end.
    fn read(&mut self) -> Option<(Record, &'a [u8])> {
        if self.is_over {
            return None;
        }
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            let (result, bytes, characters, fields) = self.reader.read_record(
                &self.rest[read..],
                &mut self.text[written..],
                &mut self.ends[ended..],
            );
            read += bytes;
            written += characters;
            ended += fields;
            match result {
                // The next call has no input, which tells the parser that the file ends here.
                ReadRecordResult::InputEmpty => {}
                // An open quote can take in a file of any length.
                ReadRecordResult::OutputFull if written > LINE_BYTES_MAX => {
                    (read, ended) = (self.rest.len(), 0);
                    self.is_over = true;
                    break;
                }
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return None,
            }
        }
        let (raw, rest) = self.rest.split_at(read);
        self.rest = rest;
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let fields = starts.zip(&self.ends[..ended]);
        let fields = fields.map(|(start, end)| self.text[start..*end].to_vec());
        Some((fields.collect(), raw))
    }
}

impl Iterator for Records<'_> {
    type Item = (usize, Result<Record, Vec<Problem>>);

    fn next(&mut self) -> Option<Self::Item> {
        let (record, raw) = self.read()?;
        // The parser takes the end of the record before, and blank lines, as a part of this one.
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let blank = raw.iter().take_while(|byte| is_end(byte)).count();
        let line = self.line + breaks(&raw[..blank]);
        self.line += breaks(raw);
        let raw = &raw[blank..];
        let wrong = if raw.len() > LINE_BYTES_MAX {
            Some(format!("{} bytes, limit {LINE_BYTES_MAX}", raw.len()))
        } else if count(raw, b'"') % 2 == 1 {
            // An open quote takes in all lines to the end of the file.
            Some("a quote without its end found; in a quoted field, write each quote twice".into())
        } else {
            None
        };
        let record = wrong.map_or(Ok(record), |what| Err(vec![problem("", what)]));
        Some((line, record))
    }
}

fn breaks(bytes: &[u8]) -> usize {
    count(bytes, b'\n')
}

/// Returns how often `wanted` occurs.
fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.split(|byte| *byte == wanted).count() - 1
}

/// Returns the names of the columns.
fn names(header: &Record) -> Result<Vec<String>, Vec<Problem>> {
    let mut names: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    for (column, name) in (1..).zip(header) {
        let wrong = match std::str::from_utf8(name) {
            Err(_) => Some("not UTF-8; save the file as UTF-8".to_owned()),
            Ok(name) if name.trim().is_empty() => Some("has no name".to_owned()),
            Ok(name) if names.iter().any(|earlier| earlier == name) => {
                Some(format!("name '{}' found twice", shown(name)))
            }
            Ok(name) => {
                names.push(name.to_owned());
                None
            }
        };
        problems.extend(wrong.map(|what| problem(&format!("column {column}"), what)));
    }
    if problems.is_empty() {
        Ok(names)
    } else {
        Err(problems)
    }
}

fn object(names: &[String], record: &Record) -> Result<Value, Vec<Problem>> {
    if record.len() != names.len() {
        let found = plain::count(record.len(), "field");
        let what = format!("{found} found; {} needed, as the header has", names.len());
        return Err(vec![problem("", what)]);
    }
    let mut fields = Map::new();
    let mut problems = Vec::new();
    for (name, value) in names.iter().zip(record) {
        match std::str::from_utf8(value) {
            Ok(text) => {
                fields.insert(name.clone(), text.into());
            }
            Err(_) => problems.push(problem(&shown(name), "not UTF-8; save the file as UTF-8")),
        }
    }
    if problems.is_empty() {
        Ok(Value::Object(fields))
    } else {
        Err(problems)
    }
}
