//! The floor of every figure that runs a guest: wasmtime with the engine settings that `coo` uses,
//! imports that answer at once, and nothing else. Also the work of this program's children.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use coo::inside::machine::Stopwatch;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::EngineSettings;
use rusqlite::Connection;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store, StoreContextMut};

use crate::table::us;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "coo:mission/mission",
    });
}
use bindings::coo::mission::{db, gateway, llm};

/// The host that answers the guest.
pub struct Bare {
    /// Runs the statements; without it, they are answered but not run.
    database: Option<Connection>,
    /// The answer to every model call.
    completion: String,
}

impl llm::Host for Bare {
    fn complete(&mut self, _: llm::Request) -> Result<llm::Completion, llm::Error> {
        Ok(llm::Completion {
            text: self.completion.clone(),
            model: "bench".to_owned(),
            finish_reason: llm::FinishReason::Stop,
            usage: llm::Usage {
                prompt_tokens: None,
                completion_tokens: None,
            },
        })
    }
}

impl Bare {
    /// Runs the statement on a bare connection and returns its first value.
    fn select(
        database: &Connection,
        sql: &str,
        params: &[db::Value],
    ) -> rusqlite::Result<db::Rows> {
        let mut statement = database.prepare_cached(sql)?;
        let params = params.iter().filter_map(|value| match value {
            db::Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let mut rows = statement.query(rusqlite::params_from_iter(params))?;
        let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let value = match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => db::Value::Integer(number),
            other => db::Value::Text(other.as_str()?.to_owned()),
        };
        Ok(db::Rows {
            columns: vec![row.as_ref().column_name(0)?.to_owned()],
            rows: vec![vec![value]],
        })
    }
}

impl db::Host for Bare {
    fn query(&mut self, sql: String, params: Vec<db::Value>) -> Result<db::Rows, db::Error> {
        match &self.database {
            Some(database) => Self::select(database, &sql, &params)
                .map_err(|error| db::Error::Failed(error.to_string())),
            None => Ok(db::Rows {
                columns: vec!["1".to_owned()],
                rows: vec![vec![
                    params.into_iter().next().unwrap_or(db::Value::Integer(1)),
                ]],
            }),
        }
    }

