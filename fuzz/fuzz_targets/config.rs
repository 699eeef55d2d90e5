//! Fuzzes configurations: parses any text and checks what its patterns match; see
//! `coo_fuzz::config`. A text input is a `coo.toml` followed by files, each after a line `%% PATH`.
#![no_main]

use coo_fuzz::sections::sections;
use coo_fuzz::{config, recipe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(mut recipe) = recipe(input) {
        if let Ok((text, files)) = config::made(&mut recipe) {
            config::check(&text, &files);
        }
        return;
    }
    let (text, files) = sections(input);
    if let Ok(text) = str::from_utf8(text) {
        let files: Vec<_> = files
            .into_iter()
            .map(|(path, content)| (path, content.to_vec()))
            .collect();
        config::check(text, &files);
    }
});
