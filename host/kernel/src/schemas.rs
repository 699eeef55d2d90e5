//! The JSON Schemas of what the kernel reads and writes, and of its types that are written by hand.
//! Only tests and the generator of `manifests/schemas` compile this file (feature `schemas`).

use schemars::{SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::effects::artefact::{WriteAnswer, WriteRequest};
use crate::effects::db;
use crate::form::digest::Digest;
use crate::form::schema::{Published, list_of, text};
use crate::journal::{
    DecisionBody, EnvironmentBody, IntentBody, Kind, MissionBody, OutcomeBody, StepReturnedBody,
    StepStartedBody, TransitionBody, WorldBody,
};
use crate::mission::MissionId;
use crate::mission::state::State;
use crate::{baseline, batch, llm, mission, pack, schema_by_hand, state, tier1};

schema_by_hand!(
    Digest,
    "Digest",
    text(
        "^[0-9a-f]{64}$",
        "A SHA-256 digest in lower-case hex digits."
    )
);
schema_by_hand!(
    MissionId,
    "MissionId",
    text("^(DEMO|MISSION)-[0-9]{6,}$", "The id of a mission.")
);
schema_by_hand!(
    tier1::FixPack,
    "FixPack",
    json_schema!({
        "description": "The number of a fix pack in the Tier-1 plan.",
        "enum": tier1::FixPack::ALL.map(tier1::FixPack::id),
    })
);
schema_by_hand!(
    db::Value,
    "SqlValue",
    json_schema!({
        "description": "A value of a row or parameter.",
        "anyOf": [
            { "type": ["null", "integer", "string"] },
            {
                "type": "object",
                "properties": { "real": { "type": "string" } },
                "required": ["real"],
                "additionalProperties": false,
            },
            {
                "type": "object",
                "properties": { "blob": { "type": "string", "pattern": "^([0-9a-f]{2})*$" } },
                "required": ["blob"],
                "additionalProperties": false,
            },
        ],
    })
);

/// Returns the schema of the body of an event of this kind.
fn body(kind: Kind, generator: &mut SchemaGenerator) -> Value {
    let call = |request: schemars::Schema, answer: schemars::Schema| {
        json!({
            "type": "object",
            "properties": { "answer": answer, "request": request },
            "required": ["answer", "request"],
            "additionalProperties": false,
        })
    };
    let schema = match kind {
        Kind::Mission => generator.subschema_for::<MissionBody>(),
        Kind::Transition => generator.subschema_for::<TransitionBody>(),
        Kind::Environment => generator.subschema_for::<EnvironmentBody>(),
        Kind::StepStarted => generator.subschema_for::<StepStartedBody>(),
        Kind::StepReturned => generator.subschema_for::<StepReturnedBody>(),
        Kind::LlmIntent => generator.subschema_for::<IntentBody>(),
        Kind::LlmOutcome => generator.subschema_for::<OutcomeBody>(),
        Kind::LlmRefused => generator.subschema_for::<llm::Refusal>(),
        Kind::HumanDecision => generator.subschema_for::<DecisionBody>(),
        Kind::World => generator.subschema_for::<WorldBody>(),
        Kind::DbQuery | Kind::DbReturning => {
            let request = generator.subschema_for::<db::Statement>();
            return call(request, generator.subschema_for::<db::DbAnswer<db::Rows>>());
        }
        Kind::DbExecute => {
            let request = generator.subschema_for::<db::Statement>();
            return call(request, generator.subschema_for::<db::DbAnswer<u64>>());
        }
        Kind::GatewayWrite => {
            let request = generator.subschema_for::<WriteRequest>();
            return call(request, generator.subschema_for::<WriteAnswer>());
        }
    };
    schema.into()
}

/// Returns the condition that ties the body of an event to its kind, for an object with the fields
/// `kind`, `state` and `body`.
pub fn bodies(generator: &mut SchemaGenerator) -> Value {
    let cases = Kind::ALL.map(|kind| {
        json!({
            "if": { "properties": { "kind": { "const": kind.name() } } },
            "then": { "properties": { "body": body(kind, generator) } },
        })
    });
    json!({
        "properties": {
            "kind": { "enum": Kind::ALL.map(Kind::name) },
            "state": { "enum": State::ALL.map(State::name) },
        },
        "allOf": cases,
    })
}

/// Returns the schema of a line that holds an event, as `T` writes it.
pub fn event_line<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let line = generator.subschema_for::<T>();
    json!({ "allOf": [line, bodies(generator)] })
}

