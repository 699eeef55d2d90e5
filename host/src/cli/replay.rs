//! `coo replay <id>`: prints a short transcript and exits with 0 if everything is identical.
//! Otherwise it prints the first divergent event with both sides and exits with 1. Changes nothing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Divergence, Record, Side};
use coo_kernel::mission::exit::Exit;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::State;
use serde::Serialize;
use similar::{DiffTag, TextDiff};

use super::run::Timeout;
use super::{logs, print};
use crate::hint;
use crate::mission::find::find_mission;
use crate::mission::replay;

/// A possible cause of every divergence: a recomputed chain reveals a change only to a reader who
/// knows the original head.
const CHANGED_JOURNAL: &str = "a journal that was changed and whose hash chain was recomputed: compare its head with one kept elsewhere";
/// Unchanged lines shown around a difference.
const CONTEXT_LINES: usize = 2;
/// Characters shown of a line: an 80-column terminal without the margin.
const LINE_CHARS: usize = 72;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as DEMO-000001 or 1, or a file that 'coo export' wrote
    #[arg(value_name = "ID|FILE")]
    id: String,
    #[command(flatten)]
    timeout: Timeout,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View<'a> {
    id: String,
    identical: bool,
    events: u64,
    chain_head: Digest,
    timeline: &'a [State],
    fuel_recorded: u64,
    fuel_replayed: u64,
    memory_bytes_recorded: u64,
    memory_bytes_replayed: u64,
    other_engine: bool,
    divergence: Option<DivergenceView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct DivergenceView<'a> {
    event: u64,
    expected: &'a Option<Side>,
    actual: &'a Option<Side>,
    before: Vec<String>,
    usual_causes: Vec<&'static str>,
}

pub fn cmd_replay(root: &Path, options: &Options) -> Result<ExitCode> {
    let (session, mission) = find_mission(root, &options.id, print::note)?;
    let replayed = replay::replay(session, &mission, options.timeout.duration())?;
    let identical = replayed.is_identical();
    if options.json {
        print::json(
            "coo-replay/1",
            &View {
                id: mission.id.to_string(),
                identical,
                events: replayed.events,
                chain_head: replayed.chain_head,
                timeline: &replayed.timeline,
                fuel_recorded: replayed.fuel.0,
                fuel_replayed: replayed.fuel.1,
                memory_bytes_recorded: replayed.memory_bytes.0,
                memory_bytes_replayed: replayed.memory_bytes.1,
                other_engine: replayed.other_engine,
                divergence: replayed
                    .divergence
                    .as_ref()
                    .map(|divergence| DivergenceView {
                        event: divergence.seq,
                        expected: &divergence.expected,
                        actual: &divergence.actual,
                        before: replayed
                            .before
                            .iter()
                            .map(|record| logs::Lines::of(None).line(&mission, record))
                            .collect::<Result<_>>()
                            .unwrap_or_default(),
                        usual_causes: usual_causes(divergence),
                    }),
            },
        )?;
    } else {
        let verdict = if identical { "IDENTICAL" } else { "DIVERGENT" };
        let after = match &replayed.divergence {
            None => String::new(),
            Some(divergence) => explained(&mission, divergence, &replayed.before),
        };
        let text = replayed.transcript(mission.id).text();
        let before = text.trim_end().strip_suffix(verdict).unwrap_or(&text);
        print::out_verdict(before, verdict, &format!("\n{after}"))?;
    }
    if !identical {
        print::error(&match &replayed.divergence {
            Some(divergence) => anyhow!(
                "replay of {}: diverges at event {}",
                mission.id,
                divergence.seq
            ),
            None => anyhow!(
                "replay of {}: same events, but fuel {} recorded and {} used, memory {} recorded and {} used",
                mission.id,
                replayed.fuel.0,
                replayed.fuel.1,
                replayed.memory_bytes.0,
                replayed.memory_bytes.1
            ),
        });
    }
    Ok(print::code(Exit::compared(identical)))
}

/// Explains a divergence: the preceding events, both sides, and the usual causes.
fn explained(mission: &MissionRow, divergence: &Divergence, before: &[Record]) -> String {
    let named = |side: &Option<Side>| {
        side.as_ref().map_or_else(
            || "nothing: it has ended there".to_owned(),
            |side| format!("{} {}", side.state, side.kind),
        )
    };
    let mut text = format!(
        "\nFirst divergence: event {}\n  Journal: {}\n  Replay:  {}\n",
        divergence.seq,
        named(&divergence.expected),
        named(&divergence.actual)
    );
    if let (Some(expected), Some(actual)) = (&divergence.expected, &divergence.actual) {
        text.push_str("\nDifference (- journal, + replay)\n");
        text.push_str(&difference(&expected.body, &actual.body));
    }
    if !before.is_empty() {
        text.push_str("\nEvents before it\n");
        for record in before {
            // A line that can't be printed must not hide the others.
            let line = logs::Lines::of(None)
                .line(mission, record)
                .unwrap_or_else(|error| hint::flat(&error));
            let _ = writeln!(text, "  {line}");
        }
    }
    text.push_str("\nUsual causes\n");
    for cause in usual_causes(divergence) {
        for (i, line) in textwrap::wrap(cause, 74).iter().enumerate() {
            let _ = writeln!(text, "  {} {line}", if i == 0 { "-" } else { " " });
        }
    }
    text
}

fn usual_causes(divergence: &Divergence) -> Vec<&'static str> {
    let mut causes = divergence.usual_causes().to_vec();
    causes.push(CHANGED_JOURNAL);
    causes
}

/// Returns a unified diff of two canonical bodies, with one line for each member. A long line is
/// shown from shortly before the first difference.
fn difference(expected: &str, actual: &str) -> String {
    let (expected, actual) = (spread(expected), spread(actual));
    let diff = TextDiff::from_lines(&expected, &actual);
    let mut text = String::new();
    for group in diff.grouped_ops(CONTEXT_LINES) {
        for op in group {
            let removed: Vec<&str> = op.old_range().filter_map(|i| diff.old_slice(i)).collect();
            let added: Vec<&str> = op.new_range().filter_map(|i| diff.new_slice(i)).collect();
            if op.tag() == DiffTag::Equal {
                for line in removed {
                    let _ = writeln!(text, "    {}", window(line, 0));
                }
                continue;
            }
            let from = match (removed.first(), added.first()) {
                (Some(old), Some(new)) => common_chars(old, new).saturating_sub(LINE_CHARS / 2),
                _ => 0,
            };
            for (sign, lines) in [('-', removed), ('+', added)] {
                for (i, line) in lines.iter().enumerate() {
                    let from = if i == 0 { from } else { 0 };
                    let _ = writeln!(text, "  {sign} {}", window(line, from));
                }
            }
        }
    }
    text
}

fn common_chars(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// Returns JSON with one line for each member; other text unchanged.
fn spread(body: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(body);
    let text = value.and_then(|value| serde_json::to_string_pretty(&value));
    text.unwrap_or_else(|_| body.to_owned()) + "\n"
}

/// Returns at most `LINE_CHARS` characters of `line`, starting at character `from`.
fn window(line: &str, from: usize) -> String {
    let line = line.trim_end_matches('\n');
    let dots = |cut: bool| if cut { "…" } else { "" };
    let shown: String = line.chars().skip(from).take(LINE_CHARS).collect();
    format!(
        "{}{}{}",
        dots(from > 0),
        print::one_line(&shown),
        dots(line.chars().count() > from + LINE_CHARS)
    )
}
