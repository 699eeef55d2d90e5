//! What the help adds to clap's: commands under headings, and one example for each command. Each
//! fact is in one table here; what a command is for, its own `about` says. Prints nothing.

use std::fmt::Write as _;

use clap::Command;

/// Columns of a line of the list, as `max_term_width` of the command.
const COLUMNS: usize = 80;
/// Columns of a command's name in the list.
const NAME_COLUMNS: usize = 11;
/// clap adds this command when it builds the others.
const HELP: (&str, &str) = ("help", "Print this message or the help of a command");

/// The commands in the order of the list, under their headings, each with an example.
const GROUPS: &[(&str, &[(&str, &str)])] = &[
    (
        "Missions",
        &[
            ("run-demo", "coo run-demo"),
            ("run", "coo run workflow.py"),
            ("batch", "coo batch missions.jsonl -j 64"),
            ("resume", "coo resume 3"),
            ("approve", "coo approve 3 --reason 'the draft is good'"),
            ("reject", "coo reject 3 --reason 'the draft is wrong'"),
            ("replay", "coo replay 3"),
            ("verify", "coo verify mission.json --runs 5"),
        ],
    ),
    (
        "Looking",
        &[
            ("missions", "coo missions -n 10 --status failed"),
            ("mission", "coo mission 3"),
            ("logs", "coo logs 3"),
            ("inspect", "coo inspect 3 --prompts"),
            ("explain", "coo explain 3"),
            ("audit", "coo audit my_mission.wasm"),
        ],
    ),
    (
        "Handing on",
        &[
            ("export", "coo export 3 --output run.coorun"),
            ("pack", "coo pack 3 --approve"),
            ("merge", "coo merge root-1 root-2"),
        ],
    ),
    (
        "Authors",
        &[
            ("init", "coo init hello"),
            ("new", "coo new mail-sort"),
            ("build", "coo build"),
            ("validate", "coo validate mission.json"),
            ("config", "coo config show"),
            ("runner", "coo runner list"),
            ("schema", "coo schema coo-mission/1"),
        ],
    ),
    (
        "Governed world",
        &[
            ("amu0", "coo amu0 create --name clean"),
            ("rollback", "coo rollback clean"),
            ("freeze", "coo freeze"),
            ("artefacts", "coo artefacts check"),
            ("manifests", "coo manifests write"),
            ("digest", "coo digest --check"),
            ("tier1", "coo tier1 run"),
        ],
    ),
    (
        "Repository",
        &[
            ("amend", "coo amend --check"),
            ("scan", "coo scan ."),
            ("lint", "coo lint ."),
            ("migrate", "coo migrate plan"),
            ("gates", "coo gates ."),
            ("pipeline", "coo pipeline start"),
        ],
    ),
    (
        "Other",
        &[
            ("version", "coo version --json"),
            ("completions", "coo completions bash"),
            ("man", "coo man ~/.local/share/man/man1"),
            (HELP.0, ""),
        ],
    ),
];

/// Examples of the commands of commands, by the path of each.
const INNER: &[(&str, &str)] = &[
    (
        "amu0/create",
        "coo amu0 create --tree project --name before",
    ),
    ("amu0/lineage", "coo amu0 lineage"),
    ("amu0/list", "coo amu0 list"),
    ("amu0/promote", "coo amu0 promote 3"),
    ("amu0/restore", "coo amu0 restore before --tree project"),
    ("amu0/verify", "coo amu0 verify clean --state"),
    ("artefacts/check", "coo artefacts check --repair"),
    ("artefacts/list", "coo artefacts list"),
    (
        "config/set",
        "coo config set llm.default_model vendor/model",
    ),
    ("config/show", "coo config show"),
    ("freeze/lift", "coo freeze lift"),
    ("freeze/status", "coo freeze status"),
    ("manifests/check", "coo manifests check"),
    ("manifests/write", "coo manifests write"),
    ("migrate/plan", "coo migrate plan ."),
    ("migrate/run", "coo migrate run ."),
    (
        "pipeline/approve",
        "coo pipeline approve PIPELINE-000001 --reason 'one name for both'",
    ),
    (
        "pipeline/bundle",
        "coo pipeline bundle PIPELINE-000001 --output change.zip",
    ),
    ("pipeline/list", "coo pipeline list"),
    ("pipeline/log", "coo pipeline log PIPELINE-000001"),
    (
        "pipeline/reject",
        "coo pipeline reject PIPELINE-000001 --reason 'not this name'",
    ),
    ("pipeline/resume", "coo pipeline resume PIPELINE-000001"),
    ("pipeline/rollback", "coo pipeline rollback PIPELINE-000001"),
    ("pipeline/start", "coo pipeline start ."),
    ("pipeline/status", "coo pipeline status PIPELINE-000001"),
    ("runner/add", "coo runner add python.wasm"),
    ("runner/list", "coo runner list --json"),
    ("runner/remove", "coo runner remove python"),
    (
        "tier1/approve",
        "coo tier1 approve --reason 'all checks pass'",
    ),
    ("tier1/reject", "coo tier1 reject --reason 'not yet'"),
    ("tier1/run", "coo tier1 run"),
    ("tier1/status", "coo tier1 status --json"),
];

