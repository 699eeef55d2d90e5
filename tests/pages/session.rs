//! Runs the session of one page in one bash, so that `cd`, variables and the state root carry over,
//! and compares the output of each command with the page. Invariant: the commands see the fixed
//! environment of `World`, the programs of `tests/fixtures/pages` and this build of `coo`. Never
//! compares times and durations.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use similar::{ChangeTag, TextDiff};

use super::page::{Command, Page, Step};
use super::{checkout, updating};
use crate::support::model_server::{self, ModelServer, Response};
use crate::support::{World, steady, timeless, without_progress};

/// Where the model server of every page is.
const SERVER: &str = "127.0.0.1:8481";

/// The home of the person in the pages, which is the working directory at the start.
const HOME: &str = "/home/ana";

/// The programs and descriptors of the pages.
const FIXTURES: &str = "tests/fixtures/pages";

/// Ends the output of a command; its exit status stands before it.
const END: char = '\u{1e}';
const STATUS: char = '\u{1f}';

/// Compares a page with what its commands print, or corrects the page.
pub fn check(path: &str) {
    let updating = updating();
    let page = Page::read(path);
    let outputs = run(&page);
    let mut lines = page.lines.clone();
    let mut differences = String::new();
    // From the end, so that the numbers of earlier lines stay.
    for (command, output) in outputs.iter().rev() {
        let shown = &page.lines[command.shown.clone()];
        let merged = merge(shown, output, command);
        if merged != shown {
            let (old, new) = (text(shown), text(&merged));
            let diff = TextDiff::from_lines(&old, &new);
            differences = format!(
                "{path}:{}: $ {}\n{}{differences}",
                command.shown.start,
                command.text,
                diff.unified_diff()
            );
            lines.splice(command.shown.clone(), merged);
        }
    }
    if updating.is_some() {
        page.write(&lines);
    } else {
        assert!(
            differences.is_empty(),
            "the page (-) shows other output than the program gives (+):\n{differences}\n\
             COO_UPDATE_PAGES=1 corrects the page"
        );
    }
}

fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

/// Returns the output, with a line as the page shows it where the two differ in nothing that counts.
fn merge(shown: &[String], output: &str, command: &Command) -> Vec<String> {
    let output: Vec<&str> = output.lines().collect();
    let masked = |lines: &[&str]| -> Vec<String> {
        let mask = |line: &&str| {
            let line = unmeasured(line);
            if command.digests {
                timeless(&line)
            } else {
                sizeless(&steady(&line))
            }
        };
        lines.iter().map(mask).collect()
    };
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let (old, new) = (masked(&shown), masked(&output));
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    TextDiff::from_slices(&old, &new)
        .iter_all_changes()
        .filter_map(|change| match change.tag() {
            ChangeTag::Equal => Some(shown[change.old_index()?].to_owned()),
            ChangeTag::Insert => Some(output[change.new_index()?].to_owned()),
            ChangeTag::Delete => None,
        })
        .collect()
}

/// Removes what is of the machine or of the moment, and is not in the form of `timeless`.
fn unmeasured(line: &str) -> String {
    let mut line = line.to_owned();
    for name in [
        "\"elapsed_us\": ",
        ".coorun: ",
        " tests in ",
        "By: user ",
        " config=",
        " host=",
    ] {
        if let Some((before, after)) = line.split_once(name) {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
            line = format!("{before}{name}{rest}");
        }
    }
    line
}

/// Removes the numbers of bytes.
fn sizeless(line: &str) -> String {
    let mut parts = line.split(" bytes").peekable();
    let mut without = String::new();
    while let Some(part) = parts.next() {
        without += match parts.peek() {
            Some(_) => part.trim_end_matches(|c: char| c.is_ascii_digit()),
            None => part,
        };
    }
    without
}

