//! A page of the documentation as the runner of its sessions sees it: what to do, in order, and
//! which lines show the output of which command. HTML comments, which readers do not see, prepare
//! a session. Invariant: a comment that looks like a directive and is not one is an error.
//!
//! | comment | meaning |
//! |---|---|
//! | `<!-- setup: COMMANDS -->` | run these here; they must succeed |
//! | `<!-- run -->` | run the next block in the same way |
//! | `<!-- file: PATH -->` | write the next block to this file |
//! | `<!-- model server: ANSWER; ANSWER -->` | what the server at 127.0.0.1:8481 does, call by call |
//! | `<!-- not run: REASON -->` | do not run the next session |
//! | `<!-- digests and sizes differ: REASON -->` | compare neither in the next session |

use std::ops::Range;

use super::checkout;

/// One thing to do.
#[derive(Debug)]
pub enum Step {
    /// Run these commands; show nothing.
    Setup(String),
    /// Run a command and compare its output.
    Command(Command),
}

/// A command of a session.
#[derive(Debug)]
pub struct Command {
    pub text: String,
    /// The lines of the page that show its output.
    pub shown: Range<usize>,
    /// Whether digests are compared, too.
    pub digests: bool,
}

pub struct Page {
    path: String,
    pub lines: Vec<String>,
    pub steps: Vec<Step>,
    /// The answers of its model server, if it needs one.
    pub server: Option<String>,
    not_run: Vec<String>,
}

/// What a comment says about the block after it.
enum About {
    Nothing,
    Run,
    File(String),
    NotRun(String),
    DigestsDiffer,
}

impl Page {
    /// Reads a page by its path from the top of the checkout.
    pub fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(checkout().join(path)).unwrap();
        let mut page = Self {
            path: path.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            steps: Vec::new(),
            server: None,
            not_run: Vec::new(),
        };
        page.parse();
        page
    }

    /// Tells whether the page has a session that is run.
    pub fn has_sessions(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::Command(_)))
    }

    /// Returns the reasons why sessions are not run, in the order of the page.
    pub fn not_run(self) -> Vec<String> {
        self.not_run
    }

    /// Writes the page with other lines.
    pub fn write(&self, lines: &[String]) {
        let text = lines.join("\n") + "\n";
        std::fs::write(checkout().join(&self.path), text).unwrap();
    }

    fn parse(&mut self) {
        let mut about = About::Nothing;
        let mut at = 0;
        while at < self.lines.len() {
            let line = self.lines[at].clone();
            if line.starts_with("<!-- ") {
                let end = self.next(at, |line| line.ends_with("-->"));
                about = self.comment(&self.lines[at..=end].join("\n"));
                at = end + 1;
            } else if let Some(language) = line.strip_prefix("```") {
                let end = self.next(at + 1, |line| line == "```");
                self.block(language, at + 1..end, about);
                about = About::Nothing;
                at = end + 1;
            } else {
                assert!(
                    matches!(about, About::Nothing),
                    "{}:{}: a block must follow the comment",
                    self.path,
                    at + 1
                );
                at += 1;
            }
        }
    }

    fn next(&self, from: usize, is: impl Fn(&str) -> bool) -> usize {
        let found = (from..self.lines.len()).find(|&at| is(&self.lines[at]));
        found.unwrap_or_else(|| panic!("{}:{from}: has no end", self.path))
    }

    /// Does what a comment says, or returns what it says about the next block.
    fn comment(&mut self, comment: &str) -> About {
        let inside = comment.trim_start_matches("<!--").trim_end_matches("-->");
        let (word, rest) = inside.split_once(':').unwrap_or((inside, ""));
        match (word.trim(), rest.trim().to_owned()) {
            ("setup", commands) => self.steps.push(Step::Setup(commands)),
            ("model server", answers) => self.server = Some(answers),
            ("run", _) => return About::Run,
            ("file", path) => return About::File(path),
            ("not run", reason) => return About::NotRun(reason),
            ("digests and sizes differ", _) => return About::DigestsDiffer,
            ("generated", _) => {}
            _ => panic!("{}: unknown comment {comment}", self.path),
        }
        About::Nothing
    }

    fn block(&mut self, language: &str, lines: Range<usize>, about: About) {
        let text = || self.lines[lines.clone()].join("\n");
        match (language, about) {
            ("console", About::NotRun(reason)) => self.not_run.push(reason),
            ("console", about) => self.session(lines, matches!(about, About::DigestsDiffer)),
            (_, About::Nothing) => {}
            (_, About::Run) => self.steps.push(Step::Setup(text())),
            (_, About::File(path)) => {
                let write = format!("cat > {path} <<'END_OF_BLOCK'\n{}\nEND_OF_BLOCK", text());
                self.steps.push(Step::Setup(write));
            }
            _ => panic!("{}:{}: the comment does not fit", self.path, lines.start),
        }
    }

    /// Takes a session apart: `$ ` begins a command, all else is output.
    fn session(&mut self, lines: Range<usize>, digests_differ: bool) {
        let starts: Vec<usize> = lines
            .clone()
            .filter(|&at| self.lines[at].starts_with("$ "))
            .collect();
        assert_eq!(
            starts.first(),
            Some(&lines.start),
            "{}: begins without '$ '",
            self.path
        );
        for (nth, &start) in starts.iter().enumerate() {
            let end = starts.get(nth + 1).copied().unwrap_or(lines.end);
            self.steps.push(Step::Command(Command {
                text: self.lines[start]["$ ".len()..].to_owned(),
                shown: start + 1..end,
                digests: !digests_differ,
            }));
        }
    }
}
