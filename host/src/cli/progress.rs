//! Shows how far a run is, on standard error. A terminal has one line that is written again and again,
//! and removed before anything else is printed. A pipe gets only what is worth keeping in a log. Decides
//! what is shown; `print` writes it. Also prepares what Ctrl-C leaves behind.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use coo_kernel::llm::Usage;
use coo_kernel::mission::MissionId;

use super::print;
use crate::hint;
use crate::machine::signals::{self, SIGNALS};
use crate::machine::{CLEAR_LINE, Stopwatch};
use crate::progress::{Journal, Update};

/// Work of less time is shown without its time.
const NOTABLE: Duration = Duration::from_secs(1);
/// Age of a mission at which a log gets a sign of life while the guest computes. Each further one comes at
/// twice that age.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// How much the user wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Quiet,
    Normal,
    Verbose,
}

static SHOWN: Mutex<Option<View>> = Mutex::new(None);

/// Decides how much this process says about its work.
pub fn set_detail(quiet: bool, verbose: bool) {
    let detail = match (quiet, verbose) {
        (true, _) => Detail::Quiet,
        (_, true) => Detail::Verbose,
        _ => Detail::Normal,
    };
    if detail == Detail::Quiet {
        print::set_quiet();
    }
    with_view(|view| view.detail = detail);
}

/// Shows `update`. The sink of every run that a command starts.
pub fn tell(update: &Update<'_>) {
    match update {
        Update::Began { id, journal } => {
            let clear = if print::can_rewrite() { CLEAR_LINE } else { "" };
            signals::catch(last_words(*id, clear));
            set_situation(*journal);
        }
        Update::OnRecord(journal) => set_situation(*journal),
        Update::Ended => signals::set_situation(None),
        _ => {}
    }
    let shown = with_view(|view| view.seen(update));
    for shown in shown {
        match shown {
            Shown::Line(line) => print::note(&line),
            Shown::Status(line) => print::status(&line),
            Shown::Clear => print::clear_status(),
        }
    }
}

/// Returns the sink of a long command that reports in lines: each replaces the one before on a terminal,
/// and a pipe gets none.
pub fn status_line(line: &str) {
    let is_shown = with_view(|view| view.is_terminal && view.detail != Detail::Quiet);
    if is_shown {
        print::status(line);
    }
}

fn with_view<T>(change: impl FnOnce(&mut View) -> T) -> T {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    change(shown.get_or_insert_with(|| View::new(print::can_rewrite())))
}

const SITUATIONS: [Journal; 3] = [Journal::Empty, Journal::Resumable, Journal::InDoubt];

fn set_situation(journal: Journal) {
    signals::set_situation(SITUATIONS.iter().position(|known| *known == journal));
}

/// Returns what a process that works on mission `id` says when a signal ends it. `clear` removes the line
/// that says how far the run is.
fn last_words(id: MissionId, clear: &str) -> Vec<[String; SIGNALS.len()]> {
    let words = |journal: Journal, signal: &str| {
        let (what, next) = match journal {
            Journal::Empty => (
                " before its first event, so nothing of it is on record",
                "run it again".to_owned(),
            ),
            Journal::Resumable => ("", hint::to_resume(id, false)),
            Journal::InDoubt => (
                " while a model call was in flight",
                hint::to_resume(id, true),
            ),
        };
        let next = print::rooted(&next);
        format!("{clear}ERROR: mission {id}: stopped by {signal}{what}\nhint: {next}\n")
    };
    let each = |journal| SIGNALS.map(|(_, signal)| words(journal, signal));
    SITUATIONS.map(each).to_vec()
}

/// What `print` has to do.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// A line that stays.
    Line(String),
    /// The line that is written again.
    Status(String),
    Clear,
}

/// What has been shown of the run so far.
struct View {
    detail: Detail,
    /// Standard error is a terminal.
    is_terminal: bool,
    /// The mission, as its lines begin.
    subject: String,
    step: String,
    /// Model calls that have an answer.
    calls: usize,
    /// Since the mission or its preparation began.
    since: Option<Stopwatch>,
    /// When the next update of a long run is shown.
    next: Duration,
    /// Whether the module at work has its line.
    is_preparing: bool,
}

impl View {
    const fn new(is_terminal: bool) -> Self {
        Self {
            detail: Detail::Normal,
            is_terminal,
            subject: String::new(),
            step: String::new(),
            calls: 0,
            since: None,
            next: SIGN_OF_LIFE,
            is_preparing: false,
        }
    }

