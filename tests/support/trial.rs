//! Runs one mission with a disturbance: an undisturbed run as the reference, roots to run it in,
//! processes that are made to die or fail, and the comparison of what is left. Never looks into a
//! state root before its mission has ended, because opening a database would repair what the trial
//! broke.

#![allow(
    dead_code,
    reason = "each test file that includes this module uses a part of it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use coo::inside::machine::Stopwatch;
use serde_json::json;

use crate::support::model_server::{ModelServer, Recorded, Response, Step};
use crate::support::remains::{Remains, intents};
use crate::support::{World, copy_folder};

/// The only mission of every root.
pub const ID: &str = "MISSION-000001";
const RUN: [&str; 2] = ["run", "mission.json"];

/// The mission that is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mission {
    /// Uses all three imports: five statements that change data, two model calls, one artefact.
    Triage,
    /// Three steps, each of which writes an artefact.
    Writer,
}

impl Mission {
    /// Creates what exists before the run: descriptor, module, and the missions' database (the
    /// world).
    fn write(self, world: &World) {
        match self {
            Self::Triage => {
                world.triage_descriptor();
                // The mission's own statements give the same rows however often they are applied.
                // This trigger shows if they are applied a second time.
                fs::create_dir_all(world.root()).unwrap();
                world
                    .database("world.db")
                    .execute_batch(
                        "CREATE TABLE ticket (id INTEGER PRIMARY KEY, text TEXT NOT NULL, label TEXT);
                         CREATE TABLE labelled (id INTEGER);
                         CREATE TRIGGER noticed AFTER UPDATE ON ticket
                             BEGIN INSERT INTO labelled VALUES (new.id); END;",
                    )
                    .unwrap();
                fs::rename(
                    world.path().join("triage.json"),
                    world.path().join("mission.json"),
                )
                .unwrap();
            }
            Self::Writer => {
                // Each artefact contains its own path, so that no two are equal.
                let text = include_str!("../fixtures/writer.wat").replace(
                    "(i32.const 0) (i32.const 0) (i32.const 64)",
                    "(local.get $path) (local.get $length) (i32.const 64)",
                );
                world.wasm("writer.wasm", &text);
                let steps: Vec<_> = [
                    "one/First_v1.0.md",
                    "one/two/Second_v1.0.md",
                    "Third_v1.0.md",
                ]
                .iter()
                .enumerate()
                .map(|(i, path)| json!({"id": format!("write-{i}"), "input": path}))
                .collect();
                let module = json!({"file": "writer.wasm"});
                world.descriptor("mission.json", &module, &json!({"steps": steps}));
            }
        }
    }
}

/// A mission, what an undisturbed run of it leaves, and roots that are ready for it.
pub struct Reference {
    pub mission: Mission,
    /// A state root without a mission that already contains the module.
    template: World,
    /// What an undisturbed run leaves.
    remains: Remains,
    /// What an undisturbed run prints.
    stdout: String,
    /// Bodies of its requests, in order, each with the number of its intent.
    requests: Vec<(Vec<u8>, u64)>,
    /// Failpoints that a run in a ready root reaches, in order.
    pub points: Vec<String>,
    /// Failpoints that a run in an empty root reaches, in order.
    pub cold_points: Vec<String>,
}

/// How a process is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// It dies at its N-th failpoint.
    Kill(usize),
    /// Its N-th failpoint fails as a full disk does.
    Fail(usize),
    /// It is killed from outside, this long after its start.
    Signal(Duration),
    /// No file may grow beyond this many blocks of 512 bytes.
    FileBlocks(u64),
    /// It dies when it enters this system call for the N-th time. Needs strace.
    SystemCall(&'static str, usize),
    None,
}

/// A process that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let status = output.status;
        assert!(
            status.code().is_some() || matches!(status.signal(), Some(6 | 9)),
            "{status}"
        );
        Self {
            code: status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn was_killed(&self) -> bool {
        self.code.is_none()
    }

    fn says_in_doubt(&self) -> Option<u64> {
        let (_, rest) = self.stderr.split_once("model call at event ")?;
        let (seq, rest) = rest.split_once(' ')?;
        assert!(rest.starts_with("is in doubt"), "{self:?}");
        Some(seq.parse().unwrap())
    }

    /// Asserts that the command failed cleanly: with one line that says why, and without a panic.
    pub fn assert_clean_failure(&self) {
        assert!(matches!(self.code, Some(1 | 5)), "{self:?}");
        let errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("ERROR: "));
        assert_eq!(errors.count(), 1, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

/// How a mission reached its end after its first process was disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Nothing had been acknowledged and nothing was left, so it was run again from the start.
    Anew,
    /// It was resumed.
    Resumed,
    /// A model call was in doubt and was sent again.
    Resent,
    /// It had ended already; at most its committed intent had to be carried out.
    Promise,
    /// The disturbance came too late to have an effect.
    Undisturbed,
}

/// A mission in a root of its own, on its way to its end.
pub struct Trial<'a> {
    reference: &'a Reference,
    pub world: World,
    server: ModelServer,
    /// Number of times that each intent was reported in doubt.
    pub in_doubt: BTreeMap<u64, usize>,
    /// Every process so far, for messages.
    pub history: Vec<Ended>,
}

