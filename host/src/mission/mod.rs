//! The operations on a mission: run, resume, answer its question, replay, verify, export, pack. Each
//! makes a few calls to `program` and `runtime` and stores their results.

pub mod approval;
pub mod batch;
pub mod execute;
pub mod find;
pub mod fresh;
pub mod merge;
pub mod pack;
pub mod prepared;
pub mod queue;
pub mod replay;
pub mod resume;
pub mod run;
pub mod run_file;
pub mod script;
pub mod seal;
pub mod source;
pub mod verify;
pub mod waiting;
pub mod workshop;
