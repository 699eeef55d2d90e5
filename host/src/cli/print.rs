//! How commands speak: one form for errors, one for notes, JSON for machines. Control
//! characters of outside text never reach a terminal as such, and no API key that this process
//! knows reaches anybody.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::secrets::{redacted, redacted_bytes};

/// Of an answer: more than any word that is asked for.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// `ERROR: …` on standard error.
pub fn error(error: &anyhow::Error) {
    error_text(&format!("{error:#}"));
}

/// As `error`, for text.
pub fn error_text(text: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "ERROR: {}", plain(&redacted(text)));
}

/// A line for people on standard error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "[coo] {}", plain(&redacted(text)));
}

/// What a guest has printed on its standard error.
pub fn guest_error(content: &[u8]) {
    let text = String::from_utf8_lossy(content);
    let _ = write!(std::io::stderr(), "{}", plain(&redacted(&text)));
}

/// Asks on standard error, and gives one line of standard input. What can't be read is no answer.
pub fn ask(text: &str) -> Vec<u8> {
    let _ = writeln!(std::io::stderr(), "{}", plain(text));
    let mut line = Vec::new();
    let mut input = std::io::stdin().lock().take(ANSWER_BYTES_MAX);
    match input.read_until(b'\n', &mut line) {
        Ok(_) => line,
        Err(_) => Vec::new(),
    }
}

/// Text on standard output. Whatever is in it, it can't steer a terminal.
pub fn out(text: &str) -> Result<()> {
    bytes(plain(&redacted(text)).as_bytes())
}

/// Bytes on standard output, as they stand but for an API key in them. A reader that has gone away is not an error.
pub fn bytes(content: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let content = redacted_bytes(content);
    match stdout.write_all(&content).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("standard output: can't be written")
        }
        _ => Ok(()),
    }
}

/// A pipe gets the bytes as they are. A screen gets text that can't steer it, and its next
/// line begins at the left edge.
pub fn content(content: &[u8]) -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return bytes(content);
    }
    let text = plain(&String::from_utf8_lossy(content));
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    out(&(text + end))
}

/// A value as indented JSON on standard output.
pub fn json(value: &impl Serialize) -> Result<()> {
    bytes((serde_json::to_string_pretty(value)? + "\n").as_bytes())
}

/// 0 or 1.
pub fn code(done: bool) -> ExitCode {
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// So many of them.
pub fn count(number: usize, noun: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{end}")
}

/// `text` with control characters made visible; line breaks stay.
pub fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let keep = c == '\n' || !c.is_control();
            let escaped = (!keep).then(|| c.escape_debug().collect::<Vec<char>>());
            escaped.unwrap_or_else(|| vec![c])
        })
        .collect()
}

/// As `plain`, on one line.
pub fn one_line(text: &str) -> String {
    plain(text).replace('\n', "\\n")
}
