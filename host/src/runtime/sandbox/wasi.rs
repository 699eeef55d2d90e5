//! WASI for both kinds of guests: wasmtime-wasi with coo's streams, clocks and random numbers,
//! without folders and network. Two interfaces that its context can't configure are implemented
//! here:
//!
//! - `wasi:random`: wasmtime-wasi allocates the requested bytes before they can be refused, has
//!   separate streams for secure and insecure numbers, and a fixed seed. Here there is one stream,
//!   and bytes are charged before they are generated.
//! - `wasi:cli/environment`: unchanged, except that the bytes handed over are charged.

use rand_chacha::rand_core::Rng as _;
use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::bindings::cli::environment;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::clock::VirtualClock;
use super::streams::Streams;
use super::{Guest, RESOURCES_MAX};

/// Gives `wasi:io` access to its resources.
pub struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Creates the WASI context of one step.
pub fn context(
    arguments: &[String],
    environment: &[(String, String)],
    streams: &Streams,
    clock: &VirtualClock,
) -> WasiP1Ctx {
    let mut context = WasiCtx::builder()
        .args(arguments)
        .envs(environment)
        .stdin(streams.stdin())
        .stdout(streams.stdout())
        .stderr(streams.stderr())
        .wall_clock(clock.clone())
        .monotonic_clock(clock.clone())
        .build_p1();
    context.ctx().table.set_max_capacity(RESOURCES_MAX);
    context
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

/// Returns the bytes of the arguments as handed over, each with its terminator.
pub fn arguments_bytes(arguments: &[String]) -> u64 {
    arguments.iter().map(|text| text.len() as u64 + 1).sum()
}

/// Returns the bytes of the variables as handed over, each with its `=` and terminator.
pub fn environment_bytes(environment: &[(String, String)]) -> u64 {
    let lengths = environment
        .iter()
        .map(|(name, value)| name.len() as u64 + value.len() as u64 + 2);
    lengths.sum()
}

impl environment::Host for Guest {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.charge_bytes(environment_bytes(&self.environment))?;
        Ok(self.environment.clone())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        self.charge_bytes(arguments_bytes(&self.arguments))?;
        Ok(self.arguments.clone())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl Guest {
    fn random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.charge_bytes(length)?;
        let mut bytes = vec![0; usize::try_from(length)?];
        self.rng.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl random::Host for Guest {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.rng.next_u64())
    }
}

impl insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.rng.next_u64())
    }
}

impl insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.rng.next_u64(), self.rng.next_u64()))
    }
}
