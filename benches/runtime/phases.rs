//! Where the time of a warm run goes: the steps of `coo::run::run`, one after another in a
//! fresh process, each timed. If `run` changes, this must follow.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use coo::bundle;
use coo::code_cache;
use coo::drive::drive;
use coo::engine;
use coo::gateway::Gateway;
use coo::live::Live;
use coo::llm::{Freshness, Model};
use coo::machine;
use coo::prepare::Source;
use coo::sandbox::linker;
use coo::session::Session;
use coo::store::{Durability, Facts, NewMission};
use coo::tape::{Recorder, Tape};
use coo::world::World;
use coo_kernel::state::State;

use crate::bare::Stopwatches;

/// Child: one warm run of the demo, step by step.
pub fn time_run(root: &Path) -> Result<()> {
    let mut phases = Stopwatches::start();
    let source = Source::bundled("demo")?;
    phases.lap("source");
    let session = Session::for_writing(root, |_| {})?;
    phases.lap("session");
    // What `prepare` does, taken apart; then `prepare` itself, whose time is not counted.
    let sandbox = engine::build(source.descriptor.engine)?;
    phases.lap("engine");
    let component = code_cache::load(&session.root, &session.store, &sandbox, &source.module)?
        .context("no compiled code in the cache")?;
    phases.lap("code");
    let linked = linker(&sandbox.engine)?.instantiate_pre(&component);
    linked.map_err(anyhow::Error::from)?;
    phases.lap("link");
    let Session {
        root,
        mut store,
        config,
        surroundings,
        ..
    } = session;
    let program = source.prepare(&root, &mut store, true)?;
    phases.lap("(again)");

    let name = surroundings.model(&config)?;
    let model = Model::new(
        Some(name.clone()),
        Freshness::Frozen,
        &config,
        &surroundings,
        bundle::frozen(),
    );
    source.keep_module(&root)?;
    let descriptor = store.put_blob(program.canonical.as_bytes())?.sha256;
    let id = store.create_mission(&NewMission {
        mission_type: &program.descriptor.mission_type,
        name: "demo",
        descriptor,
        module: program.module,
        created_ms: machine::now_unix_ms(),
    })?;
    let live = Live {
        world: World::new(root.path()),
        gateway: Gateway::new(&root)?,
        model,
    };
    let tape = Tape::record(Recorder { store, id, live });
    phases.lap("mission");
    let driven = drive(&program, Some(&name), Duration::from_hours(1), tape);
    phases.lap("drive");
    ensure!(
        driven.tape.progress().state() == Some(State::Complete),
        "the demo failed: {:?} {:?}",
        driven.failure,
        driven.stopped
    );
    let Recorder { mut store, .. } = driven.tape.into_recorder().context("not recording")?;
    store.finish_mission(id, machine::now_unix_ms(), None, &Facts::default())?;
    store.commit(Durability::Process)?;
    phases.lap("finish");
    store.commit(Durability::Power)?;
    phases.lap("sync");
    drop(store);
    phases.lap("close");
    phases.print()
}
