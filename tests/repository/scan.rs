//! `coo scan` (packet §5).

use std::os::unix::fs::symlink;

use coo_engines::scan::Scanner;
use coo_kernel::baseline::TreePath;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{configure, error, reference};
use crate::support::{Ran, World, shown};

const RULESET: &str = r#"{
  "format": "coo-governance-leak-ruleset-1",
  "version": "test",
  "forbidden": [
    {"name": "Approves", "pattern": "(?i)\\bapproves\\b", "why": "Only the CEO does."},
    {"name": "MustApprove", "pattern": "(?i)\\bmust\\s+approve\\b", "why": "Only the CEO does."}
  ],
  "permitted": [{"pattern": "CEO\\s+(?i:approves)", "why": "It is the CEO."}]
}"#;
const PATHS: &str = "paths = ['docs/**/*.md', 'src/**/*.py']";

fn world(files: &[(&str, &[u8])]) -> World {
    let world = World::new();
    configure(&world, "", "scan", RULESET, PATHS);
    world.file("src/empty.py", "");
    for (path, content) in files {
        world.file(path, content);
    }
    world
}

/// File, line and rule of every violation.
fn found(files: &[(&str, &[u8])]) -> Vec<(String, u64, String)> {
    let ran = world(files).coo(&["scan", "--json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let violations = report["violations"].as_array().unwrap();
    assert_eq!(ran.code, i32::from(!violations.is_empty()), "{ran:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = violations.iter().map(|violation| {
        let line = violation["line"].as_u64().unwrap();
        (text(&violation["file"]), line, text(&violation["pattern"]))
    });
    found.collect()
}

fn leaky() -> World {
    world(&[
        (
            "docs/a.md",
            b"# A\n\nThe CEO approves.\nThe board must\n  approve it. It Approves\tall.\n",
        ),
        ("docs/b/c d.md", "\u{feff}Ä approves\r\n".as_bytes()),
        ("other/x.md", b"nobody approves"),
    ])
}

#[test]
fn violations_are_printed_as_text() {
    assert_snapshot!(shown("scan", &leaky().coo(&["scan"])), @r"
    $ coo scan
    docs/a.md:4: MustApprove: The board must
    docs/a.md:5: Approves: approve it. It Approves\tall.
    docs/b/c d.md:1: Approves: Ä approves
    Scan: FAIL
      Files: 3
      Violations: 3
      Ruleset: version test, 2 forbidden, 1 permitted
      SHA-256: <sha256>
    --- standard error
    ERROR: governance leaks: 3 violations in 2 files
    hint: name the CEO there or rephrase it, or have the phrase permitted in the ruleset
    --- exit 1
    ");
}

#[test]
fn the_report_has_the_keys_of_the_packet_in_its_order() {
    let ran = leaky().coo(&["scan", "--json"]);
    assert_eq!(ran.code, 1);
    assert_snapshot!(shown("scan --json", &Ran { stderr: String::new(), ..ran }), @r#"
    $ coo scan --json
    {
      "format": "coo-scan-report/1",
      "status": "FAIL",
      "violations": [
        {
          "file": "docs/a.md",
          "line": 4,
          "pattern": "MustApprove",
          "excerpt": "The board must"
        },
        {
          "file": "docs/a.md",
          "line": 5,
          "pattern": "Approves",
          "excerpt": "approve it. It Approves\\tall."
        },
        {
          "file": "docs/b/c d.md",
          "line": 1,
          "pattern": "Approves",
          "excerpt": "Ä approves"
        }
      ],
      "scanned_paths": [
        "docs/**/*.md",
        "src/**/*.py"
      ],
      "ruleset_sha256": "<sha256>"
    }
    --- exit 1
    "#);
    let clean = world(&[("docs/a.md", b"The CEO approves.")]);
    let report = clean.json(&["scan"]);
    assert_eq!(
        (&report["status"], &report["violations"]),
        (&json!("PASS"), &json!([]))
    );
    assert!(
        !clean.root().exists(),
        "a scan needs no state root and makes none"
    );
}

#[test]
fn sarif_says_the_same() {
    let world = leaky();
    let ran = world.coo(&["scan", "--sarif"]);
    assert_eq!(ran.code, 1);
    let log: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    let ids: Vec<_> = driver["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    assert_eq!(ids, ["Approves", "MustApprove"]);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(&result["ruleId"], ids[index]);
        assert_eq!(result["level"], "error");
        assert!(
            result["message"]["text"]
                .as_str()
                .unwrap()
                .ends_with("(Only the CEO does.)")
        );
    }
    let place = |i: usize| &results[i]["locations"][0]["physicalLocation"];
    assert_eq!(
        place(0)["region"],
        json!({"startLine": 4, "startColumn": 11, "endLine": 5, "endColumn": 10})
    );
    assert_eq!(
        place(2)["artifactLocation"],
        json!({"uri": "docs/b/c%20d.md", "uriBaseId": "SRCROOT"})
    );
    // A line more above it: the same finding.
    let fingerprint = |i: usize| results[i]["partialFingerprints"]["cooViolation/v1"].clone();
    world.file("docs/b/c d.md", "\nÄ approves\n");
    let after: Value = serde_json::from_str(&world.coo(&["scan", "--sarif"]).stdout).unwrap();
    let after = &after["runs"][0]["results"][2];
    assert_eq!(
        after["partialFingerprints"]["cooViolation/v1"],
        fingerprint(2)
    );
    assert_ne!(fingerprint(1), fingerprint(2));
    let both = world.coo(&["scan", "--json", "--sarif"]);
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn whatever_a_file_looks_like_its_lines_are_right() {
    let long = [
        &b"x".repeat(1_000_000)[..],
        b" approves ",
        &b"y".repeat(1_000_000),
    ]
    .concat();
    let line = |line, pattern: &str| vec![("docs/a.md".to_owned(), line, pattern.to_owned())];
    let cases: [(&[u8], Vec<_>); 8] = [
        (b"one\r\ntwo\r\nwho approves\r\n", line(3, "Approves")),
        (b"\xef\xbb\xbfapproves", line(1, "Approves")),
        (b"caf\xe9\nAPPROVES \xff", line(2, "Approves")),
        (&long, line(1, "Approves")),
        (b"it must\r\n\r\n  approve", line(1, "MustApprove")),
        (b"the CEO\n approves", vec![]),
        (b"the ceo approves", line(1, "Approves")),
        (b"disapproves approvesx", vec![]),
    ];
    for (content, expected) in cases {
        assert_eq!(found(&[("docs/a.md", content)]), expected);
    }
    let ran = world(&[("docs/a.md", &long)]).coo(&["scan"]);
    let first = ran.stdout.lines().next().unwrap();
    assert!(first.contains(" approves ") && first.len() < 250, "{first}");
    // UTF-16 would be looked through and nothing seen.
    let wide: Vec<u8> = "approves".bytes().flat_map(|byte| [byte, 0]).collect();
    let ran = world(&[("docs/a.md", &wide)]).coo(&["scan"]);
    assert_snapshot!(error(&ran), @"
    ERROR: file <world>/docs/a.md: line 1: has a zero byte, so it is no text in UTF-8
    hint: convert it, or exclude it
    ");
}

#[test]
fn only_the_pinned_ruleset_is_used() {
    let world = world(&[]);
    world.file("rules.json", RULESET.replace("must", "may"));
    let mut told = error(&world.coo(&["scan"]));
    for ruleset in [
        RULESET.replace("\"why\"", "\"reason\""),
        RULESET.replace("must\\\\s+", "must(\\\\s+"),
        RULESET.replace("-1\"", "-2\""),
        "[]".into(),
    ] {
        configure(&world, "", "scan", &ruleset, PATHS);
        let ran = world.coo(&["scan", "--json"]);
        assert!(ran.stdout.contains("\"format\": \"coo-error/1\""));
        let stdout = String::new();
        told += &error(&Ran { stdout, ..ran });
    }
    std::fs::remove_file(world.path().join("rules.json")).unwrap();
    told += &error(&world.coo(&["scan"]));
    configure(&world, "", "lint", RULESET, "");
    told += &error(&world.coo(&["scan"]));
    std::fs::remove_file(world.path().join("coo.toml")).unwrap();
    told += &error(&world.coo(&["scan"]));
    assert_snapshot!(told, @"
    ERROR: ruleset rules.json: has SHA-256 <sha256>, ./coo.toml pins <sha256>
    hint: take the pinned ruleset, or have the new one approved and pin that
    ERROR: ruleset rules.json: ruleset: line 5: forbidden[0].reason: no such field; permitted: name, pattern, why; line 5: forbidden[0]: field 'why' is missing
    ERROR: ruleset rules.json: forbidden[1] (MustApprove): pattern: at byte 10: unclosed group
    ERROR: ruleset rules.json: ruleset: has format 'coo-governance-leak-ruleset-2', only coo-governance-leak-ruleset-1 is read
    ERROR: ruleset rules.json: ruleset: line 1: a list found; an object needed
    ERROR: file <world>/rules.json: can't be opened: No such file or directory (os error 2)
    ERROR: configuration ./coo.toml: has no section [scan]
    hint: write one
    ERROR: configuration ./coo.toml: can't be opened
    hint: write one, or name one with --config
    ");
}

#[test]
fn what_is_not_looked_at_does_not_pass() {
    let world = World::new();
    configure(&world, "", "scan", RULESET, PATHS);
    let mut told = error(&world.coo(&["scan"]));
    world.file("docs/a.md", "");
    let ran = world.coo(&["scan"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.stderr,
        "[coo] scope of [scan]: no file matches src/**/*.py\n"
    );
    symlink("/etc/passwd", world.path().join("docs/link.md")).unwrap();
    told += &error(&world.coo(&["scan"]));
    std::fs::remove_file(world.path().join("docs/link.md")).unwrap();
    // A folder that is a link, or one that the folders of a pattern lead through.
    world.file("elsewhere/a.md", "it approves");
    for (link, paths) in [
        ("docs/more", PATHS),
        ("docs/more", "paths = ['docs/a.md', 'docs/more/*.md']"),
        ("linked", "paths = ['docs/a.md', 'linked/**/*.md']"),
        ("linked", "paths = ['docs/a.md', 'linked/a.md']"),
    ] {
        configure(&world, "", "scan", RULESET, paths);
        let at = world.path().join(link);
        symlink(world.path().join("elsewhere"), &at).unwrap();
        told += &error(&world.coo(&["scan"]));
        std::fs::remove_file(at).unwrap();
    }
    symlink("/etc/passwd", world.path().join("docs/link.md")).unwrap();
    let more = format!("{PATHS}\nexclude = ['docs/link.md', 'docs/old']");
    configure(&world, "", "scan", RULESET, &more);
    world.file("docs/old/a.md", "it approves");
    assert_eq!(world.coo(&["scan"]).code, 0);
    configure(&world, "", "scan", RULESET, "paths = ['/docs']");
    told += &error(&world.coo(&["scan"]));
    told += &error(&world.coo(&["scan", "nowhere"]));
    assert_snapshot!(told, @"
    ERROR: scope of [scan]: no file matches docs/**/*.md, src/**/*.py
    hint: correct paths in ./coo.toml
    ERROR: link <world>/docs/link.md: is in scope and is not a file
    hint: exclude it in ./coo.toml
    ERROR: link <world>/docs/more: is in scope and is not a file
    hint: exclude it in ./coo.toml
    ERROR: link <world>/docs/more: is in scope and is not a file
    hint: exclude it in ./coo.toml
    ERROR: link <world>/linked: is in scope and is not a file
    hint: exclude it in ./coo.toml
    ERROR: link <world>/linked: is in scope and is not a file
    hint: exclude it in ./coo.toml
    ERROR: configuration ./coo.toml: line 4: scan.paths: '/docs' is not a valid pattern: it is not a path from the top of the repository; for example docs/**/*.md
    ERROR: configuration nowhere/coo.toml: can't be opened
    hint: write one, or name one with --config
    ");
}

#[test]
fn the_same_files_give_the_same_bytes_from_anywhere() {
    let world = leaky();
    world.file("in/a/folder/x", "");
    let forms: [&[&str]; 3] = [&[], &["--json"], &["--sarif"]];
    for form in forms {
        let first = world.coo(&[&["scan"], form].concat());
        assert_eq!(world.coo(&[&["scan"], form].concat()), first);
        let mut elsewhere = world.command(&[&["scan", "../../.."], form].concat());
        elsewhere.current_dir(world.path().join("in/a/folder"));
        assert_eq!(crate::support::ran(elsewhere.output().unwrap()), first);
        let config = world.path().join("coo.toml");
        let config = ["scan", "--config", config.to_str().unwrap()];
        assert_eq!(world.coo(&[&config, form].concat()), first);
    }
}

/// The rules that the reference ruleset finds broken in `text`.
fn leaks(scanner: &Scanner, text: &str) -> Vec<String> {
    let path = TreePath::from_text("x").unwrap();
    let violations = scanner.file(&path, text.as_bytes()).unwrap();
    violations
        .into_iter()
        .map(|violation| violation.pattern)
        .collect()
}

fn reference_scanner() -> Scanner {
    let content = std::fs::read(reference("reference/governance_leak_ruleset.json")).unwrap();
    Scanner::new(&content).unwrap()
}

#[test]
fn the_reference_ruleset_finds_every_forbidden_string_of_the_packet() {
    let scanner = reference_scanner();
    for (rule, texts) in [
        (
            "MustApprove",
            vec![
                "must approve",
                "shall approve",
                "has to approve",
                "must formally approve",
            ],
        ),
        ("Approves", vec!["approves"]),
        ("Authorizes", vec!["authorizes", "authorises"]),
        ("Validates", vec!["validates"]),
        ("Confirms", vec!["confirms"]),
        (
            "RequiresApproval",
            vec![
                "requires approval",
                "require approval",
                "requiring prior approval",
                "approval is required",
                "must be approved",
            ],
        ),
        (
            "RequiresConfirmation",
            vec!["requires confirmation", "required a further confirmation"],
        ),
        (
            "AgentApproves",
            vec![
                "agent may approve",
                "system approved",
                "approved by the builder",
                "approval from the council",
                "runtime validated",
            ],
        ),
        (
            "AgentReviews",
            vec![
                "agent will review",
                "council reviews",
                "the model is reviewing",
                "reviewed by an agent",
                "Council members review",
                "StepGate reviews",
                "council chair reviews",
                "agents review",
                "agent is allowed to review",
                "board review the",
            ],
        ),
        (
            "AgentDecides",
            vec![
                "agent decides",
                "the runtime that decides",
                "system is allowed to decide",
                "decided by the model",
                "Antigrav decides",
                "decided by a council member",
            ],
        ),
        (
            "AgentDesignates",
            vec![
                "builder designates",
                "engine can designate",
                "designated by the COO agent",
            ],
        ),
        (
            "AgentGoverns",
            vec!["agents govern", "COO should govern", "governed by an LLM"],
        ),
        (
            "NotTheCeoAlone",
            vec![
                "non-CEO approves",
                "non\u{2011}CEO approves",
                "acting CEO authorizes",
                "agent or CEO approves",
                "council and CEO approval",
                "non-CEO approval",
            ],
        ),
    ] {
        for text in texts {
            // In any case, within a sentence, over lines of a comment, with emphasis.
            let words: Vec<_> = text.split(' ').collect();
            let (last, before) = words.split_last().unwrap();
            let wrapped = words.join("\n    /// ");
            let emphasised = [before, &[&format!("**{last}**")]].concat().join(" ");
            for text in [
                text.to_owned(),
                text.to_uppercase(),
                format!("Then it {text}, always."),
                wrapped,
                emphasised.replace(" **", " _").replace("**", "_"),
                emphasised,
            ] {
                let leaks = leaks(&scanner, &text);
                assert!(
                    leaks.iter().any(|found| found == rule),
                    "{rule}: {text:?}: {leaks:?}"
                );
            }
        }
    }
}

#[test]
fn the_reference_ruleset_permits_what_the_packet_permits() {
    let scanner = reference_scanner();
    for text in [
        "CEO approves",
        "The CEO authorizes the release.",
        "CEO authorises",
        "CEO\n> approves",
        "the CEO **approves**",
        "the CEO explicitly approves",
        "the CEO must approve",
        "the CEO reviews and approves",
        "the CEO reads, reviews and explicitly approves the plan",
        "| CEO | Approves |",
        "| **CEO** | authorizes releases |",
        "CEO approval is required",
        "The CEO's explicit confirmation is required.",
        // A review is a thing, too.
        "Council Review Packet",
        "COUNCIL REVIEW PACKET",
        "The Council Review of the plan, and after the council review",
        "Council reviews are archived.",
        "COO Review Board",
        "requires approval by the CEO",
        "requires explicit confirmation from the CEO",
        "must be approved by the CEO",
        "every model reviewed by the CEO",
        // Not said of an agent, or said not to be so.
        "people decide",
        "the agent must not decide",
        "the system is governed by the CEO",
        "approvesx",
        "validates_input",
        "must_approve()",
        "a review of the system",
        "Run `coo approve ID`.",
        "$ coo validate mission.json",
    ] {
        assert_eq!(leaks(&scanner, text), Vec::<String>::new(), "{text:?}");
    }
    for (text, rule) in [
        // Permitted are the phrases, not the lines they stand on.
        ("The CEO approves, then the board approves", "Approves"),
        ("the CEO or the COO approves", "Approves"),
        ("ceo approves", "Approves"),
        ("CEO confirms", "Confirms"),
        ("COO approves", "Approves"),
        ("the CEO proposes and the board approves", "Approves"),
        ("the CEO's assistant reviews and approves", "Approves"),
        ("The CEO reads the plan and approves it", "Approves"),
        ("| Council | Approves |", "Approves"),
        ("| Council | Reviews |", "AgentReviews"),
        ("Council approval is required", "RequiresApproval"),
        ("Council and CEO approval is required", "NotTheCeoAlone"),
    ] {
        let leaks = leaks(&scanner, text);
        assert!(
            leaks.iter().any(|found| found == rule),
            "{text:?}: {leaks:?}"
        );
    }
}
