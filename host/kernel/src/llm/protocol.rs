//! The chat-completions protocol as decisions: what a server's response means, whether to try
//! again, and what may have been paid for. `docs/providers.md` is the table of these decisions.
//!
//! Invariant: pure and total. Every status, every body and every finish reason has one meaning,
//! and bytes that can't be understood never count as an answer. Nothing here talks to a server,
//! and no provider's words leave before the caller's `clean` has processed them.

mod body;
pub mod exchange;
pub mod failure;
pub mod finish;
pub mod judge;
pub mod parse;
pub mod retry;
pub mod sense;
pub mod stated;
pub mod stream;
mod value;

pub use body::request_body;
pub use exchange::{Reach, Standing};
pub use failure::Failure;
pub use judge::{Origin, Received, Site, Verdict, judge};
