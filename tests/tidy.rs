//! House rules that a compiler can't check, over every Rust source of the repository: each
//! file says what it is for, none holds unfinished business, none has grown two subjects.
//! Reads files only.

use std::path::{Path, PathBuf};

/// Lines of a file that still holds one subject. Tables of cases in `tests/` may be longer.
const LINES_MAX: usize = 650;

fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = ["benches", "guest-sdk", "host", "missions", "tests"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().unwrap() != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
        }
    }
    sources.sort();
    assert!(sources.len() > 50, "the walk has lost its way: {sources:?}");
    sources
}

fn offenders(rule: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    sources()
        .into_iter()
        .filter(|path| rule(&std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let silent = offenders(|text| !text.starts_with("//! "));
    assert!(silent.is_empty(), "no //! header: {silent:#?}");
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here, so that this file does not hold them itself.
    let marks = [
        ["to", "do!("],
        ["unimple", "mented!("],
        ["FIX", "ME"],
        ["dbg", "!("],
    ]
    .map(|parts| parts.concat());
    let unfinished = offenders(|text| marks.iter().any(|mark| text.contains(mark)));
    assert!(
        unfinished.is_empty(),
        "unfinished business: {unfinished:#?}"
    );
}

#[test]
fn no_file_has_grown_two_subjects() {
    let mut long = offenders(|text| text.lines().count() > LINES_MAX);
    long.retain(|path| !path.components().any(|part| part.as_os_str() == "tests"));
    assert!(long.is_empty(), "more than {LINES_MAX} lines: {long:#?}");
}

#[test]
fn the_layout_of_a_state_root_is_documented_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/state-root.md")).unwrap();
    let documented: Vec<&str> = page
        .split("```text\n")
        .nth(2)
        .and_then(|rest| rest.split("```").next())
        .unwrap()
        .lines()
        .collect();
    assert_eq!(documented, coo_kernel::state::layout::FILES);
}

#[test]
fn every_bound_is_documented_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/limits.md")).unwrap();
    let tables = page.find("## ").map_or("", |start| &page[start..]);
    let made = coo::inside::runtime::page();
    assert_eq!(
        tables.trim_end(),
        made.trim_end(),
        "docs/limits.md: put these tables after its introduction:\n{made}"
    );
}

/// A page that shows a program of its own failing shows what no reader can use.
#[test]
fn no_page_shows_a_program_that_broke() {
    let docs = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).unwrap();
    let mut seen = 0;
    for page in docs.map(|entry| entry.unwrap().path()) {
        // The page about Python shows how a reader's own script fails.
        if page.ends_with("python.md") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        let broke = text.lines().find(|line| line.starts_with("Traceback "));
        assert_eq!(broke, None, "{}", page.display());
        seen += 1;
    }
    assert!(seen > 20, "{seen} pages");
}

#[test]
fn no_file_of_tests_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let text = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    let mut stated: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let mut found: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("mod.rs").is_file() || path.extension() == Some("rs".as_ref()))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "main")
        .collect();
    stated.sort_unstable();
    found.sort_unstable();
    assert_eq!(stated, found, "tests/main.rs: a module each");
    for name in found {
        // `mod.rs` of a folder states the files beside it in the same way.
        let Ok(text) = std::fs::read_to_string(folder.join(&name).join("mod.rs")) else {
            continue;
        };
        for entry in std::fs::read_dir(folder.join(&name)).unwrap() {
            let path = entry.unwrap().path();
            let part = path.file_stem().unwrap().to_str().unwrap();
            if path.extension() == Some("rs".as_ref()) && part != "mod" {
                let line = format!("mod {part};");
                assert!(text.contains(&line), "tests/{name}/mod.rs: no '{line}'");
            }
        }
    }
}
