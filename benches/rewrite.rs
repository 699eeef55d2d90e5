//! What rewriting the imports of a repository costs after a package has moved: beside a bare search
//! for the package's name, and, for a part of the repository, beside `LibCST`'s `RenameCommand`.
//! The programs run in turn, with files in the page cache. No network, nothing outside a temporary
//! folder. See docs/performance.md.
//!
//! ```text
//! cargo bench -p coo --bench rewrite               # 10,000 files
//! cargo bench -p coo --bench rewrite -- --quick    # a smoke test: 200 files
//! ```
//!
//! `LibCST` takes part if `COO_BENCH_PYTHON`, or else `python3`, can import it. It gets only a part
//! of the tree, because the whole tree would take it a quarter of an hour.

#![allow(
    clippy::cast_precision_loss,
    reason = "figures of a bench: no count comes near 2^53"
)]

#[allow(dead_code, reason = "the other bench uses the rest")]
#[path = "runtime/table.rs"]
mod table;
#[path = "rewrite/tree.rs"]
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use coo::inside::machine;
use coo::inside::repository::{Repository, plan};
use table::{Samples, group, line, line_alone, ms, note};
use tempfile::TempDir;
use tree::{FROM, TO};

/// First argument of this program's own children; the task and the folder follow it.
const CHILD: &str = "--child";
/// Runs `LibCST`'s command, and prints the peak of memory of its own process and of the largest
/// process that it started, in KB.
const LIBCST: &str = "\
import resource, sys
from libcst.tool import main
code = main('libcst.tool', sys.argv[1:])
own, others = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(own, others)
sys.exit(code)
";

/// Number of files that `LibCST` gets.
const SAMPLE: usize = 200;

/// How long something took, and how much memory.
#[derive(Default)]
struct Measured {
    ms: Samples,
    peak_mb: Samples,
}

impl Measured {
    fn run(&mut self, command: Command) -> Result<()> {
        let (printed, elapsed) = table::timed(command)?;
        let peaks = printed.split_whitespace().map(str::parse::<f64>);
        let peak = peaks
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .fold(0.0, f64::max);
        self.ms.add(ms(elapsed));
        self.peak_mb.add(peak * 1024.0 / 1e6);
        Ok(())
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child, what, folder] = arguments.as_slice()
        && child == CHILD
    {
        return child_of_the_bench(what, Path::new(folder));
    }
    let (mut files, mut rounds) = (10_000, 5);
    for argument in &arguments {
        match argument.as_str() {
            // Cargo adds it to every bench.
            "--bench" => {}
            "--quick" => (files, rounds) = (200, 1),
            other => bail!("'{other}': --quick is the only option"),
        }
    }
    if cfg!(debug_assertions) {
        println!("Not a release build: ratios are off, too.\n");
    }
    measure(files, rounds)
}

fn measure(files: usize, rounds: usize) -> Result<()> {
    let folder = TempDir::new()?;
    let tree = Original::make(&folder.path().join("tree"), files)?;
    let [mut plan, mut rewrite, mut search] = std::array::from_fn(|_| Measured::default());
    let mut changed = 0;
    for _ in 0..rounds {
        plan.run(this_program("plan", &tree.folder)?)?;
        search.run(search_for_the_name(&tree.folder))?;
        changed = tree.rewritten_by(&mut rewrite, |copy| this_program("rewrite", copy))?;
    }
    let mb = tree.made.bytes as f64 / 1e6;
    let seconds = |measured: &Measured| measured.ms.median() / 1e3;
    println!(
        "\n{files} Python files, {mb:.1} MB; {} of them know the package",
        tree.made.referring
    );
    group("Reading and planning, beside grep -rlw", "ms");
    line("coo migrate plan", plan.ms.median(), search.ms.median(), 1);
    line_alone("files a second", files as f64 / seconds(&plan), 0);
    line_alone("MB a second", mb / seconds(&plan), 1);
    line_alone("peak memory, MB", plan.peak_mb.median(), 1);
    group("Reading, rewriting, writing", "");
    line_alone("seconds", seconds(&rewrite), 3);
    line_alone("files a second", files as f64 / seconds(&rewrite), 0);
    line_alone("MB a second", mb / seconds(&rewrite), 2);
    line_alone("peak memory, MB", rewrite.peak_mb.median(), 1);
    line_alone("files changed", changed as f64, 0);
    match python_with_libcst() {
        Some(python) => beside_libcst(&python, folder.path(), files.min(SAMPLE))?,
        None => note("LibCST is not there: name a Python that has it in COO_BENCH_PYTHON."),
    }
    Ok(folder.close()?)
}

