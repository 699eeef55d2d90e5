//! The user's pager: a program that shows long output page by page. `PAGER` names it, otherwise it is
//! `less`. A pager that does not start is no error: then nothing is paged. Reads no output itself.

use std::ffi::OsString;
use std::io::{Result, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::signals;
use super::system::{env_text, environment};

/// The pager where `PAGER` is not set.
const DEFAULT: &str = "less";
/// What pagers do where the user has not said otherwise: `less` ends by itself if all fits on the screen,
/// shows colours, and leaves the text on the screen.
const SETTINGS: [(&str, &str); 2] = [("LESS", "FRX"), ("LV", "-c")];

/// A pager at work.
#[derive(Debug)]
pub struct Pager {
    child: Child,
    /// `None` once the person has left the pager.
    input: Option<ChildStdin>,
}

impl Pager {
    /// Starts the user's pager on the terminal that is standard output. It does not get the variables
    /// in `without`. Returns `None` if the user wants none, if the terminal can't show pages, or if
    /// the program does not start.
    pub fn start(without: &[&str]) -> Option<Self> {
        if env_text("TERM").is_none_or(|name| name == "dumb") {
            return None;
        }
        let line = line(environment());
        let (program, arguments) = command(&line)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped());
        for (name, value) in SETTINGS {
            if env_text(name).is_none() {
                command.env(name, value);
            }
        }
        for name in without {
            command.env_remove(name);
        }
        let mut child = command.spawn().ok()?;
        // Both get the Ctrl-C of the terminal. A pager without its writer would stay behind, and share
        // the keyboard with the shell.
        signals::leave_interrupts();
        let input = child.stdin.take();
        Some(Self { child, input })
    }

    /// Gives the pager more to show. Does nothing once the person has left it.
    pub fn write(&mut self, content: &[u8]) -> Result<()> {
        let Some(input) = &mut self.input else {
            return Ok(());
        };
        let written = input.write_all(content).and_then(|()| input.flush());
        if written.is_err() {
            self.input = None;
        }
        written
    }

    /// Ends the output, and waits until the person leaves the pager.
    pub fn finish(mut self) {
        drop(self.input.take());
        // Nothing can be done about a pager that can't be waited for.
        let _ = self.child.wait();
    }
}

/// Returns the value of `PAGER`, also an empty one: then the user wants no pager.
fn line(variables: Vec<(OsString, OsString)>) -> String {
    let mut variables = variables.into_iter();
    let set = variables.find(|(name, _)| name == "PAGER");
    set.map_or_else(
        || DEFAULT.to_owned(),
        |(_, line)| line.to_string_lossy().into_owned(),
    )
}

/// Returns program and arguments of a value of `PAGER`; `None` if it names no pager. No shell reads it.
fn command(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = line.split_whitespace();
    let program = words.next().filter(|program| *program != "cat")?;
    Some((program, words.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pager_is_a_program_and_its_arguments_or_none() {
        assert_eq!(command("less"), Some(("less", vec![])));
        assert_eq!(command(" less  -S -R "), Some(("less", vec!["-S", "-R"])));
        assert_eq!(command(""), None);
        assert_eq!(command("  "), None);
        assert_eq!(command("cat"), None);
    }
}
