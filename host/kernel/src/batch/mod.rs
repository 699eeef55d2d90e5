//! Many missions in one process, as decisions: what is to be run, when a model call may leave, what
//! it may cost, which mission may be sealed next, what is reported, how state roots are merged.
//!
//! Invariant: pure. Time comes in as milliseconds, files as bytes, and nothing here runs a mission.

pub mod budget;
pub mod list;
pub mod merge;
pub mod order;
pub mod pace;
pub mod report;
