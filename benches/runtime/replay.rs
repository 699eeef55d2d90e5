//! Replaying a long journal: how fast it is, and how much memory it takes.
//! The floor is the same guest in bare wasmtime.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use coo::inside::Purpose;
use coo::inside::Session;
use coo::inside::machine::Stopwatch;
use coo::inside::mission;
use coo::inside::mission::Options;
use coo::inside::mission::Source;
use coo::inside::mission::find_mission;
use coo_kernel::mission::Status;

use crate::Scale;
use crate::bare;
use crate::guest;
use crate::table::{Samples, group, line, note, timed};
use crate::this_program;

/// Runs as a child: replays one mission; prints the microseconds and the peak of memory.
pub fn time_replay(root: &Path, id: &str) -> Result<()> {
    let stopwatch = Stopwatch::start();
    let (session, mission) = find_mission(root, id, |_| {})?;
    let replayed = mission::replay(session, &mission, Duration::from_hours(1))?;
    ensure!(replayed.is_identical(), "{replayed:?}");
    bare::print_time_and_peak(&stopwatch)
}

/// Seconds and peak memory in MB, over several children.
#[derive(Default)]
struct Children {
    seconds: Samples,
    peak_mb: Samples,
}

impl Children {
    fn run(&mut self, folder: &Path, arguments: &[&str]) -> Result<()> {
        let (printed, _) = timed(this_program(folder, arguments)?)?;
        let (time, peak) = printed.trim().split_once(' ').context("time and peak")?;
        self.seconds.add(time.parse::<f64>()? / 1e6);
        self.peak_mb.add(peak.parse::<f64>()? * 1024.0 / 1e6);
        Ok(())
    }
}

pub fn measure(scale: Scale, folder: &Path) -> Result<()> {
    let wasm = guest::component()?;
    std::fs::write(folder.join("guest.wasm"), &wasm)?;
    std::fs::write(
        folder.join("guest.cwasm"),
        bare::engine()?.precompile_component(&wasm)?,
    )?;
    let many = scale.of(100_000, 2_000);
    let counts = [many, many / 10, many / 100];
    let mut ids = Vec::new();
    for count in counts {
        let source = Source::descriptor_file(&guest::descriptor(folder, &format!("r{count}"))?)?;
        let session = Session::create(&folder.join("root"), Purpose::Change, |_| {})?;
        let (_, ended) = mission::run(session, &source, Options::default())?;
        ensure!(ended.status == Status::Success, "{ended:?}");
        ids.push(ended.id.to_string());
    }
    let mut ours: [Children; 3] = std::array::from_fn(|_| Children::default());
    let mut floors: [Children; 3] = std::array::from_fn(|_| Children::default());
    for _ in 0..scale.of(7, 1) {
        for (place, count) in counts.iter().enumerate() {
            ours[place].run(folder, &["replay", "root", &ids[place]])?;
            let input = format!("r{count}");
            floors[place].run(folder, &["bare-guest", "guest.cwasm", &input])?;
        }
    }
    let ([long, middle, short], [long_floor, middle_floor, short_floor]) = (ours, floors);
    // Without what a process costs that replays hardly anything.
    let between = |more: &Children, less: &Children| {
        (more.seconds.median() - less.seconds.median()) * 1e6 / f64::from(many - many / 100)
    };
    group(&format!("Replay of {many} journalled calls"), "");
    let rate = |children: &Children| f64::from(many) / children.seconds.median() / 1e3;
    line("thousand calls a second", rate(&long), rate(&long_floor), 0);
    line(
        "µs a call",
        long.seconds.median() * 1e6 / f64::from(many),
        long_floor.seconds.median() * 1e6 / f64::from(many),
        2,
    );
    line(
        "µs a call, without start and end of the process",
        between(&long, &short),
        between(&long_floor, &short_floor),
        2,
    );
    for (count, children, floor) in [
        (many / 100, &short, &short_floor),
        (many / 10, &middle, &middle_floor),
        (many, &long, &long_floor),
    ] {
        line(
            &format!("ms of {count} calls"),
            children.seconds.median() * 1e3,
            floor.seconds.median() * 1e3,
            1,
        );
    }
    line(
        "peak memory of the process, MB",
        long.peak_mb.median(),
        long_floor.peak_mb.median(),
        1,
    );
    line(
        &format!("peak memory, MB, of {} calls", many / 100),
        short.peak_mb.median(),
        short_floor.peak_mb.median(),
        1,
    );
    note("Floor: the same guest in bare wasmtime, its import answering at once.");
    Ok(())
}
