//! Runs asynchronous work: the process's one tokio runtime, made when it is first needed. Knows nothing of
//! the work.

use std::future::Future;
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Runs `work` to its end on the calling thread. What it spawns runs there as well, while this waits.
/// Never called inside of asynchronous work.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    if RUNTIME.get().is_none() {
        let runtime = Builder::new_current_thread().enable_all().build();
        let _ = RUNTIME.set(runtime.context("asynchronous work: can't begin")?);
    }
    let runtime = RUNTIME.get().context("asynchronous work: no runtime")?;
    Ok(runtime.block_on(work))
}

/// Runs `work`, and what it spawns on as many threads as there are processors. Never called inside of
/// asynchronous work.
pub fn block_on_all<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    Ok(runtime
        .context("asynchronous work: can't begin")?
        .block_on(work))
}
