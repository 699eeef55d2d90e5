//! A merge that is killed at every point at which it changes something: the root is as before or merged,
//! and merging again gives what an undisturbed merge gives.

use super::merged::at;
use super::{script, server, world};
use crate::support::remains::Remains;
use crate::support::{World, copy_folder, every};

fn run_in(world: &World, root: &str, n: u32) {
    let actions = [
        ">CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY)".to_owned(),
        format!(">INSERT INTO t VALUES({n})"),
        format!("?question {n}"),
        format!("!out/R{n}_v1.0.md\n{n}"),
    ];
    world.file("mission.json", script(&actions).to_string());
    assert_eq!(at(world, root, &["run", "mission.json"]).code, 0);
}

#[test]
fn a_merge_that_is_killed_at_any_point_is_made_or_not_made() {
    let server = server();
    let world = world(&server);
    for (root, missions) in [("into", 0..1), ("a", 1..3), ("b", 3..5)] {
        for n in missions {
            run_in(&world, root, n);
        }
    }
    // One that is replaced.
    world.file(
        "mission.json",
        script(&["!out/R0_v1.0.md\nother"]).to_string(),
    );
    assert_eq!(at(&world, "b", &["run", "mission.json"]).code, 0);
    matrix(&world, Some("into"));
    matrix(&world, None);
}

/// Merges into copies of the root `into`, or into a root that does not exist, and kills each merge at
/// another point.
fn matrix(world: &World, into: Option<&str>) {
    let path = |root: &str| world.path().join(root);
    let merge = ["merge", "a", "b", "--prefer", "last"];
    let fresh = |name: &str| {
        if let Some(into) = into {
            copy_folder(&path(into), &path(name));
        }
    };
    fresh("undisturbed");
    let list = path("points");
    let arguments = [&["--root", "undisturbed"][..], &merge].concat();
    let merged = world.coo_with(&arguments, "COO_FAULT", &format!("list:{}", list.display()));
    assert_eq!(merged.code, 0, "{merged:?}");
    let after = Remains::of(&path("undisturbed"));
    let points = std::fs::read_to_string(&list).unwrap();
    let points: Vec<&str> = points.lines().collect();
    let lines_before = into.map_or(0, |into| {
        at(world, into, &["missions"]).stdout.lines().count()
    });
    let (mut as_before, mut made) = (0, 0);
    for (n, point) in (1..).zip(&points).step_by(every(8)) {
        let name = format!("trial-{n}");
        fresh(&name);
        let mut command = world.command(&[&["--root", &name][..], &merge].concat());
        let killed = command
            .env("COO_FAULT", format!("kill:{n}"))
            .output()
            .unwrap();
        assert!(killed.status.code().is_none(), "{point}: {killed:?}");
        // The next command finishes what was committed.
        let next = at(world, &name, &["missions"]);
        assert_eq!(next.code, 0, "{point}: {next:?}");
        if next.stdout.lines().count() == lines_before {
            as_before += 1;
        } else {
            made += 1;
            assert_eq!(Remains::of(&path(&name)), after, "{point}");
        }
        let again = at(world, &name, &merge);
        assert_eq!(again.code, 0, "{point}: {again:?}");
        assert_eq!(Remains::of(&path(&name)), after, "{point}");
        let checked = at(world, &name, &["artefacts", "check"]);
        assert_eq!(checked.code, 0, "{point}: {checked:?}");
        std::fs::remove_dir_all(path(&name)).unwrap();
    }
    println!(
        "{} points: {as_before} as before, {made} made",
        points.len()
    );
    assert!(as_before > 0 && made > 0, "{as_before} {made}");
    std::fs::remove_dir_all(path("undisturbed")).unwrap();
    std::fs::remove_file(list).unwrap();
}
