//! Fuzzes the rewriter of imports with any bytes, and with Python made from a grammar; see
//! `coo_fuzz::python`. A text input is a source, tried with every case.
#![no_main]

use coo_fuzz::python::{Case, check, program};
use coo_fuzz::recipe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(mut recipe) = recipe(input) else {
        for case in Case::all() {
            check::any(input, &case);
        }
        return;
    };
    if let Ok(case) = Case::made(&mut recipe)
        && let Ok(source) = program(&mut recipe, &case.moved)
    {
        check::program(&source, &case);
    }
});
