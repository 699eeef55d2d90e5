//! What a baseline costs beside git and tar on the same tree: making it, making it again, writing
//! it elsewhere, repairing what was changed. The programs run in turn. `coo` has everything on the
//! disk when it ends; git does so if it is told to, and tar with a `sync` after it. No network,
//! nothing outside a temporary folder. See docs/amu0.md.
//!
//! ```text
//! cargo bench -p coo --bench amu0               # 50,000 files, some minutes
//! cargo bench -p coo --bench amu0 -- --quick    # a smoke test: 500 files
//! ```

#[allow(dead_code, reason = "the other bench uses the rest")]
#[path = "runtime/table.rs"]
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use coo::inside::machine;
use table::{Samples, group, line, ms, note};
use tempfile::TempDir;

const PER_FOLDER: usize = 100;

/// The title of each line, its measurement, and the measurement that it is compared with.
const LINES: [(&str, &str, &str); 8] = [
    ("capture / git add, synced", "create", "git add synced"),
    ("capture / git add, not synced", "create", "git add"),
    ("capture / tar and sync", "create", "tar"),
    (
        "capture, 1 of 100 changed / git add",
        "create again",
        "git add again",
    ),
    (
        "restore to an empty folder / git checkout",
        "restore",
        "git checkout",
    ),
    (
        "restore to an empty folder / tar and sync",
        "restore",
        "untar",
    ),
    (
        "restore, 1 of 100 changed / git checkout",
        "repair",
        "git repair",
    ),
    (
        "compare a tree / git diff of all contents",
        "verify",
        "git diff",
    ),
];

struct Bench {
    folder: PathBuf,
    files: usize,
    measured: std::collections::BTreeMap<&'static str, Samples>,
}

fn main() -> Result<()> {
    let mut files = 50_000;
    let mut rounds = 3;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            // Cargo adds it to every bench.
            "--bench" => {}
            "--quick" => (files, rounds) = (500, 1),
            other => bail!("'{other}': --quick is the only option"),
        }
    }
    if cfg!(debug_assertions) {
        println!("Not a release build: ratios are off, too.\n");
    }
    let folder = TempDir::new()?;
    let mut bench = Bench {
        folder: folder.path().canonicalize()?,
        files,
        measured: std::collections::BTreeMap::new(),
    };
    bench.make_tree()?;
    for _ in 0..rounds {
        bench.round()?;
    }
    group(&format!("A tree of {files} files"), "ms");
    for (what, ours, floor) in LINES {
        let median = |name| bench.measured.get(name).map_or(f64::NAN, Samples::median);
        line(what, median(ours), median(floor), 0);
    }
    note("Floors: git 'add -A' with and without core.fsync=all in batches, 'checkout-index -a',");
    note("'diff' after every file was touched; tar, then 'sync -f' of what it wrote.");
    Ok(folder.close()?)
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn file(&self, i: usize) -> PathBuf {
        self.path("tree")
            .join(format!("d{:03}/f{i:05}.txt", i / PER_FOLDER))
    }

    fn make_tree(&self) -> Result<()> {
        for i in 0..self.files {
            let path = self.file(i);
            if i % PER_FOLDER == 0 {
                fs::create_dir_all(path.parent().unwrap_or(&path))?;
            }
            // 40 bytes to 4 KB, no two alike.
            fs::write(
                path,
                format!("{i:08} line of a small text file, not random\n").repeat(1 + i % 90),
            )?;
        }
        Ok(())
    }

    /// Gives every hundredth file other content.
    fn change(&self, round: &str) -> Result<()> {
        for i in (0..self.files).step_by(100) {
            fs::write(self.file(i), format!("{i} {round} changed"))?;
        }
        Ok(())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .current_dir(&self.folder)
            .args(arguments);
        if let Some(path) = machine::env_text("PATH") {
            command.env("PATH", path);
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", &self.folder);
        command
    }

    fn time(&mut self, name: &'static str, command: Command) -> Result<()> {
        let (_, elapsed) = table::timed(command)?;
        self.measured.entry(name).or_default().add(ms(elapsed));
        Ok(())
    }

    fn coo(&mut self, name: &'static str, arguments: &[&str]) -> Result<()> {
        let arguments = [&["amu0"], arguments].concat();
        self.time(name, self.command(env!("CARGO_BIN_EXE_coo"), &arguments))
    }

    fn git(&mut self, name: &'static str, repository: &str, arguments: &[&str]) -> Result<()> {
        let repository = format!("--git-dir={repository}");
        let fixed = [
            "-c",
            "gc.auto=0",
            "-c",
            "core.autocrlf=false",
            &repository,
            "--work-tree=tree",
        ];
        let arguments = [&fixed, arguments].concat();
        self.time(name, self.command("git", &arguments))
    }

    fn shell(&mut self, name: &'static str, script: &str) -> Result<()> {
        self.time(name, self.command("sh", &["-ec", script]))
    }

    /// Waits until everything that was written before is on the disk.
    fn settle(&self) -> Result<()> {
        table::timed(self.command("sync", &["-f", "."]))?;
        Ok(())
    }

    fn round(&mut self) -> Result<()> {
        for name in [".coo", "git", "git-synced", "out-coo", "out-git", "out-tar"] {
            remove(&self.path(name))?;
        }
        for repository in ["git", "git-synced"] {
            table::timed(self.command("git", &["init", "-q", "--bare", repository]))?;
        }
        for name in ["out-coo", "out-git", "out-tar"] {
            fs::create_dir(self.path(name))?;
        }
        self.settle()?;
        self.coo("create", &["create", "--tree", "tree", "--name", "base"])?;
        self.settle()?;
        self.git("git add", "git", &["add", "-A"])?;
        self.settle()?;
        let synced = [
            "-c",
            "core.fsync=all",
            "-c",
            "core.fsyncMethod=batch",
            "add",
            "-A",
        ];
        self.git("git add synced", "git-synced", &synced)?;
        self.settle()?;
        self.shell("tar", "tar -cf tree.tar -C tree . && sync -f tree.tar")?;

        self.settle()?;
        self.coo("restore", &["restore", "base", "--tree", "out-coo"])?;
        self.settle()?;
        self.git(
            "git checkout",
            "git",
            &["checkout-index", "-a", "--prefix=../out-git/"],
        )?;
        self.settle()?;
        self.shell("untar", "tar -xf tree.tar -C out-tar && sync -f out-tar")?;

        self.settle()?;
        self.coo("verify", &["verify", "base", "--tree", "tree"])?;
        table::timed(self.command("find", &["tree", "-type", "f", "-exec", "touch", "{}", "+"]))?;
        self.git("git diff", "git", &["diff", "--quiet"])?;

        for (name, repair) in [("create again", "repair"), ("git add again", "git repair")] {
            // Both get the same changes, made again for each, and repair them.
            self.change("round")?;
            self.settle()?;
            if repair == "repair" {
                self.coo(name, &["create", "--tree", "tree", "--name", "changed"])?;
                self.coo(repair, &["restore", "base", "--tree", "tree", "--yes"])?;
            } else {
                table::timed(self.command("cp", &["-r", "git", "git-before"]))?;
                self.git(name, "git", &["add", "-A"])?;
                self.git(repair, "git-before", &["checkout", "-q", "--", "."])?;
                remove(&self.path("git-before"))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
