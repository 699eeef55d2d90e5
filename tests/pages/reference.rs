//! Makes the reference of all commands, below the marker line of docs/cli.md, from the help of the
//! command line, and compares the page with it. What stands above that line is not its business.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};
use similar::TextDiff;

use super::page::Page;
use super::updating;

const PAGE: &str = "docs/cli.md";
const MARKER: &str = "<!-- generated: ";

#[test]
fn the_reference_is_that_of_the_command_line() {
    let updating = updating();
    let page = Page::read(PAGE);
    let marker = page.lines.iter().position(|line| line.starts_with(MARKER));
    let above = &page.lines[..=marker.expect("no marker line")];
    let mut command = coo::inside::cli::command();
    command.build();
    let mut made = above.join("\n") + "\n";
    for command in commands(&command) {
        section(&mut made, command, 3);
    }
    if updating.is_some() {
        page.write(&made.lines().map(str::to_owned).collect::<Vec<_>>());
    } else {
        let shown = page.lines.join("\n") + "\n";
        let diff = TextDiff::from_lines(&shown, &made);
        assert!(
            shown == made,
            "{PAGE}: the reference (-) is not that of the command line (+):\n{}\n\
             COO_UPDATE_PAGES=1 corrects the page",
            diff.unified_diff()
        );
    }
}

/// Returns the commands of a command, without `help`.
fn commands(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|command| command.get_name() != "help")
}

/// Writes what a command is for, its usage, arguments and options; then its own commands.
fn section(page: &mut String, command: &Command, level: usize) {
    let name = command.get_bin_name().unwrap();
    let about = command.get_long_about().or(command.get_about()).unwrap();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    // Writing to a string does not fail.
    let _ = write!(
        page,
        "\n{} {name}\n\n{about}.\n\n```text\n{usage}\n```\n",
        "#".repeat(level)
    );
    let arguments: Vec<String> = command.get_arguments().filter_map(row).collect();
    if !arguments.is_empty() {
        let _ = write!(page, "\n| | |\n|---|---|\n{}", arguments.concat());
    }
    if let Some(more) = command.get_after_help() {
        let _ = write!(page, "\n{}\n", prose(&more.to_string()));
    }
    for command in commands(command) {
        section(page, command, level + 1);
    }
}

/// Keeps what stands in angle brackets from being read as HTML, and an example as it is typed.
fn prose(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| match line.strip_prefix("Example:  ") {
            Some(example) => format!("Example: `{example}`"),
            None => line.replace('<', "\\<"),
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the line of an argument or option. Returns nothing for those that every command has.
fn row(argument: &Arg) -> Option<String> {
    let help = matches!(argument.get_action(), ArgAction::Help);
    let of_all = ["root", "color", "quiet", "verbose"]
        .iter()
        .any(|id| argument.get_id() == id);
    if argument.is_hide_set() || of_all || help {
        return None;
    }
    // The name of an argument without a long form begins with the short one.
    let short = argument
        .get_short()
        .filter(|_| argument.get_long().is_some());
    let short = short.map(|short| format!("`-{short}`, "));
    let mut text = argument.get_help().unwrap().to_string();
    // A switch has the default `false`.
    if argument.get_action().takes_values() {
        for default in argument.get_default_values() {
            let _ = write!(text, " [default: {}]", default.to_str().unwrap());
        }
    }
    // A bar ends a cell, even between back quotes.
    let name = argument.to_string().replace('|', "\\|");
    let text = prose(&text).replace('|', "\\|");
    Some(format!(
        "| {}`{name}` | {text} |\n",
        short.unwrap_or_default()
    ))
}
