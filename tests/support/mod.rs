//! The pinned world that every test of the binary runs in: a temporary folder, an empty
//! environment but for what the test sets, a fixed locale. Nothing of the machine's user
//! (home, configuration, key) reaches the program under test.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod model_server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder of its own and the environment of a fresh machine.
pub struct World {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl World {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            environment: vec![("LC_ALL".into(), "C.UTF-8".into()), ("TZ".into(), "UTC".into())],
        }
    }

    /// The same world with one more variable.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where this world's state root lies.
    pub fn root(&self) -> PathBuf {
        self.path().join(".coo")
    }

    /// Writes a file into the world.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Compiles WebAssembly text into a file of the world.
    pub fn wasm(&self, name: &str, text: &str) -> PathBuf {
        self.file(name, wat::parse_str(text).unwrap())
    }

    /// The command `coo ARGS`, ready to be started in this world.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coo"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs `coo ARGS` to its end.
    pub fn coo(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).output().unwrap())
    }

    /// As `coo`, with `input` on standard input.
    pub fn coo_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        use std::io::Write as _;
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        ran(child.wait_with_output().unwrap())
    }

    /// Runs `coo ARGS --json`, which must succeed, and reads what it printed.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ran = self.coo(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

fn ran(output: Output) -> Ran {
    Ran {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().expect("ended by a signal"),
    }
}

/// The id in a run's summary line (`[coo] MISSION-000001 SUCCESS: …`).
pub fn mission_id(ran: &Ran) -> String {
    let line = ran.stderr.lines().find(|line| line.contains(" events, ")).expect("no summary line");
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// An event of `coo logs --json`, by kind.
pub fn events(world: &World, id: &str) -> Vec<serde_json::Value> {
    let ran = world.coo(&["logs", id, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
