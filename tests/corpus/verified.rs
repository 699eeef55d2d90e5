//! Runs a program three times and holds everything to be the same: output, events, chain,
//! fuel, memory size, and the content of all linear memories at the end. In process, over the
//! library, because a corpus of a thousand modules has no time for three thousand processes.
//! Judges no result: whether it is the right one is for whoever asks.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use coo::inside::Purpose;
use coo::inside::Session;
use coo::inside::effects::Gateway;
use coo::inside::effects::{CachePolicy, Flights, Model};
use coo::inside::machine::{Stopwatch, block_on};
use coo::inside::mission::{Executed, execute};
use coo::inside::mission::{Program, Source, Wasm};
use coo::inside::program::bundle;
use coo::inside::program::compiler;
use coo::inside::program::engine::{Layout, Sandbox, build_tuned};
use coo::inside::runtime::{Hold, Linked, Live};
use coo::inside::runtime::{Recorder, Tape};
use coo::inside::state::history;
use coo::inside::state::{Durability, NewMission};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::authority::{Governance, Policy};
use coo_kernel::mission::descriptor::{Descriptor, EngineSettings};
use coo_kernel::mission::failure::Failure;
use coo_kernel::mission::row::Facts;
use coo_kernel::mission::state::State;
use serde_json::{Value, json};
use tempfile::TempDir;
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// The model of the bundled answers; no other is ever asked here.
const MODEL: &str = "HuggingFaceTB/SmolLM2-135M-Instruct";

/// Everything that has to be the same in every run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub failure: Option<Failure>,
    pub output: String,
    pub stderr: String,
    pub chain_head: Digest,
    pub events: u64,
    pub fuel: u64,
    pub memory_peak_bytes: u64,
    pub memory_sha256: Vec<Option<Digest>>,
    pub backtrace: Vec<String>,
}

impl Outcome {
    fn overflowed_stack(&self) -> bool {
        matches!(&self.failure, Some(Failure::Trap { reason }) if reason == "call stack exhausted")
    }

    /// How it ended, in a word to count by.
    pub fn end(&self) -> String {
        match &self.failure {
            None => "returned".to_owned(),
            Some(Failure::Trap { reason }) => format!("trap: {reason}"),
            Some(Failure::Fuel { .. }) => "out of fuel".to_owned(),
            Some(Failure::Limit { bound, .. }) => format!("limit: {}", bound.name()),
            Some(failure) => failure.to_string(),
        }
    }
}

/// How often each thing happened.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<String, usize>);

impl Tally {
    pub fn count(&mut self, what: impl Into<String>) {
        self.add(what, 1);
    }

    pub fn add(&mut self, what: impl Into<String>, n: usize) {
        *self.0.entry(what.into()).or_default() += n;
    }

