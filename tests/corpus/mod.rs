//! The corpus: many programs that nobody wrote for these tests (generated ones, the
//! specification's own, programs in C, the bundled missions), each run three times, in fresh
//! worlds and on engines that differ in everything a guest must not notice. Any difference in
//! what `verified` compares is a failure. Says nothing about speed or safety.

mod c;
mod harness;
mod missions;
mod smith;
mod spec;
mod verified;
