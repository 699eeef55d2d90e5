//! `coo amend`: documents are amended all or none, whatever goes wrong and whenever the process
//! dies; what was done can be told from the evidence, and a patch says the same to git.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::every;
use crate::support::{Ran, World, shown, steady};

const CONFIG: &str =
    "[amend]\namendments = 'amendments.json'\ndocuments = ['docs/**/*.md', 'PLAN.txt']\n";
const DOCUMENTS: [(&str, &str); 3] = [
    ("PLAN.txt", "[IP-1] Build it.\r\n[IP-2] Ship it."),
    (
        "docs/a b.md",
        "# Title\n\n## Scope\n\nText.\n\n## Roles\n\n- [R-1] One.\n- [R-2] Two.\n",
    ),
    ("docs/deep/é.md", "\u{feff}# Deep\nend\n"),
];

fn amendment(
    id: &str,
    document: &str,
    anchor: &Value,
    operation: &str,
    text: Option<&str>,
) -> Value {
    let mut amendment = json!({
        "id": id, "document": document, "anchor": anchor, "operation": operation,
    });
    if let Some(text) = text {
        amendment["text"] = text.into();
    }
    amendment
}

/// Given in no order: that of the ids counts.
fn amendments() -> Vec<Value> {
    vec![
        amendment(
            "A-3",
            "docs/deep/é.md",
            &json!({ "header": "# Deep" }),
            "insert_before",
            Some("[D-1] New."),
        ),
        amendment(
            "A-1",
            "PLAN.txt",
            &json!({ "clause": "[IP-2]" }),
            "insert_after",
            Some("[IP-3] Keep it."),
        ),
        amendment(
            "A-2",
            "docs/a b.md",
            &json!({ "header": "## Scope" }),
            "replace",
            Some("## Scope\n\nAll of it.\n"),
        ),
        amendment(
            "A-4",
            "docs/a b.md",
            &json!({ "clause": "[R-1]" }),
            "delete",
            None,
        ),
    ]
}

fn world(amendments: &[Value]) -> World {
    let world = World::new();
    world.file("coo.toml", CONFIG);
    for (name, text) in DOCUMENTS {
        world.file(name, text);
    }
    write(&world, amendments);
    world
}

fn write(world: &World, amendments: &[Value]) {
    let file = json!({ "format": "coo-amendments-1", "amendments": amendments });
    world.file("amendments.json", file.to_string());
}

fn texts(world: &World) -> Vec<String> {
    let read = |(name, _): &(&str, &str)| fs::read_to_string(world.path().join(name)).unwrap();
    DOCUMENTS.iter().map(read).collect()
}

fn old() -> Vec<String> {
    DOCUMENTS
        .iter()
        .map(|(_, text)| (*text).to_owned())
        .collect()
}

fn new() -> Vec<String> {
    vec![
        "[IP-1] Build it.\r\n[IP-2] Ship it.\r\n[IP-3] Keep it.\r\n".to_owned(),
        "# Title\n\n## Scope\n\nAll of it.\n## Roles\n\n- [R-2] Two.\n".to_owned(),
        "\u{feff}[D-1] New.\n# Deep\nend\n".to_owned(),
    ]
}

/// Returns what a refused command prints, for a snapshot.
#[track_caller]
fn error(ran: &Ran) -> String {
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.starts_with("ERROR: "), "{ran:?}");
    steady(&ran.stderr)
}

fn evidence(world: &World, name: &str) -> Vec<u8> {
    fs::read(world.root().join("evidence/000001").join(name)).unwrap()
}

