//! How the command line treats the person who types: names of missions, lists, views, where the
//! state root is found, colour, pages, help, configuration, progress, fresh runs, and Ctrl-C. One module a subject.

mod color;
mod completions;
mod config;
mod follow;
mod fresh;
mod help;
mod ids;
mod missions;
mod pager;
mod place;
mod progress;
mod said;
mod stopped;
mod terminal;
mod version;
