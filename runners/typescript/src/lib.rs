//! Turns TypeScript into JavaScript by replacing types with spaces, so that every line and every column
//! stays where it was, and lists the imports of a file by a relative path. Reads and writes nothing: the
//! module imports nothing at all.
//!
//! The module exports `alloc(bytes) -> pointer` and `strip(pointer, bytes, is_typescript) -> pointer << 32
//! | bytes`, over UTF-8 text; the result is JSON, `Parsed` or `Refused`.

mod blank;
mod strip;

pub use strip::{Import, Parsed, Refused, parse};

#[cfg(target_arch = "wasm32")]
mod exports {
    use super::parse;

    /// The host compiles programs, so this module is one: a program that does nothing by itself.
    #[unsafe(no_mangle)]
    pub extern "C" fn _start() {}

    /// Returns memory for `bytes` bytes, which the caller fills and gives to `strip`.
    #[unsafe(no_mangle)]
    pub extern "C" fn alloc(bytes: u32) -> *mut u8 {
        Box::leak(vec![0; bytes as usize].into_boxed_slice()).as_mut_ptr()
    }

    /// Takes a source text and returns JSON.
    ///
    /// # Safety
    ///
    /// `pointer` is from `alloc(bytes)`, and the memory holds UTF-8 text.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn strip(pointer: *const u8, bytes: u32, is_typescript: u32) -> u64 {
        // SAFETY: the caller's promise.
        let source = unsafe { std::slice::from_raw_parts(pointer, bytes as usize) };
        let text = match std::str::from_utf8(source) {
            Ok(source) => match parse(source, is_typescript != 0) {
                Ok(parsed) => serde_json::to_vec(&parsed),
                Err(refused) => serde_json::to_vec(&refused),
            },
            Err(_) => Ok(br#"{"line":1,"reason":"is not UTF-8 text"}"#.to_vec()),
        };
        let text = text.unwrap_or_default().leak();
        (text.as_ptr() as u64) << 32 | text.len() as u64
    }
}
