//! Every JSON Schema of this build: those of the kernel and the engines, and of all that the host
//! reads and prints. Only tests and the generator of `manifests/schemas` compile this file (feature
//! `schemas`).

use coo_kernel::form::schema::{Published, list_of};
use coo_kernel::mission::script::Bundle;
use coo_kernel::module::pinned::ModuleManifest;
use coo_kernel::schemas::event_line;
use serde_json::json;

use super::super::{
    amu0, approve, artefacts, audit, build, digest, explain, export, freeze, init, inspect, logs,
    manifests, merge, mission, missions, pack, print, replay, resume, rollback, run, runner, tier1,
    verify, version,
};
use crate::baselines::rollback::RolledBack;
use crate::effects::world::dump;
use crate::manifests::environment::EnvironmentManifest;
use crate::manifests::hardware::HardwareManifest;
use crate::manifests::tools::ToolManifest;
use crate::mission::resume::InDoubt;
use crate::program::runners;
use crate::state::config::Config;
use crate::state::store::FrozenCall;

/// Returns every schema, sorted by name.
#[must_use]
pub fn all() -> Vec<Published> {
    let mut all = coo_kernel::schemas::all();
    all.extend(files());
    all.extend(of_missions());
    all.extend(of_state());
    all.extend(of_program());
    #[cfg(feature = "repository")]
    {
        all.extend(coo_engines::schemas::all());
        all.extend(of_repositories());
        all.extend(of_evidence());
    }
    all.sort_by_key(|published| published.name);
    all
}

/// Files of a state root, and files that ship with `coo`.
fn files() -> Vec<Published> {
    vec![
        Published::read::<Config>(
            "config.json",
            "config.json: the configuration of a state root",
        ),
        Published::composed(
            "frozen-answers",
            "Frozen answers that ship with coo",
            list_of::<FrozenCall>,
        ),
        Published::written::<crate::baselines::Record>(
            "baseline-record",
            "amu0/names/NAME.json: name and lineage of a baseline",
        ),
        Published::written::<ToolManifest>("coo-tools-manifest/1", "tools_manifest.json")
            .with_format(),
        Published::written::<EnvironmentManifest>(
            "coo-environment-manifest/1",
            "environment_manifest.json",
        )
        .with_format(),
        Published::written::<HardwareManifest>("coo-hardware-manifest/1", "hardware_manifest.json")
            .with_format(),
        Published::composed(
            "coo-world/1",
            "A line of the dump of a mission database",
            |generator| {
                json!({
                    "anyOf": [
                        generator.subschema_for::<dump::Line>(),
                        list_of::<coo_kernel::effects::db::Value>(generator),
                    ],
                })
            },
        ),
    ]
}

/// What the commands about missions print.
fn of_missions() -> Vec<Published> {
    vec![
        Published::composed(
            "coo-receipt/1",
            "How a run or a resumed mission ended",
            |generator| {
                json!({
                    "type": "object",
                    "anyOf": [
                        generator.subschema_for::<run::JsonReceipt<'static>>(),
                        generator.subschema_for::<resume::Ended>(),
                    ],
                })
            },
        )
        .with_format(),
        Published::written::<InDoubt>("coo-in-doubt/1", "A model call that may have been made")
            .with_format(),
        Published::written::<coo_kernel::mission::workflow::View>(
            "coo-workflow-refusal/1",
            "Why the workflow validator refused a mission",
        )
        .with_format(),
        Published::written::<replay::View<'static>>("coo-replay/1", "What a replay compared")
            .with_format(),
        Published::written::<crate::mission::verify::Report>(
            "coo-verify/1",
            "report.json of 'coo verify'",
        )
        .with_format(),
        Published::written::<verify::pack::View<'static>>(
            "coo-pack-check/1",
            "What the check of a pack found",
        )
        .with_format(),
        Published::written::<merge::View<'static>>(
            "coo-merge/1",
            "What a merge of state roots took",
        )
        .with_format(),
        Published::written::<missions::List<'static>>("coo-missions/1", "The missions of a root")
            .with_format(),
        Published::written::<mission::View>(
            "coo-mission-status/1",
            "Status and timeline of a mission",
        )
        .with_format(),
        Published::composed(
            "coo-log/1",
            "A line of 'coo logs --json': an event",
            |generator| {
                let mut line = event_line::<logs::JsonEvent<'static>>(generator);
                line["type"] = "object".into();
                line
            },
        )
        .with_format(),
        Published::written::<inspect::View>(
            "coo-inspection/1",
            "Lineage, calls and outputs of a mission",
        )
        .with_format(),
        Published::written::<explain::View>("coo-explanation/1", "What a mission was permitted")
            .with_format(),
        Published::written::<export::Written>("coo-export/1", "A run that was exported")
            .with_format(),
        Published::written::<pack::Written>("coo-pack-written/1", "A pack that was written")
            .with_format(),
        Published::written::<approve::Rejected<'static>>(
            "coo-rejection/1",
            "A person's rejection of a paused mission",
        )
        .with_format(),
        Published::written::<build::View>("coo-build-result/1", "What 'coo build' compiled")
            .with_format(),
        Published::written::<version::View>("coo-version/1", "What a build of coo is")
            .with_format(),
    ]
}

