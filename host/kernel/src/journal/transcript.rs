//! The transcript of a replay, as `coo replay` prints it and a pack keeps it. Explains no
//! divergence, and replays nothing.

use std::fmt::Write as _;

use crate::form::digest::Digest;
use crate::mission::MissionId;
use crate::mission::state::State;

/// What a replay found.
#[derive(Debug, Clone, Copy)]
pub struct Transcript<'a> {
    pub id: MissionId,
    /// The replayed states, in order.
    pub timeline: &'a [State],
    /// Number of events that agree, counted from the first.
    pub events: u64,
    /// Fuel of the recorded run, and of the replay.
    pub fuel: (u64, u64),
    /// Peak memory of the recorded run, and of the replay, in bytes.
    pub memory_bytes: (u64, u64),
    /// Whether the run was recorded with another engine; then fuel and memory are not compared.
    pub is_other_engine: bool,
    /// Whether everything that was compared agrees.
    pub is_identical: bool,
    /// None if the replay diverged.
    pub end: Option<ReplayedEnd>,
}

/// The end of a replay that did not diverge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayedEnd {
    pub chain_head: Digest,
    pub output_bytes: u64,
}

impl Transcript<'_> {
    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> String {
        let timeline: Vec<&str> = self.timeline.iter().map(|state| state.name()).collect();
        let mut text = format!("Replay {}\n  States: {}\n", self.id, timeline.join(" > "));
        // Writing to a string does not fail.
        let _ = writeln!(text, "  Events: {} identical", self.events);
        let same = |pair: (u64, u64)| {
            if pair.0 == pair.1 {
                "identical"
            } else {
                "DIFFERENT"
            }
        };
        if self.is_other_engine {
            text.push_str("  Engine: another one than recorded; fuel and memory not compared\n");
        } else if self.end.is_some() {
            let (fuel, memory) = (self.fuel, self.memory_bytes);
            let _ = writeln!(text, "  Fuel: {} {}", fuel.1, same(fuel));
            let _ = writeln!(text, "  Memory: {} bytes {}", memory.1, same(memory));
        }
        if let Some(end) = &self.end {
            let _ = writeln!(text, "  Output: {} bytes identical", end.output_bytes);
            let _ = writeln!(text, "  Chain: {}", end.chain_head);
        }
        let result = if self.is_identical {
            "IDENTICAL"
        } else {
            "DIVERGENT"
        };
        let _ = writeln!(text, "  Result: {result}");
        text
    }
}
