//! Fuzzes descriptors of missions: parses any bytes, and prints what it accepts; see
//! `coo_fuzz::descriptor`. A text input is a `mission.json`.
#![no_main]

use coo_fuzz::{descriptor, recipe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(mut recipe) = recipe(input) {
        if let Ok(text) = descriptor::made(&mut recipe) {
            descriptor::check(text.as_bytes());
        }
        return;
    }
    descriptor::check(input);
});
