//! Every test that runs the program, in one test program: it is linked once. A file of this folder
//! is a module here; `tidy` fails if one is forgotten. Each test makes a world of its own
//! (`support`), so that they run side by side and in any order.

#![allow(
    clippy::too_many_lines,
    reason = "a test is as long as what the program prints"
)]

mod amend;
mod amu0;
mod batch;
mod bounds;
mod chat;
mod ci_scripts;
mod cli;
mod concurrency;
mod conformance;
mod contracts;
mod corpus;
mod crash;
mod determinism;
mod errors;
mod foreign;
mod freeze;
mod gateway;
mod governance;
mod llm_exchange;
mod llm_http;
mod manifests;
mod manners;
mod pack;
mod pages;
mod pipeline;
mod product;
mod project;
mod providers;
mod python;
mod reference;
mod replay;
mod reports;
mod repository;
mod resume;
mod rollback;
mod run_file;
mod sandbox_security;
mod schemas;
mod scripts;
mod store;
mod streams;
mod support;
mod third_party;
mod tidy;
mod tier1;
mod verify;
mod wasi;
