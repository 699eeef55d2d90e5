//! Writes a scanner's report as SARIF 2.1.0 (OASIS), so that code hosts show violations at their
//! lines. Adds no findings to the report.

use std::collections::BTreeMap;

use coo_kernel::form::digest::Digest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::report::{Report, Violation};
use super::ruleset::Ruleset;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Characters that stay unencoded in a URI's path: those that RFC 3986 calls `unreserved`, and the
/// slash. `%` stays because a path's text form already encodes bytes that are not UTF-8.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'%');

/// Returns the report as a SARIF log.
pub fn sarif(report: &Report, ruleset: &Ruleset) -> Value {
    let rules: Vec<_> = ruleset
        .forbidden
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name,
                "name": rule.name,
                "shortDescription": {"text": rule.why},
                "fullDescription": {"text": rule.why},
                "help": {"text": format!("{} Pattern: {}", rule.why, rule.pattern.text())},
                "defaultConfiguration": {"level": "error"},
            })
        })
        .collect();
    let index: BTreeMap<_, _> = ruleset
        .forbidden
        .iter()
        .enumerate()
        .map(|(i, rule)| (&rule.name, (i, &rule.why)))
        .collect();
    let mut seen = BTreeMap::new();
    let results: Vec<_> = report
        .violations
        .iter()
        .filter_map(|violation| {
            let (rule, why) = index.get(&violation.pattern)?;
            let times = seen
                .entry((&violation.file, &violation.pattern, &violation.excerpt))
                .or_insert(0_u64);
            *times += 1;
            Some(result(violation, *rule, why, *times))
        })
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "coo scan",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": true}],
            "properties": {
                "ruleset_sha256": report.ruleset_sha256,
                "ruleset_version": ruleset.version,
                "scanned_paths": report.scanned_paths,
            },
            "results": results,
        }],
    })
}

/// Returns one violation. `times` counts how often the same text was found in this file so far.
fn result(violation: &Violation, rule: usize, why: &str, times: u64) -> Value {
    let Violation {
        file,
        pattern,
        excerpt,
        region,
        ..
    } = violation;
    // Stays the same when lines above are added or removed.
    let fingerprint = Digest::of(format!("{pattern}\n{excerpt}\n{times}"));
    json!({
        "ruleId": pattern,
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": format!("{pattern}: {excerpt} ({why})")},
        "locations": [{"physicalLocation": {
            "artifactLocation": {
                "uri": utf8_percent_encode(file, ENCODED).to_string(),
                "uriBaseId": "SRCROOT",
            },
            "region": region,
        }}],
        "partialFingerprints": {"cooViolation/v1": fingerprint},
    })
}
