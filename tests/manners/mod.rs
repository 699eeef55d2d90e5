//! How the command line treats the person who types: names of missions, lists, views, where the
//! state root is found, colour, help, configuration, completion, pages. One module a subject.

mod color;
mod completions;
mod config;
mod help;
mod ids;
mod missions;
mod place;
mod said;
