//! The chat-completions protocol as decisions: what a server's response means, whether a trouble
//! is worth another attempt, what may have been paid for. `docs/providers.md` is its table.
//!
//! Invariant: pure and total. Every status, every body and every finish reason has one meaning,
//! whatever the bytes; what can't be understood is never taken for an answer. Never talks to a
//! server, and never passes on a provider's words before the caller's `clean` has seen them.

pub mod failure;
pub mod finish;
pub mod judge;
pub mod parse;
pub mod retry;
pub mod sense;
pub mod stated;
pub mod stream;

pub use failure::Failure;
pub use judge::{Origin, Received, Site, Verdict, is_in_doubt, judge, request_body};
