//! A project of missions as data: how a mission may be named, what a build records about its
//! modules, and which files a compiler says that it has read. Starts no compiler and reads no file.

pub mod dep_info;
pub mod manifest;
pub mod name;
