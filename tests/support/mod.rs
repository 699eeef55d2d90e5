//! The fixed environment (`World`) in which every test runs the program: a temporary folder, no
//! environment variables but those the test sets, and a fixed locale. Invariant: nothing of the
//! machine's user (home, configuration, key) reaches the program under test. All worlds share one
//! cache of compiled code, so that each module is compiled once for the whole suite.

pub mod journal;
pub mod model_server;
pub mod packs;
pub mod remains;
pub mod schema;
pub mod tree;
pub mod trial;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use coo::inside::machine::{Stopwatch, sleep};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use model_server::ModelServer;

/// How the name of a world's folder begins.
const WORLD: &str = "coo-world-";

/// A temporary folder, and the environment of a fresh machine.
pub struct World {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// Returns the step of a long matrix of cases: every `n`-th one, or all of them where
/// `COO_TEST_EVERY_POINT` is set, as `.ci/nightly` does.
pub fn every(n: usize) -> usize {
    match coo::inside::machine::env_os("COO_TEST_EVERY_POINT") {
        Some(_) => 1,
        None => n,
    }
}

/// What a command printed, and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Ran {
    /// Returns the error that ended the command, with its hints: the only one, and the last thing
    /// that the command printed on standard error. An exit code other than 1 stands below it.
    #[track_caller]
    pub fn error(&self) -> String {
        assert!(matches!(self.code, 1 | 3 | 4 | 5), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let is_error = |line: &&&str| line.starts_with("ERROR: ");
        assert_eq!(lines.iter().filter(is_error).count(), 1, "{self:?}");
        let hints = lines.iter().rev();
        let hints = hints.take_while(|line| line.starts_with("hint: ")).count();
        let error = &lines[lines.len() - hints - 1..];
        assert!(error[0].starts_with("ERROR: "), "{self:?}");
        let mut text = error.join("\n") + "\n";
        if self.code != 1 {
            // Writing to a string does not fail.
            let _ = std::fmt::Write::write_fmt(&mut text, format_args!("--- exit {}\n", self.code));
        }
        text
    }
}

impl World {
    pub fn new() -> Self {
        Self {
            folder: TempDir::with_prefix(WORLD).unwrap(),
            environment: vec![
                ("LC_ALL".into(), "C.UTF-8".into()),
                ("TZ".into(), "UTC".into()),
                ("COO_CACHE_DIR".into(), shared_cache()),
            ],
        }
    }

    /// Creates a world with its own cache of compiled code, below its folder.
    pub fn with_own_cache() -> Self {
        let mut world = Self::new();
        let cache = world.cache().to_str().unwrap().to_owned();
        world
            .environment
            .retain(|(name, _)| name != "COO_CACHE_DIR");
        world.with("COO_CACHE_DIR", cache)
    }

    /// Creates a world without a cache of compiled code.
    pub fn without_cache() -> Self {
        let mut world = Self::new();
        world
            .environment
            .retain(|(name, _)| name != "COO_CACHE_DIR");
        world
    }

    /// Returns the path of the world's own cache.
    pub fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    /// Returns the world with one more environment variable.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of this world's state root.
    pub fn root(&self) -> PathBuf {
        self.path().join(".coo")
    }

    /// Writes a file into the world and returns its path.
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

    /// Compiles a preview-1 program: `tests/fixtures/prelude.wat`, then `body`.
    pub fn guest(&self, name: &str, body: &str) -> PathBuf {
        self.wasm(name, &guest_text(body))
    }

    /// Writes the descriptor of a one-step mission: its module, and the fields in `more`.
    pub fn descriptor(&self, name: &str, module: &Value, more: &Value) -> PathBuf {
        let mut descriptor = json!({
            "format": "coo-mission/1",
            "mission_type": "TEST",
            "module": module,
            "steps": [{"id": "only"}],
        });
        for (field, value) in more.as_object().unwrap() {
            descriptor[field] = value.clone();
        }
        self.file(name, descriptor.to_string())
    }

    /// Runs a preview-1 program as a mission with these limits.
    pub fn run_guest(&self, body: &str, limits: &Value) -> Ran {
        self.guest("guest.wasm", body);
        self.descriptor(
            "guest.json",
            &json!({"file": "guest.wasm"}),
            &json!({"limits": limits}),
        );
        self.coo(&["run", "guest.json"])
    }

