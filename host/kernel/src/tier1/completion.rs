//! The texts of the completion report and of the determinism report. Both follow from what stage 1
//! found and from the version alone; times and facts of a machine have no place in them.

use std::fmt::Write as _;

use serde::Serialize;

use super::document::Document;
use super::transitions::Tried;
use super::{Check, Installation, Repeated, Stage1};
use crate::form::canonical::{self, NotCanonical};
use crate::form::digest::Digest;

/// The plan's completion condition of stage 1, each with what meets it in this report.
const CONDITIONS: [(&str, &str); 6] = [
    (
        "All five Fix Packs implemented",
        "FP-3.1, FP-3.2, FP-3.3, FP-3.7 and FP-3.9, in this order",
    ),
    ("All tests pass", "every check below has the result PASS"),
    (
        "Determinism suite clean",
        "FP-3.1, and again after each fix pack",
    ),
    (
        "AMU₀ discipline validated",
        "FP-3.2, and a rollback after each fix pack",
    ),
    ("Human-minimisation enforced", "FP-3.7"),
    ("Governance boundaries enforced", "FP-3.3 and FP-3.9"),
];

/// Returns the completion report. Fails only if the operator's governance has no canonical form.
pub fn markdown(stage: &Stage1, minor: u32) -> Result<String, NotCanonical> {
    let Installation {
        coo,
        engine,
        module_set,
        modules,
        probe,
        rules,
    } = &stage.installation;
    let governance = if stage.governance.is_empty() {
        "nothing beyond the built-in rules".to_owned()
    } else {
        format!("`{}`", cell(&canonical::to_string(&stage.governance)?))
    };
    let names: Vec<&str> = modules.iter().map(|module| module.name.as_str()).collect();
    let mut text = format!(
        "# Tier-1 Hardening Completion Report v0.{minor}\n\n\
         Equal installations and states give this report with equal bytes.\n\n\
         | | |\n|---|---|\n\
         | Result | PASS |\n\
         | coo | {coo}, rules of edition {} |\n\
         | Engine | {} |\n\
         | Engine identity | {} |\n\
         | Module set | {module_set} ({}) |\n\
         | Probe | {probe} |\n\
         | Installation | {} |\n\
         | State | {} |\n\
         | Baseline (G1) | {}, {} |\n\
         | Operator's governance | {governance} |\n",
        u32::from(*rules),
        cell(engine.lines().next().unwrap_or_default()),
        Digest::of(engine),
        names.join(", "),
        stage.installation.digest(),
        stage.state,
        stage.baseline.name,
        stage.baseline.baseline,
    );
    // Writing to a string does not fail.
    text.push_str("\n## Completion condition\n\n| Condition | Met by |\n|---|---|\n");
    for (condition, met_by) in CONDITIONS {
        let _ = writeln!(text, "| {condition} | {met_by} |");
    }
    for judged in &stage.packs {
        let _ = write!(
            text,
            "\n## {}: {}\n\n",
            judged.pack.id(),
            judged.pack.title()
        );
        table(&mut text, "Check", &judged.checks);
        text.push('\n');
        table(&mut text, "After this fix pack", &judged.after);
    }
    let _ = write!(
        text,
        "\n## Limits\n\n\
         - The checks ran on one machine. They show nothing about other machines.\n\
         - They tried the bundled missions and the probe. Missions of others are judged by `coo verify`.\n\
         - The state is as it was at the baseline. A later change needs a new run.\n\
         \n## Human action required\n\n\
         “Approve Tier-1 Readiness”: `coo tier1 approve`, or `coo tier1 reject`.\n\n\
         Beside this report: `{}`, `{}`.\n",
        Document::Determinism.path(minor),
        Document::Enhancement.path(minor)
    );
    Ok(text)
}

