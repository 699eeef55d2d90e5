//! `docs/conformance.md`: each section of the source documents has a row, and each test, command and
//! page that a row names exists. Reads the page and the sources, and runs nothing.

use std::path::{Path, PathBuf};

use crate::contracts::{checkout, is_command};

/// The sections of each document, by the heading of its table. A section that asks for something may
/// have no column of dashes alone.
const DOCUMENTS: [(&str, &[&str]); 4] = [
    (
        "The implementation packet v1.0",
        &[
            "0", "1", "2", "2.1", "3", "3.1", "3.2", "3.3", "3.4", "3.5", "4", "4.1", "4.2", "4.3",
            "4.4", "5", "5.1", "5.2", "5.3", "5.4", "5.5", "6", "7", "8", "9", "9.1", "10", "11",
            "11.1", "11.2", "11.3", "11.4", "12", "12.1", "12.2", "12.3", "12.5", "13", "14",
            "14.1", "14.2", "14.3", "15", "16",
        ],
    ),
    (
        "The user surface v1.1",
        &[
            "0", "1", "2", "2.1", "2.2", "2.3", "3", "4", "4.1", "4.2", "4.3", "5", "5.1", "5.2",
            "5.3", "6", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4", "7.5", "8",
        ],
    ),
    (
        "The productisation brief v1",
        &[
            "0", "1", "2", "3", "3.1", "3.2", "3.3", "3.4", "3.5", "4", "5", "6", "7", "8", "9",
            "10",
        ],
    ),
    (
        "The Tier-1 hardening plan v0.1",
        &[
            "0",
            "FP-3.1",
            "FP-3.2",
            "FP-3.3",
            "FP-3.7",
            "FP-3.9",
            "End of Stage 1",
            "FP-3.4",
            "FP-3.5",
            "FP-3.6",
            "FP-3.8",
            "FP-3.10",
            "7",
            "8",
        ],
    ),
];

/// A row of a document's table.
#[derive(Debug)]
struct Row<'a> {
    section: &'a str,
    commands: &'a str,
    tests: &'a str,
    pages: &'a str,
}

/// Returns the rows of the first table below a heading.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Row<'a>> {
    let (_, below) = page
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no heading '{heading}'"));
    let lines = below.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|')).skip(2);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [section, _, commands, tests, pages] = cells[..] else {
                panic!("not five cells: {line}");
            };
            Row {
                section,
                commands,
                tests,
                pages,
            }
        })
        .collect()
}

/// Returns the texts between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns what is wrong with a test's name as `cargo test` prints it.
fn no_test(named: &str) -> Option<String> {
    let (place, name) = named.rsplit_once("::")?;
    let (folder, path) = match place.split_once("::") {
        Some(("coo_kernel", path)) => ("host/kernel/src", path),
        Some(("coo_engines", path)) => ("host/engines/src", path),
        _ => ("tests", place),
    };
    let path = path.replace("::", "/");
    let files = [
        format!("{path}.rs"),
        format!("{path}/mod.rs"),
        format!("{path}/tests.rs"),
    ];
    let is_there = files.iter().any(|file| {
        let file: PathBuf = checkout().join(folder).join(file);
        let text = std::fs::read_to_string(file).unwrap_or_default();
        ["", "    "]
            .iter()
            .any(|indent| text.contains(&format!("#[test]\n{indent}fn {name}() {{")))
    });
    (!is_there).then(|| format!("no test {named}"))
}

fn no_command(named: &str) -> Option<String> {
    let mut words = named.split_whitespace();
    let is_one = words.next() == Some("coo") && is_command(words);
    (!is_one).then(|| format!("no command '{named}'"))
}

fn no_page(link: &str) -> Option<String> {
    let target = link.split([')', '#']).next().unwrap_or_default();
    let is_there = checkout().join("docs").join(Path::new(target)).is_file();
    (!is_there).then(|| format!("no page {target}"))
}

#[test]
fn every_section_has_a_row_and_names_what_exists() {
    let page = std::fs::read_to_string(checkout().join("docs/conformance.md")).unwrap();
    let mut wrong = Vec::new();
    for (heading, sections) in DOCUMENTS {
        let rows = rows(&page, heading);
        let found: Vec<&str> = rows.iter().map(|row| row.section).collect();
        assert_eq!(found, sections, "{heading}");
        for row in &rows {
            let tests = quoted(row.tests).filter_map(no_test);
            let commands = quoted(row.commands).filter_map(no_command);
            let pages = row.pages.split("](").skip(1).filter_map(no_page);
            let lines = tests.chain(commands).chain(pages);
            wrong.extend(lines.map(|line| format!("{heading} {}: {line}", row.section)));
            for (name, cell) in [("test", row.tests), ("command", row.commands)] {
                if cell != "-" && quoted(cell).next().is_none() {
                    wrong.push(format!("{heading} {}: {name}: '{cell}'", row.section));
                }
            }
            if !row.pages.contains("](") {
                wrong.push(format!("{heading} {}: names no page", row.section));
            }
        }
    }
    // Every other link of the page, too.
    wrong.extend(page.split("](").skip(1).filter_map(no_page));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_does_not_exist_is_found() {
    for good in [
        "conformance::what_does_not_exist_is_found",
        "freeze::equal_states_have_equal_manifests",
        "coo_kernel::mission::state::every_pair_of_state_and_event_is_legal_exactly_where_listed",
        "coo_engines::amend::a_clause_is_amended_where_it_begins_and_nowhere_else",
    ] {
        assert_eq!(no_test(good), None);
    }
    for wrong in [
        "conformance::no_test",
        "conformance::rows",
        "nowhere::what_does_not_exist_is_found",
        "coo_kernel::what_does_not_exist_is_found",
    ] {
        assert_eq!(no_test(wrong), Some(format!("no test {wrong}")));
    }
    assert_eq!(no_command("coo amu0 create"), None);
    assert!(no_command("coo amu0 forget").is_some() && no_command("amu0 create").is_some());
    assert_eq!(no_page("amend.md#where-it-halts"), None);
    assert!(no_page("nowhere.md").is_some() && no_page("").is_some());
}
