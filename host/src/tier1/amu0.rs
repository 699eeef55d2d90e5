//! FP-3.2: creates, restores and promotes baselines. The baseline of the user's state is restored in
//! a copy, which is a temporary state root; the user's own root is never rolled back. Its
//! confirmation is given here, because that root belongs to no person.

use anyhow::{Context as _, Result};
use coo_kernel::baseline::rollback::CONFIRMATION;
use coo_kernel::form::plain::count;
use coo_kernel::mission::Status;
use coo_kernel::tier1::{FOLDER, attempts};
use serde_json::json;

use super::checks::{Checks, ensure};
use super::probe::{Scratch, digest, source};
use crate::baselines::rollback::{self, RolledBack};
use crate::baselines::{self, Baseline, Progress, Reason, Record, Tree};
use crate::hint::Hint as _;
use crate::mission::source::Source;
use crate::session::Session;
use crate::state::config::Config;

/// What changes the copy before it is rolled back. It lies in the folder of the documents, where no
/// artefact of the user can be in its way.
const CHANGE: &str = "probe/Change_v0.1.txt";

/// A temporary state root with a baseline of the user's state.
pub struct Copy {
    scratch: Scratch,
}

impl Copy {
    /// Copies the baseline `record` of the user's state root to a new root.
    pub fn of(session: &Session, record: &Record) -> Result<Self> {
        let scratch = Scratch::new()?;
        let to = scratch.open()?;
        baselines::copy(&session.root, record, &to.root, &quiet())?;
        Ok(Self { scratch })
    }

    /// Changes the copy, rolls it back to `baseline`, and compares every byte.
    pub fn roll_back(&self, baseline: &Baseline) -> Result<String> {
        self.scratch.open()?.root.configure(&Config::fresh())?;
        let path = format!("{FOLDER}/{CHANGE}");
        change(&self.scratch, &path)?;
        let mut session = self.scratch.open()?;
        ensure(differences(&session, baseline)? > 0, || {
            "the change of the copy left no difference".to_owned()
        })?;
        roll_back(&mut session, &baseline.asked)?;
        is_at(&session, baseline)?;
        Ok(format!(
            "a changed copy of the state is {} again, byte for byte",
            baseline.asked
        ))
    }
}

/// Checks baselines. `copy` was rolled back to `baseline` before.
pub fn check(
    session: &Session,
    baseline: &Baseline,
    copy: Option<&Copy>,
    checks: &mut Checks,
) -> Option<()> {
    checks.hold("objects of the baseline", || {
        let kept = baselines::verify(&session.root, baseline, &quiet());
        let damage = kept.damage.first();
        ensure(damage.is_none(), || {
            let first = damage.map_or("", String::as_str);
            format!(
                "{} of {} are damaged: {first}",
                kept.damage.len(),
                kept.objects
            )
        })
        .hint("restore them from a copy of the state root")?;
        Ok(format!("{} intact, {} bytes", kept.objects, kept.bytes))
    })?;
    checks.hold("the restored state, captured once more", || {
        let copy = copy.context("no copy was made")?;
        let session = copy.scratch.open()?;
        let again = create(&session, "again")?;
        ensure(again.baseline == baseline.id, || {
            format!(
                "has id {}, the baseline has {}",
                again.baseline, baseline.id
            )
        })?;
        Ok(format!("the same id {}", baseline.id))
    })?;
    let (one, two) = checks.hold_with("one state in two roots", || {
        let (one, two) = (Scratch::new()?, Scratch::new()?);
        create(&one.open()?, "before")?;
        for scratch in [&one, &two] {
            succeed(scratch, &Source::bundled("triage")?)?;
        }
        let ids = (create(&one.open()?, "one")?, create(&two.open()?, "two")?);
        ensure(ids.0.baseline == ids.1.baseline, || {
            format!("has the ids {} and {}", ids.0.baseline, ids.1.baseline)
        })?;
        Ok(("one id: files, record and database".to_owned(), (one, two)))
    })?;
    checks.hold("a promoted run and its lineage", || promote(&one))?;
    checks.hold("rollback to before a run, and forward again", || {
        let mut session = one.open()?;
        for name in ["before", "promoted", "before"] {
            roll_back(&mut session, name)?;
            is_at(&session, &baselines::find(&session.root, name)?)?;
            let position = baselines::position(&session.root, &session.store)?;
            let position = position.context("the state derives from no baseline")?;
            ensure(position.name == name, || {
                format!("the lineage says {}, not {name}", position.name)
            })?;
        }
        Ok("identical each time, and the lineage follows".to_owned())
    })?;
    checks.hold("a directory", || directory(&one, &two))?;
    checks.hold("single root", || {
        for scratch in [&one, &two] {
            let strays = scratch.strays()?;
            ensure(strays.is_empty(), || {
                format!("beside the state root: {}", strays.join(", "))
            })?;
        }
        Ok("nothing was written beside a state root".to_owned())
    })
}

