//! What one call from guest to host costs, journalled and not journalled.
//! Each figure is the difference between a run with many calls and one with none.

use std::path::Path;

use anyhow::{Result, ensure};
use coo::inside::Purpose;
use coo::inside::Session;
use coo::inside::machine::Stopwatch;
use coo::inside::mission;
use coo::inside::mission::Options;
use coo::inside::mission::Source;
use coo_kernel::mission::Status;
use rusqlite::Connection;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::Scale;
use crate::bare;
use crate::guest;
use crate::table::{Samples, group, line, note};

/// Kind of call, its name in the table, how often at full and at quick scale, and whether the
/// floor runs the statement too.
const CASES: [(char, &str, u32, u32, bool); 4] = [
    (
        'c',
        "monotonic-clock.now (not journalled)",
        1_000_000,
        20_000,
        false,
    ),
    ('q', "db.query 'SELECT 1'", 20_000, 500, true),
    ('e', "db.execute, one row replaced", 20_000, 500, true),
    ('w', "gateway.write of 1 KB", 20_000, 500, false),
];

pub fn measure(scale: Scale, folder: &Path) -> Result<()> {
    let wasm = guest::component()?;
    std::fs::write(folder.join("guest.wasm"), &wasm)?;
    let engine = bare::engine()?;
    let component = Component::from_binary(&engine, &wasm)?;
    // Without the ceiling of a new root, which permits fewer writes than are counted here.
    drop(Session::create(
        &folder.join("root"),
        Purpose::Change,
        |_| {},
    )?);
    std::fs::write(folder.join("root/config.json"), "{}")?;

    group("One host call, guest to host and back", "ns");
    for (kind, what, full, quick, on_database) in CASES {
        let count = scale.of(full, quick);
        let (mut ours, mut floor) = (Samples::default(), Samples::default());
        // The first round warms up: it compiles, creates and grows files.
        for round in 0..=scale.of(7, 1) {
            let one = |seconds: f64| seconds * 1e9 / f64::from(count);
            let (many, none) = (format!("{kind}{count}"), format!("{kind}0"));
            let coo = one(recorded(folder, &many)? - recorded(folder, &none)?);
            let many = bare_run(&engine, &component, on_database, &many)?;
            let bare = one(many - bare_run(&engine, &component, on_database, &none)?);
            if round > 0 || scale.quick {
                ours.add(coo);
                floor.add(bare);
            }
        }
        line(what, ours.median(), floor.median(), 0);
    }
    note("Floors: the same guest in bare wasmtime. Queries and changes run the same");
    note("statement on a bare in-memory SQLite, writes are hashed; nothing is journalled.");
    Ok(())
}

/// Returns the seconds of a recorded run, from the open session to the synced journal.
fn recorded(folder: &Path, input: &str) -> Result<f64> {
    let source = Source::descriptor_file(&guest::descriptor(folder, input)?)?;
    let session = Session::create(&folder.join("root"), Purpose::Change, |_| {})?;
    let stopwatch = Stopwatch::start();
    let (_, ended) = mission::run(session, &source, Options::default())?;
    let elapsed = stopwatch.elapsed();
    ensure!(ended.status == Status::Success, "{ended:?}");
    Ok(elapsed.as_secs_f64())
}

fn bare_run(engine: &Engine, component: &Component, on_database: bool, input: &str) -> Result<f64> {
    let database = on_database.then(Connection::open_in_memory).transpose()?;
    let stopwatch = Stopwatch::start();
    bare::run(engine, component, database, input)?;
    Ok(stopwatch.elapsed().as_secs_f64())
}