impl Reference {
    pub fn of(mission: Mission) -> Self {
        // First in an empty root, for its failpoints and its module.
        let cold = World::new();
        mission.write(&cold);
        let cold_points = points(&cold);
        let template = World::new();
        mission.write(&template);
        assert_eq!(template.coo(&["init"]).code, 0);
        copy_folder(
            &cold.root().join("modules"),
            &template.root().join("modules"),
        );
        let warm = World::new();
        copy_folder(template.path(), warm.path());
        let mut reference = Self {
            mission,
            points: points(&warm),
            cold_points,
            template,
            remains: Remains::of(&warm.root()),
            stdout: String::new(),
            requests: Vec::new(),
        };
        assert_eq!(reference.remains.problems(), [] as [String; 0]);
        assert_eq!(
            reference.remains,
            Remains::of(&cold.root()),
            "an empty root and a ready one give the same"
        );
        let trial = reference.trial();
        let ran = trial.start(&RUN, Disturbance::None);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let bodies: Vec<_> = trial
            .server
            .requests()
            .into_iter()
            .map(|r| r.body)
            .collect();
        let intents = intents(&trial.world.root());
        assert_eq!(bodies.len(), intents.len());
        drop(trial);
        reference.stdout = ran.stdout;
        reference.requests = bodies.into_iter().zip(intents).collect();
        reference
    }

    /// Returns the duration of an undelayed run in a ready root: the shortest of several.
    pub fn duration(&self) -> Duration {
        let durations = (0..7).map(|_| {
            let trial = self.trial();
            let stopwatch = Stopwatch::start();
            let ran = trial.start(&RUN, Disturbance::None);
            let elapsed = stopwatch.elapsed();
            assert_eq!(ran.code, Some(0), "{ran:?}");
            elapsed
        });
        durations.min().unwrap()
    }

    /// Returns the number of the `nth` failpoint of this name.
    pub fn nth(&self, name: &str, nth: usize) -> usize {
        let named = (1..).zip(&self.points).filter(|(_, point)| *point == name);
        named.map(|(number, _)| number).nth(nth - 1).unwrap()
    }

    /// Returns a mission that has not run yet, in a root that is ready for it.
    pub fn trial(&self) -> Trial<'_> {
        let trial = self.nowhere();
        copy_folder(self.template.path(), trial.world.path());
        trial
    }

    /// Returns a mission that has not run yet, in a root that no process has initialised.
    pub fn cold_trial(&self) -> Trial<'_> {
        let trial = self.nowhere();
        self.mission.write(&trial.world);
        trial
    }

    fn nowhere(&self) -> Trial<'_> {
        let server = ModelServer::answering(answer);
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        Trial {
            reference: self,
            world,
            server,
            in_doubt: BTreeMap::new(),
            history: Vec::new(),
        }
    }
}

/// Labels a ticket by its text.
pub fn answer(request: &Recorded) -> Step {
    let body = String::from_utf8_lossy(&request.body);
    let label = if body.contains("charged") {
        "billing"
    } else {
        "A bug."
    };
    Response::completion(label).into()
}

/// Runs the mission to its end and lists the failpoints that it passes.
fn points(world: &World) -> Vec<String> {
    let server = ModelServer::answering(answer);
    let list = world.path().join("points");
    let ran = world
        .command(&RUN)
        .env("COO_LLM_BASE_URL", server.base_url())
        .env("COO_FAULT", format!("list:{}", list.display()))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let list = fs::read_to_string(list).unwrap();
    list.lines().map(str::to_owned).collect()
}

