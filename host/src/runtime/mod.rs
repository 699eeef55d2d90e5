//! A guest at work: the sandbox, its host calls, the tape that records and replays them, and why a
//! run stops.

pub mod drive;
pub mod live;
pub mod sandbox;
pub mod stop;
pub mod tape;
