//! `coo pipeline bundle`: one zip file of everything there is to say of a change that has ended,
//! twice the same bytes, with checksums that hold.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use super::failed::at_last_review;
use super::{ID, approve, config, done, roll_back, sha256, start, world};
use crate::support::{World, shown};

fn members(path: &Path) -> BTreeMap<String, String> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let names: Vec<String> = zip
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect();
    names
        .into_iter()
        .map(|name| {
            let mut text = String::new();
            zip.by_name(&name)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            (name, text)
        })
        .collect()
}

fn bundled(world: &World, name: &str) -> BTreeMap<String, String> {
    done(&world.coo(&["pipeline", "bundle", ID, "--output", name]));
    members(&world.path().join(name))
}

#[test]
fn a_bundle_has_everything_and_is_the_same_twice() {
    let finished = || {
        let world = world(|world| {
            let more = "[bundle]\nimplementation = ['new/*.py']\n";
            world.file("repo/coo.toml", format!("{}{more}", config()));
        });
        start(&world);
        done(&approve(&world));
        done(&approve(&world));
        world
    };
    let world = finished();
    let first = bundled(&world, "a.zip");
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    insta::assert_snapshot!(names.join("\n"), @"
    COO_Runtime_Spec_v1.0.md
    SHA256SUMS
    diffs/amendment_diff.patch
    diffs/migration_plan.json
    gates/gate_results.json
    gates/lint_report.json
    gates/scanner_report.json
    gates/snapshot_1.json
    gates/snapshot_2.json
    implementation/new/__init__.py
    implementation/new/core.py
    implementation/new/shapes.py
    logs/amendment_log.json
    logs/db_transactions.jsonl
    logs/mission_log.jsonl
    logs/pipeline_log.jsonl
    logs/rollback_log.jsonl
    manifests/environment_manifest.json
    manifests/freeze_manifest.json
    manifests/hardware_manifest.json
    manifests/sandbox_digest.txt
    manifests/tools_manifest.json
    replay/mission_output.json
    replay/replay_results.json
    ");
    bundled(&world, "b.zip");
    let read = |world: &World, name: &str| std::fs::read(world.path().join(name)).unwrap();
    assert!(read(&world, "a.zip") == read(&world, "b.zip"));
    // Another run of the same change differs in what it was told of the machine, and no more.
    let other = finished();
    let second = bundled(&other, "a.zip");
    for (name, text) in &first {
        let is_of_machine = name.starts_with("manifests/") || name == "SHA256SUMS";
        assert!(is_of_machine || *text == second[name], "{name}");
    }
    for line in first["SHA256SUMS"].lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(sum, sha256(&first[name]), "{name}");
    }
    assert_eq!(first["SHA256SUMS"].lines().count(), first.len() - 1);
    assert!(
        first["logs/pipeline_log.jsonl"]
            .lines()
            .last()
            .unwrap()
            .contains(r#""stage":"COMPLETE""#)
    );
    assert!(first["replay/replay_results.json"].contains(r#""gate":"F""#));
    // Whoever has a file of that name keeps it.
    let again = world.coo(&["pipeline", "bundle", ID, "--output", "a.zip"]);
    insta::assert_snapshot!(shown("pipeline bundle", &again), @"
    $ coo pipeline bundle
    --- standard error
    ERROR: file a.zip: already exists
    hint: remove it or choose another name with --output
    --- exit 1
    ");
}

#[test]
fn a_final_bundle_without_the_implementation_pack_is_refused() {
    let world = at_last_review();
    done(&approve(&world));
    let ran = world.coo(&["pipeline", "bundle", ID, "--output", "a.zip"]);
    insta::assert_snapshot!(shown("pipeline bundle", &ran), @"
    $ coo pipeline bundle
    --- standard error
    ERROR: PIPELINE-000001: has no implementation pack, because [bundle] implementation names no file
    hint: name the pack's files in [bundle] implementation of coo.toml before a change begins
    --- exit 1
    ");
    assert!(!world.path().join("a.zip").exists());
}

#[test]
fn specification_and_implementation_come_from_the_repository() {
    let with = |template: &str| {
        let world = world(|world| {
            world.file("repo/docs/spec.md.j2", template);
            world.file("repo/docs/packet.md", "# Packet\n");
            let more = "[bundle]\nspecification = 'docs/spec.md.j2'\nimplementation = ['docs/packet.md', 'new/*.py']\n";
            world.file("repo/coo.toml", format!("{}{more}", config()));
        });
        start(&world);
        done(&approve(&world));
        done(&approve(&world));
        world
    };
    let world = with("v{{ host.version }} {{ gates[5].title }}\n");
    let found = bundled(&world, "a.zip");
    assert_eq!(
        found["COO_Runtime_Spec_v1.0.md"],
        format!("v{} Deterministic Replay\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(found["implementation/docs/packet.md"], "# Packet\n");
    assert_eq!(
        found["implementation/new/__init__.py"],
        "from .core import area\n"
    );
    // What was there when it ended counts, not what is there now.
    world.file("repo/docs/packet.md", "# Another\n");
    assert_eq!(bundled(&world, "b.zip"), found);
}

/// Found out before anything is changed: a bundle is made of what was configured then.
#[test]
fn a_template_that_cannot_be_rendered_lets_nothing_begin() {
    let world = world(|world| {
        world.file("repo/docs/spec.md.j2", "{{ nothing.at.all }}\n");
        let more = "[bundle]\nspecification = 'docs/spec.md.j2'\n";
        world.file("repo/coo.toml", format!("{}{more}", config()));
    });
    let ran = world.coo(&["pipeline", "start", "repo"]);
    insta::assert_snapshot!(shown("pipeline start repo", &ran), @"
    $ coo pipeline start repo
    PIPELINE-000001
      Repository: <world>/repo
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001 INIT
    [coo] PIPELINE-000001 INIT: template docs/spec.md.j2, line 1: undefined value
    ERROR: PIPELINE-000001: failed in INIT: template docs/spec.md.j2, line 1: undefined value
    hint: .coo/changes/000001/question.json says what can be done
    --- exit 1
    ");
}

#[test]
fn a_change_that_failed_has_its_question_and_its_rollback_in_it() {
    let world = world(|world| drop(world.file("repo/docs/more.md", "The agent approves it.\n")));
    start(&world);
    assert_eq!(approve(&world).code, 1);
    assert_eq!(roll_back(&world).code, 1);
    let found = bundled(&world, "a.zip");
    assert!(found["logs/question.json"].contains("docs/more.md:1: Approves"));
    assert_eq!(found["logs/rollback_log.jsonl"].lines().count(), 2);
    assert!(found["gates/gate_results.json"].contains(r#""status":"FAIL""#));
    assert!(
        !found.contains_key("replay/replay_results.json")
            || found["replay/replay_results.json"].contains("NOT_RUN")
    );
}
