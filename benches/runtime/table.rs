//! Medians, and the one form of table: the measured thing, `coo`, its floor, and the ratio of the
//! two.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use coo::inside::machine::Stopwatch;

/// Measurements of one thing.
#[derive(Default, Clone)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }
}

/// Begins a group of lines.
pub fn group(title: &str, unit: &str) {
    println!("\n{title:<44}{:>12}{:>12}{:>8}", "coo", "floor", "ratio");
    println!("{:-<44}{unit:->12}{unit:->12}--------", "");
}

/// Prints one line, with `digits` after the point.
pub fn line(what: &str, ours: f64, floor: f64, digits: usize) {
    println!(
        "{what:<44}{ours:>12.digits$}{floor:>12.digits$}{:>8.2}",
        ours / floor
    );
}

/// Prints one line without a floor.
pub fn line_alone(what: &str, ours: f64, digits: usize) {
    println!("{what:<44}{ours:>12.digits$}{:>12}", "-");
}

/// Prints a remark under the lines; the caller keeps it short enough.
pub fn note(text: &str) {
    println!("  {text}");
}

/// Runs `command` to its end; returns what it printed and how long the process took.
pub fn timed(mut command: Command) -> Result<(String, Duration)> {
    let stopwatch = Stopwatch::start();
    let output = command.output()?;
    let elapsed = stopwatch.elapsed();
    if !output.status.success() {
        bail!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok((String::from_utf8(output.stdout)?, elapsed))
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