    fn execute(&mut self, sql: String, _: Vec<db::Value>) -> Result<u64, db::Error> {
        match &self.database {
            Some(database) => database
                .prepare_cached(&sql)
                .and_then(|mut statement| statement.execute([]))
                .map(|changed| changed as u64)
                .map_err(|error| db::Error::Failed(error.to_string())),
            None => Ok(1),
        }
    }
}

impl gateway::Host for Bare {
    fn write(
        &mut self,
        path: String,
        content: Vec<u8>,
    ) -> Result<gateway::Receipt, gateway::Error> {
        Ok(gateway::Receipt {
            path,
            sha256: Digest::of(&content).to_string(),
            bytes: content.len() as u64,
        })
    }
}

/// Returns wasmtime with `coo`'s engine settings: the same machine code, the same fuel.
pub fn engine() -> Result<Engine> {
    Ok(coo::inside::program::engine::build(EngineSettings::default())?.engine)
}

/// Returns a linker that answers the calls that these guests make and traps on all others.
fn linker(engine: &Engine, component: &Component) -> Result<Linker<Bare>> {
    fn get(bare: &mut Bare) -> &mut Bare {
        bare
    }
    let mut linker = Linker::new(engine);
    llm::add_to_linker::<_, HasSelf<Bare>>(&mut linker, get)?;
    db::add_to_linker::<_, HasSelf<Bare>>(&mut linker, get)?;
    gateway::add_to_linker::<_, HasSelf<Bare>>(&mut linker, get)?;
    linker
        .instance("wasi:clocks/monotonic-clock@0.2.12")?
        .func_wrap("now", |_: StoreContextMut<'_, Bare>, (): ()| Ok((0_u64,)))?;
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}

/// Instantiates and runs the component; returns what the guest returned.
pub fn run(
    engine: &Engine,
    component: &Component,
    database: Option<Connection>,
    input: &str,
) -> Result<String> {
    let linker = linker(engine, component)?;
    run_linked(engine, &linker, component, database, input)
}

fn run_linked(
    engine: &Engine,
    linker: &Linker<Bare>,
    component: &Component,
    database: Option<Connection>,
    input: &str,
) -> Result<String> {
    let completion = "A short answer that ends with a full stop.".to_owned();
    let mut store = Store::new(
        engine,
        Bare {
            database,
            completion,
        },
    );
    store.set_fuel(u64::MAX)?;
    let instance = linker.instantiate(&mut store, component)?;
    let run = instance.get_typed_func::<(&str,), (Result<String, String>,)>(&mut store, "run")?;
    match run.call(&mut store, (input,))?.0 {
        Ok(text) => Ok(text),
        Err(text) => bail!("guest: {text}"),
    }
}

/// Runs as a child: compiles a component and runs it.
pub fn compile_and_run(component: &str, input: &str) -> Result<()> {
    let engine = engine()?;
    let component = Component::from_file(&engine, component)?;
    let output = run(&engine, &component, None, &std::fs::read_to_string(input)?)?;
    println!("{output}");
    Ok(())
}

/// Runs as a child: maps compiled code, runs it, writes and syncs one block. Prints the time of
/// each phase.
pub fn map_and_run(code: &str, input: &str, log: &str) -> Result<()> {
    let input = std::fs::read_to_string(input)?;
    let mut phases = Stopwatches::start();
    let engine = engine()?;
    phases.lap("engine");
    let component = map(&engine, Path::new(code))?;
    phases.lap("code");
    let linker = linker(&engine, &component)?;
    phases.lap("link");
    let output = run_linked(&engine, &linker, &component, None, &input)?;
    phases.lap("guest");
    let file = OpenOptions::new().write(true).open(log)?;
    file.write_all_at(&[7; 4096], 0)?;
    file.sync_data()?;
    phases.lap("sync");
    std::hint::black_box(output);
    phases.print()
}

/// Runs as a child: maps compiled code and runs it; prints the microseconds and the peak of memory.
pub fn time_guest(code: &str, input: &str) -> Result<()> {
    let stopwatch = Stopwatch::start();
    let engine = engine()?;
    let component = map(&engine, Path::new(code))?;
    run(&engine, &component, None, input)?;
    print_time_and_peak(&stopwatch)
}

/// Prints the microseconds since the start, and the peak of memory in KB.
pub fn print_time_and_peak(stopwatch: &Stopwatch) -> Result<()> {
    let elapsed = us(stopwatch.elapsed());
    let mut status = String::new();
    std::fs::File::open("/proc/self/status")?.read_to_string(&mut status)?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .context("no VmHWM in /proc/self/status")?;
    println!("{elapsed} {}", peak.trim());
    Ok(())
}

fn map(engine: &Engine, code: &Path) -> Result<Component> {
    // SAFETY: this program's parent has just written the file, with the same engine, to a
    // folder of its own.
    let component = unsafe { Component::deserialize_file(engine, code) };
    component.map_err(anyhow::Error::from)
}

/// Times one phase after another and prints the times for the parent.
pub struct Stopwatches {
    running: Stopwatch,
    laps: Vec<(&'static str, f64)>,
}

impl Stopwatches {
    pub fn start() -> Self {
        Self {
            running: Stopwatch::start(),
            laps: Vec::new(),
        }
    }

    pub fn lap(&mut self, name: &'static str) {
        self.laps.push((name, us(self.running.elapsed())));
        self.running = Stopwatch::start();
    }

    /// Leaves the time since the last lap out of every phase.
    pub fn skip(&mut self) {
        self.running = Stopwatch::start();
    }

    pub fn print(self) -> Result<()> {
        let mut text = String::new();
        for (name, elapsed) in self.laps {
            writeln!(text, "{name} {elapsed}")?;
        }
        Ok(std::io::stdout().write_all(text.as_bytes())?)
    }
}
