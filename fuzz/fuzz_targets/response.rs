//! Fuzzes responses of model servers: gives any status and any body its meaning; see
//! `coo_fuzz::response`. A text input is a line with the status, and the body.
#![no_main]

use coo_fuzz::{recipe, response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(mut recipe) = recipe(input) {
        if let Ok((status, body)) = response::made(&mut recipe) {
            response::check(status, &body);
        }
        return;
    }
    let mut lines = input.splitn(2, |&byte| byte == b'\n');
    let status = lines.next().and_then(|line| str::from_utf8(line).ok());
    let status = status.and_then(|line| line.trim().parse().ok());
    response::check(status.unwrap_or(200), lines.next().unwrap_or_default());
});
