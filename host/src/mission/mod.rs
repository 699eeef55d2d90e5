//! What can be done with a mission: run, resume, replay, verify, decide, export. Each is a few
//! calls of `program` and `runtime`, and what it keeps of them.

pub mod approval;
pub mod execute;
pub mod find;
pub mod prepared;
pub mod replay;
pub mod resume;
pub mod run;
pub mod run_file;
pub mod seal;
pub mod source;
pub mod verify;
