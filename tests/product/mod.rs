//! Product tests: what a user of `coo` sees, through the built binary (user surface v1.1 §7).
//! One module for each of the five subjects of that section. Snapshots show the command, its
//! output and its exit code; what differs from run to run is replaced by its name.

mod demo_error_paths;
mod demo_receipt_format;
mod demo_repeatability;
mod logs_view;
mod mission_view;

use crate::support::{Ran, World};

/// The demo as a user runs it: once, in a world that has no key and no configuration.
fn demo() -> (World, Ran) {
    let world = World::new();
    let ran = world.coo(&["run-demo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    (world, ran)
}

/// The section of a receipt under `heading`, up to the next heading.
fn section<'a>(receipt: &'a str, heading: &str) -> &'a str {
    let start = format!("\n{heading}\n");
    let (_, rest) = receipt
        .split_once(&start)
        .unwrap_or_else(|| panic!("no {heading} in\n{receipt}"));
    let end = ["\n\nAI Output\n", "\n\nDeterminism\n", "\n\nInspect\n"]
        .into_iter()
        .filter_map(|next| rest.find(next))
        .min();
    &rest[..end.unwrap_or(rest.len())]
}

/// The receipt's `ID:`.
fn id(receipt: &str) -> &str {
    let line = receipt.lines().find_map(|line| line.strip_prefix("  ID: "));
    line.unwrap_or_else(|| panic!("no ID in\n{receipt}"))
}
