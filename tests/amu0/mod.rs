//! Baselines of directory trees and of the state root: a tree comes back byte for byte whatever was done to it, the
//! same state has the same id, damage and forgery are named and lead nowhere, and a process
//! that dies at any point leaves the old tree or the restored one.

mod commands;
mod crash;
mod forged;
mod modes;
mod mutated;
mod state;
