//! Moves the start of the stack that an interpreter keeps in its linear memory. CPython looks at this
//! stack to raise `RecursionError` in time, and never sees the engine's stack, which C functions with
//! small frames (`repr`, `json`) use up earlier. A lower start makes CPython count the bytes above it as
//! used, so that it stops first. Changes nothing else.

use anyhow::{Result, ensure};

/// Bytes of stack that count as used. With 8 MiB of the engine's stack, the `repr` of nested lists trapped
/// at some 31,000 levels, and is a `RecursionError` at 15,000 with this. `json.loads` still traps at some
/// 19,000 levels, comparisons at 21,000, chains of iterators at 42,000: their frames here are smaller. More
/// would cost what scripts need: Python code that calls itself through C gets 1,055 levels from the rest,
/// just more than the limit of 1,000 that the interpreter counts.
const RESERVED_BYTES: u32 = 512 << 10;
/// Bytes of stack in linear memory, from its bottom at 0: wit-component's default, which componentize-py keeps.
const STACK_BYTES: u32 = 1 << 20;

/// Lowers the initial value of the stack pointer in place.
pub fn lower(component: &mut [u8]) -> Result<()> {
    // The globals of the module that defines the memory begin with the stack's pointer and its upper end.
    let pair = [global(STACK_BYTES), global(STACK_BYTES)].concat();
    let places: Vec<usize> = component
        .windows(pair.len())
        .enumerate()
        .filter(|(_, found)| *found == pair)
        .map(|(place, _)| place)
        .collect();
    ensure!(
        places.len() == 1,
        "stack pointer: {} places look like its definition, 1 expected",
        places.len()
    );
    let pointer = global(STACK_BYTES - RESERVED_BYTES);
    component[places[0]..places[0] + pointer.len()].copy_from_slice(&pointer);
    Ok(())
}

/// A mutable `i32` global that is initialised with a number, as a module states it.
fn global(value: u32) -> [u8; 8] {
    let low = |shift: u32| u8::try_from(value >> shift & 0x7f).unwrap_or_default();
    // LEB128 in four bytes, also where fewer would do: no length changes.
    [
        0x7f,
        0x01,
        0x41,
        low(0) | 0x80,
        low(7) | 0x80,
        low(14) | 0x80,
        low(21),
        0x0b,
    ]
}