    pub fn exactly(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Of everything whose name begins with `prefix`.
    pub fn of(&self, prefix: &str) -> usize {
        let counted = self.0.iter().filter(|(what, _)| what.starts_with(prefix));
        counted.map(|(_, n)| n).sum()
    }

    pub fn print(&self, title: &str) {
        println!("{title}:");
        for (what, n) in &self.0 {
            println!("{n:8} {what}");
        }
    }
}

/// A one-step mission over `wasm`; `more` is what else its descriptor says.
pub fn source(name: &str, wasm: Vec<u8>, more: &Value) -> Source {
    let mut descriptor = json!({
        "format": "coo-mission/1",
        "mission_type": "CORPUS",
        "module": {"file": "corpus.wasm"},
        "steps": [{"id": "only"}],
    });
    for (field, value) in more.as_object().unwrap() {
        descriptor[field] = value.clone();
    }
    Source {
        name: name.to_owned(),
        descriptor: Descriptor::parse(descriptor.to_string().as_bytes()).unwrap(),
        module: Digest::of(&wasm),
        wasm: Wasm::Read(wasm.into()),
        script: None,
    }
}

/// The engine, and two whose differences no guest may notice: how code is optimised, how
/// memory is laid out and given out.
static ENGINES: LazyLock<[Sandbox; 3]> = LazyLock::new(|| {
    let unoptimised = |config: &mut Config| {
        config
            .cranelift_opt_level(OptLevel::None)
            .memory_reservation(0)
            .memory_guard_size(0);
    };
    // Slots are used again, by module after module: what one leaves behind must not be there
    // for the next.
    let pooled = |config: &mut Config| {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(8)
            .total_core_instances(40)
            .total_memories(40)
            .total_tables(40)
            .total_stacks(8)
            .max_memories_per_module(16)
            .max_tables_per_module(16)
            .table_elements(100_000)
            .linear_memory_keep_resident(1 << 16);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    };
    [tuned(|_| {}), tuned(unoptimised), tuned(pooled)]
});

fn tuned(tune: impl FnOnce(&mut Config)) -> Sandbox {
    build_tuned(EngineSettings::default(), |config| {
        config.coredump_on_trap(true);
        tune(config);
    })
    .unwrap()
}

/// Runs `source` three times, each in a fresh world and one of them on another engine, and
/// gives what all three came to. `Err` where the module is refused.
pub fn verified(source: &Source) -> anyhow::Result<Outcome> {
    let task = compiler::Task {
        name: &source.name,
        wasm: &source.wasm.bytes().unwrap(),
        wall_clock_max: compiler::EXAMINE_MAX,
    };
    // Nothing but the sandbox counts, since no child is started here.
    let build = compiler::Build {
        settings: EngineSettings::default(),
        digest_memory: true,
        layout: Layout::Reserved,
    };
    let program = |sandbox: &Sandbox| -> anyhow::Result<Program> {
        let code = compiler::compile(&task, sandbox, build)?;
        let linked = Linked::new(&sandbox.engine, &code.loaded(sandbox)?)?;
        Ok(Program {
            script: None,
            sandbox: sandbox.clone(),
            surface: linked.surface(&sandbox.engine),
            asks_model: linked.asks_model(&sandbox.engine),
            linked: linked.into(),
            plan: source.plan(&Policy::current(Governance::default()))?,
            canonical: source.descriptor.canonical()?,
            module: source.module,
            digest_memory: true,
            begun: Stopwatch::start(),
        })
    };
    let [engine, others @ ..] = &*ENGINES;
    // As good as by lot, but the same one every time.
    let other = &others[usize::from(source.module.as_bytes()[0]) % others.len()];
    assert_eq!(other.identity, engine.identity);
    let here = program(engine)?;
    let first = run(source, &here);
    assert_eq!(run(source, &here), first, "{}: run 2 differs", source.name);
    let elsewhere = run(source, &program(other)?);
    // How deep a guest gets is a matter of the compiled code, and the one thing that is
    // promised for one build alone (docs/determinism.md, limits).
    if !first.overflowed_stack() && !elsewhere.overflowed_stack() {
        assert_eq!(elsewhere, first, "{}: run 3 differs", source.name);
    }
    Ok(first)
}

/// One run, in a world of its own.
fn run(source: &Source, program: &Program) -> Outcome {
    // In memory where there is such a folder: thousands of worlds would keep a disk busy.
    let folder = TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap();
    let session = Session::create(&folder.path().join("root"), Purpose::Change, |_| {}).unwrap();
    let config = session.config().unwrap().clone();
    let environment = Arc::clone(&session.environment);
    let (_lent, turn) = session.share().unwrap();
    let shared = Arc::clone(turn.shared());
    let id = shared.with_store(|store| {
        let descriptor = store.put_blob(program.canonical.as_bytes()).unwrap().sha256;
        store
            .create_mission(&NewMission {
                mission_type: &program.plan.descriptor().mission_type,
                name: &source.name,
                descriptor,
                module: program.module,
                created_ms: 0,
                facts: &Facts::default(),
            })
            .unwrap()
    });
    let model = program.asks_model.then(|| MODEL.to_owned());
    let live = Live {
        hold: Hold::new(id, turn),
        gateway: Gateway::default(),
        model: Model::new(
            model.clone(),
            CachePolicy::Frozen,
            config,
            environment,
            bundle::frozen(),
            |_| {},
            |_| {},
        ),
        flights: Flights::default(),
        tell: |_| {},
    };
    let limits = *program.plan.authority().limits();
    let tape = Tape::record(Recorder::new(id, live, Vec::new(), limits).unwrap());
    let longest = Duration::from_mins(10);
    let models = coo_kernel::llm::models::Chosen {
        default: model,
        ..Default::default()
    };
    let mut executed = block_on(execute(program, &models, longest, tape, None));
    block_on(executed.tape.commit(Durability::Process)).unwrap();
    outcome(&source.name, executed)
}

fn outcome(name: &str, executed: Executed) -> Outcome {
    let Executed {
        tape,
        stopped,
        failure,
        output,
        stderr,
        used,
        memory_sha256,
        backtrace,
        ..
    } = executed;
    if let Err(stop) = stopped {
        panic!("{name}: stopped from outside: {stop:?}");
    }
    let chain = tape.chain();
    let recorder = tape.into_recorder().unwrap();
    // The journal, read back and folded, says what ran.
    let shared = recorder.live.hold.shared();
    let walked = shared.with_store(|store| history::walk(store, recorder.id, |_| Ok(())));
    let (folded, stored) = walked.unwrap();
    assert_eq!(stored, chain, "{name}");
    assert_eq!(folded.failure, failure, "{name}");
    let end = if failure.is_none() {
        State::Complete
    } else {
        State::Failed
    };
    assert_eq!(folded.state(), Some(end), "{name}");
    Outcome {
        failure,
        output: String::from_utf8_lossy(&output).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        chain_head: chain.head(),
        events: chain.seq(),
        fuel: used.fuel,
        memory_peak_bytes: used.memory_bytes,
        memory_sha256,
        backtrace,
    }
}
