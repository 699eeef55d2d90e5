//! Runs a guest: the sandbox, its host calls, the tape that records and replays them, and the
//! reasons why a run stops.

pub mod bounds;
pub mod hold;
pub mod live;
pub mod sandbox;
pub mod tape;
