//! Facts beside an event: its time, and where an answer came from. They hold for one machine and
//! moment, so no event contains them and the chain does not cover them.

use serde::{Deserialize, Serialize};

use crate::llm::Provenance;

/// Facts stored beside an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EventFacts {
    /// Time of the event, in milliseconds since 1970.
    pub at_ms: i64,
    /// For an answer, where it came from; for an intent, whether its request was sent.
    pub source: Option<String>,
    /// How the answer was produced, as far as known.
    pub provenance: Option<Provenance>,
}

/// Source of an intent whose request was sent.
const SENT: &str = "sent";
/// Source of an intent that cannot have produced an answer.
const UNANSWERED: &str = "unanswered";

impl EventFacts {
    /// Returns the facts beside an intent whose request is about to be sent.
    #[must_use]
    pub fn sent(at_ms: i64) -> Self {
        Self::intent(at_ms, SENT)
    }

    /// Returns whether these are the facts of an intent whose request was sent.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.source.as_deref() == Some(SENT)
    }

    /// Returns the facts beside an intent that the server refused, or whose server was never
    /// reached.
    #[must_use]
    pub fn unanswered(at_ms: i64) -> Self {
        Self::intent(at_ms, UNANSWERED)
    }

    fn intent(at_ms: i64, source: &str) -> Self {
        Self {
            at_ms,
            source: Some(source.to_owned()),
            provenance: None,
        }
    }

    /// Returns whether these facts say that the intent's call can be sent again without asking.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.source.as_deref() == Some(UNANSWERED)
    }
}
