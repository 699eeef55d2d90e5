//! The bounds on memories and tables, which the engine asks before it grows one. A guest that hits
//! a bound ends the run with the bound's name and numbers. It never just gets "no", which would
//! turn into an unexplained abort.

use coo_kernel::mission::failure::Bound;
use coo_kernel::mission::ledger;
use coo_kernel::mission::limits::Limits;
use wasmtime::ResourceLimiter;

use crate::effects::stop::Stop;

/// Most core instances, memories and tables of one component; an adapted module has four.
pub const PARTS_MAX: usize = 1_000;

/// The sizes that a step's memories and tables have grown to.
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

    /// Returns the sum of all linear memories in bytes. They never shrink, so this is also the
    /// peak.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }
}

/// Adds a growth to `sum`, up to `limit`. Growth beyond the module's own maximum is the guest's
/// normal failure and not counted.
fn grow(
    sum: &mut u64,
    current: usize,
    desired: usize,
    maximum: Option<usize>,
    bound: Bound,
    limit: u64,
) -> wasmtime::Result<bool> {
    if maximum.is_some_and(|maximum| desired > maximum) {
        return Ok(false);
    }
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
        grow(
            &mut self.memory_bytes,
            current,
            desired,
            maximum,
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
        grow(
            &mut self.table_elements,
            current,
            desired,
            maximum,
            Bound::TableElements,
            self.table_limit,
        )
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // The machine is out of memory. The guest must not see that as an answer.
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