/// Runs all steps of a page; returns each command of its sessions with its output.
fn run(page: &Page) -> Vec<(&Command, String)> {
    let world = World::new();
    let server = page.server.as_ref().map(|answers| {
        let server = ModelServer::start(answers.split(';').map(answer));
        let address = server.origin().replace("http://", "");
        (server, address)
    });
    let mut script = script(page);
    if let Some((_, address)) = &server {
        script = script.replace(SERVER, address);
    }
    let mut printed = bash(&world, &script);
    if let Some((_, address)) = &server {
        printed = printed.replace(address, SERVER);
    }
    let mut pieces = printed.split_terminator(END);
    let mut outputs = Vec::new();
    for step in &page.steps {
        let piece = pieces.next().and_then(|piece| piece.rsplit_once(STATUS));
        let (output, status) =
            piece.unwrap_or_else(|| panic!("the shell ended in {step:?}: {printed}"));
        match step {
            Step::Command(command) => outputs.push((command, as_on_a_terminal(output))),
            Step::Setup(_) => assert_eq!(status, "0", "{step:?}: {output}"),
        }
    }
    outputs
}

/// Returns all steps as one script, which prints an end after the output of each.
fn script(page: &Page) -> String {
    let mut script = format!(
        "exec 2>&1\numask 022\n\
         ended() {{ local status=$?; printf '{STATUS}%d{END}' $status; return $status; }}\n"
    );
    for step in &page.steps {
        let text = match step {
            Step::Setup(commands) => format!("set -e\n{commands}\nset +e\nended\n"),
            Step::Command(command) => format!("{}\nended\n", command.text),
        };
        script.push_str(&text);
    }
    script
}

/// Runs a script in the home of the person of the pages, and returns what it printed.
fn bash(world: &World, script: &str) -> String {
    let home = world.path().join("ana");
    let bin = world.path().join("bin");
    std::fs::create_dir(&home).unwrap();
    programs(&bin);
    let ran = world
        .program("bash", &["--noprofile", "--norc"])
        .arg(world.file("session.sh", script))
        .env(
            "PATH",
            format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()),
        )
        .env("HOME", &home)
        .env("TMPDIR", world.path())
        .env("CHECKOUT", checkout())
        .env("FIXTURES", checkout().join(FIXTURES))
        .env("PROGRAMS", &bin)
        .current_dir(&home)
        .output()
        .unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    printed.replace(home.to_str().unwrap(), HOME)
}

/// Ends an unfinished line before `coo` says something, as `coo` itself does on a terminal. Removes
/// progress lines, which depend on how busy the machine is.
fn as_on_a_terminal(output: &str) -> String {
    let broken = output
        .replace("[coo] ", "\n[coo] ")
        .replace("\n\n[coo] ", "\n[coo] ");
    // A first line of `coo` got a line break that it does not need.
    let starts = output.starts_with("[coo] ");
    without_progress(
        broken
            .strip_prefix('\n')
            .filter(|_| starts)
            .unwrap_or(&broken),
    )
}

/// Makes a folder with this build of `coo` and the programs of the pages.
fn programs(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    symlink(env!("CARGO_BIN_EXE_coo"), folder.join("coo")).unwrap();
    for entry in std::fs::read_dir(checkout().join(FIXTURES)).unwrap() {
        let source = entry.unwrap().path();
        if source.extension() != Some("wat".as_ref()) {
            continue;
        }
        let name = source.file_stem().unwrap();
        let wasm = wat::parse_file(&source).unwrap();
        std::fs::write(folder.join(name).with_extension("wasm"), wasm).unwrap();
    }
}

/// Returns one answer of the model server: a status with a message, a closed connection, or a text.
fn answer(text: &str) -> model_server::Step {
    let text = text.trim();
    let status = text
        .split_once(' ')
        .and_then(|(status, message)| Some((status.parse::<u16>().ok()?, message)));
    match status {
        Some((status, message)) => {
            Response::json(status, &json!({"error": {"message": message}})).into()
        }
        None if text == "hang up" => model_server::Step::HangUp,
        None => Response::completion(text).into(),
    }
}
