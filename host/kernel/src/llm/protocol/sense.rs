//! What a provider's error is about: tables of the codes, types and phrases in use, each listed
//! once. Invariant: a code takes precedence over a phrase, and a phrase is long enough not to
//! match by chance. This module never decides what follows; `judge` does.

/// What an error is about, if its words reveal it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// The key is missing or not accepted.
    Key,
    /// The account has no credit.
    Money,
    /// A quota is used up.
    Quota,
    /// The model does not exist, or not for this account.
    Model,
    /// The request's content is not permitted.
    Moderation,
    /// No API is at this address.
    Place,
}

/// Codes and types that leave no doubt.
const SENSES: [(Sense, &[&str]); 5] = [
    (
        Sense::Quota,
        &[
            "insufficient_quota",
            "quota_exceeded",
            "exceeded_current_quota_error",
            "insufficient_user_quota",
            "billing_hard_limit_reached",
        ],
    ),
    (
        Sense::Money,
        &[
            "insufficient_balance",
            "insufficient_credits",
            "insufficient_funds",
            "payment_required",
            "billing_not_active",
            "billing_error",
            "credit_balance_too_low",
            "arrearage",
        ],
    ),
    (
        Sense::Key,
        &[
            "invalid_api_key",
            "invalidapikey",
            "api_key_invalid",
            "incorrect_api_key",
            "authentication_error",
            "invalid_authentication",
            "invalid_authentication_error",
            "unauthenticated",
            "unauthorized",
        ],
    ),
    (
        Sense::Moderation,
        &[
            "content_filter",
            "content_policy_violation",
            "moderation",
            "moderation_blocked",
            "responsibleaipolicyviolation",
            "datainspectionfailed",
            "data_inspection_failed",
            "prohibited_content",
            "content_blocked",
        ],
    ),
    (
        Sense::Model,
        &[
            "model_not_found",
            "modelnotfound",
            "model_not_available",
            "model_not_exist",
            "model_not_supported",
            "unsupported_model",
            "invalid_model",
            "unknown_model",
            "model_decommissioned",
            "deploymentnotfound",
            "deployment_not_found",
        ],
    ),
];

/// Words of a message that mean the same, in lower case; a row matches if all its words occur.
const PHRASES: [(Sense, &[&str]); 42] = [
    (Sense::Money, &["credit balance"]),
    (Sense::Money, &["insufficient", "balance"]),
    (Sense::Money, &["insufficient", "credit"]),
    (Sense::Money, &["insufficient", "fund"]),
    (Sense::Money, &["requires more credits"]),
    (Sense::Money, &["out of credits"]),
    (Sense::Money, &["purchase", "credits"]),
    (Sense::Money, &["payment required"]),
    (Sense::Money, &["enable billing"]),
    (Sense::Money, &["billing", "not active"]),
    (Sense::Quota, &["exceeded your current quota"]),
    (Sense::Quota, &["insufficient", "quota"]),
    (Sense::Quota, &["billing hard limit"]),
    (Sense::Quota, &["spending limit"]),
    (Sense::Key, &["api key not valid"]),
    (Sense::Key, &["invalid api key"]),
    (Sense::Key, &["invalid x-api-key"]),
    (Sense::Key, &["incorrect api key"]),
    (Sense::Key, &["no auth credentials"]),
    (Sense::Key, &["missing", "api key"]),
    (Sense::Key, &["api key", "expired"]),
    (Sense::Moderation, &["content policy"]),
    (Sense::Moderation, &["content management policy"]),
    (Sense::Moderation, &["requires moderation"]),
    (Sense::Moderation, &["input", "flagged"]),
    (Sense::Moderation, &["safety system"]),
    (Sense::Moderation, &["inappropriate content"]),
    (Sense::Model, &["not a valid model"]),
    (Sense::Model, &["model", "does not exist"]),
    (Sense::Model, &["model", "not found"]),
    (Sense::Model, &["model", "not exist"]),
    (Sense::Model, &["model", "no longer available"]),
    (Sense::Model, &["model", "decommissioned"]),
    (Sense::Model, &["unknown model"]),
    (Sense::Model, &["no endpoints found"]),
    (Sense::Model, &["no models loaded"]),
    (Sense::Model, &["access to model"]),
    (Sense::Place, &["unexpected endpoint"]),
    (Sense::Place, &["invalid url ("]),
    (Sense::Place, &["unknown request url"]),
    (Sense::Place, &["no route"]),
    (Sense::Place, &["http request", "https"]),
];

/// Returns what codes and types are about; they must be in lower case with `_`.
pub(super) fn of_kinds(kinds: &[String]) -> Option<Sense> {
    SENSES.iter().find_map(|(sense, words)| {
        let known = kinds.iter().any(|kind| words.contains(&kind.as_str()));
        known.then_some(*sense)
    })
}

/// Returns what a message is about.
pub(super) fn of_message(message: &str) -> Option<Sense> {
    let message = message.to_lowercase();
    PHRASES.iter().find_map(|(sense, words)| {
        let all = words.iter().all(|word| message.contains(word));
        all.then_some(*sense)
    })
}

/// Returns the status that belongs to a documented error word.
pub(super) fn status_of(word: &str) -> Option<u16> {
    Some(match word {
        "invalid_request_error"
        | "context_length_exceeded"
        | "invalid_prompt"
        | "invalid_argument"
        | "failed_precondition"
        | "bad_request" => 400,
        "invalid_api_key" | "authentication_error" | "unauthenticated" | "unauthorized" => 401,
        "permission_error" | "permission_denied" | "forbidden" => 403,
        "model_not_found" | "not_found_error" | "not_found" => 404,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limit"
        | "resource_exhausted"
        | "too_many_requests" => 429,
        "server_error" | "internal_server_error" | "api_error" | "internal" | "internal_error" => {
            500
        }
        "overloaded_error"
        | "overloaded"
        | "unavailable"
        | "engine_overloaded_error"
        | "service_unavailable" => 503,
        "deadline_exceeded" | "timeout_error" => 504,
        _ => return None,
    })
}