/// Words that people try, and the command that each means. Similar spelling does not find them.
const WORDS: &[(&[&str], &str)] = &[
    (&["list", "ls", "ps"], "missions"),
    (&["get", "info", "show", "status"], "mission"),
    (&["events", "history", "journal", "log"], "logs"),
    (&["exec", "execute", "start"], "run"),
    (&["continue"], "resume"),
    (&["check", "lint-mission"], "validate"),
    (&["demo"], "run-demo"),
    (&["create", "project"], "init"),
    (&["compile", "make"], "build"),
    (&["save"], "export"),
];

/// Returns the command that `word` may mean.
pub fn meant(word: &str) -> Option<&'static str> {
    let found = WORDS.iter().find(|(words, _)| words.contains(&word));
    found.map(|(_, command)| *command)
}

/// Returns the whole command line with its list of commands and its examples.
pub fn dressed(command: Command) -> Command {
    let template = template(&command);
    with_examples(command, "").help_template(template)
}

fn template(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let mut groups = String::new();
    for (heading, commands) in GROUPS {
        let known: Vec<(&str, String)> = commands
            .iter()
            .filter_map(|(name, _)| Some((*name, about(command, name)?)))
            .collect();
        // A build may leave out all commands of a heading.
        if known.is_empty() {
            continue;
        }
        let _ = writeln!(groups, "\n{header}{heading}:{header:#}");
        for (name, about) in known {
            let indent = " ".repeat(NAME_COLUMNS + 4);
            let options = textwrap::Options::new(COLUMNS)
                .initial_indent(&indent)
                .subsequent_indent(&indent);
            let about = textwrap::fill(&about, &options);
            let _ = writeln!(
                groups,
                "  {literal}{name}{literal:#}{}",
                &about[2 + name.len()..]
            );
        }
    }
    format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\n\
         {header}Options:{header:#}\n{{options}}{{after-help}}"
    )
}

fn about(command: &Command, name: &str) -> Option<String> {
    if name == HELP.0 {
        return Some(HELP.1.to_owned());
    }
    let found = command.find_subcommand(name)?;
    found.get_about().map(ToString::to_string)
}

fn with_examples(mut command: Command, path: &str) -> Command {
    let inner = command
        .get_subcommands()
        .map(|inner| inner.get_name().to_owned());
    for name in inner.collect::<Vec<_>>() {
        let path = format!("{path}/{name}");
        let path = path.trim_start_matches('/');
        command = command.mut_subcommand(name, |inner| with_examples(inner, path));
    }
    let Some(example) = example(path) else {
        return command;
    };
    let after = command.get_after_help().map(ToString::to_string);
    let after = after.map(|after| format!("\n\n{after}"));
    command.after_help(format!("Example:  {example}{}", after.unwrap_or_default()))
}

fn example(path: &str) -> Option<&'static str> {
    let outer = GROUPS.iter().flat_map(|(_, commands)| *commands);
    let found = outer.chain(INNER).find(|(name, _)| *name == path);
    found.map(|(_, example)| *example)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the paths of all commands below `command`, without clap's own `help`.
    fn paths(command: &Command, above: &str) -> Vec<String> {
        let mut all = Vec::new();
        for inner in command.get_subcommands() {
            let path = format!("{above}/{}", inner.get_name());
            all.extend(paths(inner, &path));
            all.push(path.trim_start_matches('/').to_owned());
        }
        all
    }

    /// Splits a line as a shell does that knows single quotes alone.
    fn words(line: &str) -> Vec<&str> {
        let mut words = Vec::new();
        for (i, part) in line.split('\'').enumerate() {
            if i % 2 == 1 {
                words.push(part);
            } else {
                words.extend(part.split_whitespace());
            }
        }
        words
    }

    #[test]
    fn every_command_has_one_place_in_the_list() {
        let command = crate::cli::command();
        let mut listed: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, commands)| commands.iter().map(|(name, _)| *name))
            .filter(|name| cfg!(feature = "repository") || about(&command, name).is_some())
            .filter(|name| *name != HELP.0)
            .collect();
        let mut known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }

    #[test]
    fn every_command_has_an_example_and_the_command_line_takes_it() {
        for path in paths(&crate::cli::command(), "") {
            let example = example(&path).unwrap_or_else(|| panic!("no example of '{path}'"));
            let matches = crate::cli::command().try_get_matches_from(words(example));
            let matches = matches.unwrap_or_else(|error| panic!("{example}: {error}"));
            let mut taken = Vec::new();
            let mut here = &matches;
            while let Some((name, inner)) = here.subcommand() {
                taken.push(name);
                here = inner;
            }
            // A command of commands shows the example of one of them.
            let taken = taken.join("/");
            assert!(
                taken.starts_with(&path),
                "{example} is of '{taken}', not of '{path}'"
            );
        }
        let known = paths(&crate::cli::command(), "");
        for (path, _) in INNER {
            let is_left_out = !cfg!(feature = "repository");
            assert!(
                is_left_out || known.iter().any(|known| known == path),
                "{path}"
            );
        }
    }

    #[test]
    fn a_word_means_a_command_that_exists_and_is_none_itself() {
        let command = crate::cli::command();
        for (words, meant) in WORDS {
            assert!(command.find_subcommand(meant).is_some(), "{meant}");
            for word in *words {
                assert!(command.find_subcommand(word).is_none(), "{word}");
            }
        }
    }
}
