//! What a guest can change outside itself, as data: statements of the database, artefacts.
//! Performs nothing.

pub mod artefact;
pub mod db;
