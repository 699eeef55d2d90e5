//! How commands speak: one form for errors, one for notes, JSON for machines. Nothing in outside
//! text can steer a terminal or look like a line of `coo`'s own, and no API key that this process
//! knows reaches anybody. The one place that writes to standard output and standard error: where
//! nobody reads any more, nothing panics.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use coo_kernel::form::plain;
use serde::Serialize;

pub use coo_kernel::form::plain::{one_line, plain};

use crate::effects::secrets::{redacted, redacted_bytes};

/// Of an answer: more than any word that is asked for.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// `ERROR: …` on standard error.
pub fn error(error: &anyhow::Error) {
    error_text(&format!("{error:#}"));
}

/// As `error`, for text.
pub fn error_text(text: &str) {
    aside(&format!("ERROR: {}\n", plain::error(text)));
}

/// What is wrong with the command line, in as many lines as it takes: the user's own words.
pub fn usage(text: &str) {
    aside(&format!("ERROR: {}\n", plain(text)));
}

/// A line for people on standard error.
pub fn note(text: &str) {
    aside(&format!("[coo] {}\n", one_line(text)));
}

/// As `note`, with more lines of `coo`'s own under the first.
pub fn note_lines(lines: &[String]) {
    let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
    aside(&format!("[coo] {}\n", lines.join("\n      ")));
}

/// What a guest wrote to its standard error, as it stands, but for a line that would pass for one
/// of `coo`'s own: that says whose it is. What follows begins on a line of its own.
pub fn guest_stderr(content: &[u8]) {
    let text = plain(&String::from_utf8_lossy(content));
    let mut shown = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with("[coo]") || line.starts_with("ERROR:") {
            shown.push_str("guest: ");
        }
        shown.push_str(line);
        shown.push('\n');
    }
    aside(&shown);
}

/// To standard error, without any API key. Where it is closed or full there is nobody to tell.
fn aside(text: &str) {
    let _ = std::io::stderr()
        .lock()
        .write_all(redacted(text).as_bytes());
}

/// Asks on standard error, and gives one line of standard input. What can't be read is no answer.
pub fn ask(text: &str) -> Vec<u8> {
    aside(&format!("{}\n", plain(text)));
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
    written(std::io::stdout().lock().write_all(&redacted_bytes(content)))
}

/// What became of writing to standard output, once all of it has left this process. A reader that
/// has gone away is not an error.
pub fn written(result: std::io::Result<()>) -> Result<()> {
    match result.and_then(|()| std::io::stdout().flush()) {
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
    json_text(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// JSON on standard output. A pipe gets it as it is; a screen gets the same values, written so
/// that they can't steer it.
pub fn json_text(text: &str) -> Result<()> {
    if std::io::stdout().is_terminal() {
        return bytes(plain::json(text).as_bytes());
    }
    bytes(text.as_bytes())
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
