//! Write missions for coo in Rust: a function from a `String` to a `Result<String>`, and
//! three things it may do to the world: ask a language model ([`llm`]), use a database
//! ([`db`]), write an artefact ([`gateway`]). There is no fourth; files, network, real time
//! and real randomness do not exist inside a mission. This crate wraps the generated
//! [`bindings`] thinly and never performs an effect of its own.
//!
//! ```
//! use coo_guest::{Error, gateway, llm};
//!
//! fn run(input: String) -> Result<String, Error> {
//!     let answer = llm::ask("You are terse.", &input)?;
//!     gateway::write("notes/Answer_v1.0.md", &answer)?;
//!     Ok(answer)
//! }
//!
//! coo_guest::mission!(run);
//! ```
//!
//! Compile it with `cargo build --release --target wasm32-wasip1` as a `cdylib`; start from
//! a copy of `guest-sdk/template`.
//!
//! What makes a mission repeatable is the host's affair: clocks and random numbers are fixed
//! and seeded, and every answer of the three imports is recorded. An error that reaches the
//! mission is part of that record; a failure of the outside (network, missing key) stops the
//! run instead and is never seen here.

pub mod bindings;
pub mod db;
mod error;
pub mod gateway;
pub mod llm;

pub use error::Error;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Exports a function as the mission's `run`. Use it once in a `cdylib` crate.
///
/// The function takes the mission's input and gives its output:
/// `fn run(input: String) -> Result<String, E>` with any `E: Display`, most often
/// [`Error`]. An `Err` ends the mission FAILED with that text as its reason, and none of its
/// changes to the database or the artefacts happen.
#[macro_export]
macro_rules! mission {
    ($run:path) => {
        // The export is a C function by nature; an author's `deny(unsafe_code)` stays usable.
        #[allow(unsafe_code)]
        const _: () = {
            struct Mission;

            impl $crate::bindings::Guest for Mission {
                fn run(
                    input: ::std::string::String,
                ) -> ::std::result::Result<::std::string::String, ::std::string::String> {
                    ::std::result::Result::map_err($run(input), |error| {
                        ::std::string::ToString::to_string(&error)
                    })
                }
            }

            $crate::bindings::export_run! { Mission with_types_in $crate::bindings }
        };
    };
}