/// What the commands about state roots print.
fn of_state() -> Vec<Published> {
    vec![
        Published::written::<Config>(
            "coo-configuration/1",
            "What 'coo config show --json' prints",
        )
        .with_format(),
        Published::written::<init::Made>("coo-init/1", "What 'coo init' made").with_format(),
        Published::written::<artefacts::List<'static>>(
            "coo-artefacts/1",
            "The artefacts of a root",
        )
        .with_format(),
        Published::written::<artefacts::View<'static>>(
            "coo-artefacts-check/1",
            "Artefacts and reports compared with their record",
        )
        .with_format(),
        Published::written::<manifests::Made<'static>>(
            "coo-manifests-written/1",
            "The manifests that were written",
        )
        .with_format(),
        Published::written::<manifests::Checked<'static>>(
            "coo-manifests-check/1",
            "The manifests compared with the machine",
        )
        .with_format(),
        Published::written::<amu0::Made>("coo-amu0-created/1", "A baseline that was captured")
            .with_format(),
        Published::written::<amu0::list::List<'static>>("coo-amu0-baselines/1", "All baselines")
            .with_format(),
        Published::written::<amu0::list::View>("coo-amu0-lineage/1", "The lineage of a state root")
            .with_format(),
        Published::written::<amu0::verify::Verified>(
            "coo-amu0-verification/1",
            "A baseline that was checked",
        )
        .with_format(),
        Published::written::<amu0::restore::Done>("coo-amu0-restored/1", "A restored directory")
            .with_format(),
        Published::written::<RolledBack>("coo-rollback/1", "A rollback").with_format(),
        Published::written::<rollback::List<'static>>(
            "coo-rollbacks/1",
            "Every request to roll back",
        )
        .with_format(),
        Published::composed("coo-freeze/1", "Where a freeze stands", |generator| {
            json!({
                "type": "object",
                "anyOf": [
                    generator.subschema_for::<freeze::View<'static>>(),
                    generator.subschema_for::<freeze::NotFrozen>(),
                ],
            })
        })
        .with_format(),
    ]
}

/// What the commands about `coo` itself and about modules print, and every error.
fn of_program() -> Vec<Published> {
    vec![
        Published::written::<print::Failed<'static>>("coo-error/1", "An error, with --json")
            .with_format(),
        Published::written::<audit::View<'static>>("coo-audit/1", "What a module imports")
            .with_format(),
        Published::written::<digest::View>("coo-module-set-digest/1", "The module set")
            .with_format(),
        Published::written::<ModuleManifest>(
            "coo-module-manifest/1",
            "modules.json: what is pinned about a module set",
        )
        .with_format(),
        Published::written::<runners::Manifest>(
            "coo-runners/1",
            "runners.json: what is pinned about the runners that are not in the program",
        ),
        Published::written::<runner::JsonRunners>("coo-runner-list/1", "The runners of scripts")
            .with_format(),
        Published::written::<Bundle>(
            "coo-script/1",
            "A script with all that it needs, as a run records it; a runner gets it with an 'input'",
        ),
        Published::written::<super::List>("coo-schemas/1", "The schemas").with_format(),
        Published::written::<tier1::RunView<'static>>("coo-tier1-run/1", "A Tier-1 hardening")
            .with_format(),
        Published::written::<tier1::StatusView<'static>>("coo-tier1/1", "Tier-1 readiness")
            .with_format(),
    ]
}

