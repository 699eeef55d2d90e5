//! `coo replay <id>`: a short transcript and exit 0 where everything agrees, otherwise the
//! first divergent event with both sides and exit 1.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use coo_kernel::digest::Digest;
use coo_kernel::journal::{Divergence, Side};
use coo_kernel::state::State;
use serde::Serialize;

use super::print;
use crate::replay::{self, Replayed};
use crate::session::find_mission;

/// Characters of each side of a divergence that are shown before and after the first
/// difference.
const CONTEXT_CHARS: usize = 120;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as DEMO-000001
    id: String,
    /// Real time a step may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    timeout: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct View<'a> {
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
struct DivergenceView<'a> {
    event: u64,
    expected: &'a Option<Side>,
    actual: &'a Option<Side>,
}

pub fn cmd_replay(root: &Path, options: &Options) -> Result<ExitCode> {
    let (session, mission) = find_mission(root, &options.id, print::note)?;
    let replayed = replay::replay(session, &mission, Duration::from_secs(options.timeout))?;
    let identical = replayed.is_identical();
    if options.json {
        print::json(&View {
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
                }),
        })?;
    } else {
        print::out(&transcript(&mission.id.to_string(), &replayed))?;
    }
    if !identical {
        print::error_text(&match &replayed.divergence {
            Some(divergence) => format!(
                "replay of {}: diverges at event {}",
                mission.id, divergence.seq
            ),
            None => format!(
                "replay of {}: same events, but fuel {} recorded and {} used, memory {} recorded and {} used",
                mission.id,
                replayed.fuel.0,
                replayed.fuel.1,
                replayed.memory_bytes.0,
                replayed.memory_bytes.1
            ),
        });
    }
    Ok(print::code(identical))
}

fn transcript(id: &str, replayed: &Replayed) -> String {
    let timeline: Vec<&str> = replayed.timeline.iter().map(|state| state.name()).collect();
    let mut text = format!("Replay {id}\n  States: {}\n", timeline.join(" > "));
    let _ = writeln!(text, "  Events: {} identical", replayed.events);
    if replayed.other_engine {
        text.push_str("  Engine: another one than recorded; fuel and memory not compared\n");
    } else if replayed.divergence.is_none() {
        let same = |pair: (u64, u64)| {
            if pair.0 == pair.1 {
                "identical"
            } else {
                "DIFFERENT"
            }
        };
        let _ = writeln!(text, "  Fuel: {} {}", replayed.fuel.1, same(replayed.fuel));
        let _ = writeln!(
            text,
            "  Memory: {} bytes {}",
            replayed.memory_bytes.1,
            same(replayed.memory_bytes)
        );
    }
    match &replayed.divergence {
        None => {
            let _ = writeln!(text, "  Output: {} bytes identical", replayed.output.len());
            let _ = writeln!(text, "  Chain: {}", replayed.chain_head);
            let _ = writeln!(
                text,
                "  Result: {}",
                if replayed.is_identical() {
                    "IDENTICAL"
                } else {
                    "DIVERGENT"
                }
            );
        }
        Some(divergence) => {
            text.push_str("  Result: DIVERGENT\n");
            text.push_str(&explained(divergence));
        }
    }
    text
}

/// Both sides of a divergence, each from shortly before the first differing character.
fn explained(divergence: &Divergence) -> String {
    let body = |side: &Option<Side>| {
        side.as_ref()
            .map_or("", |side| side.body.as_str())
            .to_owned()
    };
    let (expected, actual) = (body(&divergence.expected), body(&divergence.actual));
    let common = expected
        .chars()
        .zip(actual.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let from = common.saturating_sub(CONTEXT_CHARS / 2);
    let shown = |side: &Option<Side>| match side {
        None => "nothing: it has ended there".to_owned(),
        Some(side) => {
            let window: String = side.body.chars().skip(from).take(CONTEXT_CHARS).collect();
            let dots = |cut: bool| if cut { "…" } else { "" };
            format!(
                "{} {}\n    {}{}{}",
                side.state,
                side.kind,
                dots(from > 0),
                print::one_line(&window),
                dots(side.body.chars().count() > from + CONTEXT_CHARS)
            )
        }
    };
    format!(
        "\nFirst divergence: event {}\n  Expected (journal): {}\n  Actual (replay): {}\n",
        divergence.seq,
        shown(&divergence.expected),
        shown(&divergence.actual)
    )
}