/// Returns every schema of the kernel.
#[must_use]
pub fn all() -> Vec<Published> {
    vec![
        Published::read::<mission::descriptor::Descriptor>("coo-mission/1", "A mission descriptor")
            .with_format(),
        Published::composed_of_any_age(
            "batch-list",
            "A line of a list of missions for a batch",
            |generator| {
                let descriptor = generator.subschema_for::<mission::descriptor::Descriptor>();
                let reference = generator.subschema_for::<batch::list::Reference>();
                json!({ "anyOf": [descriptor, reference] })
            },
        ),
        Published::written::<batch::report::MissionResult>(
            batch::report::RESULT_FORMAT,
            "The result of one mission of a batch",
        )
        .with_format(),
        Published::written::<batch::report::Summary>(
            batch::report::SUMMARY_FORMAT,
            "The summary of a batch",
        )
        .with_format(),
        Published::read::<crate::project::manifest::Manifest>(
            "coo-build/1",
            "missions/dist/build.json: how the modules of a project were built",
        )
        .with_format(),
        Published::written::<state::index::Index<'static>>(
            "coo-index/1",
            "INDEX.json: the artefacts of a state root",
        )
        .with_format(),
        Published::written::<state::reports::Index<'static>>(
            "coo-reports/1",
            "REPORTS.json: the reports of a state root",
        )
        .with_format(),
        Published::written::<baseline::Form>(
            "coo-amu0/1",
            "The tree of a baseline, with nine bits of each mode",
        )
        .with_format(),
        Published::written::<baseline::Form>("coo-amu0/2", "The tree of a baseline").with_format(),
        Published::written::<baseline::freeze::Form>(
            "coo-freeze-manifest/1",
            "freeze_manifest.json of an earlier release",
        )
        .with_format(),
        Published::written::<baseline::freeze::Form>(
            "coo-freeze-manifest/2",
            "freeze_manifest.json: a frozen state root",
        )
        .with_format(),
        Published::written::<pack::Manifest>("coo-pack/1", "MANIFEST.json of an artefact pack")
            .with_format(),
        Published::written::<pack::lineage::Lineage>(
            "coo-lineage/1",
            "hash_lineage.json of an artefact pack",
        )
        .with_format(),
        Published::composed(
            "flight-recorder",
            "A line of flight_recorder.jsonl in an artefact pack",
            event_line::<pack::documents::Event<'static>>,
        ),
        Published::composed(
            "frozen-calls",
            "frozen_calls.json of an artefact pack",
            list_of::<pack::documents::FrozenCall<'static>>,
        ),
        Published::composed(
            "rollback-log",
            "rollback_log.json of an artefact pack",
            list_of::<baseline::rollback::Request>,
        ),
        Published::composed_of_any_age(
            "coo-run/1",
            "A line of JSON in an exported run: the header, or an event",
            |generator| {
                let header = generator.subschema_for::<crate::journal::run_file::Header>();
                let event = event_line::<crate::journal::run_file::Event<'static>>(generator);
                json!({ "oneOf": [header, event] })
            },
        ),
        Published::written::<tier1::completion::DeterminismReport<'static>>(
            "coo-tier1-determinism/1",
            "The determinism report of the Tier-1 hardening",
        )
        .with_format(),
    ]
}
