//! Runs the shell sessions of the pages (README.md, ARCHITECTURE.md, docs/*.md), each page in a
//! world of its own, and compares what the commands print with what the page shows. Also compares
//! the reference in docs/cli.md with the command line. Changes a page only if `COO_UPDATE_PAGES`
//! is set, and then replaces nothing but output that differs.

mod page;
mod reference;
mod session;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use page::Page;

/// The pages that have sessions to run. Each is a test of its own.
macro_rules! pages {
    ($($test:ident: $path:literal,)*) => {
        const TESTED: &[&str] = &[$($path),*];
        $(
            #[test]
            fn $test() {
                session::check($path);
            }
        )*
    };
}

pages! {
    readme: "README.md",
    amend: "docs/amend.md",
    amu0: "docs/amu0.md",
    batch: "docs/batch.md",
    chat: "docs/chat.md",
    cli: "docs/cli.md",
    compatibility: "docs/compatibility.md",
    compilation: "docs/compilation.md",
    concepts: "docs/concepts.md",
    configuration: "docs/configuration.md",
    descriptor: "docs/descriptor.md",
    export: "docs/export.md",
    freezing: "docs/freezing.md",
    gates: "docs/gates.md",
    governance: "docs/governance.md",
    install: "docs/install.md",
    javascript: "docs/javascript.md",
    journal: "docs/journal.md",
    lint: "docs/lint.md",
    manifests: "docs/manifests.md",
    migrate: "docs/migrate.md",
    pack: "docs/pack.md",
    pipeline: "docs/pipeline.md",
    python: "docs/python.md",
    reference_mission: "docs/reference-mission.md",
    replay: "docs/replay.md",
    resume: "docs/resume.md",
    rollback: "docs/rollback.md",
    scan: "docs/scan.md",
    schemas: "docs/schemas.md",
    state_freeze: "docs/state-freeze.md",
    state_root: "docs/state-root.md",
    surface: "docs/surface.md",
    tier1: "docs/tier1.md",
    transcript: "docs/transcript.md",
    verify: "docs/verify.md",
}

/// The sessions that no test runs, and why.
const NOT_RUN: &str = "\
README.md: builds all again
README.md: builds all again
README.md: needs the target wasm32-wasip1
README.md: docs/pipeline.md has it with output
docs/amu0.md: takes minutes
docs/compilation.md: python.wasm is a component of 25 MB
docs/dependencies.md: needs cargo-deny
docs/install.md: installs a program
docs/install.md: needs the target wasm32-wasip1
docs/install.md: needs the target wasm32-wasip1
docs/missions.md: needs the target wasm32-wasip1
docs/missions.md: needs the target wasm32-wasip1
docs/missions.md: needs the target wasm32-wasip1
docs/missions.md: needs the target wasm32-wasip1
docs/missions.md: takes minutes
docs/pack.md: minisign is a program of its own, and its key is a person's
docs/pack.md: cosign is a program of its own, and its key is a person's
docs/performance.md: takes minutes
docs/performance.md: takes minutes
docs/performance.md: takes minutes
docs/python.md: needs PyPI
docs/python.md: needs the runner
docs/python.md: needs the runner
docs/scan.md: takes minutes
";

fn checkout() -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    host.parent().unwrap().to_owned()
}

/// Returns the paths of all pages whose sessions are to be tested, from the top of the checkout.
fn paths() -> Vec<String> {
    let docs = std::fs::read_dir(checkout().join("docs")).unwrap();
    let mut paths: Vec<String> = docs
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension() == Some("md".as_ref()))
        .map(|path| format!("docs/{}", path.file_name().unwrap().display()))
        .collect();
    paths.extend(["ARCHITECTURE.md".into(), "README.md".into()]);
    paths.sort();
    paths
}

/// Returns a guard if pages are to be rewritten instead of compared. One test at a time has it: two
/// of them write to docs/cli.md, and the commands of a page may read another page.
fn updating() -> Option<MutexGuard<'static, ()>> {
    static WRITER: Mutex<()> = Mutex::new(());
    coo::inside::machine::env_os("COO_UPDATE_PAGES")?;
    Some(WRITER.lock().unwrap_or_else(PoisonError::into_inner))
}

#[test]
fn no_page_with_sessions_is_forgotten() {
    let mut with_sessions = paths();
    with_sessions.retain(|path| Page::read(path).has_sessions());
    let mut tested = TESTED.to_vec();
    tested.sort_unstable();
    assert_eq!(with_sessions, tested);
}

#[test]
fn no_session_is_left_out_silently() {
    let mut left_out = String::new();
    for path in paths() {
        for reason in Page::read(&path).not_run() {
            let _ = writeln!(left_out, "{path}: {reason}");
        }
    }
    assert_eq!(left_out, NOT_RUN);
}
