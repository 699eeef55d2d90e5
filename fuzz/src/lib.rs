//! Shared code of the fuzz targets: makes inputs that reach deep into the kernel and the engines,
//! and checks what must hold for every result. An input is either a text that a person could write,
//! like those in `seeds/`, or a recipe from which a text is made; the first byte tells which.

pub mod amendments;
pub mod batch_list;
pub mod config;
pub mod descriptor;
pub mod patch;
pub mod python;
pub mod response;
pub mod ruleset;
pub mod run_file;
pub mod sections;

use arbitrary::{Result, Unstructured};

/// Returns the recipe in an input, or none if the input is a text. A recipe's first byte is one
/// that does not begin a text.
pub fn recipe(input: &[u8]) -> Option<Unstructured<'_>> {
    let (first, rest) = input.split_first()?;
    let is_text = matches!(first, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0xef);
    (!is_text).then(|| Unstructured::new(rest))
}

/// Returns an element of `from`, chosen by the recipe.
pub fn pick<'t>(recipe: &mut Unstructured<'_>, from: &[&'t str]) -> Result<&'t str> {
    recipe.choose(from).copied()
}

/// Returns up to `most` pieces of `from`, joined.
pub fn several(recipe: &mut Unstructured<'_>, from: &[&str], most: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..recipe.int_in_range(0..=most)? {
        text.push_str(pick(recipe, from)?);
    }
    Ok(text)
}
