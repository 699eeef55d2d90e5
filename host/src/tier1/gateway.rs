//! FP-3.3: a guest tries every kind of write that the gateway must refuse, and the INDEX is compared
//! with what is there: in a temporary state root after each attempt, and in the user's own.

use anyhow::{Result, bail};
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::digest::Digest;
use coo_kernel::form::plain::count;
use coo_kernel::mission::Status;
use coo_kernel::mission::failure::Failure;
use coo_kernel::state::index;
use coo_kernel::state::layout::ARTEFACTS;
use coo_kernel::tier1::attempts::{self, Aspect, PERMITTED, SECOND, WriteAttempt};
use serde_json::json;

use super::checks::{Checks, ensure};
use super::probe::{Scratch, digest, source};
use crate::effects::gateway;
use crate::hint::Hint as _;
use crate::mission::seal::Ended;
use crate::session::Session;
use crate::state::config::Config;

/// Checks the gateway, and the INDEX of the user's state root.
pub fn check(session: &Session, checks: &mut Checks) -> Option<()> {
    let scratch = checks.hold_with("a permitted write", || {
        let scratch = Scratch::new()?;
        written(&scratch, PERMITTED)?;
        is_coherent(&scratch, &[PERMITTED])?;
        let evidence = format!("{PERMITTED} is there, on record and in the INDEX");
        Ok((evidence, scratch))
    })?;
    let all = attempts::writes();
    for aspect in Aspect::ALL {
        let what = format!("writes refused by their {}", aspect.name());
        checks.hold(&what, || {
            let mut tried = Vec::new();
            for attempt in all.iter().filter(|attempt| attempt.aspect == aspect) {
                refused(&scratch, attempt)?;
                is_coherent(&scratch, &[PERMITTED])?;
                tried.push(shown(&attempt.path));
            }
            Ok(format!("{}: {}", tried.len(), tried.join(", ")))
        })?;
    }
    checks.hold("out-of-bound writes", || {
        let strays = scratch.strays()?;
        ensure(strays.is_empty(), || {
            format!("beside the state root: {}", strays.join(", "))
        })?;
        Ok(
            "none: nothing is beside the state root or in artefacts/ but the permitted write"
                .into(),
        )
    })?;
    checks.hold("a damaged INDEX", || {
        let opened = scratch.open()?;
        for name in [index::JSON, index::MARKDOWN] {
            opened
                .root
                .write_new(&format!("{ARTEFACTS}/{name}"), b"damaged\n")?;
        }
        let drifts = gateway::check(&opened.root, &opened.store)?;
        ensure(drifts.len() == 2, || {
            format!("{} drifts were found", drifts.len())
        })?;
        drop(opened);
        written(&scratch, SECOND)?;
        is_coherent(&scratch, &[PERMITTED, SECOND])?;
        Ok("is found, and the next write reconciles it".to_owned())
    })?;
    checks.hold("INDEX of the state root", || {
        let drifts = gateway::check(&session.root, &session.store)?;
        if let Some(first) = drifts.first() {
            return Err(anyhow::anyhow!(
                "{ARTEFACTS}/ does not match its record: {}, the first at {}",
                count(drifts.len(), "difference"),
                first.path()
            ))
            .hint("'coo artefacts check' lists them, and its --repair corrects them");
        }
        Ok("artefacts, record and INDEX agree".to_owned())
    })
}

/// Has a guest write a file in a mission of its own.
fn write(scratch: &Scratch, path: &str, content: &str) -> Result<Ended> {
    let scope = json!({"paths": ["**"], "tier": 3});
    let descriptor = attempts::writing("TIER1_WRITE", &digest(), &[(path, content)], &scope);
    let ended = scratch.run(&source("write", &descriptor)?, &Config::fresh())?;
    match ended.interrupted {
        Some(why) => Err(why.context(format!("a write of {}", shown(path)))),
        None => Ok(ended),
    }
}

fn written(scratch: &Scratch, path: &str) -> Result<()> {
    let ended = write(scratch, path, attempts::CONTENT)?;
    ensure(ended.status == Status::Success, || {
        let failure = ended.failure.map_or(String::new(), |it| it.to_string());
        format!("a write of {path}: {}: {failure}", ended.status)
    })
}

/// Has a guest try a write, which the gateway must answer with the expected refusal.
fn refused(scratch: &Scratch, attempt: &WriteAttempt) -> Result<()> {
    let ended = write(scratch, &attempt.path, attempt.content)?;
    let path = shown(&attempt.path);
    match ended.failure {
        // The guest returns the gateway's words as its own error.
        Some(Failure::Guest { message }) if message.contains(attempt.answer) => Ok(()),
        Some(other) => bail!(
            "a write of {path} ended with '{other}', not '{}'",
            attempt.answer
        ),
        None => bail!("a write of {path} was permitted"),
    }
}

/// Checks that files, record and INDEX are exactly `paths`.
fn is_coherent(scratch: &Scratch, paths: &[&str]) -> Result<()> {
    let session = scratch.open()?;
    let record = session.store.artefacts()?;
    let found: Vec<Artefact> = record
        .into_iter()
        .map(|entry| Artefact {
            bytes: entry.bytes,
            path: entry.path,
            sha256: entry.sha256,
        })
        .collect();
    let wanted: Vec<Artefact> = paths
        .iter()
        .map(|path| Artefact {
            bytes: attempts::CONTENT.len() as u64,
            path: (*path).to_owned(),
            sha256: Digest::of(attempts::CONTENT),
        })
        .collect();
    ensure(found == wanted, || {
        let found: Vec<&str> = found.iter().map(|it| it.path.as_str()).collect();
        format!("on record are {}", found.join(", "))
    })?;
    let drifts = gateway::check(&session.root, &session.store)?;
    ensure(drifts.is_empty(), || {
        format!("{} from the record", count(drifts.len(), "difference"))
    })
}

/// Returns a path for people: a long one by its beginning and length.
fn shown(path: &str) -> String {
    const SHOWN_CHARACTERS: usize = 40;
    if path.len() <= SHOWN_CHARACTERS {
        return format!("`{path}`");
    }
    let start: String = path.chars().take(8).collect();
    format!("`{start}…` of {} bytes", path.len())
}
