//! The phases of a warm run: the steps of `coo::inside::mission::run`, one after another in a fresh
//! process, each timed.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use coo::inside::Purpose;
use coo::inside::Session;
use coo::inside::effects::CachePolicy;
use coo::inside::machine::block_on;
use coo::inside::mission::Source;
use coo::inside::mission::{Options, Prepared, Reused, Settings};
use coo::inside::program::code_cache::{self, CodeCache};
use coo::inside::program::engine;
use coo::inside::runtime::Linked;
use coo::inside::runtime::Tape;
use coo_kernel::mission::Status;

use crate::bare::Stopwatches;

/// Runs as a child: performs one warm run of the demo, step by step.
pub fn time_run(root: &Path) -> Result<()> {
    let mut phases = Stopwatches::start();
    let source = Source::bundled("demo")?;
    phases.lap("source");
    let session = Session::create(root, Purpose::Change, |_| {})?;
    phases.lap("session");
    // The steps of `Prepared::of` one by one; then `Prepared::of` itself, which is not timed.
    let sandbox = engine::build(source.descriptor.engine)?;
    phases.lap("engine");
    let name = code_cache::Name::of(&sandbox, &source.module);
    let code = CodeCache::of_user().load(&name);
    let code = code
        .context("no compiled code in the cache")?
        .loaded(&sandbox)?;
    phases.lap("code");
    Linked::new(&sandbox.engine, &code)?;
    phases.lap("link");
    let options = Options {
        freshness: CachePolicy::Frozen,
        ..Options::default()
    };
    let settings = Settings::of(&session)?;
    let (lent, turn) = session.share()?;
    let mut prepared = Prepared::of(turn, &settings, &source, options, Reused::default())?;
    phases.skip();
    let id = prepared.enrol(&source)?;
    phases.lap("mission");
    let unsealed = block_on(prepared.execute(id, Tape::record, None))?;
    phases.lap("execute");
    let (_, ended) = block_on(unsealed.seal())?.into_session(lent)?;
    phases.lap("seal");
    ensure!(
        ended.status == Status::Success,
        "the demo failed: {ended:?}"
    );
    phases.print()
}
