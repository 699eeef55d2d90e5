//! The runner for scripts in JavaScript: a mission whose input holds a script (format `coo-script/1`)
//! and which runs it in QuickJS. Whatever a script does by mistake is the text of an error, with file
//! and line, and never a trap. Has no capability beyond the three imports of every mission.

mod digests;
mod envelope;
mod files;
mod models;
mod native;
mod script;
mod world;

use envelope::Envelope;

fn run(input: String) -> Result<String, String> {
    script::run(Envelope::parse(&input)?)
}

coo_guest::mission!(run);
