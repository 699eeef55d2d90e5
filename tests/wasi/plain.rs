//! Plain wasmtime: the crates that the wasmtime command is made of, as it uses them for a core
//! module, without anything of ours but the instant at which the wall clock starts.

use std::time::Duration;

use wasmtime::{Config, Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{HostWallClock, I32Exit, WasiCtxBuilder};

use super::Given;

/// Where a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Stopped(String),
}

#[derive(Debug)]
pub struct Plain {
    pub end: End,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

struct Fixed;

impl HostWallClock for Fixed {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(coo::inside::runtime::WALL_CLOCK_START_S)
    }
}

const OUTPUT_BYTES_MAX: usize = 16 << 20;

pub fn run(wasm: &[u8], given: &Given) -> Plain {
    let mut config = Config::new();
    config.cranelift_nan_canonicalization(true);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, wasm).unwrap();
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |context| context).unwrap();
    // The only change: wasmtime refuses to pass on a status from 126 on, with words of its own.
    linker.allow_shadowing(true);
    let exit = |status: i32| -> wasmtime::Result<()> { Err(I32Exit(status).into()) };
    linker
        .func_wrap("wasi_snapshot_preview1", "proc_exit", exit)
        .unwrap();
    let stdout = MemoryOutputPipe::new(OUTPUT_BYTES_MAX);
    let stderr = MemoryOutputPipe::new(OUTPUT_BYTES_MAX);
    // A descriptor's variables have an order of their own.
    let mut environment = given.environment.clone();
    environment.sort();
    let context = WasiCtxBuilder::new()
        .arg("mission.wasm")
        .args(&given.arguments)
        .envs(&environment)
        .stdin(MemoryInputPipe::new(given.input.clone()))
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .wall_clock(Fixed)
        .build_p1();
    let mut store = Store::new(&engine, context);
    let ended = linker
        .instantiate(&mut store, &module)
        .and_then(|instance| {
            for name in ["_initialize", "_start"] {
                if let Some(entry) = instance.get_func(&mut store, name) {
                    entry.typed::<(), ()>(&store)?.call(&mut store, ())?;
                }
            }
            Ok(())
        });
    let end = match ended {
        Ok(()) => End::Exit(0),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(status)) => End::Exit(*status),
            None => End::Stopped(format!("{error:#}")),
        },
    };
    Plain {
        end,
        stdout: stdout.contents().to_vec(),
        stderr: stderr.contents().to_vec(),
    }
}