    fn seen(&mut self, update: &Update<'_>) -> Vec<Shown> {
        let elapsed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.seen_at(update, elapsed)
    }

    /// Returns what to show of `update`, `elapsed` after the mission began.
    fn seen_at(&mut self, update: &Update<'_>, elapsed: Duration) -> Vec<Shown> {
        let shown = match update {
            Update::Preparing {
                doing,
                name,
                bytes,
                took,
            } => self.preparing(&format!("{doing} module {name} ({})", size(*bytes)), *took),
            Update::Prepared { doing, name, took } => {
                self.is_preparing = false;
                let line = format!("{doing} module {name} took {:.1} s", took.as_secs_f64());
                if *took >= NOTABLE && !self.is_terminal {
                    vec![Shown::Line(line)]
                } else {
                    vec![Shown::Clear]
                }
            }
            Update::Began { id, journal } => self.began(*id, *journal),
            Update::OnRecord(_) => Vec::new(),
            Update::Step { number, of, id } => {
                self.step = format!("step {number} of {of}, '{id}'");
                self.stage(&self.step.clone())
            }
            Update::Computing => self.computing(elapsed),
            Update::Server {
                origin,
                named_by,
                key,
            } => vec![Shown::Line(format!(
                "{}: model calls go to {origin}, named by {named_by}, {key}",
                self.subject
            ))],
            Update::Asking {
                model,
                attempt: 1,
                attempts: _,
            } => self.stage(&format!("asking {model}")),
            Update::Asking {
                model,
                attempt,
                attempts,
            } => self.stage(&format!("asking {model}, attempt {attempt} of {attempts}")),
            Update::Waiting {
                server,
                trouble,
                attempt,
                attempts,
                wait,
            } => {
                let seconds = wait.as_secs_f64();
                let next = format!("attempt {attempt} of {attempts} in {seconds:.1} s");
                self.waiting(&format!("{server} {trouble}"), &next)
            }
            Update::Answered {
                model,
                source,
                usage,
            } => self.answered(model, source, *usage),
            Update::Moved { seq } => vec![Shown::Line(format!(
                "{}: what it has read has changed; it executes again from event {seq}, with the model \
                 answers that it has",
                self.subject
            ))],
            Update::Ended => vec![Shown::Clear],
        };
        if self.detail == Detail::Quiet {
            return Vec::new();
        }
        shown
    }

    fn preparing(&mut self, what: &str, took: Duration) -> Vec<Shown> {
        if self.is_terminal {
            let time = if took >= NOTABLE {
                format!(", {} s", took.as_secs())
            } else {
                String::new()
            };
            return vec![Shown::Status(format!("{what}{time}"))];
        }
        if std::mem::replace(&mut self.is_preparing, true) {
            return Vec::new();
        }
        vec![Shown::Line(what.to_owned())]
    }

    fn began(&mut self, id: MissionId, journal: Journal) -> Vec<Shown> {
        self.subject = id.to_string();
        self.since = Some(Stopwatch::start());
        self.next = if self.is_terminal {
            NOTABLE
        } else {
            SIGN_OF_LIFE
        };
        let begins = match journal {
            Journal::Empty => "begins",
            Journal::Resumable | Journal::InDoubt => "continues",
        };
        let line = format!("{id} {begins}");
        match self.detail {
            Detail::Verbose => vec![Shown::Line(line)],
            _ if self.is_terminal => vec![Shown::Status(line)],
            _ => Vec::new(),
        }
    }

    fn waiting(&self, trouble: &str, next: &str) -> Vec<Shown> {
        if self.is_terminal && self.detail == Detail::Normal {
            // What is needed first, because the rest may be cut.
            return vec![Shown::Status(format!(
                "{}: {next}; {trouble}",
                self.subject
            ))];
        }
        vec![Shown::Line(format!("model call: {trouble}; {next}"))]
    }

    fn answered(&mut self, model: &str, source: &str, usage: Option<&Usage>) -> Vec<Shown> {
        self.calls += 1;
        if self.detail == Detail::Normal {
            let calls = print::count(self.calls, "model call");
            return self.stage(&format!("{}; {calls} answered", self.step));
        }
        let tokens = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
        let tokens = usage.map_or_else(String::new, |usage| {
            let (asked, answered) = (tokens(usage.prompt_tokens), tokens(usage.completion_tokens));
            format!(", {asked} tokens in, {answered} out")
        });
        self.stage(&format!("{model} answered, {}{tokens}", origin(source)))
    }