impl Trial<'_> {
    /// Runs `coo ARGUMENTS` until it ends or `disturbance` ends it.
    pub fn start(&self, arguments: &[&str], disturbance: Disturbance) -> Ended {
        let mut command = self.world.command(arguments);
        match disturbance {
            Disturbance::Kill(n) => {
                command.env("COO_FAULT", format!("kill:{n}"));
            }
            Disturbance::Fail(n) => {
                command.env("COO_FAULT", format!("fail:{n}"));
            }
            Disturbance::FileBlocks(blocks) => {
                let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
                command = under("/bin/sh", &["-c", &script], &command);
            }
            Disturbance::SystemCall(name, n) => {
                let trace = format!("trace={name}");
                let inject = format!("inject={name}:signal=KILL:when={n}");
                let arguments = ["-f", "-o", "/dev/null", "-e", &trace, "-e", &inject, "--"];
                command = under("strace", &arguments, &command);
            }
            Disturbance::Signal(_) | Disturbance::None => {}
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Disturbance::Signal(after) = disturbance {
            // The test varies the moment of death; this is not a wait for anything.
            coo::inside::machine::sleep(after);
            // The process may have ended by itself.
            let _ = child.kill();
        }
        Ended::of(child)
    }

    /// Runs the mission to its end as a user would. Only the first process is disturbed.
    pub fn settle_after(&mut self, first: Disturbance) -> Way {
        let mut first = Some(first);
        self.settle(|_| first.take().unwrap_or(Disturbance::None))
    }

    /// Runs the mission to its end as a user would. `next` gets the arguments of each process and
    /// returns its disturbance.
    pub fn settle(&mut self, mut next: impl FnMut(&[&str]) -> Disturbance) -> Way {
        let mut arguments = RUN.to_vec();
        // The bound only ends the test if there is a bug.
        for _ in 0..32 {
            let disturbance = next(&arguments);
            let ended = self.start(&arguments, disturbance);
            self.history.push(ended.clone());
            let is_run = arguments == RUN;
            let disturbed = disturbance != Disturbance::None;
            if ended.code == Some(0) {
                let has_ended = ended
                    .stderr
                    .contains("it has ended, so there is nothing to resume");
                let way = match (has_ended, is_run, self.in_doubt.is_empty()) {
                    (true, ..) => Way::Promise,
                    (_, true, _) if self.history.len() == 1 => Way::Undisturbed,
                    (_, true, _) => Way::Anew,
                    (.., false) => Way::Resent,
                    (.., true) => Way::Resumed,
                };
                if !has_ended {
                    self.assert_eq(&ended.stdout, &self.reference.stdout, "output");
                }
                return way;
            }
            if ended.was_killed() {
                self.assert(disturbed, "killed by nobody");
            } else if ended.stderr.contains("' not found.") {
                self.assert(!is_run, "a run looks for no mission");
                ended.assert_clean_failure();
                arguments = RUN.to_vec();
                continue;
            } else if let Some(seq) = ended.says_in_doubt() {
                self.assert(!is_run, "a run has nothing in doubt");
                ended.assert_clean_failure();
                *self.in_doubt.entry(seq).or_insert(0) += 1;
                arguments = vec!["resume", ID, "--resend"];
                continue;
            } else {
                self.assert(disturbed, "failed although nobody disturbed it");
                ended.assert_clean_failure();
            }
            arguments = vec!["resume", ID];
        }
        panic!("does not come to an end: {:#?}", self.history);
    }

    /// Asserts that the root holds exactly what an undisturbed run leaves, and that no request was
    /// sent more than once without a warning.
    pub fn assert_equal_to_undisturbed(&self) {
        let remains = Remains::of(&self.world.root());
        self.assert_eq(&remains.problems(), &Vec::new(), "problems");
        self.assert_eq(&remains, &self.reference.remains, "remains");

        let replay = self.start(&["replay", ID], Disturbance::None);
        let identical = replay.code == Some(0) && replay.stdout.ends_with("Result: IDENTICAL\n");
        self.assert(
            identical && replay.stderr.is_empty(),
            &format!("{replay:?}"),
        );

        let requests = self.server.requests();
        let mut known = 0;
        for (body, intent) in &self.reference.requests {
            let sent = requests.iter().filter(|r| r.body == *body).count();
            let reported = self.in_doubt.get(intent).copied().unwrap_or(0);
            known += sent;
            self.assert(
                (1..=1 + reported).contains(&sent),
                &format!("the call at event {intent} was sent {sent} times and reported in doubt {reported} times"),
            );
        }
        self.assert_eq(&known, &requests.len(), "requests");
    }

    /// Returns the number of its processes that were killed.
    pub fn killed(&self) -> usize {
        self.history
            .iter()
            .filter(|ended| ended.was_killed())
            .count()
    }

    #[track_caller]
    fn assert(&self, holds: bool, what: &str) {
        assert!(holds, "{what}; {:#?}", self.history);
    }

    #[track_caller]
    fn assert_eq<T: PartialEq + std::fmt::Debug>(&self, found: &T, expected: &T, what: &str) {
        assert!(
            found == expected,
            "{what}: {found:#?}, undisturbed: {expected:#?}; {:#?}",
            self.history
        );
    }
}

/// Returns a command that runs `command` under `program` with `arguments`.
fn under(program: &str, arguments: &[&str], command: &Command) -> Command {
    let mut under = Command::new(program);
    under
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(command.get_current_dir().unwrap())
        .stdin(Stdio::null());
    under
}