/// Measures the same on a tree that `LibCST` processes in a minute or two.
fn beside_libcst(python: &str, folder: &Path, files: usize) -> Result<()> {
    let tree = Original::make(&folder.join("sample"), files)?;
    let [mut ours, mut theirs] = std::array::from_fn(|_| Measured::default());
    let changed = tree.rewritten_by(&mut ours, |copy| this_program("rewrite", copy))?;
    let changed_theirs = tree.rewritten_by(&mut theirs, |copy| Ok(codemod(python, copy)))?;
    let rates = |amount: f64| {
        let rate = |measured: &Measured| amount / (measured.ms.median() / 1e3);
        (rate(&ours), rate(&theirs))
    };
    group(&format!("The same of {files} files, beside LibCST"), "");
    let (here, there) = (ours.ms.median() / 1e3, theirs.ms.median() / 1e3);
    line("seconds", here, there, 3);
    let (here, there) = rates(files as f64);
    line("files a second", here, there, 0);
    let (here, there) = rates(tree.made.bytes as f64 / 1e6);
    line("MB a second", here, there, 2);
    line(
        "peak memory of the largest process, MB",
        ours.peak_mb.median(),
        theirs.peak_mb.median(),
        1,
    );
    line("files changed", changed as f64, changed_theirs as f64, 0);
    note("LibCST: its RenameCommand, in as many processes as there are cores, without formatter.");
    Ok(())
}

/// A tree of which copies are rewritten.
struct Original {
    folder: PathBuf,
    made: tree::Tree,
    before: BTreeMap<String, Vec<u8>>,
}

impl Original {
    fn make(folder: &Path, files: usize) -> Result<Self> {
        let made = tree::make(folder, files)?;
        fs::write(
            folder.join("coo.toml"),
            format!(
                "[migrate]\nfrom = '{FROM}'\nto = '{TO}'\nimports = ['**/*.py']\ncalls = ['import_module']\n"
            ),
        )?;
        Ok(Self {
            folder: folder.to_owned(),
            made,
            before: contents(folder)?,
        })
    }

    /// Rewrites a copy with `command`, and returns the number of files that differ afterwards.
    fn rewritten_by(
        &self,
        measured: &mut Measured,
        command: impl FnOnce(&Path) -> Result<Command>,
    ) -> Result<usize> {
        let rewritten = self.folder.with_extension("copy");
        copy(&self.folder, &rewritten)?;
        measured.run(command(&rewritten)?)?;
        let changed = differing(&self.before, &contents(&rewritten)?);
        fs::remove_dir_all(rewritten)?;
        Ok(changed)
    }
}

/// Runs as a child: plans as `coo migrate plan --json` does, or makes the changes as well; then
/// prints the peak of memory, in KB.
fn child_of_the_bench(what: &str, folder: &Path) -> Result<()> {
    let repository = Repository::open(folder, None, &folder.join(".coo"))?;
    let plan = plan(&repository)?;
    let questions = plan.count(|file| file.questions.len());
    ensure!(questions == 0, "{questions} questions");
    match what {
        "plan" => drop(std::hint::black_box(serde_json::to_string_pretty(&plan)?)),
        "rewrite" => {
            for file in &plan.files {
                if let Some(content) = &file.content {
                    fs::write(folder.join(&file.path), content)?;
                }
            }
        }
        other => bail!("'{other}' is nothing that a child does"),
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .context("no VmHWM in /proc/self/status")?;
    println!("{}", peak.trim());
    Ok(())
}

fn this_program(what: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env_clear().args([CHILD, what]).arg(folder);
    Ok(command)
}

/// Returns a search that reads every file, as any rewriter has to.
fn search_for_the_name(folder: &Path) -> Command {
    let script = format!("grep -rlw {FROM} . >/dev/null");
    let mut command = Command::new("sh");
    command
        .env_clear()
        .env("PATH", machine::env_text("PATH").unwrap_or_default())
        .env("LC_ALL", "C.UTF-8")
        .current_dir(folder)
        .args(["-ec", &script]);
    command
}

/// Returns a Python that can import `LibCST`.
fn python_with_libcst() -> Option<String> {
    let python = machine::env_text("COO_BENCH_PYTHON").unwrap_or_else(|| "python3".to_owned());
    let mut command = Command::new(&python);
    command.args(["-c", "import libcst.codemod.commands.rename"]);
    let is_there = command.output().is_ok_and(|output| output.status.success());
    is_there.then_some(python)
}

fn codemod(python: &str, folder: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .current_dir(folder)
        .args(["-c", LIBCST, "codemod", "--no-format", "--hide-progress"])
        .args(["-x", "libcst.codemod.commands.rename.RenameCommand"])
        .arg(format!("--old_name={FROM}"))
        .arg(format!("--new_name={TO}"))
        .arg(".");
    command
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    table::timed({
        let mut command = Command::new("cp");
        command.arg("-r").args([from, to]);
        command
    })?;
    Ok(())
}

/// Returns the content of every file, by its path.
fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder)?.display().to_string();
                found.insert(name, fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

fn differing(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) -> usize {
    a.iter()
        .filter(|(path, content)| b.get(*path) != Some(content))
        .count()
}