    /// Reads every file of the state root; returns content by path.
    pub fn root_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = std::fs::read(&path).unwrap();
                    files.insert(path, content);
                }
            }
        }
        files
    }

    /// Opens a database of the state root directly, past everything that guards it.
    pub fn database(&self, name: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.root().join(name)).unwrap()
    }

    /// Opens `coo.db` with the view `events`.
    pub fn journal(&self) -> rusqlite::Connection {
        journal::open(&self.root())
    }

    /// Opens `coo.db` to forge its journal: its `events` can be changed.
    pub fn unguarded_journal(&self) -> rusqlite::Connection {
        let journal = self.journal();
        journal::unguard(&journal);
        journal
    }

    /// Writes `triage.json`, the triage mission for two tickets: five statements that change data,
    /// two model calls, one report.
    pub fn triage_descriptor(&self) {
        let input = json!({
            "system": "You sort tickets.",
            "question": "Which label fits?",
            "labels": ["bug", "billing"],
            "fallback": "other",
            "tickets": [{"id": 1, "text": "It broke"}, {"id": 2, "text": "I was charged twice"}],
        });
        let more = json!({"steps": [{"id": "triage", "input": input}]});
        self.descriptor("triage.json", &json!({"set": "triage"}), &more);
    }

    /// A world whose live model calls go to `server`, with `triage.json`.
    pub fn asking(server: &ModelServer) -> Self {
        let world = Self::new().with("COO_LLM_BASE_URL", server.base_url());
        world.triage_descriptor();
        world
    }

    /// Writes and runs the triage mission.
    pub fn triage(&self) -> Ran {
        self.triage_descriptor();
        self.coo(&["run", "triage.json"])
    }

    /// Returns the command `coo ARGS`, ready to start in this world.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_coo"), arguments)
    }

    /// Returns the command for another program, with the same folder and environment.
    pub fn program(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts `coo ARGS` with its output piped.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs `coo ARGS` to its end.
    #[track_caller]
    pub fn coo(&self, arguments: &[&str]) -> Ran {
        of_a_form(arguments, ran(self.command(arguments).output().unwrap()))
    }

    /// Runs `coo LINE`, whose words have no blanks, and returns it as a snapshot shows it.
    #[track_caller]
    pub fn told(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        shown(line, &self.coo(&words))
    }

    /// Runs `coo ARGS` with one environment variable added or changed.
    pub fn coo_with(&self, arguments: &[&str], name: &str, value: &str) -> Ran {
        ran(self.command(arguments).env(name, value).output().unwrap())
    }

    /// Configures live model calls to give up after the first attempt.
    pub fn one_attempt(&self) {
        assert_eq!(self.coo(&["init"]).code, 0);
        let path = self.root().join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config["llm"]["attempts"] = json!(1);
        std::fs::write(path, config.to_string()).unwrap();
    }

    /// Runs `coo ARGS` with `input` on standard input.
    #[track_caller]
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
        of_a_form(arguments, ran(child.wait_with_output().unwrap()))
    }

    /// Runs `coo ARGS --json`, which must succeed, and parses its output.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.coo(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Runs `coo ARGS --json` like `json`, and returns the one list in its output.
    pub fn list(&self, arguments: &[&str]) -> Value {
        let mut output = self.json(arguments);
        let fields = output.as_object_mut().unwrap();
        assert!(
            fields
                .remove("format")
                .is_some_and(|format| format.is_string())
        );
        assert_eq!(fields.len(), 1, "{fields:?}");
        let list = fields.values().next().unwrap().clone();
        assert!(list.is_array());
        list
    }
}

/// Returns the path of the cache that all worlds share. It belongs to this build of the binary,
/// because another build may check modules differently.
fn shared_cache() -> String {
    use std::os::unix::fs::MetadataExt as _;
    let binary = std::fs::metadata(env!("CARGO_BIN_EXE_coo")).unwrap();
    let name = format!("code-{:x}-{:x}", binary.mtime(), binary.mtime_nsec());
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    place.to_str().unwrap().to_owned()
}

/// Returns what a process that has ended printed, and its exit code.
pub fn ran(output: Output) -> Ran {
    let stderr = String::from_utf8(output.stderr).unwrap();
    Ran {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: without_progress(&stderr),
        code: output.status.code().expect("ended by a signal"),
    }
}

/// Returns what a command printed, after holding its JSON to the published schemas.
#[track_caller]
fn of_a_form(arguments: &[&str], ran: Ran) -> Ran {
    if arguments.contains(&"--json") {
        schema::printed(&ran.stdout);
    }
    ran
}

/// Removes the progress lines, which appear only if a module must be compiled and that takes long.
pub fn without_progress(stderr: &str) -> String {
    let progress = ["[coo] compiling module ", "[coo] examining module "];
    let lines = stderr.split_inclusive('\n');
    lines
        .filter(|line| !progress.iter().any(|start| line.starts_with(start)))
        .filter(|line| !(line.starts_with("[coo] ") && line.contains(" is at work for ")))
        .collect()
}

