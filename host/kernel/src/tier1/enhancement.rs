//! The enhancement log: what is in place of each fix pack of stage 2, as commands, tests and pages.
//! A test of the repository fails if a named test or page is gone. Whether a command exists is
//! asked of the running build, so that the log names nothing that this build does not have.

use std::fmt::Write as _;

use super::Installation;

/// A fix pack of stage 2.
#[derive(Debug)]
pub struct Enhancement {
    pub id: &'static str,
    /// The title in the plan.
    pub title: &'static str,
    /// What is there, in one sentence.
    pub what: &'static str,
    /// Commands of `coo` that belong to it.
    pub commands: &'static [&'static str],
    /// Tests that hold it, as `file::name`.
    pub tests: &'static [&'static str],
    pub pages: &'static [&'static str],
}

/// Every fix pack of stage 2, in the order of the plan.
pub const ENHANCEMENTS: [Enhancement; 5] = [
    Enhancement {
        id: "FP-3.4",
        title: "Runtime–Kernel Contract Tests",
        what: "Tests compare the fold of every journal with what the host stores and shows, and try every refused transition against the written journal.",
        commands: &["run", "resume", "approve", "reject"],
        tests: &[
            "tests/contracts.rs::the_fold_of_the_journal_and_the_row_of_the_store_agree_after_every_operation",
            "tests/contracts.rs::a_transition_that_the_kernel_refuses_is_never_written",
            "tests/contracts.rs::a_journal_that_holds_a_refused_transition_is_accepted_by_no_command",
        ],
        pages: &["docs/operations.md", "docs/journal.md"],
    },
    Enhancement {
        id: "FP-3.5",
        title: "Runtime Operation Contracts",
        what: "One page states what each operation needs, guarantees and leaves behind, and names the tests that hold it.",
        commands: &[],
        tests: &["tests/contracts.rs::every_contract_names_tests_and_pages_that_exist"],
        pages: &["docs/operations.md"],
    },
    Enhancement {
        id: "FP-3.6",
        title: "Tier-1 Test Harness v1.0",
        what: "One command runs all of stage 1 on an installation and its state root, in the order of the plan.",
        commands: &["tier1"],
        tests: &["tests/tier1/run.rs::the_same_installation_and_state_give_the_same_bytes"],
        pages: &["docs/tier1.md"],
    },
    Enhancement {
        id: "FP-3.8",
        title: "Antigrav Mission & Pack Schema",
        what: "Descriptors, packs, fix packs and reports have published JSON Schemas, made from the types that read and write them. A field that a descriptor's schema does not know is refused.",
        commands: &["validate", "pack", "schema"],
        tests: &[
            "tests/governance/validator.rs::every_violation_is_named_with_a_way_out_and_nothing_runs",
            "tests/schemas/current.rs::the_schemas_are_those_of_the_types",
            "tests/schemas/shipped.rs::what_the_schema_of_a_descriptor_refuses_is_refused",
        ],
        pages: &["docs/descriptor.md", "docs/pack.md", "docs/schemas.md"],
    },
    Enhancement {
        id: "FP-3.10",
        title: "Productisation Pre-Work",
        what: "The command line has a generated reference, and the demo runs without configuration, key or network.",
        commands: &["run-demo", "init", "completions"],
        tests: &["tests/pages/reference.rs::the_reference_is_that_of_the_command_line"],
        pages: &["README.md", "docs/cli.md", "docs/compatibility.md"],
    },
];

/// Returns the log. `commands` are the commands that this build has.
pub fn markdown(installation: &Installation, commands: &[String], minor: u32) -> String {
    let mut text = format!(
        "# Tier-1 Enhancement Log v0.{minor}\n\n\
         Stage 2 of the plan: recommended, and not required for readiness. Installation: coo {}, {}.\n",
        installation.coo,
        installation.digest()
    );
    for item in &ENHANCEMENTS {
        let has = |name: &&&str| commands.iter().any(|known| known == **name);
        let (there, missing): (Vec<&&str>, Vec<&&str>) = item.commands.iter().partition(has);
        let state = if missing.is_empty() {
            "in place"
        } else {
            "in part"
        };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n## {}: {}\n\n{}\n\n| | |\n|---|---|\n| State | {state} |\n",
            item.id, item.title, item.what
        );
        let coo = |name: &&str| format!("`coo {name}`");
        let mut row = |name: &str, cells: Vec<String>| {
            if !cells.is_empty() {
                let _ = writeln!(text, "| {name} | {} |", cells.join(", "));
            }
        };
        row("Commands", there.into_iter().map(coo).collect());
        row("Not in this build", missing.into_iter().map(coo).collect());
        let quoted = |text: &&str| format!("`{text}`");
        row("Tests", item.tests.iter().map(quoted).collect());
        row("Pages", item.pages.iter().map(quoted).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::digest::Digest;
    use crate::mission::edition::Edition;

    #[test]
    fn the_log_names_no_command_that_the_build_does_not_have() {
        let installation = Installation {
            coo: "1.1.0".to_owned(),
            engine: String::new(),
            module_set: Digest::of(""),
            modules: Vec::new(),
            probe: Digest::of(""),
            rules: Edition::CURRENT,
        };
        let mut commands: Vec<String> = ENHANCEMENTS
            .iter()
            .flat_map(|item| item.commands)
            .map(|&name| name.to_owned())
            .collect();
        let text = markdown(&installation, &commands, 1);
        assert_eq!(text.matches("| State | in place |").count(), 5, "{text}");
        assert!(!text.contains("Not in this build"));
        commands.retain(|name| name != "pack");
        let text = markdown(&installation, &commands, 1);
        assert!(
            text.contains("| State | in part |\n| Commands | `coo validate`, `coo schema` |\n| Not in this build | `coo pack` |\n"),
            "{text}"
        );
        assert_eq!(text.matches("| State | in place |").count(), 4, "{text}");
    }
}