/// Returns the schema of an object with exactly these fields, for JSON that has no type.
#[cfg(feature = "repository")]
fn closed(properties: &serde_json::Value) -> serde_json::Value {
    let names: Vec<&String> = properties
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

/// What a governed change leaves as evidence and in its bundle.
#[cfg(feature = "repository")]
fn of_evidence() -> Vec<Published> {
    use coo_engines::change::stage::Stage;
    use coo_engines::gate::Judged;
    use coo_kernel::baseline::link::Link;
    use coo_kernel::baseline::rollback::Outcome;
    use coo_kernel::form::digest::Digest;
    use coo_kernel::mission::Status;
    vec![
        Published::composed(
            "mission-output",
            "mission_output.json of a governed change",
            |generator| {
                closed(&json!({
                    "mission": { "type": "string" },
                    "module_sha256": generator.subschema_for::<Digest>(),
                    "output": true,
                    "status": generator.subschema_for::<Status>(),
                }))
            },
        ),
        Published::composed(
            "mission-log",
            "A line of mission_log.jsonl or db_transactions.jsonl of a governed change",
            |generator| {
                let mut line = closed(&json!({
                    "body": true,
                    "kind": { "type": "string" },
                    "sequence_id": { "type": "integer", "minimum": 1 },
                    "state": { "type": "string" },
                }));
                // Only in a bundle.
                for name in ["config_sha256", "environment_sha256"] {
                    line["properties"][name] = generator.subschema_for::<Digest>().into();
                }
                line["allOf"] = json!([coo_kernel::schemas::bodies(generator)]);
                line
            },
        ),
        Published::composed(
            "pipeline-log",
            "A line of logs/pipeline_log.jsonl in the bundle of a change",
            |generator| {
                let digest: serde_json::Value = generator.subschema_for::<Digest>().into();
                closed(&json!({
                    "body": true,
                    "config_sha256": digest,
                    "environment_sha256": digest,
                    "kind": { "type": "string" },
                    "prev_sha256": digest,
                    "sequence_id": { "type": "integer", "minimum": 1 },
                    "sha256": digest,
                    "stage": generator.subschema_for::<Stage>(),
                }))
            },
        ),
        Published::composed(
            "bundle-rollback-log",
            "A line of logs/rollback_log.jsonl in the bundle of a change",
            |generator| {
                closed(&json!({
                    "attempt": { "type": ["string", "null"] },
                    "outcome": generator.subschema_for::<Outcome>(),
                    "to": generator.subschema_for::<Link>(),
                }))
            },
        ),
        Published::written::<Judged>(
            "replay-results",
            "replay/replay_results.json in the bundle of a change: the result of gate F",
        ),
    ]
}

/// What the commands about repositories print and write.
#[cfg(feature = "repository")]
fn of_repositories() -> Vec<Published> {
    use super::super::{amend, pipeline};
    use crate::repository::{amend::Approval, migrate::Plan};
    vec![
        Published::written::<Approval<'static>>(
            "coo-approval/1",
            "approval.json: who permitted the change of protected documents",
        )
        .with_format(),
        Published::composed(
            "coo-amend/1",
            "What 'coo amend --json' prints",
            |generator| {
                json!({
                    "type": "object",
                    "allOf": [
                        generator.subschema_for::<amend::Done<'static, coo_engines::amend::Log>>(),
                    ],
                    "properties": {},
                })
            },
        )
        .with_format(),
        Published::written::<Plan>("coo-migration-plan/1", "The plan of a migration").with_format(),
        Published::written::<Plan>("migration-plan", "migration_plan.json of a governed change"),
        Published::written::<pipeline::View<'static>>("coo-change/1", "Where a change stands")
            .with_format(),
        Published::written::<pipeline::List<'static>>("coo-changes/1", "The governed changes")
            .with_format(),
        Published::written::<pipeline::Event<'static>>(
            "change-log",
            "A line of 'coo pipeline log --json': an event of a change",
        ),
        Published::written::<pipeline::BundleWritten<'static>>(
            "coo-bundle-written/1",
            "A bundle that was written",
        )
        .with_format(),
    ]
}