fn promote(scratch: &Scratch) -> Result<String> {
    let session = scratch.open()?;
    let mission = session.store.latest_mission()?.context("no mission")?;
    let name = Some("promoted");
    let (root, store) = (&session.root, &session.store);
    let made = baselines::promote(root, store, &mission, name, false, &quiet())?;
    let lineage = made.record.lineage.context("no lineage")?;
    let run = lineage.run.context("the lineage has no run")?;
    let after = lineage
        .after
        .context("the lineage has no baseline before")?;
    ensure(run.mission == mission.id && after.name == "one", || {
        format!("the lineage has {} after {}", run.mission, after.name)
    })?;
    Ok(format!(
        "the lineage has the run and its chain {}",
        run.chain_head
    ))
}

/// Restores a directory to a baseline: the state root of `tree`, which a mission changed.
fn directory(kept_in: &Scratch, tree: &Scratch) -> Result<String> {
    let session = kept_in.open()?;
    let opened = Tree::open(&tree.path(), &kept_in.path())?;
    let made = baselines::create(&session.root, &opened, Some("directory"), &quiet())?;
    let baseline = baselines::find(&session.root, &made.record.name)?;
    change(tree, attempts::PERMITTED)?;
    let changed = baselines::compare(&baseline, &opened, &quiet())?;
    ensure(!changed.is_empty(), || {
        "the change of the directory left no difference".to_owned()
    })?;
    baselines::restore(&session.root, &baseline, &opened, &quiet())?;
    let found = baselines::compare(&baseline, &opened, &quiet())?;
    ensure(found.is_empty(), || {
        format!("{} after the restore", count(found.len(), "difference"))
    })?;
    Ok("restored byte for byte".to_owned())
}

fn quiet() -> Progress<'static> {
    Progress::new(None)
}

fn create(session: &Session, name: &str) -> Result<Record> {
    let (root, store) = (&session.root, &session.store);
    Ok(baselines::create_of_state(root, store, Some(name), Reason::Asked, &quiet())?.record)
}

fn change(scratch: &Scratch, path: &str) -> Result<()> {
    let files = [(path, attempts::CONTENT)];
    let descriptor = attempts::writing("TIER1_CHANGE", &digest(), &files, &json!({}));
    succeed(scratch, &source("change", &descriptor)?)
}

fn succeed(scratch: &Scratch, source: &Source) -> Result<()> {
    let ended = scratch.run(source, &Config::fresh())?;
    if let Some(why) = ended.interrupted {
        return Err(why.context(format!("mission {} was interrupted", source.name)));
    }
    ensure(ended.status == Status::Success, || {
        let failure = ended.failure.map_or(String::new(), |it| it.to_string());
        format!("mission {}: {}: {failure}", source.name, ended.status)
    })
}

fn roll_back(session: &mut Session, name: &str) -> Result<RolledBack> {
    let (root, store) = (&session.root, &mut session.store);
    let target = rollback::target(root, store, Some(name), &quiet())?;
    let number = rollback::request(root, store, &target, None)?;
    rollback::confirm(root, store, number, &target, || {
        format!("{CONFIRMATION}\n").into_bytes()
    })?;
    rollback::carry_out(root, store, number, &target, false, &quiet())
}

fn differences(session: &Session, baseline: &Baseline) -> Result<usize> {
    let (root, store) = (&session.root, &session.store);
    Ok(baselines::compare_state(root, store, baseline, &quiet())?.len())
}

fn is_at(session: &Session, baseline: &Baseline) -> Result<()> {
    let found = differences(session, baseline)?;
    ensure(found == 0, || {
        format!(
            "{} from {} after a rollback",
            count(found, "difference"),
            baseline.asked
        )
    })
}
