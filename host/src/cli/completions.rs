//! `coo completions SHELL`: prints a completion script. clap makes the script; for bash, fish and zsh
//! this file adds the ids of missions, which the script asks `coo missions --ids` for when the key is
//! pressed. Which commands take an id, the command line itself says.

use std::process::ExitCode;

use anyhow::Result;
use clap_complete::Shell;

use super::{command, print};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// bash, elvish, fish, powershell or zsh
    shell: Shell,
}

/// What a command calls an argument that takes a mission's id.
const ID: &str = "ID";

/// Wraps clap's function. It gets the words `COMMANDS`.
const BASH: &str = r#"
# Adds the ids of missions, and removes the names of arguments, which are nothing to type, and options
# that nobody has begun to type, so that bash offers files.
_coo_with_ids() {
    local current="${COMP_WORDS[COMP_CWORD]}" command="" root=() i word kept=()
    COMPREPLY=()
    _coo "$@"
    for word in "${COMPREPLY[@]}"; do
        [[ $word == [\[\<]* || ( -z $current && $word == -* ) ]] || kept+=("$word")
    done
    COMPREPLY=("${kept[@]}")
    [[ $current == -* ]] && return
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${COMP_WORDS[i]}" in
            --root)
                # Bash makes a word of the equals sign, too.
                [[ ${COMP_WORDS[i + 1]} == "=" ]] && ((++i))
                root=(--root "${COMP_WORDS[++i]}")
                ;;
            --root=*) root=("${COMP_WORDS[i]}") ;;
            --color) [[ ${COMP_WORDS[i + 1]} == "=" ]] && ((++i)); ((++i)) ;;
            -*) ;;
            *) command="${COMP_WORDS[i]}"; break ;;
        esac
    done
    case "$command" in
        COMMANDS)
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(coo "${root[@]}" missions --ids 2>/dev/null)" -- "$current"))
            ;;
    esac
}

complete -F _coo_with_ids -o nosort -o bashdefault -o default coo 2>/dev/null ||
    complete -F _coo_with_ids -o bashdefault -o default coo
"#;

/// The function that zsh calls for an id.
const ZSH: &str = r#"
_coo_ids() {
    local -a ids
    ids=(${(f)"$(coo missions --ids 2>/dev/null)"})
    _alternative 'ids:mission:compadd -a ids' 'files:file:_files'
}
"#;

const FISH: &str = "
complete -c coo -n \"__fish_seen_subcommand_from COMMANDS\" -k -a \"(coo missions --ids 2>/dev/null)\"
";

pub fn cmd_completions(options: &Options) -> Result<ExitCode> {
    // In memory first: clap_complete panics on a failed write.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command(), "coo", &mut script);
    let script = String::from_utf8(script)?;
    print::bytes(with_ids(options.shell, script).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn with_ids(shell: Shell, script: String) -> String {
    let commands = commands();
    match shell {
        Shell::Bash => script + &BASH.replace("COMMANDS", &commands.join("|")),
        Shell::Fish => script + &FISH.replace("COMMANDS", &commands.join(" ")),
        Shell::Zsh => {
            // The script ends by calling `_coo`, so that the function must stand before that.
            let lines = script.lines().map(|line| {
                let is_id = line.starts_with("':") && line.contains("ission id");
                if is_id {
                    line.replace(":_default'", ":_coo_ids'")
                } else {
                    line.to_owned()
                }
            });
            let script = lines.collect::<Vec<_>>().join("\n") + "\n";
            script.replacen("\n_coo() {", &format!("{ZSH}\n_coo() {{"), 1)
        }
        _ => script,
    }
}

/// Returns the commands whose first argument may be a mission's id.
fn commands() -> Vec<String> {
    let whole = command();
    let takes_id = |command: &&clap::Command| {
        command.get_positionals().next().is_some_and(|argument| {
            let names = argument.get_value_names();
            names.is_some_and(|names| names[0].split('|').any(|name| name == ID))
        })
    };
    let found = whole.get_subcommands().filter(takes_id);
    found.map(|command| command.get_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_that_take_an_id_are_found() {
        let commands = commands();
        for known in ["logs", "inspect", "resume", "replay", "verify", "approve"] {
            assert!(commands.iter().any(|found| found == known), "{commands:?}");
        }
        for other in ["run", "missions", "pipeline", "scan"] {
            assert!(commands.iter().all(|found| found != other), "{commands:?}");
        }
    }

    #[test]
    fn scripts_ask_for_ids_and_those_of_other_shells_stay() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "coo", &mut script);
            let script = String::from_utf8(script).unwrap();
            let made = with_ids(shell, script.clone());
            let asks = made.matches("coo missions --ids").count()
                + made.matches("missions --ids 2>/dev/null)\" -- ").count();
            assert_eq!(asks, usize::from(shell != Shell::Elvish), "{shell}");
            if shell == Shell::Zsh {
                assert!(made.matches(":_coo_ids'").count() >= 8);
            }
        }
    }
}
