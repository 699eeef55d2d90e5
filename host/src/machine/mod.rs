//! Access to the machine: clock, entropy, environment, other programs, the pager, files that the user names,
//! temporary folders, zip files, digests of files, failpoints, asynchronous work. Knows nothing about
//! missions.

pub mod archive;
pub mod asynchronous;
pub mod failpoint;
pub mod hashing;
pub mod input_file;
pub mod output_file;
pub mod outside;
pub mod pager;
pub mod signals;
mod system;
pub mod temporary;
pub mod untimed;

pub use asynchronous::{block_on, block_on_all};
pub use system::{
    CLEAR_LINE, Deadline, Stopwatch, WATCHDOG_GRACE, Watchdog, address_space_bytes,
    close_to_others, env_os, env_text, environment, environment_facts, executable, executable_file,
    now_unix_ms, open_files, own_programs, process_id, processors, random_bytes, random_fraction,
    rfc3339, sleep, temporary_place, user, user_id, working_directory,
};
