//! The state root on the disk: its folder and lock, its store, configuration and reports, and the
//! journals of missions. Everything that `coo` records is in this one folder.

pub mod config;
pub mod history;
pub mod modes;
pub mod presence;
pub mod reports;
pub mod rulesets;
pub mod shared_root;
pub mod state_root;
pub mod store;
pub mod walk;
