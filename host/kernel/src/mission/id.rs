//! The id of a mission and the words for its status.
//! Nothing here stores anything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The mission type of the bundled demo (spec v1.1 §2.2).
pub const DEMO_TYPE: &str = "DEMO_V1_1";

/// Digits of a number in an id; a greater number has more.
const DIGITS_MIN: usize = 6;

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

    /// Returns the id of the same mission under another number, as in another state root.
    #[must_use]
    pub const fn with_number(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// Returns the number in the state root.
    pub const fn number(self) -> u32 {
        self.number
    }
}

impl fmt::Display for MissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.demo { "DEMO" } else { "MISSION" };
        f.pad(&format!("{prefix}-{:0DIGITS_MIN$}", self.number))
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
        if digits.len() < DIGITS_MIN || !digits.bytes().all(|b| b.is_ascii_digit()) {
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

/// How a person names a mission: by its number (`1`), or by its kind and its number in any case and
/// with or without zeros (`demo-1`, `MISSION-000002`). One name means one mission, because a number
/// occurs once in a state root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissionName {
    number: u32,
    /// The kind that the mission must have; `None` for any.
    demo: Option<bool>,
}

impl MissionName {
    /// Returns the number of the mission.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// Returns whether this is a name of the mission `id`.
    pub fn names(self, id: MissionId) -> bool {
        self.number == id.number && self.demo.is_none_or(|demo| demo == id.demo)
    }
}

impl FromStr for MissionName {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (demo, digits) = match text.split_once('-') {
            None => (None, text),
            Some((kind, digits)) if kind.eq_ignore_ascii_case("demo") => (Some(true), digits),
            Some((kind, digits)) if kind.eq_ignore_ascii_case("mission") => (Some(false), digits),
            Some(_) => return Err(NotAnId),
        };
        // `parse` accepts a plus sign.
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAnId);
        }
        // No id has more zeros than these.
        if digits.len() > DIGITS_MIN && digits.starts_with('0') {
            return Err(NotAnId);
        }
        let number = digits.parse().map_err(|_| NotAnId)?;
        if number == 0 {
            return Err(NotAnId);
        }
        Ok(Self { number, demo })
    }
}

/// The status of a mission, in one word for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
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

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Paused,
        Self::Success,
        Self::Failed,
        Self::Interrupted,
        Self::Damaged,
    ];

    /// Returns the word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Interrupted => "INTERRUPTED",
            Self::Damaged => "DAMAGED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
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

    #[test]
    fn a_mission_has_short_names() {
        let demo = MissionId::new(1, DEMO_TYPE);
        let other = MissionId::new(1, "X");
        for (text, of_demo, of_other) in [
            ("1", true, true),
            ("000001", true, true),
            ("demo-1", true, false),
            ("Demo-01", true, false),
            ("DEMO-000001", true, false),
            ("mission-1", false, true),
            ("MISSION-000001", false, true),
            ("2", false, false),
        ] {
            let name: MissionName = text.parse().unwrap();
            assert_eq!(
                (name.names(demo), name.names(other)),
                (of_demo, of_other),
                "{text}"
            );
        }
        for bad in [
            "",
            "0",
            "demo-0",
            "-1",
            "+1",
            "demo-+1",
            "demo-",
            "demo",
            "DEMO-0000001",
            "1x",
            " 1",
            "demo--1",
            "run-1",
            "99999999999",
            "١",
        ] {
            assert!(bad.parse::<MissionName>().is_err(), "{bad}");
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_id_is_a_name_of_its_mission(number in 1_u32.., demo: bool) {
            let id = MissionId { number, demo };
            let short = if demo { "demo" } else { "mission" };
            for text in [id.to_string(), number.to_string(), format!("{short}-{number}")] {
                prop_assert!(text.parse::<MissionName>().unwrap().names(id), "{}", text);
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*", digits in "[0-9]{0,20}") {
            // Parses or refuses, and never panics.
            let _ = text.parse::<MissionName>();
            let _ = format!("mission-{digits}").parse::<MissionName>();
        }
    }
}
