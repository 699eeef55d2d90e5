//! A mission as data: its id, its descriptor, what it may do and use, and how it can end.
//! Nothing here runs a mission.

pub mod authority;
pub mod descriptor;
pub mod edition;
pub mod exit;
pub mod failure;
mod id;
pub mod ledger;
pub mod limits;
pub mod plan;
pub mod protected;
pub mod row;
pub mod ruleset;
pub mod scope;
pub mod script;
pub mod state;
pub mod verification;
pub mod warning;
pub mod workflow;

pub use id::{DEMO_TYPE, MissionId, MissionName, NotAnId, Status};
