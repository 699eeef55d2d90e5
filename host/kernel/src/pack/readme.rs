//! `README.md` of a pack: what it is, how to check it, which files it has. All text of others in it
//! is an id of restricted characters. Never says more than the files show.

use std::fmt::Write as _;

use super::run::Read;
use super::{
    ARTEFACTS, FLIGHT_RECORDER, FROZEN_CALLS, LINEAGE, MISSION, MODULE, Members, OUTPUTS,
    ROLLBACK_LOG, RUN, Run, TRANSCRIPT,
};
use crate::form::digest::Digest;

/// Returns the text. `members` has every file but this one and the manifest.
pub fn text(run: &Run, read: &Read, members: &Members) -> String {
    let id = run.mission.id;
    let mission_type = &run.mission.mission_type;
    let status = read.fold.status(false, || false);
    let head = read.chain.head();
    let events = read.chain.seq();
    let mut text = format!(
        "# {id}

This pack holds one run of a mission of type {mission_type}, which ended with {status}, and
everything that the run depends on. `coo` executes the run again from this pack alone.

| | SHA-256 |
|---|---|
| last of {events} events (chain head) | `{head}` |
| descriptor, in its canonical form | `{}` |
| module | `{}` |

## Check it

```console
$ coo verify PACK.zip
```

The command compares the files with `MANIFEST.json`, executes the run again in a fresh world with
the answers of this pack, makes every file again, and compares all bytes. It needs no network and no
key. To replay the recorded journal, unpack the file and run `coo replay {RUN}`.

A pack is not signed: a person who changes an answer can execute the run again and make another
consistent pack. Compare the SHA-256 of the pack, or the chain head above, with one that you got in
another way.

## Files

| file | content | bytes | SHA-256 |
|---|---|---:|---|
",
        run.mission.descriptor, run.mission.module
    );
    for (path, content) in members {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{path}` | {} | {} | `{}` |",
            purpose(path),
            content.len(),
            Digest::of(content)
        );
    }
    text.push_str(
        "
`MANIFEST.json` lists these files and this one.
",
    );
    text
}

fn purpose(path: &str) -> &'static str {
    match path {
        FLIGHT_RECORDER => "journal, an event a line",
        FROZEN_CALLS => "requests to the model, and its answers",
        LINEAGE => "digests from the descriptor to the outputs",
        MISSION => "descriptor",
        MODULE => "WebAssembly module that ran",
        TRANSCRIPT => "what `coo replay` prints",
        ROLLBACK_LOG => "rollbacks of the state root on record",
        RUN => "the run, as `coo export` writes it, without times and machine",
        _ if path.starts_with(ARTEFACTS) => "artefact",
        _ if path.starts_with(OUTPUTS) => "output of a step",
        _ => "",
    }
}
