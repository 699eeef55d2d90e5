//! Tests of the pack's form: a manifest that does not agree, and what counts as approval.

use super::*;

fn id() -> MissionId {
    MissionId::new(7, "T")
}

fn members() -> Members {
    let mut members = Members::from([
        (README.to_owned(), b"hello".to_vec()),
        (RUN.to_owned(), b"run".to_vec()),
    ]);
    seal(&mut members);
    members
}

/// Writes the manifest that agrees with the files.
fn seal(members: &mut Members) {
    let text = Manifest::of(id(), members).to_text().unwrap();
    members.insert(MANIFEST.to_owned(), text.into_bytes());
}

fn refused(edit: impl FnOnce(&mut Members)) -> String {
    let mut members = members();
    edit(&mut members);
    check(&members).unwrap_err().to_string()
}

#[test]
fn a_manifest_lists_every_file_but_itself() {
    let manifest = check(&members()).unwrap();
    let paths: Vec<&str> = manifest
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(paths, [README, RUN]);
    assert_eq!(manifest.mission, id());
}

#[test]
fn a_pack_that_is_not_that_of_its_manifest_is_refused_by_name() {
    let insert = |name: &'static str, content: &'static str| {
        move |members: &mut Members| {
            members.insert(name.to_owned(), content.into());
        }
    };
    assert_eq!(
        refused(|members| drop(members.remove(MANIFEST))),
        "file MANIFEST.json: is missing"
    );
    assert_eq!(
        refused(|members| drop(members.remove(RUN))),
        "file run.coorun: is missing"
    );
    assert_eq!(refused(insert("x", "")), "file x: is not in MANIFEST.json");
    assert!(refused(insert(RUN, "rum")).starts_with("file run.coorun: 3 bytes with SHA-256 "));
    assert!(refused(insert(MANIFEST, "{")).starts_with("MANIFEST.json: "));
    assert_eq!(
        refused(insert(MANIFEST, r#"{"format":"coo-pack/2","more":1}"#)),
        "MANIFEST.json: has format coo-pack/2, this build reads coo-pack/1"
    );
    let spaced = refused(|members| {
        members.get_mut(MANIFEST).unwrap().push(b' ');
    });
    assert_eq!(
        spaced,
        "MANIFEST.json: is not written as 'coo pack' writes it"
    );
}

#[test]
fn only_the_id_itself_approves() {
    for line in ["MISSION-000007", "MISSION-000007\n"] {
        assert_eq!(approve(id(), line.as_bytes()), Ok(()));
    }
    for line in [
        "",
        "\n",
        "y\n",
        "yes",
        "mission-000007",
        "MISSION-000008",
        " MISSION-000007",
    ] {
        assert!(approve(id(), line.as_bytes()).is_err(), "{line:?}");
    }
    assert_eq!(
        approve(id(), b"yes\n").unwrap_err().to_string(),
        "pack of mission MISSION-000007: 'yes\\n' was typed, and only MISSION-000007 counts; no pack was made"
    );
}

#[test]
fn a_log_of_rollbacks_has_one_written_form() {
    let empty = rollback_log(&[]).unwrap();
    assert_eq!(empty, b"[]\n");
    assert_eq!(check_rollback_log(&empty).unwrap(), 0);
    for bad in ["", "[]", "[ ]\n", "{}\n", "[1]\n"] {
        assert!(check_rollback_log(bad.as_bytes()).is_err(), "{bad:?}");
    }
}
