//! The state root on the disk: its folder and lock, its store, configuration, manifests, reports.

pub mod config;
pub mod history;
pub mod reports;
pub mod state_root;
pub mod store;
pub mod walk;
