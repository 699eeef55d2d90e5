//! The bindings that wit-bindgen generates from `wit/mission.wit`, the only definition of what a
//! mission can do. Not written by hand: the other modules wrap these bindings for convenience and
//! add no capability. Public so that mission authors can reach the whole surface.
#![allow(unsafe_code, missing_docs, unused_qualifications)]
#![allow(clippy::all, clippy::pedantic)] // generated code

wit_bindgen::generate!({
    path: "wit",
    world: "mission",
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_run",
    default_bindings_module: "coo_guest::bindings",
});
