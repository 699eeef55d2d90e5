//! The id of a mission and the words for its status.
//! Nothing here stores anything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The mission type of the bundled demo (spec v1.1 §2.2).
pub const DEMO_TYPE: &str = "DEMO_V1_1";

/// A mission's number in its state root, shown as `DEMO-000123` for demo missions and
/// `MISSION-000123` for all others. Numbers count up from 1 and are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MissionId {
    number: u32,
    demo: bool,
}

impl MissionId {
    /// Returns the id of the mission with this number and type.
    pub fn new(number: u32, mission_type: &str) -> Self {
        Self {
            number,
            demo: mission_type == DEMO_TYPE,
        }
    }

    /// Returns the number in the state root.
    pub const fn number(self) -> u32 {
        self.number
    }
}

impl fmt::Display for MissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.demo { "DEMO" } else { "MISSION" };
        f.pad(&format!("{prefix}-{:06}", self.number))
    }
}

impl Serialize for MissionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MissionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Text that is not a mission id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a mission id")]
pub struct NotAnId;

impl FromStr for MissionId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (demo, digits) = match text.split_once('-') {
            Some(("DEMO", digits)) => (true, digits),
            Some(("MISSION", digits)) => (false, digits),
            _ => return Err(NotAnId),
        };
        if digits.len() < 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAnId);
        }
        let number = digits.parse().map_err(|_| NotAnId)?;
        let id = Self { number, demo };
        // One spelling only: DEMO-0000001 is not DEMO-000001.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(NotAnId)
        }
    }
}

/// The status of a mission, in one word for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Not ended, and its process may still be running.
    Running,
    /// Waiting for a person.
    Paused,
    /// Reached COMPLETE.
    Success,
    /// Reached FAILED.
    Failed,
    /// Stopped from outside the record (provider outage, wall clock, killed process).
    Interrupted,
    /// Its journal can't be read or was changed.
    Damaged,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Interrupted => "INTERRUPTED",
            Self::Damaged => "DAMAGED",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_spelling() {
        assert_eq!(MissionId::new(1, DEMO_TYPE).to_string(), "DEMO-000001");
        assert_eq!(
            MissionId::new(1_234_567, "X").to_string(),
            "MISSION-1234567"
        );
        for text in ["DEMO-000001", "MISSION-000002", "MISSION-1234567"] {
            assert_eq!(text.parse::<MissionId>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "1",
            "DEMO-1",
            "demo-000001",
            "DEMO-0000001",
            "DEMO-99999999999",
            "DEMO-00000x",
            "invalid-id",
        ] {
            assert!(bad.parse::<MissionId>().is_err(), "{bad}");
        }
    }
}
