//! The output of all commands: one form for errors and their hints, one for notes, JSON for
//! machines, colour for verdicts on a terminal. Outside text can neither steer a terminal nor imitate a line of `coo`, and every API
//! key that this process knows is removed. Only this file writes to standard output and standard error; it never panics
//! when the reader has gone.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result};
use clap::builder::StyledStr;
use coo_kernel::credentials::pairing::KEY;
use coo_kernel::form::plain;
use coo_kernel::mission::exit::Exit;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use terminal_size::terminal_size_of;

pub use coo_kernel::form::plain::{count, one_line, plain};

use crate::effects::secrets::{redacted, redacted_bytes};
use crate::hint;
use crate::machine::pager::Pager;
use crate::machine::{CLEAR_LINE, env_text};

/// Most bytes of an answer, more than any word that is asked for.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// Set once JSON was printed on standard output.
static IS_JSON_PRINTED: AtomicBool = AtomicBool::new(false);
/// Set if the user wants results and errors only.
static IS_QUIET: AtomicBool = AtomicBool::new(false);
/// Set while a guest's output ends without a line break in a log that standard error goes to, too.
static IS_LINE_OPEN: AtomicBool = AtomicBool::new(false);
/// Set while the last line of the terminal is one that `status` wrote.
static IS_STATUS_SHOWN: AtomicBool = AtomicBool::new(false);
/// The pager that shows what this command prints.
static PAGER: Mutex<Option<Pager>> = Mutex::new(None);
/// The state root that hints name; see `name_root`.
static ROOT_NAMED: OnceLock<String> = OnceLock::new();

/// When verdicts and help are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    Always,
    Never,
}

/// Decides about colour for this process. `Auto` leaves it to each stream and to the variables
/// `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE`.
pub fn set_color(color: Color) {
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
    .write_global();
}

/// Returns a verdict of `coo` in its colour, if it has one and the stream shows colours.
fn painted(verdict: &str, choice: ColorChoice) -> String {
    let color = match verdict {
        "SUCCESS" | "IDENTICAL" => AnsiColor::Green,
        "FAILED" | "DIVERGENT" | "DIFFERENT" | "DAMAGED" => AnsiColor::Red,
        "INTERRUPTED" | "PAUSED" => AnsiColor::Yellow,
        _ => return verdict.to_owned(),
    };
    if choice == ColorChoice::Never {
        return verdict.to_owned();
    }
    let style = Style::new().bold().fg_color(Some(color.into()));
    format!("{style}{verdict}{style:#}")
}

/// Prints `ERROR: …` on standard error, and `hint: …` for each thing that the user can do.
pub fn error(error: &anyhow::Error) {
    let lines = hint::lines(error);
    let (what, hints) = lines.split_once('\n').unwrap_or((&lines, ""));
    aside(&format!("{what}\n{}", rooted(hints)));
}

/// Lets every hint from now on name the state root of its command, for a root that no command finds by
/// itself.
pub fn name_root(root: &Path) {
    // A later call changes nothing: a process has one such root.
    let _ = ROOT_NAMED.set(word(&root.display().to_string()));
}

/// Returns a hint with the state root in its commands, if `name_root` was called.
pub fn rooted(hint: &str) -> String {
    match ROOT_NAMED.get() {
        Some(root) => hint.replace("'coo ", &format!("'coo --root {root} ")),
        None => hint.to_owned(),
    }
}

/// Sends what this command prints from now on through the user's pager, if standard output is a
/// terminal. What it says on standard error goes there, too, if that is a terminal: it would be written
/// across the page.
pub fn page() {
    if std::io::stdout().is_terminal() {
        *pager() = Pager::start(&[KEY]);
    }
}

/// Waits until the person has left the pager, if there is one.
pub fn end_pages() {
    let ended = pager().take();
    if let Some(pager) = ended {
        pager.finish();
    }
}

fn pager() -> MutexGuard<'static, Option<Pager>> {
    PAGER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints an error of the command line, in as many lines as it takes. The text contains the user's
/// own words.
pub fn usage(text: &str) {
    aside(&format!("ERROR: {}\n", plain(text)));
}

/// Leaves out all notes from now on. Errors, questions and results stay.
pub fn set_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Returns whether standard error is a terminal on which a line can be written again.
pub fn can_rewrite() -> bool {
    std::io::stderr().is_terminal() && env_text("TERM").is_none_or(|name| name != "dumb")
}

/// Writes the last line of the terminal again: how far a run is. Whatever is printed next removes it.
/// Call it only if `can_rewrite`.
pub fn status(text: &str) {
    let columns = terminal_size_of(std::io::stderr()).map_or(COLUMNS, |(width, _)| width.0.into());
    let line = cut(&format!("[coo] {}", one_line(&redacted(text))), columns);
    let _ = std::io::stderr()
        .lock()
        .write_all(format!("{CLEAR_LINE}{line}").as_bytes());
    IS_STATUS_SHOWN.store(true, Ordering::Relaxed);
}

