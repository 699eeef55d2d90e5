//! The bindings that wit-bindgen generates from `wit/mission.wit` and, with the feature `chat`, from
//! `wit/v1.1/mission.wit`: the only definition of what a mission can do. Not written by hand: the other modules wrap these bindings for convenience and
//! add no capability. Public so that mission authors can reach the whole surface.
#![allow(unsafe_code, missing_docs, unused_qualifications)]
#![allow(clippy::all, clippy::pedantic)] // generated code

#[cfg(not(feature = "chat"))]
wit_bindgen::generate!({
    path: "wit",
    world: "mission",
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_run",
    default_bindings_module: "coo_guest::bindings",
});

#[cfg(feature = "chat")]
wit_bindgen::generate!({
    path: ["wit", "wit/v1.1"],
    world: "coo:mission/guest@1.1.0",
    generate_all,
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_run",
    default_bindings_module: "coo_guest::bindings",
});

/// The interfaces of 1.0, wherever the generator puts them.
pub mod v1_0 {
    #[cfg(not(feature = "chat"))]
    pub use super::coo::mission::{db, gateway, llm};
    #[cfg(feature = "chat")]
    pub use super::coo::mission1_0_0::{db, gateway, llm};
}
