//! What a guest can change outside itself, as data: database statements and artefacts.
//! Nothing here performs them.

pub mod artefact;
pub mod db;
