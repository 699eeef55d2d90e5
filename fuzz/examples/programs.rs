//! Prints what the target `python_imports` makes of inputs, as one line of JSON each: the source,
//! the move and the result. The inputs are files (to look at a finding) or random recipes;
//! `compare.py` runs the programs.
//!
//! ```text
//! programs FILE...
//! programs --random COUNT SEED
//! ```

use std::error::Error;

use coo_engines::python::rewrite;
use coo_fuzz::python::{Case, program};
use coo_fuzz::recipe;
use serde_json::json;

/// Bytes of a random recipe.
const RECIPE_BYTES: usize = 400;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [option, count, seed] = arguments.as_slice()
        && option == "--random"
    {
        let (count, mut state): (u64, u64) = (count.parse()?, seed.parse()?);
        for _ in 0..count {
            let bytes: Vec<u8> = (0..RECIPE_BYTES).map(|_| random(&mut state)).collect();
            made(&[&[1], bytes.as_slice()].concat())?;
        }
        return Ok(());
    }
    for file in &arguments {
        let input = std::fs::read(file)?;
        if recipe(&input).is_some() {
            made(&input)?;
        } else {
            let source = String::from_utf8_lossy(&input);
            Case::all().for_each(|case| show(&source, &case));
        }
    }
    Ok(())
}

fn made(input: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut recipe = recipe(input).ok_or("is no recipe")?;
    let case = Case::made(&mut recipe)?;
    show(&program(&mut recipe, &case.moved)?, &case);
    Ok(())
}

fn show(source: &str, case: &Case) {
    let answer = rewrite(
        source.as_bytes(),
        case.place.as_ref(),
        &case.moved,
        &case.dynamic,
    );
    let (now, questions, refused) = match answer {
        Ok(rewritten) => {
            let now = rewritten.content.unwrap_or(source.as_bytes().to_vec());
            let now = String::from_utf8_lossy(&now).into_owned();
            (now, rewritten.questions, None)
        }
        Err(error) => (String::new(), Vec::new(), Some(error.to_string())),
    };
    let place = case.place.as_ref();
    let line = json!({
        "from": case.moved.from,
        "to": case.moved.to,
        "before": place.map(|place| &place.before),
        "after": place.map(|place| &place.after),
        "is_package": place.is_some_and(|place| place.is_package),
        "strings": case.dynamic.strings || !case.dynamic.calls.is_empty(),
        "source": source,
        "now": now,
        "questions": questions,
        "refused": refused,
    });
    println!("{line}");
}

/// Returns the next byte of `SplitMix64` (Steele, Lea and Flood): uniform, and the same on every
/// machine.
fn random(state: &mut u64) -> u8 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).to_le_bytes()[0]
}
