//! Git shows nothing of a state root (packet §11.3): not while a person reviews a change, when the
//! normal forms lie there, and not of a root that somebody has made before.

use std::fs;

use super::{approve, done, evidence_path, repo, stage, world};
use crate::support::{Ran, World, ran};

fn git(world: &World, arguments: &[&str]) -> Ran {
    let ran = ran(world.program("git", arguments).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// Commits everything in the world's folder, in which the repository and the state root lie.
fn commit(world: &World) {
    git(world, &["init", "-q"]);
    git(world, &["add", "-A"]);
    let who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org"];
    let what = ["commit", "-q", "-m", "All."];
    git(world, &[&who[..], &what[..]].concat());
}

#[test]
fn git_shows_nothing_of_the_root_at_the_last_review() {
    let world = world(|_| {}).with("PATH", "/usr/local/bin:/usr/bin:/bin");
    commit(&world);
    done(&world.coo(&["init"]));
    done(&world.coo(&["manifests", "write"]));
    // A root of an earlier build has no such file.
    fs::remove_file(world.root().join(".gitignore")).unwrap();
    super::start(&world);
    done(&approve(&world));
    assert_eq!(stage(&world), "CEO_FINAL_REVIEW");
    let normalized = evidence_path(&world, "normalized");
    assert!(fs::read_dir(normalized).unwrap().count() > 0);
    let shown = git(&world, &["status", "--porcelain", "--untracked-files=all"]).stdout;
    assert!(shown.contains("repo/docs/plan.md"), "{shown}");
    assert!(!shown.contains(".coo"), "{shown}");
    assert!(repo(&world).exists());
}

#[test]
fn a_root_that_is_kept_in_a_repository_keeps_its_own_file() {
    let world = World::new().with("PATH", "/usr/local/bin:/usr/bin:/bin");
    done(&world.coo(&["run", "triage", "--frozen"]));
    let file = world.root().join(".gitignore");
    assert_eq!(fs::read_to_string(&file).unwrap(), "*\n");
    let own = "cache/\nchanges/*/normalized/\nlock\n*-shm\ntmp/\n";
    fs::write(&file, own).unwrap();
    done(&world.coo(&["run", "triage", "--frozen"]));
    assert_eq!(fs::read_to_string(&file).unwrap(), own);
    git(&world, &["init", "-q"]);
    git(&world, &["add", ".coo"]);
    let kept = git(&world, &["ls-files"]).stdout;
    let kept: Vec<&str> = kept.lines().collect();
    assert!(kept.contains(&".coo/coo.db"), "{kept:?}");
    assert!(
        kept.contains(&".coo/artefacts/triage/Triage_Report_v1.0.md"),
        "{kept:?}"
    );
    for left in [".coo/lock", ".coo/cache/", ".coo/tmp/"] {
        assert!(!kept.iter().any(|file| file.starts_with(left)), "{kept:?}");
    }
}
