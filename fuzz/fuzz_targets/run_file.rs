//! Fuzzes exported runs: reads any bytes behind a first line that vouches for them; see
//! `coo_fuzz::run_file`. A text input is what follows the first line.
#![no_main]

use coo_fuzz::{recipe, run_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(mut recipe) = recipe(input) else {
        run_file::check(input);
        return;
    };
    let Ok(mut rest) = run_file::made(&mut recipe) else {
        return;
    };
    run_file::check(&rest);
    if run_file::change(&mut recipe, &mut rest).is_ok() {
        run_file::check(&rest);
    }
});
