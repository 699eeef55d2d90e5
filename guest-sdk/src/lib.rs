//! Write missions for coo in Rust: a mission is a function from a `String` to a
//! `Result<String>` that may ask language models ([`llm`]; feature `chat` for tools, JSON and
//! several models), use a database ([`db`]) and write artefacts ([`gateway`]). It can do nothing else: files, network, real time and real randomness
//! do not exist inside a mission. This crate is a thin wrapper around the generated
//! [`bindings`] and performs no effects of its own.
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
//! `coo init DIR` makes a project with such a mission and this crate, and `coo build` compiles it as a
//! `cdylib` for `wasm32-wasip1`.
//!
//! The host makes missions repeatable: it fixes clocks, seeds random numbers, and records every
//! answer of the three imports. An error that reaches the mission is part of the record. A
//! failure outside the sandbox (network, missing key) stops the run instead and never reaches the
//! mission.

pub mod bindings;
#[cfg(feature = "chat")]
pub mod chat;
pub mod db;
mod error;
pub mod gateway;
pub mod llm;

pub use error::Error;

/// A `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Exports a function as the mission's `run`. Use it once in a `cdylib` crate.
///
/// The function takes the mission's input and returns its output:
/// `fn run(input: String) -> Result<String, E>` with any `E: Display`, usually [`Error`]. An
/// `Err` ends the mission FAILED with that text as its reason, and none of its changes to the
/// database or the artefacts are kept.
#[macro_export]
macro_rules! mission {
    ($run:path) => {
        // The export is a C function; this lets authors keep `deny(unsafe_code)`.
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
