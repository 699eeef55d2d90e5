//! What becomes of a mission whose process dies, at any point and at any moment: it goes on
//! and ends as if nothing had happened. Each trial disturbs a run, does what a user would do
//! next (`coo resume`, with `--resend` where a call is in doubt; `coo run` where nothing is on
//! record), and compares what is left with an undisturbed run, byte for byte.

mod fail;
mod kill;
mod sigkill;
mod syscalls;
