//! Fuzzes amendments: parses any bytes, and applies them where possible; see
//! `coo_fuzz::amendments`. A text input is a file of amendments followed by documents, each after a
//! line `%% PATH`.
#![no_main]

use std::collections::BTreeMap;

use coo_fuzz::sections::sections;
use coo_fuzz::{amendments, recipe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(mut recipe) = recipe(input) {
        if let Ok((file, documents)) = amendments::made(&mut recipe) {
            amendments::check(&file, &documents);
        }
        return;
    }
    let (file, documents) = sections(input);
    let documents: BTreeMap<String, String> = documents
        .into_iter()
        .map(|(path, text)| (path, String::from_utf8_lossy(text).into_owned()))
        .collect();
    amendments::check(file, &documents);
});
