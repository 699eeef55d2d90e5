//! What the fuzz targets share: inputs that get deep, made of the fuzzer's bytes, and what has to
//! hold of every answer. An input is either a text that a person could write, as those in
//! `seeds/` are, or a recipe by which one is made; the first byte says which.

pub mod amendments;
pub mod config;
pub mod patch;
pub mod python;
pub mod ruleset;
pub mod sections;

use arbitrary::{Result, Unstructured};

/// The recipe that an input is, if it is none of a text: its first byte is one that no text
/// begins with.
pub fn recipe(input: &[u8]) -> Option<Unstructured<'_>> {
    let (first, rest) = input.split_first()?;
    let is_text = matches!(first, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0xef);
    (!is_text).then(|| Unstructured::new(rest))
}

/// One of `from`, as the recipe says.
pub fn pick<'t>(recipe: &mut Unstructured<'_>, from: &[&'t str]) -> Result<&'t str> {
    recipe.choose(from).copied()
}

/// Pieces of `from`, one after the other.
pub fn several(recipe: &mut Unstructured<'_>, from: &[&str], most: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..recipe.int_in_range(0..=most)? {
        text.push_str(pick(recipe, from)?);
    }
    Ok(text)
}
