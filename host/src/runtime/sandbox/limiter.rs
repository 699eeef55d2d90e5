//! The bounds on memory and tables, asked by the engine before it grows any. A bound that is
//! hit ends the run with its name and numbers; a guest is never just told "no", which it
//! would turn into an unexplained abort.

use coo_kernel::mission::failure::Bound;
use coo_kernel::mission::ledger;
use coo_kernel::mission::limits::Limits;
use wasmtime::ResourceLimiter;

use crate::effects::stop::Stop;

/// Core instances, memories and tables of one component: an adapted module has four.
pub const PARTS_MAX: usize = 1_000;

/// What a run's memories and tables have grown to.
#[derive(Debug)]
pub struct Meter {
    memory_bytes: u64,
    memory_limit: u64,
    table_elements: u64,
    table_limit: u64,
}

impl Meter {
    pub fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: 0,
            memory_limit: limits.memory_bytes,
            table_elements: 0,
            table_limit: limits.table_elements,
        }
    }

    /// Sum of all linear memories, in bytes. They never shrink, so this is the peak too.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }
}

fn grow(
    sum: &mut u64,
    current: usize,
    desired: usize,
    bound: Bound,
    limit: u64,
) -> wasmtime::Result<bool> {
    let wanted = sum.saturating_add((desired as u64).saturating_sub(current as u64));
    ledger::check(bound, wanted, limit).map_err(Stop::from)?;
    *sum = wanted;
    Ok(true)
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own bound, and so its own business.
            return Ok(false);
        }
        grow(
            &mut self.memory_bytes,
            current,
            desired,
            Bound::MemoryBytes,
            self.memory_limit,
        )
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        grow(
            &mut self.table_elements,
            current,
            desired,
            Bound::TableElements,
            self.table_limit,
        )
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // The host is out of memory: the machine's failure, which the guest must not see as
        // an answer of its own.
        let error = anyhow::Error::from(error).context("machine: out of memory for the guest");
        Err(Stop::Interrupted(error).into())
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_grow_failed(error)
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}
