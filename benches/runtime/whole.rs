//! Whole processes, cold and warm, beside bare wasmtime as a whole process; and the phases of a
//! warm run.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use coo::inside::mission::Source;
use coo::inside::program::bundle;
use coo::inside::program::{Admitted, examine};

use crate::Scale;
use crate::bare;
use crate::coo;
use crate::table::{Samples, group, line, line_alone, ms, note, timed};
use crate::this_program;

/// The times that the children printed, by phase.
#[derive(Default)]
struct Phases(BTreeMap<String, Samples>);

impl Phases {
    fn add(&mut self, printed: &str) -> Result<()> {
        for line in printed.lines() {
            let (name, time) = line.split_once(' ').context("a phase")?;
            let samples = self.0.entry(name.to_owned()).or_default();
            samples.add(time.parse()?);
        }
        Ok(())
    }

    fn us(&self, name: &str) -> f64 {
        self.0.get(name).map_or(f64::NAN, Samples::median)
    }
}

pub fn measure(scale: Scale, folder: &Path) -> Result<()> {
    let component = folder.join("demo.component.wasm");
    let code = folder.join("demo.cwasm");
    let input = folder.join("input");
    let log = folder.join("log");
    let source = Source::bundled("demo")?;
    let module = source.wasm.bytes()?;
    let Admitted::Component(admitted) = examine(&module)?.admit(&module)? else {
        bail!("the demo is a mission, and so a component");
    };
    std::fs::write(&component, &admitted)?;
    std::fs::write(&code, bare::engine()?.precompile_component(&admitted)?)?;
    std::fs::write(&input, source.descriptor.steps[0].input_text()?)?;
    std::fs::write(&log, vec![0; 1 << 16])?;
    std::fs::File::open(&log)?.sync_all()?;
    let path = |path: &Path| path.to_str().map(str::to_owned).context("a UTF-8 path");
    let (component, code) = (path(&component)?, path(&code)?);
    let (input, log) = (path(&input)?, path(&log)?);

    let (mut cold, mut cold_floor) = (Samples::default(), Samples::default());
    for i in 0..scale.of(9, 1) {
        let root = format!("cold{i}");
        cold.add(ms(timed(coo(
            folder,
            &["run", "demo", "--frozen", "--root", &root],
        ))?
        .1));
        let bare = this_program(folder, &["bare-compile", &component, &input])?;
        cold_floor.add(ms(timed(bare)?.1));
        std::fs::remove_dir_all(folder.join(root))?;
        std::fs::remove_dir_all(folder.join(crate::CACHE))?;
    }

    let run = ["run", "demo", "--frozen", "--root", "warm"];
    timed(coo(folder, &run))?;
    let (mut warm, mut warm_floor) = (Samples::default(), Samples::default());
    let (mut start, mut start_floor) = (Samples::default(), Samples::default());
    let (mut ours, mut floor) = (Phases::default(), Phases::default());
    for _ in 0..scale.of(101, 3) {
        warm.add(ms(timed(coo(folder, &run))?.1));
        let (printed, elapsed) =
            timed(this_program(folder, &["bare-mapped", &code, &input, &log])?)?;
        warm_floor.add(ms(elapsed));
        floor.add(&printed)?;
        start.add(ms(timed(coo(folder, &["--version"]))?.1));
        start_floor.add(ms(timed(true_command())?.1));
        ours.add(&timed(this_program(folder, &["phases", "warm"])?)?.0)?;
    }

    group("Whole process, the demo", "ms");
    line(
        "cold run: empty root and cache",
        cold.median(),
        cold_floor.median(),
        1,
    );
    line(
        "warm run: compiled code in the cache",
        warm.median(),
        warm_floor.median(),
        2,
    );
    line(
        "start and end: `coo --version`",
        start.median(),
        start_floor.median(),
        2,
    );
    note("Floors: bare wasmtime compiling and running the same component; mapping its");
    note("compiled code, running it, one 4 KiB write and fdatasync; /bin/true.");

    group("Where a warm run goes", "µs");
    let both = |what: &str, phase: &str| line(what, ours.us(phase), floor.us(phase), 0);
    let alone = |what: &str, phase: &str| line_alone(what, ours.us(phase), 0);
    alone("descriptor, module hash", "source");
    alone("state root, lock, database, configuration", "session");
    both("engine", "engine");
    both("compiled code: read, check, load", "code");
    both("link, check imports", "link");
    alone("mission row, tape", "mission");
    line(
        "instantiate, guest; events, first commit",
        ours.us("execute"),
        floor.us("guest"),
        0,
    );
    line(
        "last commit, sync, close the database",
        ours.us("seal"),
        floor.us("sync"),
        0,
    );
    note(&format!(
        "The demo: {} KB of WebAssembly, one model call, answered from the frozen store.",
        bundle::module("demo").map_or(0, |module| module.wasm.len() / 1000)
    ));
    Ok(())
}

fn true_command() -> std::process::Command {
    std::process::Command::new("true")
}
