//! How often and how much each server may be asked: `llm.limits` of the configuration. A server
//! without an entry has no limit. Judges the values only; `batch::pace` keeps to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::credentials::secret;
use crate::form::strict::{Problem, Problems};

/// Stands for every server that has no entry of its own.
pub const EVERY_OTHER: &str = "*";
/// Highest number of requests a minute: `batch::pace` remembers each of them for a minute.
pub const REQUESTS_PER_MINUTE_MAX: u32 = 1_000_000;

/// The limits of each server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ServerLimits {
    /// By scheme and authority, as in `https://openrouter.ai`, or `*` for every other server.
    servers: BTreeMap<String, CallLimits>,
}

/// The limits of one server. One that is left out does not hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CallLimits {
    /// Calls that wait for their answers at the same time.
    #[cfg_attr(feature = "schemas", schemars(range(min = 1)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_in_flight: Option<u32>,
    /// Requests that leave in any 60 seconds.
    #[cfg_attr(feature = "schemas", schemars(range(min = 1, max = 1_000_000)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens of the requests that leave in any 60 seconds, and of their answers.
    #[cfg_attr(feature = "schemas", schemars(range(min = 1)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
}

impl ServerLimits {
    /// Returns whether no server has a limit.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Returns the limits of `server`, which is a scheme and an authority.
    pub fn of(&self, server: &str) -> CallLimits {
        let own = self.servers.get(server);
        own.or_else(|| self.servers.get(EVERY_OTHER))
            .copied()
            .unwrap_or_default()
    }

    /// Refuses keys that name no server, and limits under which no call could ever leave.
    pub fn check(&self) -> Result<(), Problems> {
        let mut problems = Vec::new();
        for (server, limits) in &self.servers {
            let shown: String = server.escape_debug().take(80).collect();
            let is_key = secret::looks_like_key(server);
            let shown = if is_key { secret::REDACTED } else { &shown };
            let field = format!("llm.limits.{shown}");
            if is_key || !is_server(server) {
                problems.push(Problem {
                    line: 0,
                    field: field.clone(),
                    what: "names no server; https://host, https://host:port or * needed".to_owned(),
                });
            }
            limits.check(&field, &mut problems);
        }
        Problems::of(problems).map_or(Ok(()), Err)
    }
}

impl CallLimits {
    fn check(&self, field: &str, problems: &mut Vec<Problem>) {
        let requests = self.requests_per_minute.map(u64::from);
        let requests_max = u64::from(REQUESTS_PER_MINUTE_MAX);
        for (name, value, most) in [
            (
                "calls_in_flight",
                self.calls_in_flight.map(u64::from),
                u64::from(u32::MAX),
            ),
            ("requests_per_minute", requests, requests_max),
            ("tokens_per_minute", self.tokens_per_minute, u64::MAX),
        ] {
            let Some(value) = value.filter(|value| !(1..=most).contains(value)) else {
                continue;
            };
            problems.push(Problem {
                line: 0,
                field: format!("{field}.{name}"),
                what: format!("{value} found; 1 to {most} needed, or leave it out for no limit"),
            });
        }
    }
}

/// Returns whether `text` is a scheme and an authority and nothing else.
fn is_server(text: &str) -> bool {
    let authority = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    text == EVERY_OTHER
        || authority.is_some_and(|authority| {
            !authority.is_empty()
                && !authority.contains(|c: char| {
                    c.is_whitespace() || c.is_control() || c.is_uppercase() || "/?#@".contains(c)
                })
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::form::strict;

    fn read(value: &Value) -> Result<ServerLimits, Problems> {
        let limits: ServerLimits = strict::read(value.to_string().as_bytes())?;
        limits.check().map(|()| limits)
    }

    #[test]
    fn a_server_has_its_own_limits_or_those_of_every_other() {
        let limits = read(&json!({
            "https://a.example": {"requests_per_minute": 60},
            "*": {"calls_in_flight": 2, "tokens_per_minute": 9},
        }))
        .unwrap();
        assert_eq!(limits.of("https://a.example").requests_per_minute, Some(60));
        assert_eq!(limits.of("https://a.example").calls_in_flight, None);
        assert_eq!(limits.of("https://b.example").calls_in_flight, Some(2));
        let none = ServerLimits::default();
        assert!(none.is_empty());
        assert_eq!(none.of("https://a.example"), CallLimits::default());
        let again = serde_json::to_value(&limits).unwrap();
        assert_eq!(read(&again).unwrap(), limits);
    }

    #[test]
    fn every_refusal_names_its_field() {
        for (value, told) in [
            (
                json!({"*": {"calls_in_flight": 0}}),
                "llm.limits.*.calls_in_flight: 0 found; 1 to 4294967295 needed, or leave it out for no limit",
            ),
            (
                json!({"http://a:1": {"requests_per_minute": 1_000_001}}),
                "llm.limits.http://a:1.requests_per_minute: 1000001 found; 1 to 1000000 needed, or leave it out for no limit",
            ),
            (
                json!({"a.example": {}}),
                "llm.limits.a.example: names no server; https://host, https://host:port or * needed",
            ),
            (
                json!({"https://a/v1": {}}),
                "llm.limits.https://a/v1: names no server; https://host, https://host:port or * needed",
            ),
            (
                json!({"*": {"calls_in_fligth": 1}}),
                "line 1: *.calls_in_fligth: no such field; did you mean 'calls_in_flight'?",
            ),
            (
                json!({"*": {"tokens_per_minute": -1}}),
                "line 1: *.tokens_per_minute: -1 found; a whole number of 0 to 18446744073709551615 needed",
            ),
            (
                json!({"https://sk-or-v1-0123456789abcdef0123456789abcdef": {}}),
                "llm.limits.<redacted>: names no server; https://host, https://host:port or * needed",
            ),
            (json!([]), "line 1: a list found; an object needed"),
        ] {
            assert_eq!(read(&value).unwrap_err().to_string(), told);
        }
        let two = json!({"*": {"calls_in_flight": 0, "tokens_per_minute": 0}});
        assert_eq!(read(&two).unwrap_err().others().count(), 1);
    }
}
