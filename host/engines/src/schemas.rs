//! The JSON Schemas of what the engines read and write, and of their types that are written by hand.
//! Only tests and the generator of `manifests/schemas` compile this file (feature `schemas`).

use coo_kernel::form::schema::{Published, text};
use coo_kernel::schema_by_hand;
use schemars::json_schema;

use crate::change::ChangeId;
use crate::python::ModulePath;
use crate::repository::scope::Scope;
use crate::{amend, change, gate, lint, migrate, repository, scan};

schema_by_hand!(
    ChangeId,
    "ChangeId",
    text("^[A-Z]+-[0-9]{6,}$", "The id of a governed change.")
);
schema_by_hand!(
    ModulePath,
    "ModulePath",
    text(
        "^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)*$",
        "A dotted name of a Python module.",
    )
);
schema_by_hand!(
    Scope,
    "Scope",
    json_schema!({
        "description": "Files, as patterns of paths from the top of the repository.",
        "type": "array",
        "items": { "type": "string" },
    })
);

/// Returns every schema of the engines.
#[must_use]
pub fn all() -> Vec<Published> {
    vec![
        Published::read::<repository::config::Config>(
            "coo.toml",
            "coo.toml: what the engines read in a repository",
        ),
        Published::read::<amend::File>("coo-amendments-1", "A file of amendments").with_format(),
        Published::written::<amend::Log>(
            amend::LOG_FORMAT,
            "amendment_log.json: which amendments made which documents",
        )
        .with_format(),
        Published::written::<amend::Escalation>(
            "escalation",
            "escalation_ID.json: why an amendment was not applied",
        ),
        Published::read::<lint::ruleset::Written>(
            "coo-lint-ruleset-1",
            "The rules of the constitutional lint",
        )
        .with_format(),
        Published::written::<lint::Report>("lint-report", "lint_report.json of a governed change"),
        Published::written::<lint::Report>("coo-lint-report/1", "What 'coo lint --json' prints")
            .with_format(),
        Published::read::<scan::ruleset::Written>(
            "coo-governance-leak-ruleset-1",
            "The rules of the leak scanner",
        )
        .with_format(),
        Published::written::<scan::Report>(
            "scanner-report",
            "scanner_report.json of a governed change",
        ),
        Published::written::<scan::Report>("coo-scan-report/1", "What 'coo scan --json' prints")
            .with_format(),
        Published::written::<gate::Results>(
            "coo-gate-results/1",
            "gate_results.json, and what 'coo gates --json' prints",
        )
        .with_format(),
        Published::written::<change::question::Question<'static>>(
            "coo-question/1",
            "The question of a change that failed",
        )
        .with_format(),
        Published::written::<migrate::snapshot::Snapshot>(
            "snapshot",
            "snapshot_1.json and snapshot_2.json of a migration",
        ),
    ]
}
