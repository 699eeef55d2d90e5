//! What compiling a module may cost: processor time and memory in proportion to the module's size,
//! so that a small file can't take what only a large one needs. This module only computes numbers;
//! the host sets the limits and ends a compilation that exceeds them.

/// Processor seconds for a module of any size: a hundred times what ten kilobytes take.
const CPU_SECONDS: u64 = 5;
/// More processor seconds for each megabyte (1 << 20 bytes). Large programs take one to four.
const CPU_SECONDS_PER_MEGABYTE: u64 = 10;
/// Bytes of address space for a module of any size: the program itself, the stacks and heaps of
/// its threads, and some hundred megabytes to work with.
const MEMORY_BYTES: u64 = 2 << 30;
/// More bytes of address space for each byte of a module. Large programs take about fifty.
const MEMORY_PER_BYTE: u64 = 128;
/// Most bytes of address space for any module.
pub const MEMORY_BYTES_MAX: u64 = 12 << 30;
/// Real seconds for each processor second: on a busy machine a process waits for its turn.
const WALL_SECONDS_PER_CPU_SECOND: u64 = 10;
/// Most threads that compile: with more, there are no further parts of the work to share.
const THREADS_MAX: u64 = 8;
/// Bytes of address space for each thread, which reserves some of it for stack and heap.
const MEMORY_BYTES_PER_THREAD: u64 = 256 << 20;

/// What one compilation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Processor seconds of all threads together.
    pub cpu_seconds: u64,
    /// Bytes of address space.
    pub memory_bytes: u64,
    pub wall_seconds: u64,
}

impl Allowance {
    /// Returns the allowance for a module of `bytes` bytes. A value that the user sets replaces the
    /// computed one.
    #[must_use]
    pub fn of(bytes: u64, cpu_seconds: Option<u64>, memory_bytes: Option<u64>) -> Self {
        let per_size = (bytes.saturating_mul(CPU_SECONDS_PER_MEGABYTE)) >> 20;
        let cpu_seconds = cpu_seconds
            .unwrap_or(CPU_SECONDS.saturating_add(per_size))
            .max(1);
        let memory_bytes = memory_bytes.unwrap_or_else(|| {
            let per_size = bytes.saturating_mul(MEMORY_PER_BYTE);
            MEMORY_BYTES.saturating_add(per_size).min(MEMORY_BYTES_MAX)
        });
        Self {
            cpu_seconds,
            memory_bytes,
            wall_seconds: cpu_seconds.saturating_mul(WALL_SECONDS_PER_CPU_SECOND),
        }
    }

    /// Returns how many threads may compile on `processors` processors. `address_space` is the
    /// limit of the process itself, in bytes, if it has one.
    #[must_use]
    pub fn threads(&self, processors: u64, address_space: Option<u64>) -> u64 {
        let memory = self.memory_bytes.min(address_space.unwrap_or(u64::MAX));
        let affordable = memory / MEMORY_BYTES_PER_THREAD;
        processors.min(THREADS_MAX).min(affordable).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_module_gets_little_and_a_large_one_what_it_needs() {
        let small = Allowance::of(10_000, None, None);
        assert_eq!((small.cpu_seconds, small.wall_seconds), (5, 50));
        assert_eq!(small.memory_bytes, (2 << 30) + 10_000 * 128);
        let python = Allowance::of(26 << 20, None, None);
        assert_eq!(python.cpu_seconds, 5 + 26 * 10);
        assert_eq!(python.memory_bytes, (2 << 30) + (26 << 27));
    }

    #[test]
    fn what_the_user_sets_is_taken() {
        let set = Allowance::of(1, Some(7), Some(9));
        assert_eq!((set.cpu_seconds, set.memory_bytes), (7, 9));
        // Without any time there would be no answer, not even an error.
        assert_eq!(Allowance::of(1, Some(0), None).cpu_seconds, 1);
    }

    #[test]
    fn threads_are_as_many_as_there_is_room_for() {
        let allowance = Allowance::of(0, None, None);
        assert_eq!(allowance.threads(64, None), 8);
        assert_eq!(allowance.threads(2, None), 2);
        assert_eq!(allowance.threads(64, Some(1 << 30)), 4);
        assert_eq!(allowance.threads(64, Some(1)), 1);
    }

    proptest! {
        #[test]
        fn more_bytes_never_get_less(bytes: u64, more: u32) {
            let (one, other) = (
                Allowance::of(bytes, None, None),
                Allowance::of(bytes.saturating_add(u64::from(more)), None, None),
            );
            prop_assert!(one.cpu_seconds <= other.cpu_seconds);
            prop_assert!(one.memory_bytes <= other.memory_bytes);
            prop_assert!(other.memory_bytes <= MEMORY_BYTES_MAX);
        }
    }
}
