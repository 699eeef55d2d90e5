//! Why no answer could be had: everything that is a matter of operation, not of the request.
//! Invariant: no text here holds the API key; the texts that fill one in are cleaned. Such a
//! failure is never part of the deterministic record: run again, and it may be gone.

/// A model call that could not be made, or whose outcome says nothing about the request.
///
/// Messages say what, where, what was found against which limit, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A setting was refused before anything was sent.
    #[error("{what} refused: {found}; {next}")]
    Setting {
        /// Which setting.
        what: String,
        /// What is wrong with it.
        found: String,
        /// What to do.
        next: &'static str,
    },
    /// HTTP 401 or 403, or an error that means the same.
    #[error(
        "model call not authorised: {server} answered {status}{said}; \
         check the API key and what it may use"
    )]
    Unauthorised {
        /// Scheme and authority.
        server: String,
        /// 401 or 403.
        status: u16,
        /// The provider's words, with their introduction; empty without any.
        said: String,
    },
    /// HTTP 402.
    #[error(
        "model call not paid for: {server} answered {status}{said}; \
         add credit to the account or use another key"
    )]
    Unpaid {
        /// Scheme and authority.
        server: String,
        /// 402.
        status: u16,
        /// As in `Unauthorised`.
        said: String,
    },
    /// The account's quota is used up; waiting does not help.
    #[error(
        "model quota used up: {server} answered {status}{said}; \
         raise the account's quota or use another key"
    )]
    QuotaUsedUp {
        /// Scheme and authority.
        server: String,
        /// Mostly 429.
        status: u16,
        /// As in `Unauthorised`.
        said: String,
    },
    /// No such model, or none for this account.
    #[error(
        "no such model: {server} answered {status}{said}; check the name '{model}'; a mission keeps \
         its model: to ask another, set COO_LLM_MODEL and run the mission again"
    )]
    NoModel {
        /// Scheme and authority.
        server: String,
        /// Mostly 404.
        status: u16,
        /// As in `Unauthorised`.
        said: String,
        /// The model asked for.
        model: String,
    },
    /// The server points elsewhere. Nothing was sent there.
    #[error(
        "model call redirected: {server} answered {status}, to {location}; redirects are never \
         followed, since the key would travel: set the base URL to the final address"
    )]
    Redirected {
        /// Scheme and authority.
        server: String,
        /// 300 to 399.
        status: u16,
        /// Where to, as the server said it.
        location: String,
    },
    /// The server asks for more patience than there is.
    #[error(
        "model call postponed: {server} {last}, and asks to wait {asked_s} s; \
         the limit is {limit_s} s; run again after that time"
    )]
    Postponed {
        /// Scheme and authority.
        server: String,
        /// What the last attempt met.
        last: String,
        /// Seconds asked for by `Retry-After`.
        asked_s: u64,
        /// Seconds that one wait may take.
        limit_s: u64,
    },
    /// Every attempt met a trouble that may pass.
    #[error("model call failed: {server} {last}, on the last of {attempts} attempt(s); {next}")]
    Exhausted {
        /// Scheme and authority.
        server: String,
        /// What the last attempt met.
        last: String,
        /// How many were made.
        attempts: u32,
        /// What to do.
        next: String,
    },
    /// The server could not be talked to, and asking again would not change that.
    #[error("no usable connection to {server}: {found}; {next}")]
    Connection {
        /// Scheme and authority.
        server: String,
        /// What happened.
        found: String,
        /// What to do.
        next: &'static str,
    },
    /// The server answered with something that is no answer.
    #[error("unusable answer from {server}: {found}; {next}")]
    Unusable {
        /// Scheme and authority.
        server: String,
        /// What was found, and the limit where there is one.
        found: String,
        /// What to do.
        next: &'static str,
    },
}
