//! Why a call got no answer: operational causes, not the content of the request.
//! Invariant: no text here holds the API key, because every text from outside is cleaned first.
//! Such a failure is never part of the deterministic record; the next run may succeed.

use std::borrow::Cow;

/// A model call that could not be made, or whose outcome says nothing about the request.
///
/// `server` is always its scheme and authority. `said` is always the provider's words with an
/// introduction, and empty if it said nothing. Messages state what, where, and what was found
/// against which limit; `hint` states what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A setting was refused before anything was sent.
    #[error("{what} refused: {found}")]
    Setting {
        what: String,
        found: String,
        next: &'static str,
    },
    /// HTTP 401 or 403, or an error that means the same.
    #[error("model call not authorised: {server} answered {status}{said}")]
    Unauthorised {
        server: String,
        /// Mostly 401 or 403.
        status: u16,
        said: String,
    },
    /// HTTP 402, or an error that means the same.
    #[error("model call not paid for: {server} answered {status}{said}")]
    Unpaid {
        server: String,
        /// Mostly 402.
        status: u16,
        said: String,
    },
    /// The account's quota is used up; waiting does not help.
    #[error("model quota used up: {server} answered {status}{said}")]
    QuotaUsedUp {
        server: String,
        /// Mostly 429.
        status: u16,
        said: String,
    },
    /// The model does not exist, or not for this account.
    #[error("no such model: {server} answered {status}{said}")]
    NoModel {
        server: String,
        /// Mostly 404.
        status: u16,
        said: String,
        model: String,
    },
    /// The server redirected the call. Nothing was sent to the other place.
    #[error(
        "model call redirected: {server} answered {status}, to {location}; redirects are never \
         followed, since the key would travel"
    )]
    Redirected {
        server: String,
        /// 300 to 399.
        status: u16,
        /// The target, as the server stated it.
        location: String,
    },
    /// The server asks to wait longer than `retry` permits.
    #[error(
        "model call postponed: {server} {last}, and asks to wait {asked_s} s; \
         the limit is {limit_s} s"
    )]
    Postponed {
        server: String,
        /// What the last attempt met.
        last: String,
        /// Seconds that `Retry-After` asks for.
        asked_s: u64,
        /// Most seconds that one wait may take.
        limit_s: u64,
    },
    /// Every attempt met a problem that may pass.
    #[error("model call failed: {server} {last}, on the last of {attempts} attempt(s)")]
    Exhausted {
        server: String,
        /// What the last attempt met.
        last: String,
        attempts: u32,
        next: String,
    },
    /// No connection to the server was possible, and another attempt would not change that.
    #[error("no usable connection to {server}: {found}")]
    Connection {
        server: String,
        found: String,
        next: &'static str,
    },
    /// The server's response is not an answer.
    #[error("unusable answer from {server}: {found}")]
    Unusable {
        server: String,
        /// What was found, and the limit if there is one.
        found: String,
        next: &'static str,
    },
}

impl Failure {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Setting { next, .. }
            | Self::Connection { next, .. }
            | Self::Unusable { next, .. } => (*next).into(),
            Self::Exhausted { next, .. } => next.clone().into(),
            Self::Unauthorised { .. } => "check the API key and what it may use".into(),
            Self::Unpaid { .. } => "add credit to the account or use another key".into(),
            Self::QuotaUsedUp { .. } => "raise the account's quota or use another key".into(),
            Self::NoModel { model, .. } => format!(
                "check the name '{model}'; a mission keeps its model: to ask another, set \
                 COO_LLM_MODEL and run the mission again"
            )
            .into(),
            Self::Redirected { .. } => "set the base URL to the final address".into(),
            Self::Postponed { .. } => "run again after that time".into(),
        })
    }
}
