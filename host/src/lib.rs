//! The host, the shell around the kernel. Each module performs one kind of work; `main` only calls
//! `cli`.
//!
//! Architecture invariant: the kernel decides, and this crate performs. Only `machine` reads the
//! wall clock and the environment. Files are reached through `state::state_root`.

#![deny(unsafe_code)]
// The print macros panic if the reader has closed the pipe; the functions of `cli::print` do not.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod baselines;
mod cli;
mod effects;
mod freeze;
mod hint;
mod machine;
mod manifests;
mod mission;
mod program;
mod progress;
mod project;
#[cfg(feature = "repository")]
mod repository;
mod runtime;
mod session;
mod state;
mod tier1;

pub use cli::main;
pub use machine::close_to_others;

/// What the tests and benchmarks of this package reach. `coo` is a program and no library: nothing
/// here is an interface, and what is used nowhere is found by the compiler.
#[doc(hidden)]
pub mod inside {
    pub mod baselines {
        pub use crate::baselines::{Progress, Tree, compare, create, find, list, restore};
    }
    pub mod cli {
        pub use crate::cli::command;
        #[cfg(feature = "schemas")]
        pub use crate::cli::schema::published;
        pub use crate::cli::schema::{TEXTS, file_stem};
    }
    pub mod effects {
        pub use crate::effects::gateway::Gateway;
        pub use crate::effects::llm::http::{
            ApiKey, Client, Endpoint, Failure, Reply, Unanswered, Waiter,
        };
        pub use crate::effects::llm::{CachePolicy, Flights, Model};
        pub use crate::effects::world::World;
    }
    pub use crate::freeze::Purpose;
    pub use crate::hint::flat;
    pub mod machine {
        pub use crate::machine::archive;
        pub use crate::machine::{Stopwatch, block_on, env_os, env_text, sleep};
    }
    pub mod mission {
        pub use crate::mission::execute::{Executed, execute};
        pub use crate::mission::find::find_mission;
        pub use crate::mission::pack;
        pub use crate::mission::prepared::{Options, Prepared, Reused, Settings};
        pub use crate::mission::replay::replay;
        pub use crate::mission::run::run;
        pub use crate::mission::run_file::load;
        pub use crate::mission::source::{Program, Source, Wasm};
    }
    pub mod program {
        pub use crate::program::admission::{Admitted, examine};
        pub use crate::program::wit::WIT;
        pub use crate::program::{bundle, code_cache, compiler, engine};
    }
    #[cfg(feature = "repository")]
    pub mod repository {
        pub use crate::repository::Repository;
        pub use crate::repository::migrate::plan;
    }
    pub mod runtime {
        pub use crate::runtime::bounds::page;
        pub use crate::runtime::hold::Hold;
        pub use crate::runtime::live::Live;
        pub use crate::runtime::sandbox::{Linked, WALL_CLOCK_START_S};
        pub use crate::runtime::tape::{Recorder, Tape};
    }
    pub use crate::session::Session;
    pub mod state {
        pub use crate::state::history;
        pub use crate::state::state_root::StateRoot;
        pub use crate::state::store::{Durability, NewMission, Store, WriteBatch};
    }
}