    /// Shows where the run is: as a line if the user wants all of them, otherwise on a terminal alone.
    fn stage(&self, stage: &str) -> Vec<Shown> {
        let line = format!("{}: {stage}", self.subject);
        match self.detail {
            Detail::Verbose => vec![Shown::Line(line)],
            _ if self.is_terminal => vec![Shown::Status(line)],
            _ => Vec::new(),
        }
    }

    fn computing(&mut self, elapsed: Duration) -> Vec<Shown> {
        if elapsed < self.next {
            return Vec::new();
        }
        let (subject, step, seconds) = (&self.subject, &self.step, elapsed.as_secs());
        if self.is_terminal {
            self.next = elapsed + NOTABLE;
            return vec![Shown::Status(format!("{subject}: {step}, {seconds} s"))];
        }
        self.next = elapsed * 2;
        vec![Shown::Line(format!(
            "{subject} is at work for {seconds} s: {step}"
        ))]
    }
}

/// Returns where an answer came from.
fn origin(source: &str) -> String {
    match source {
        "" => "from its journal".to_owned(),
        "bundled" | "frozen" => "frozen".to_owned(),
        server => format!("live from {server}"),
    }
}

/// Formats a size for people.
fn size(bytes: usize) -> String {
    if bytes < 1 << 20 {
        return format!("{} KB", bytes.div_ceil(1 << 10));
    }
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage {
        completion_tokens: Some(2),
        prompt_tokens: None,
    };

    /// All that a run can tell, and when.
    fn whole_run() -> Vec<(Update<'static>, u64)> {
        let id: MissionId = "MISSION-000007".parse().unwrap();
        let preparing = |milliseconds| Update::Preparing {
            doing: "compiling",
            name: "a.wasm",
            bytes: 4_400_000,
            took: Duration::from_millis(milliseconds),
        };
        vec![
            (preparing(500), 0),
            (preparing(2_500), 0),
            (
                Update::Prepared {
                    doing: "compiling",
                    name: "a.wasm",
                    took: Duration::from_millis(2_600),
                },
                0,
            ),
            (
                Update::Began {
                    id,
                    journal: Journal::Empty,
                },
                0,
            ),
            (Update::OnRecord(Journal::Resumable), 0),
            (
                Update::Step {
                    number: 1,
                    of: 2,
                    id: "sort",
                },
                0,
            ),
            (Update::Computing, 900),
            (Update::Computing, 1_200),
            (Update::Computing, 1_300),
            (Update::Computing, 12_000),
            (Update::Computing, 23_000),
            (Update::Computing, 24_000),
            (
                Update::Server {
                    origin: "http://127.0.0.1:1",
                    named_by: "the environment",
                    key: "without a key",
                },
                24_000,
            ),
            (
                Update::Asking {
                    model: "m",
                    attempt: 1,
                    attempts: 4,
                },
                24_000,
            ),
            (
                Update::Waiting {
                    server: "http://127.0.0.1:1",
                    trouble: "answered 503",
                    attempt: 2,
                    attempts: 4,
                    wait: Duration::from_millis(1_500),
                },
                24_000,
            ),
            (
                Update::Asking {
                    model: "m",
                    attempt: 2,
                    attempts: 4,
                },
                25_000,
            ),
            (
                Update::Answered {
                    model: "m",
                    source: "http://127.0.0.1:1",
                    usage: Some(&USAGE),
                },
                26_000,
            ),
            (Update::Ended, 26_000),
        ]
    }

    fn shown(is_terminal: bool, detail: Detail) -> String {
        let mut view = View::new(is_terminal);
        view.detail = detail;
        let mut text = String::new();
        for (update, milliseconds) in whole_run() {
            for shown in view.seen_at(&update, Duration::from_millis(milliseconds)) {
                let (what, line) = match shown {
                    Shown::Line(line) => ("line", line),
                    Shown::Status(line) => ("status", line),
                    Shown::Clear => ("clear", String::new()),
                };
                text.extend([what, " ", line.as_str(), "\n"]);
            }
        }
        text
    }

    #[test]
    fn a_terminal_has_one_line_that_is_written_again() {
        insta::assert_snapshot!(shown(true, Detail::Normal), @"
        status compiling module a.wasm (4.1 MB)
        status compiling module a.wasm (4.1 MB), 2 s
        clear 
        status MISSION-000007 begins
        status MISSION-000007: step 1 of 2, 'sort'
        status MISSION-000007: step 1 of 2, 'sort', 1 s
        status MISSION-000007: step 1 of 2, 'sort', 12 s
        status MISSION-000007: step 1 of 2, 'sort', 23 s
        status MISSION-000007: step 1 of 2, 'sort', 24 s
        line MISSION-000007: model calls go to http://127.0.0.1:1, named by the environment, without a key
        status MISSION-000007: asking m
        status MISSION-000007: attempt 2 of 4 in 1.5 s; http://127.0.0.1:1 answered 503
        status MISSION-000007: asking m, attempt 2 of 4
        status MISSION-000007: step 1 of 2, 'sort'; 1 model call answered
        clear
        ");
    }

    #[test]
    fn a_pipe_has_what_lasts() {
        insta::assert_snapshot!(shown(false, Detail::Normal), @"
        line compiling module a.wasm (4.1 MB)
        line compiling module a.wasm took 2.6 s
        line MISSION-000007 is at work for 12 s: step 1 of 2, 'sort'
        line MISSION-000007 is at work for 24 s: step 1 of 2, 'sort'
        line MISSION-000007: model calls go to http://127.0.0.1:1, named by the environment, without a key
        line model call: http://127.0.0.1:1 answered 503; attempt 2 of 4 in 1.5 s
        clear
        ");
    }

    #[test]
    fn more_is_said_if_it_is_wanted() {
        insta::assert_snapshot!(shown(false, Detail::Verbose), @"
        line compiling module a.wasm (4.1 MB)
        line compiling module a.wasm took 2.6 s
        line MISSION-000007 begins
        line MISSION-000007: step 1 of 2, 'sort'
        line MISSION-000007 is at work for 12 s: step 1 of 2, 'sort'
        line MISSION-000007 is at work for 24 s: step 1 of 2, 'sort'
        line MISSION-000007: model calls go to http://127.0.0.1:1, named by the environment, without a key
        line MISSION-000007: asking m
        line model call: http://127.0.0.1:1 answered 503; attempt 2 of 4 in 1.5 s
        line MISSION-000007: asking m, attempt 2 of 4
        line MISSION-000007: m answered, live from http://127.0.0.1:1, ? tokens in, 2 out
        clear
        ");
        // On a terminal the same lines stay; only the time of long work is written again.
        let lines = |is_terminal| {
            let all = shown(is_terminal, Detail::Verbose);
            let lines = all.lines().filter(|line| line.contains("MISSION"));
            let lines = lines.filter(|line| !line.contains(" s: ") && !line.starts_with("status"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(true), lines(false));
    }

    #[test]
    fn nothing_is_said_if_that_is_wanted() {
        assert_eq!(shown(true, Detail::Quiet), "");
        assert_eq!(shown(false, Detail::Quiet), "");
    }

    #[test]
    fn a_line_never_wraps() {
        for columns in 0..40 {
            let line = print::cut("[coo] MISSION-000007: étape 1 of 2, 'sort'", columns);
            assert!(line.chars().count() <= columns.saturating_sub(1).max(1));
        }
    }

    #[test]
    fn a_stopped_process_says_what_continues_its_mission() {
        let words = last_words("MISSION-000007".parse().unwrap(), "");
        insta::assert_snapshot!(words.concat().concat(), @"
        ERROR: mission MISSION-000007: stopped by Ctrl-C (SIGINT) before its first event, so nothing of it is on record
        hint: run it again
        ERROR: mission MISSION-000007: stopped by SIGTERM before its first event, so nothing of it is on record
        hint: run it again
        ERROR: mission MISSION-000007: stopped by the end of its terminal (SIGHUP) before its first event, so nothing of it is on record
        hint: run it again
        ERROR: mission MISSION-000007: stopped by Ctrl-C (SIGINT)
        hint: 'coo resume MISSION-000007' continues where it stopped
        ERROR: mission MISSION-000007: stopped by SIGTERM
        hint: 'coo resume MISSION-000007' continues where it stopped
        ERROR: mission MISSION-000007: stopped by the end of its terminal (SIGHUP)
        hint: 'coo resume MISSION-000007' continues where it stopped
        ERROR: mission MISSION-000007: stopped by Ctrl-C (SIGINT) while a model call was in flight
        hint: the call may have been made and charged for; 'coo resume MISSION-000007 --resend' sends it again and continues
        ERROR: mission MISSION-000007: stopped by SIGTERM while a model call was in flight
        hint: the call may have been made and charged for; 'coo resume MISSION-000007 --resend' sends it again and continues
        ERROR: mission MISSION-000007: stopped by the end of its terminal (SIGHUP) while a model call was in flight
        hint: the call may have been made and charged for; 'coo resume MISSION-000007 --resend' sends it again and continues
        ");
    }
}