#[test]
fn documents_are_amended_in_the_order_of_the_ids() {
    let world = world(&amendments());
    assert_snapshot!(shown("amend", &world.coo(&["amend"])), @r"
    $ coo amend
    Amend
      A-1 insert_after '[IP-2]' PLAN.txt:2, 1 line
      A-2 replace '## Scope' docs/a b.md:3, 4 lines
      A-3 insert_before '# Deep' docs/deep/é.md:1, 2 lines
      A-4 delete '[R-1]' docs/a b.md:8, 1 line
      Documents: 3
      Evidence: .coo/evidence/000001
      Result: AMENDED
    --- exit 0
    ");
    assert_eq!(texts(&world), new());
    let log: Value = serde_json::from_slice(&evidence(&world, "amendment_log.json")).unwrap();
    assert_eq!(log["amendments"][3]["sequence_id"], 4);
    assert_eq!(log["documents"].as_array().unwrap().len(), 3);
    // Nothing is inserted a second time.
    assert_snapshot!(shown("amend", &world.coo(&["amend"])), @r"
    $ coo amend
    Amend
      Applied already: .coo/evidence/000001
      Result: UNCHANGED
    --- exit 0
    ");
    // With `--json`, what is applied already has the fields of what is applied now.
    let again = world.json(&["amend"]);
    assert_eq!(again["patch"], "");
    assert_eq!(again["evidence"], ".coo/evidence/000001");
    for field in [
        "amendments",
        "amendments_sha256",
        "config_sha256",
        "documents",
    ] {
        assert_eq!(again[field], log[field], "{field}");
    }
    // Each is a document of a form of its own, and neither is a file of amendments.
    assert_eq!(log["format"], "coo-amendment-log/1");
    assert_eq!(again["format"], "coo-amend/1");
    assert_eq!(world.json(&["amend", "--check"])["format"], "coo-amend/1");
    assert_eq!(world.json(&["amend", "--check"])["patch"], "");
    assert_eq!(texts(&world), new());
    // Where somebody has changed a document since, the anchors decide.
    world.file("PLAN.txt", DOCUMENTS[0].1);
    assert_snapshot!(error(&world.coo(&["amend"])), @"
    ERROR: AmendmentHaltException: amendment A-4: anchor '[R-1]' in docs/a b.md: MissingAnchor: is nowhere; no document was changed
    hint: see .coo/evidence/000002/escalation_A-4.json, then name an anchor that is there once
    ");
}

#[test]
fn a_protected_document_is_amended_after_a_word_or_the_option() {
    let plan = amendment(
        "A-1",
        "docs/specs/plan.md",
        &json!({ "header": "# Plan" }),
        "insert_after",
        Some("[P-1] New."),
    );
    let protected = || {
        let world = world(std::slice::from_ref(&plan));
        world.file("docs/specs/plan.md", "# Plan\n");
        world
    };
    let refused = protected();
    let ran = refused.coo_with_input(&["amend", "--quiet"], b"yes\n");
    // A question stays, however little the user wants to read.
    assert_snapshot!(shown("amend --quiet", &ran), @"
    $ coo amend --quiet
    --- standard error
    [coo] amend changes 1 protected document:
          docs/specs/plan.md (specifications, '**/specs/**')
    Type 'CONFIRM_PROTECTED' to permit it
    ERROR: amend: would change 1 protected document, the first is 'docs/specs/plan.md', and nobody permitted it; nothing was changed
    hint: run it again and type CONFIRM_PROTECTED, or give --yes
    --- exit 1
    ");
    let text = fs::read_to_string(refused.path().join("docs/specs/plan.md")).unwrap();
    assert_eq!(text, "# Plan\n");
    let typed = protected();
    let typed = typed.coo_with_input(&["amend"], b"CONFIRM_PROTECTED\n");
    assert_eq!(typed.code, 0, "{typed:?}");
    for option in ["--yes", "--approve", "--approve-protected"] {
        let world = protected();
        let ran = world.coo(&["amend", option]);
        assert_eq!(
            (ran.code, ran.stdout),
            (0, typed.stdout.clone()),
            "{option}"
        );
        let approval: Value = serde_json::from_slice(&evidence(&world, "approval.json")).unwrap();
        assert_eq!(approval["protected"], json!(["docs/specs/plan.md"]));
    }
}

#[test]
fn the_evidence_is_the_same_wherever_it_is_made() {
    let [first, second] = [world(&amendments()), world(&amendments())];
    assert_eq!(first.coo(&["amend"]).code, 0);
    let elsewhere = second.path().join("else/where");
    fs::create_dir_all(&elsewhere).unwrap();
    let mut command = second.command(&["--root", "../../.coo", "amend", "../.."]);
    assert!(command.current_dir(elsewhere).status().unwrap().success());
    for name in ["amendment_log.json", "amendment_diff.patch"] {
        assert_eq!(evidence(&first, name), evidence(&second, name), "{name}");
    }
    assert_eq!(texts(&second), new());
}

#[test]
fn git_applies_the_patch_to_the_same_end() {
    let amended = world(&amendments());
    let checked = amended.coo(&["amend", "--check"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
    assert_eq!(texts(&amended), old());
    assert!(!amended.root().exists());
    let printed = amended.json(&["amend", "--check"]);
    assert_eq!(printed["patch"], checked.stdout);
    assert_eq!(printed["evidence"], Value::Null);
    assert_eq!(amended.coo(&["amend"]).code, 0);
    let patch = evidence(&amended, "amendment_diff.patch");
    assert_eq!(String::from_utf8(patch).unwrap(), checked.stdout);

    let plain = world(&[]);
    plain.file("a.patch", &checked.stdout);
    let git = Command::new("git")
        .args(["apply", "--whitespace=nowarn", "a.patch"])
        .env("GIT_CEILING_DIRECTORIES", plain.path().parent().unwrap())
        .current_dir(plain.path())
        .output()
        .expect("git, which made this checkout");
    assert!(git.status.success(), "{git:?}");
    assert_eq!(texts(&plain), new());
}

#[test]
fn an_ambiguity_halts_with_an_escalation_and_changes_nothing() {
    let mut list = amendments();
    list.push(amendment(
        "A-9",
        "docs/a b.md",
        &json!({ "clause": "[R-9]" }),
        "delete",
        None,
    ));
    let world = world(&list);
    let ran = world.coo(&["amend"]);
    assert_snapshot!(shown("amend", &ran), @"
    $ coo amend
    --- standard error
    ERROR: AmendmentHaltException: amendment A-9: anchor '[R-9]' in docs/a b.md: MissingAnchor: is nowhere; no document was changed
    hint: see .coo/evidence/000001/escalation_A-9.json, then name an anchor that is there once
    --- exit 1
    ");
    let written = String::from_utf8(evidence(&world, "escalation_A-9.json")).unwrap();
    assert_snapshot!(written, @r#"{"amendment_id":"A-9","candidates_found":[],"document":"docs/a b.md","searched_anchor":"[R-9]","type":"MissingAnchor"}"#);
    assert_eq!(texts(&world), old());

    let twice = format!("{}- [R-2]  Again.\n", DOCUMENTS[1].1);
    world.file("docs/a b.md", &twice);
    list.pop();
    list.push(amendment(
        "A-0",
        "docs/a b.md",
        &json!({ "clause": "[R-2]" }),
        "delete",
        None,
    ));
    write(&world, &list);
    assert_snapshot!(error(&world.coo(&["amend", "--check"])), @"
    ERROR: AmendmentHaltException: amendment A-0: anchor '[R-2]' in docs/a b.md: AmbiguousAnchor: is on lines 10, 11; no document was changed
    hint: name an anchor that is there once
    ");
    assert_snapshot!(error(&world.coo(&["amend"])), @"
    ERROR: AmendmentHaltException: amendment A-0: anchor '[R-2]' in docs/a b.md: AmbiguousAnchor: is on lines 10, 11; no document was changed
    hint: see .coo/evidence/000002/escalation_A-0.json, then name an anchor that is there once
    ");
    let file = world.root().join("evidence/000002/escalation_A-0.json");
    let written: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(
        written["candidates_found"][1],
        json!({ "line": 11, "text": "- [R-2] Again." })
    );
    assert_eq!(
        fs::read_to_string(world.path().join("docs/a b.md")).unwrap(),
        twice
    );
    // A document that is not there has no anchor.
    write(
        &world,
        &[amendment(
            "A-1",
            "docs/none.md",
            &json!({ "header": "# X" }),
            "delete",
            None,
        )],
    );
    assert_snapshot!(error(&world.coo(&["amend"])), @"
    ERROR: AmendmentHaltException: amendment A-1: anchor '# X' in docs/none.md: MissingAnchor: is nowhere; no document was changed
    hint: see .coo/evidence/000003/escalation_A-1.json, then name an anchor that is there once
    ");
}

#[test]
fn what_cannot_be_amended_is_refused_by_name() {
    let title = json!({ "header": "# Title" });
    let mut told = String::new();
    let mut refused = |prepare: &dyn Fn(&World)| {
        let world = world(&amendments());
        prepare(&world);
        told += &error(&world.coo(&["amend"]));
        assert!(!world.root().exists(), "{told}");
    };
    let given = |document: &str| {
        let list = [amendment("A-1", document, &title, "delete", None)];
        move |world: &World| write(world, &list)
    };
    refused(&given("README.md"));
    refused(&given("docs/../x.md"));
    refused(&given("/etc/passwd"));
    refused(&|world| fs::remove_file(world.path().join("coo.toml")).unwrap());
    for config in [
        "",
        "\n\n[amend\n",
        &format!("{CONFIG}more = 1\n"),
        "[amend]\namendments = '../x'\ndocuments = []\n",
    ] {
        refused(&|world| drop(world.file("coo.toml", config)));
    }
    refused(&|world| drop(world.file("docs/a b.md", b"# Title\n\xff\n")));
    refused(&|world| drop(world.file("amendments.json", "{}")));
    refused(&|world| {
        let path = world.path().join("docs/a b.md");
        fs::rename(&path, world.path().join("target.md")).unwrap();
        symlink("../target.md", path).unwrap();
    });
    assert_snapshot!(told, @"
    ERROR: file amendments.json: amendment 'A-1': document 'README.md' is not one of [amend] documents
    ERROR: file amendments.json: amendment 'A-1': its document is not a path from the top of the repository
    ERROR: file amendments.json: amendment 'A-1': its document is not a path from the top of the repository
    ERROR: configuration ./coo.toml: can't be opened
    hint: write one, or name one with --config
    ERROR: configuration ./coo.toml: has no section [amend]
    hint: write one
    ERROR: configuration ./coo.toml: line 3: not TOML: unclosed table, expected `]`
    ERROR: configuration ./coo.toml: line 4: amend.more: no such field; permitted: amendments, documents
    ERROR: configuration ./coo.toml: '../x' is not a path from the top of the repository: path '../x': has a '.' or '..' component
    ERROR: document docs/a b.md: is not UTF-8: invalid utf-8 sequence of 1 bytes from index 8
    hint: convert it
    ERROR: file amendments.json: is not a file of amendments: line 1: field 'format' is missing
    ERROR: link <world>/docs/a b.md: is in scope and is not a file
    hint: exclude it in ./coo.toml
    ");
    let world = World::new();
    assert_snapshot!(error(&world.coo(&["amend", "nowhere"])), @"
    ERROR: configuration nowhere/coo.toml: can't be opened
    hint: write one, or name one with --config
    ");
    assert_eq!(world.coo(&["amend", "a", "b"]).code, 2);
}

#[test]
fn an_amending_stopped_at_any_point_leaves_all_documents_old_or_all_new() {
    let reference = world(&amendments());
    assert_eq!(reference.coo(&["init"]).code, 0);
    let list = reference.path().join("points");
    let fault = format!("list:{}", list.display());
    assert_eq!(reference.coo_with(&["amend"], "COO_FAULT", &fault).code, 0);
    let points = fs::read_to_string(list).unwrap().lines().count();
    for way in ["kill", "fail"] {
        let mut ends = [0, 0];
        for n in (1..=points).step_by(every(7)) {
            let world = world(&amendments());
            assert_eq!(world.coo(&["init"]).code, 0);
            let fault = format!("{way}:{n}");
            let mut command = world.command(&["amend"]);
            let stopped = command.env("COO_FAULT", &fault).output().unwrap();
            assert!(!stopped.status.success(), "{fault}");
            let next = world.coo(&["missions"]);
            assert_eq!(next.code, 0, "{fault} {next:?}");
            let found = texts(&world);
            assert!(found == old() || found == new(), "{fault}: a mix");
            let amended = found == new();
            ends[usize::from(amended)] += 1;
            // Nothing is amended without a log.
            if amended {
                let log = evidence(&world, "amendment_log.json");
                serde_json::from_slice::<Value>(&log).unwrap();
            } else {
                let again = world.coo(&["amend"]);
                assert_eq!(again.code, 0, "{fault} {again:?}");
                assert_eq!(texts(&world), new());
            }
        }
        println!("{way}: {} old, {} amended, 0 mixed", ends[0], ends[1]);
        assert!(ends[0] > 1 && ends[1] > 0, "{ends:?}");
    }
}
