//! The state root on the disk: its folder and lock, store, configuration, manifests and reports.
//! Everything that `coo` keeps lies in this one folder.

pub mod config;
pub mod history;
pub mod modes;
pub mod reports;
pub mod state_root;
pub mod store;
pub mod walk;
