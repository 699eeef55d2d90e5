//! Fuzzes lists of missions and rows of inputs: reads any bytes as JSONL and as CSV; see
//! `coo_fuzz::batch_list`. A text input is a list or a file of rows.
#![no_main]

use coo_fuzz::{batch_list, recipe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(mut recipe) = recipe(input) {
        if let Ok(text) = batch_list::made(&mut recipe) {
            batch_list::check(text.as_bytes());
        }
        return;
    }
    batch_list::check(input);
});
