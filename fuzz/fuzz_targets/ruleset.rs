//! Fuzzes rulesets of the scanner and the lint: parses any bytes, and applies them where possible;
//! see `coo_fuzz::ruleset`. A text input is a ruleset and, after a line `%% FILE`, the file it is
//! applied to.
#![no_main]

use coo_fuzz::sections::sections;
use coo_fuzz::{recipe, ruleset};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(mut recipe) = recipe(input) {
        if let Ok((rules, content)) = ruleset::made(&mut recipe) {
            ruleset::check(&rules, &content);
        }
        return;
    }
    let (rules, files) = sections(input);
    let content = files.first().map_or(&b""[..], |(_, content)| content);
    ruleset::check(rules, content);
});
