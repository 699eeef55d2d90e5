//! The bindings that wit-bindgen generates from `wit/mission.wit`, the one statement of what
//! a mission can do. Written by no hand: the modules beside this one give them convenience
//! and add no capability. Public so that nothing of the surface is out of an author's reach.
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