fn table(text: &mut String, first: &str, checks: &[Check]) {
    let _ = write!(text, "| {first} | Result | Evidence |\n|---|---|---|\n");
    for check in checks {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            cell(&check.what),
            if check.holds { "PASS" } else { "FAIL" },
            cell(&check.evidence)
        );
    }
}

/// Returns text that stays in its cell of a table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\n', '\r'], " ")
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub(crate) struct DeterminismReport<'a> {
    format: &'static str,
    installation: &'a Installation,
    missions: &'a [Repeated],
    transitions: &'a Tried,
}

/// Returns the determinism report: JSON for programs.
pub fn determinism(stage: &Stage1, transitions: &Tried) -> Result<String, serde_json::Error> {
    let report = DeterminismReport {
        format: "coo-tier1-determinism/1",
        installation: &stage.installation,
        missions: &stage.suite,
        transitions,
    };
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::link::Link;
    use crate::mission::authority::Governance;
    use crate::mission::edition::Edition;
    use crate::module::module_set::Member;
    use crate::tier1::{FixPack, Judged, transitions};

    fn stage() -> Stage1 {
        let digest = Digest::of("x");
        Stage1 {
            installation: Installation {
                coo: "1.1.0".to_owned(),
                engine: "wasmtime=48\nfuel=on\n".to_owned(),
                module_set: digest,
                modules: vec![Member {
                    name: "demo.wasm".to_owned(),
                    sha256: digest,
                }],
                probe: digest,
                rules: Edition::CURRENT,
            },
            state: digest,
            governance: Governance::default(),
            baseline: Link {
                baseline: digest,
                name: "PRE_HARDENING_AMU0".to_owned(),
            },
            packs: FixPack::ALL
                .map(|pack| Judged {
                    pack,
                    checks: vec![Check::new("a | b", true, "one\ntwo")],
                    after: vec![Check::new("again", true, "same")],
                })
                .into(),
            suite: Vec::new(),
        }
    }

    #[test]
    fn the_report_names_every_fix_pack_and_condition_and_keeps_cells_apart() {
        let text = markdown(&stage(), 3).unwrap();
        assert!(text.starts_with("# Tier-1 Hardening Completion Report v0.3\n"));
        for pack in FixPack::ALL {
            let heading = format!("\n## {}: {}\n", pack.id(), pack.title());
            assert_eq!(text.matches(&heading).count(), 1, "{text}");
        }
        for (condition, _) in CONDITIONS {
            assert!(text.contains(condition));
        }
        assert!(text.contains("| a \\| b | PASS | one two |\n"), "{text}");
        assert!(text.contains("“Approve Tier-1 Readiness”"));
        assert_eq!(markdown(&stage(), 3).unwrap(), text);
        assert_ne!(markdown(&stage(), 4).unwrap(), text);
    }

    #[test]
    fn the_operators_governance_is_in_the_report() {
        let mut stage = stage();
        stage.governance.ceiling.tier = Some(3);
        let text = markdown(&stage, 1).unwrap();
        assert!(
            text.contains("| Operator's governance | `{\"ceiling\":{\"tier\":3}}` |"),
            "{text}"
        );
    }

    #[test]
    fn the_determinism_report_is_json_with_every_transition() {
        let text = determinism(&stage(), &transitions::tried()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["format"], "coo-tier1-determinism/1");
        assert_eq!(value["transitions"]["legal"].as_array().unwrap().len(), 11);
        assert_eq!(value["installation"]["coo"], "1.1.0");
    }

    #[test]
    fn another_engine_or_module_is_another_installation() {
        let one = stage().installation;
        let mut engine = one.clone();
        engine.engine.push_str("more=1\n");
        let mut modules = one.clone();
        modules.modules[0].sha256 = Digest::of("y");
        let mut coo = one.clone();
        coo.coo = "1.2.0".to_owned();
        for other in [engine, modules, coo] {
            assert_ne!(other.digest(), one.digest());
        }
        assert_eq!(one.digest(), stage().installation.digest());
    }
}
