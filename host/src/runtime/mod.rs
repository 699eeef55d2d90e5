//! A guest at work: the sandbox, its host calls, the tape that records and replays them, and why a
//! run stops.

pub mod bounds;
pub mod live;
pub mod sandbox;
pub mod tape;
