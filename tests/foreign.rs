//! Programs that nobody wrote for `coo`: each is run by plain wasmtime and by the binary, which
//! must print the same bytes and end alike, three times over, and replay. The programs in
//! WebAssembly text are here; those of other toolchains are built by `.ci/wasi-programs` from
//! the sources in `tests/foreign/` and named in `COO_TEST_PROGRAMS`. Says nothing about
//! missions, which print nothing in plain wasmtime.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::json;

use crate::support::World;
use crate::wasi::Given;
use crate::wasi::plain::{self, End, Plain};

/// Runs of one program, each in a fresh world.
const RUNS: usize = 3;
/// Programs at a time: each run compiles on all processors.
const THREADS: usize = 2;
/// Enough for the longest of them, with a good margin; the default is for missions.
const FUEL: u64 = 1_000_000_000_000;

/// A program, named `TOOLCHAIN-NAME` or `TOOLCHAIN-NAME.CASE`.
struct Program {
    name: String,
    wasm: Vec<u8>,
    given: Given,
}

/// What became of a program.
struct Compared {
    name: String,
    bytes: usize,
    /// How plain wasmtime ended it.
    end: String,
    differences: Vec<String>,
}

/// One run of the binary.
struct Ran {
    stdout: Vec<u8>,
    code: Option<i32>,
    /// Why it failed, as `coo mission` says.
    reason: Option<String>,
    /// Events, fuel and chain.
    summary: String,
    stderr: String,
}

impl Ran {
    /// What is the same in every run.
    fn facts(&self) -> (Option<i32>, Option<&str>, &str, &[u8]) {
        (
            self.code,
            self.reason.as_deref(),
            &self.summary,
            &self.stdout,
        )
    }
}

/// The content of `NAME.EXTENSION` beside the program, if there is such a file.
fn beside(program: &Path, extension: &str) -> Option<String> {
    let path = program.with_extension(extension);
    let text = std::fs::read_to_string(&path).ok()?;
    Some(text)
}