/// Removes the line that `status` wrote, if there is one.
pub fn clear_status() {
    if IS_STATUS_SHOWN.swap(false, Ordering::Relaxed) {
        let _ = std::io::stderr().lock().write_all(CLEAR_LINE.as_bytes());
    }
}

/// Returns a line that does not wrap on a terminal of `columns`.
pub fn cut(line: &str, columns: usize) -> String {
    // In the last column, some terminals wrap already.
    let most = columns.saturating_sub(1).max(1);
    if line.chars().count() <= most {
        return line.to_owned();
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

/// Prints a line for people on standard error.
pub fn note(text: &str) {
    if is_quiet() {
        return;
    }
    aside(&format!("[coo] {}\n", one_line(text)));
}

/// Prints a note like `note` with a verdict in it.
pub fn note_verdict(before: &str, verdict: &str, after: &str) {
    if is_quiet() {
        return;
    }
    let verdict = painted(verdict, AutoStream::choice(&std::io::stderr()));
    aside(&format!(
        "[coo] {}{verdict}{}\n",
        one_line(before),
        one_line(after)
    ));
}

/// Prints what the user can do next.
pub fn next(text: &str) {
    if is_quiet() {
        return;
    }
    aside(&format!("hint: {}\n", rooted(&one_line(text))));
}

/// Prints a note like `note`, and below it what the user can do next.
pub fn note_hint(text: &str, next: &str) {
    if is_quiet() {
        return;
    }
    note(text);
    self::next(next);
}

/// Prints a note like `note`, with more lines of `coo`'s own below the first.
pub fn note_lines(lines: &[String]) {
    if !is_quiet() {
        before_asking(lines);
    }
}

/// Prints like `note_lines` what a person must know to answer the question that follows.
pub fn before_asking(lines: &[String]) {
    let lines: Vec<String> = lines.iter().map(|line| one_line(line)).collect();
    aside(&format!("[coo] {}\n", lines.join("\n      ")));
}

/// Prints what a guest wrote to its standard error. A line that looks like one of `coo`'s own gets
/// the prefix `guest: `. Later output begins on a new line.
pub fn guest_stderr(content: &[u8]) {
    let text = plain(&String::from_utf8_lossy(content));
    let mut shown = String::with_capacity(text.len());
    for line in text.lines() {
        if ["[coo]", "ERROR:", "hint:"]
            .iter()
            .any(|own| line.starts_with(own))
        {
            shown.push_str("guest: ");
        }
        shown.push_str(line);
        shown.push('\n');
    }
    aside(&shown);
}

/// Writes to standard error, without any API key. Ignores errors: there is no other place to report
/// them.
fn aside(text: &str) {
    clear_status();
    if std::io::stderr().is_terminal()
        && let Some(pager) = pager().as_mut()
    {
        let _ = pager.write(redacted(text).as_bytes());
        return;
    }
    let text = redacted(text);
    let begin = if !text.is_empty() && IS_LINE_OPEN.swap(false, Ordering::Relaxed) {
        "\n"
    } else {
        ""
    };
    let _ = std::io::stderr()
        .lock()
        .write_all(format!("{begin}{text}").as_bytes());
}

/// Asks on standard error and reads one line of standard input. Returns an empty answer if it can't
/// be read.
pub fn ask(text: &str) -> Vec<u8> {
    aside(&format!("{}\n", plain(text)));
    let mut line = Vec::new();
    let mut input = std::io::stdin().lock().take(ANSWER_BYTES_MAX);
    match input.read_until(b'\n', &mut line) {
        Ok(_) => line,
        Err(_) => Vec::new(),
    }
}

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// Returns the columns of the terminal on standard output; `None` if it is none, so that nothing is
/// cut in a pipe or file.
pub fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    let size = || terminal_size_of(&stdout).map_or(COLUMNS, |(width, _)| width.0.into());
    stdout.is_terminal().then(size)
}

/// Prints the help of a command on standard output.
pub fn help(text: &StyledStr) -> Result<()> {
    // Text of coo's own: clap puts no argument of the user into a help.
    match AutoStream::choice(&std::io::stdout()) {
        ColorChoice::Never => out(&text.to_string()),
        _ => bytes(text.ansi().to_string().as_bytes()),
    }
}

/// Asks for `word`, which permits `purpose`. Returns what was said, if it is anything else.
pub fn ask_for(word: &str, purpose: &str) -> Result<(), Vec<u8>> {
    let said = ask(&format!("Type '{word}' to {purpose}"));
    if said.strip_suffix(b"\n").unwrap_or(&said) == word.as_bytes() {
        return Ok(());
    }
    Err(said)
}

/// Prints text on standard output, escaped so that it can't steer a terminal.
pub fn out(text: &str) -> Result<()> {
    bytes(plain(&redacted(text)).as_bytes())
}

/// Prints text like `out` with a verdict in it.
pub fn out_verdict(before: &str, verdict: &str, after: &str) -> Result<()> {
    let safe = |text: &str| plain(&redacted(text));
    let verdict = painted(verdict, AutoStream::choice(&std::io::stdout()));
    bytes(format!("{}{verdict}{}", safe(before), safe(after)).as_bytes())
}

/// Writes bytes to standard output unchanged, except for an API key in them. A closed pipe is not
/// an error.
pub fn bytes(content: &[u8]) -> Result<()> {
    clear_status();
    let content = redacted_bytes(content);
    if let Some(pager) = pager().as_mut() {
        return written(pager.write(&content));
    }
    written(std::io::stdout().lock().write_all(&content))
}

/// Returns whether the reader of standard output is gone, so that nothing can be printed any more.
pub fn is_closed() -> bool {
    let stdout = std::io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP;
    poll(&mut polled, Some(&Timespec::default())).is_ok() && polled[0].revents().intersects(gone)
}

/// Flushes standard output and returns the result of writing to it. A closed pipe is not an error.
fn written(result: std::io::Result<()>) -> Result<()> {
    match result.and_then(|()| std::io::stdout().flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("standard output: can't be written")
        }
        _ => Ok(()),
    }
}