/// Returns the text of a file of the checkout.
pub fn checked_out(name: &str) -> String {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(host.parent().unwrap().join(name)).unwrap()
}

/// Sends a signal to a process that a test started.
pub fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Longest wait of `until`.
const LATEST: Duration = Duration::from_mins(1);

/// Waits until `holds`.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    let begun = Stopwatch::start();
    while !holds() {
        assert!(begun.elapsed() < LATEST, "it never came to it");
        sleep(Duration::from_millis(20));
    }
}

/// Copies a folder with everything in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Returns the id in a run's summary line (`[coo] MISSION-000001 SUCCESS: …`).
pub fn mission_id(ran: &Ran) -> String {
    let line = ran
        .stderr
        .lines()
        .find(|line| line.contains(" events, "))
        .expect("no summary line");
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// Returns the events of `coo logs --json`, in order.
pub fn events(world: &World, id: &str) -> Vec<Value> {
    let ran = world.coo(&["logs", id, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns a complete preview-1 module in WebAssembly text.
pub fn guest_text(body: &str) -> String {
    format!(
        "(module\n{}\n{body})",
        include_str!("../fixtures/prelude.wat")
    )
}

/// Formats a command with its complete output for a snapshot. Replaces text that differs between
/// runs or releases by a name.
pub fn shown(command: &str, ran: &Ran) -> String {
    let Ran {
        stdout,
        stderr,
        code,
    } = ran;
    let mut text = format!("$ coo {command}\n{stdout}");
    if !stderr.is_empty() {
        text = format!("{text}--- standard error\n{stderr}");
    }
    steady(&format!("{text}--- exit {code}\n"))
}

/// Replaces what differs between runs or releases by names: what `timeless` replaces, and digests.
pub fn steady(text: &str) -> String {
    let text = masked(&timeless(text), &"h".repeat(64), "<sha256>");
    masked(&text, &"h".repeat(12), "<sha256…>")
}

/// Replaces what differs between runs by names: the folder of a world, times, durations and the
/// ports of servers on this machine.
pub fn timeless(text: &str) -> String {
    let text = without_world(text);
    let text = masked(&text, "dddd-dd-ddTdd:dd:dd.dddZ", "<time>");
    // Longest first: the rest of a longer duration would look like a shorter one.
    let durations = [
        "ddddd.ddd ms",
        "dddd.ddd ms",
        "ddd.ddd ms",
        "dd.ddd ms",
        "d.ddd ms",
    ];
    let text = durations
        .iter()
        .fold(text, |text, mask| masked(&text, mask, "<duration>"));
    // `coo missions`: a time to the minute, and a duration that fills its column.
    let text = masked(&text, "dddd-dd-dd dd:dd", "<time>");
    let cells = ["ddd ms  ", "dd ms   ", "d ms    ", "dd.d s  ", "d.d s   "];
    let text = cells
        .iter()
        .fold(text, |text, mask| masked(&text, mask, "<took>"));
    // How many facts two machines differ in depends on the machine, and so does the size of a state
    // with its manifests, which is thousands of bytes.
    let text = masked(&text, "environment in d place", "environment in <n> place");
    let text = masked(&text, "links, dddd bytes", "links, <n> bytes");
    let text = masked(&text, "objects, ddd bytes", "objects, <n> bytes");
    let text = masked(&text, "objects, dddd bytes", "objects, <n> bytes");
    let text = masked(&text, ".0.0.1:ddddd", ".0.0.1:<port>");
    masked(&text, ".0.0.1:dddd", ".0.0.1:<port>")
}

/// Replaces the path of a world's folder by `<world>`.
fn without_world(text: &str) -> String {
    let start = std::env::temp_dir().join(WORLD).display().to_string();
    let mut parts = text.split(&start);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("<world>");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    out
}

/// Replaces everything in `text` that fits `mask` (d: a digit, h: a hexadecimal digit) by `name`.
fn masked(text: &str, mask: &str, name: &str) -> String {
    let fits = |candidate: &[u8]| {
        candidate.len() >= mask.len()
            && mask.bytes().zip(candidate).all(|(want, found)| match want {
                b'd' => found.is_ascii_digit(),
                b'h' => found.is_ascii_digit() || (b'a'..=b'f').contains(found),
                want => want == *found,
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if fits(rest.as_bytes()) {
            out.push_str(name);
            rest = &rest[mask.len()..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}