fn given(program: &Path) -> Given {
    let lines = |extension| -> Vec<String> {
        let text = beside(program, extension).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let environment = lines("env").into_iter().map(|line| {
        let (name, value) = line.split_once('=').expect("NAME=VALUE");
        (name.to_owned(), value.to_owned())
    });
    Given {
        arguments: lines("args"),
        environment: environment.collect(),
        input: beside(program, "stdin").unwrap_or_default(),
    }
}

/// The files of a folder with this extension, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn run(world: &World) -> Ran {
    let output = world.command(&["run", "program.json"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // The program's own standard error comes before it, with or without the end of a line.
    let line = stderr.rfind("[coo] ").map_or("", |at| &stderr[at..]);
    let parts = line.lines().next().unwrap_or_default().split(", ");
    let parts = parts.filter(|part| !part.ends_with(" ms"));
    let summary = parts.collect::<Vec<_>>().join(", ");
    let id = summary.split_whitespace().nth(1);
    let reason = id.and_then(|id| {
        let mission = world.json(&["mission", id]);
        mission["reason"].as_str().map(str::to_owned)
    });
    Ran {
        stdout: output.stdout,
        code: output.status.code(),
        reason,
        summary,
        stderr,
    }
}

/// What `coo` has to say of an end, and whether it is a success.
fn is_the_same_end(end: &End, ran: &Ran) -> bool {
    let reason = ran.reason.as_deref();
    match end {
        End::Exit(0) => (ran.code, reason) == (Some(0), None),
        End::Exit(status) => {
            let wanted = format!("guest exited with status {status}");
            (ran.code, reason) == (Some(1), Some(&wanted))
        }
        // What WASI itself ends, and not an instruction, breaks its contract.
        End::Stopped(_) => {
            let ended = ["trap: ", "contract broken: "];
            ran.code == Some(1)
                && reason.is_some_and(|reason| ended.iter().any(|it| reason.starts_with(it)))
        }
    }
}

/// Where two outputs part, with some bytes of both.
fn parting(plain: &[u8], coo: &[u8]) -> String {
    let at = plain.iter().zip(coo).take_while(|(a, b)| a == b).count();
    let shown = |bytes: &[u8]| {
        let from = at.saturating_sub(20);
        String::from_utf8_lossy(&bytes[from.min(bytes.len())..bytes.len().min(at + 60)])
            .into_owned()
    };
    format!(
        "standard output parts at byte {at}: plain has {} bytes: {:?}; coo {}: {:?}",
        plain.len(),
        shown(plain),
        coo.len(),
        shown(coo)
    )
}

fn compare(program: &Program) -> Compared {
    let Program { name, wasm, given } = program;
    let Plain {
        end,
        stdout,
        stderr,
    } = plain::run(wasm, given);
    let stderr = String::from_utf8_lossy(&stderr);
    let mut differences = Vec::new();
    let mut first: Option<Ran> = None;
    // What wasmtime can't link `coo` refuses before anything runs or is recorded.
    let unlinked = match &end {
        End::Stopped(reason) => reason.strip_prefix("unknown import: `"),
        End::Exit(_) => None,
    };
    for _ in 0..RUNS {
        let world = World::new();
        world.file("program.wasm", wasm);
        let mut members = given.members();
        members["limits"] = json!({"fuel": FUEL});
        world.descriptor("program.json", &json!({"file": "program.wasm"}), &members);
        let ran = run(&world);
        if let Some(import) = unlinked {
            let module = import.split("::").next().unwrap();
            let refused = format!("refused: import '{module}' is not part of the surface");
            if ran.code != Some(1) || !ran.summary.is_empty() || !ran.stderr.contains(&refused) {
                differences.push(format!("not refused: {}", ran.stderr));
            }
            continue;
        }
        let replay = world.coo(&[
            "replay",
            ran.summary.split_whitespace().nth(1).unwrap_or("?"),
        ]);
        if replay.code != 0 || !replay.stdout.contains("IDENTICAL") {
            differences.push(format!("replay: {replay:?}"));
        }
        if let Some(first) = &first {
            if first.facts() != ran.facts() {
                differences.push(format!("another run: {:?}", (first.facts(), ran.facts())));
            }
            continue;
        }
        if ran.stdout != stdout {
            differences.push(parting(&stdout, &ran.stdout));
        }
        if !is_the_same_end(&end, &ran) {
            differences.push(format!(
                "end: plain {end:?}; coo {:?} {:?}: {}",
                ran.code, ran.reason, ran.stderr
            ));
        }
        for line in stderr.lines() {
            if !ran.stderr.contains(line) {
                differences.push(format!("standard error lacks {line:?}: {}", ran.stderr));
            }
        }
        first = Some(ran);
    }
    Compared {
        name: name.clone(),
        bytes: wasm.len(),
        end: match end {
            End::Exit(status) => format!("exit {status}"),
            End::Stopped(_) if unlinked.is_some() => "refused".to_owned(),
            End::Stopped(_) => "trap".to_owned(),
        },
        differences,
    }
}

/// Compares all of them, prints a table, and panics if one differs.
fn compare_all(programs: Vec<Program>) {
    let left = Mutex::new(VecDeque::from(programs));
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(program) = left.lock().unwrap().pop_front() else {
                        return;
                    };
                    let compared = compare(&program);
                    done.lock().unwrap().push(compared);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by(|a, b| a.name.cmp(&b.name));
    println!(
        "{:<32} {:<10} {:>9}  {:<9} same",
        "program", "toolchain", "bytes", "end"
    );
    for Compared {
        name,
        bytes,
        end,
        differences,
    } in &done
    {
        let toolchain = name.split('-').next().unwrap();
        let same = if differences.is_empty() { "yes" } else { "NO" };
        println!("{name:<32} {toolchain:<10} {bytes:>9}  {end:<9} {same}");
    }
    let mut report = String::new();
    for compared in &done {
        for difference in &compared.differences {
            writeln!(report, "{}: {difference}", compared.name).unwrap();
        }
    }
    assert!(report.is_empty(), "differences:\n{report}");
    println!(
        "{} programs, each {RUNS} times: the same as in plain wasmtime",
        done.len()
    );
}

#[test]
fn programs_in_webassembly_text_are_what_they_are_in_wasmtime() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/foreign/wat");
    let programs: Vec<Program> = files(&folder, "wat")
        .iter()
        .map(|file| Program {
            name: format!("wat-{}", name(file)),
            wasm: wat::parse_file(file).unwrap(),
            given: given(file),
        })
        .collect();
    assert!(programs.len() >= 20, "{}", programs.len());
    compare_all(programs);
}

#[test]
#[ignore = "needs COO_TEST_PROGRAMS: the folder that .ci/wasi-programs has filled; .ci/nightly runs it"]
fn programs_of_other_toolchains_are_what_they_are_in_wasmtime() {
    let folder = coo::inside::machine::env_text("COO_TEST_PROGRAMS")
        .expect("COO_TEST_PROGRAMS names a folder of WASI programs");
    let programs: Vec<Program> = files(Path::new(&folder), "wasm")
        .iter()
        .map(|file| Program {
            name: name(file),
            wasm: std::fs::read(file).unwrap(),
            given: given(file),
        })
        .collect();
    assert!(!programs.is_empty(), "{folder} holds no .wasm file");
    compare_all(programs);
}