/// Returns whether standard output and standard error are the same pipe or file, as in a log of both.
fn is_one_stream() -> bool {
    let identity = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
    match (
        rustix::fs::fstat(std::io::stdout()),
        rustix::fs::fstat(std::io::stderr()),
    ) {
        (Ok(out), Ok(error)) => identity(out) == identity(error),
        _ => false,
    }
}

/// Writes a guest's content to standard output. A pipe gets the bytes unchanged. A terminal gets
/// text that can't steer it, ended by a line break.
pub fn content(content: &[u8]) -> Result<()> {
    if !std::io::stdout().is_terminal() {
        bytes(content)?;
        let is_open = content.last().is_some_and(|last| *last != b'\n');
        IS_LINE_OPEN.store(is_open && is_one_stream(), Ordering::Relaxed);
        return Ok(());
    }
    let text = plain(&String::from_utf8_lossy(content));
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    out(&(text + end))
}

/// Prints an object as indented JSON on standard output, with its format as the first field.
pub fn json(format: &'static str, value: &impl Serialize) -> Result<()> {
    #[derive(Serialize)]
    struct Document<'a, T> {
        format: &'static str,
        #[serde(flatten)]
        value: &'a T,
    }
    document(&Document { format, value })
}

/// Prints an object that has a format of its own as indented JSON on standard output.
pub fn document(value: &impl Serialize) -> Result<()> {
    json_text(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// An error, for programs.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Failed<'a> {
    /// The exit code.
    code: u8,
    message: &'a str,
    /// A hint a line.
    hint: Option<String>,
}

/// Prints the error of a command that was asked for JSON, unless it has printed its result: then
/// standard output holds one object already. People find the error on standard error.
pub fn json_error(exit: Exit, message: &str, hints: &[String]) {
    if IS_JSON_PRINTED.load(Ordering::Relaxed) {
        return;
    }
    // If it can't be printed, the error itself is still told on standard error.
    let _ = json(
        "coo-error/1",
        &Failed {
            code: exit.code(),
            message,
            hint: (!hints.is_empty()).then(|| rooted(&hints.join("\n"))),
        },
    );
}

/// Prints JSON on standard output. A pipe gets it unchanged. A terminal gets the same values,
/// escaped so that they can't steer it.
pub fn json_text(text: &str) -> Result<()> {
    IS_JSON_PRINTED.store(true, Ordering::Relaxed);
    if std::io::stdout().is_terminal() {
        return bytes(plain::json(text).as_bytes());
    }
    bytes(text.as_bytes())
}

/// Returns a word as a shell takes it, for a command that a hint names between single quotes.
pub fn word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for c in word.chars() {
        if "\"\\$`".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// Returns the exit code for the shell.
pub fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit.code())
}

/// Returns exit code 0 if `done`, otherwise 1.
pub fn done(done: bool) -> ExitCode {
    code(if done { Exit::Done } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_split_or_change_it() {
        for (plain, quoted) in [
            ("run.coorun", "run.coorun"),
            ("a/b-1_2.json", "a/b-1_2.json"),
            ("übung.json", "übung.json"),
            ("a b", "\"a b\""),
            ("", "\"\""),
            ("$HOME `x` \"y\" \\", "\"\\$HOME \\`x\\` \\\"y\\\" \\\\\""),
            ("*", "\"*\""),
            ("it's", "\"it's\""),
        ] {
            assert_eq!(word(plain), quoted);
        }
    }
}
