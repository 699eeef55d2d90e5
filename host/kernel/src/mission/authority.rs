//! What a mission may do: the smaller of what its descriptor asks and what the configuration
//! permits (Tier-1 plan FP-3.9; design, "Policy"). Every refusal states what was tried, what is
//! permitted and who set that limit, in the same bytes every time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::form::digest::Digest;
use crate::form::path_pattern::PathPattern;
use crate::mission::descriptor::Descriptor;
use crate::mission::edition::Edition;
use crate::mission::failure::{Bound, Failure, Rule, SetBy};
use crate::mission::limits::Limits;
use crate::mission::protected;
use crate::mission::ruleset;
use crate::mission::scope::Scope;
use crate::module::surface::Interface;

/// The highest tier: every import.
pub const TIER_MAX: u8 = 3;

/// A call to the outside, as tiers classify it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Complete,
    Query,
    Execute,
    Write,
}

impl Call {
    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "llm.complete",
            Self::Query => "db.query",
            Self::Execute => "db.execute",
            Self::Write => "gateway.write",
        }
    }

    /// Returns the tier that the call needs. A mission of tier 0 only computes; tier 1 may also ask
    /// the model and query, tier 2 may also change the missions' database (the world), tier 3 may
    /// also write artefacts.
    const fn tier(self) -> u8 {
        match self {
            Self::Complete | Self::Query => 1,
            Self::Execute => 2,
            Self::Write => 3,
        }
    }
}

/// Returns the lowest tier that permits a call of `interface`.
#[must_use]
pub const fn lowest_tier(interface: Interface) -> u8 {
    match interface {
        Interface::Llm => Call::Complete.tier(),
        Interface::Db => Call::Query.tier(),
        Interface::Gateway => Call::Write.tier(),
        // WASI's interfaces are open to every tier.
        _ => 0,
    }
}

/// The most that any mission may do: `governance.ceiling` of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Budgets, by name; a bound that is absent has no ceiling.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<Bound, u64>,
    /// As in `Scope`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// As in `Scope`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
}

/// What the operator of a state root decides about missions: `governance` of the configuration.
/// Recorded with every run for which it was not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Governance {
    #[serde(default, skip_serializing_if = "Ceiling::is_empty")]
    pub ceiling: Ceiling,
    /// Patterns of artefacts that no mission may write, in addition to the built-in ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
}

/// The rules that a run is subject to, besides its descriptor. They are recorded with the run, so
/// that a replay is judged by the rules in force when it ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The operator's rules.
    pub governance: Governance,
    /// The edition of coo's own rules.
    pub rules: Edition,
    /// SHA-256 of these rules; none in a journal of an earlier build.
    pub rules_sha256: Option<Digest>,
}

impl Policy {
    /// Returns the policy of a run that begins now.
    pub fn current(governance: Governance) -> Self {
        Self {
            governance,
            rules: Edition::CURRENT,
            rules_sha256: Some(ruleset::of_missions(Edition::CURRENT)),
        }
    }
}

/// The policy of a run whose journal does not state one.
impl Default for Policy {
    fn default() -> Self {
        Self {
            governance: Governance::default(),
            rules: Edition::FIRST,
            rules_sha256: None,
        }
    }
}

/// A field whose value can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct AuthorityError {
    pub field: &'static str,
    /// What was found and what is needed.
    pub reason: String,
}

fn check(paths: &[String], tier: Option<u8>) -> Result<(), AuthorityError> {
    if let Some(tier) = tier.filter(|tier| *tier > TIER_MAX) {
        return Err(AuthorityError {
            field: "tier",
            reason: format!("{tier} found; 0 to {TIER_MAX} needed"),
        });
    }
    check_patterns("paths", paths)
}

fn check_patterns(field: &'static str, patterns: &[String]) -> Result<(), AuthorityError> {
    patterns.iter().try_for_each(|pattern| {
        protected::check(pattern).map_err(|reason| AuthorityError { field, reason })
    })
}

impl Scope {
    /// Refuses a tier out of range and patterns that are not valid.
    pub fn check(&self) -> Result<(), AuthorityError> {
        check(self.paths.as_deref().unwrap_or_default(), self.tier)
    }
}

/// The budgets that the ceiling of a new state root limits: what a mission spends outside its sandbox,
/// and the work that it may take.
const FRESH: [Bound; 6] = [
    Bound::ArtefactBytes,
    Bound::Artefacts,
    Bound::Fuel,
    Bound::HostBytes,
    Bound::LlmCalls,
    Bound::LlmTokens,
];

impl Ceiling {
    /// Returns the ceiling of a new state root: every tier, every path that is not protected, and the
    /// budgets that a descriptor has if it asks for none. A mission that wants more needs the
    /// operator.
    #[must_use]
    pub fn fresh() -> Self {
        let limits = Limits::default();
        let limits = FRESH.map(|bound| Some((bound, limits.get(bound)?)));
        Self {
            limits: limits.into_iter().flatten().collect(),
            paths: Some(vec!["**".to_owned()]),
            tier: Some(TIER_MAX),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Governance {
    /// Returns whether the operator decided nothing; if so, it is not recorded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses fixed bounds, a tier out of range and patterns that are not valid.
    pub fn check(&self) -> Result<(), AuthorityError> {
        let Ceiling {
            limits,
            paths,
            tier,
        } = &self.ceiling;
        if let Some(fixed) = limits.keys().find(|bound| !Bound::ALL.contains(bound)) {
            return Err(AuthorityError {
                field: "limits",
                reason: format!("'{}' is fixed and can't be set", fixed.name()),
            });
        }
        check(paths.as_deref().unwrap_or_default(), *tier)?;
        check_patterns("protected", &self.protected)
    }
}

/// The permissions and budgets of one mission: its descriptor and its policy combined.
#[derive(Debug, Clone)]
pub struct Authority {
    asked: Limits,
    in_force: Limits,
    scope: Scope,
    policy: Policy,
    /// Patterns that no mission may write, and who protects them.
    protected: Vec<(PathPattern, SetBy)>,
    /// The paths that the scope and the ceiling permit.
    permitted: [Option<Vec<PathPattern>>; 2],
}

/// Who sets a limit, and the paths and the highest tier that the limit permits.
type Narrowing<'a> = (SetBy, Option<&'a Vec<PathPattern>>, Option<u8>);

/// Returns the patterns among `texts`. Invalid ones were refused where they were read.
fn patterns<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<PathPattern> {
    let read = texts.into_iter().map(protected::pattern);
    read.filter_map(Result::ok).collect()
}

/// The origin of one budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Budget {
    pub bound: Bound,
    /// What the descriptor asks for, or the default if it asks for nothing.
    pub asked: u64,
    /// The most that the configuration permits.
    pub ceiling: Option<u64>,
    /// The smaller of the two.
    pub in_force: u64,
}

impl Authority {
    /// Returns the authority of a mission with this descriptor under this policy.
    pub fn of(descriptor: &Descriptor, policy: &Policy) -> Self {
        let ceiling = &policy.governance.ceiling;
        let scope = descriptor.scope.clone().unwrap_or_default();
        let built_in = protected::entries(policy.rules).iter();
        let built_in = patterns(built_in.map(|(text, _)| *text)).into_iter();
        let built_in = built_in.map(|pattern| (pattern, SetBy::Registry));
        let configured = policy.governance.protected.iter().map(String::as_str);
        let configured = patterns(configured).into_iter();
        let configured = configured.map(|pattern| (pattern, SetBy::Configuration));
        let paths = |paths: &Option<Vec<String>>| {
            let paths = paths.as_ref()?;
            Some(patterns(paths.iter().map(String::as_str)))
        };
        Self {
            asked: descriptor.limits,
            in_force: descriptor.limits.capped(&ceiling.limits),
            protected: built_in.chain(configured).collect(),
            permitted: [paths(&scope.paths), paths(&ceiling.paths)],
            scope,
            policy: policy.clone(),
        }
    }

    /// Returns the budgets in force.
    pub const fn limits(&self) -> &Limits {
        &self.in_force
    }

    /// Returns the policy that the mission is subject to.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the permissions that the descriptor asks for.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the origin of every budget.
    pub fn budgets(&self) -> Vec<Budget> {
        let budget = |bound| {
            Some(Budget {
                bound,
                asked: self.asked.get(bound)?,
                ceiling: self.policy.governance.ceiling.limits.get(&bound).copied(),
                in_force: self.in_force.get(bound)?,
            })
        };
        Bound::ALL.into_iter().filter_map(budget).collect()
    }

    /// Returns the two limits on a mission: its own scope and the operator's ceiling.
    fn narrowing(&self) -> [Narrowing<'_>; 2] {
        let (scope, ceiling) = (&self.scope, &self.policy.governance.ceiling);
        let [by_scope, by_ceiling] = &self.permitted;
        [
            (SetBy::Scope, by_scope.as_ref(), scope.tier),
            (SetBy::Ceiling, by_ceiling.as_ref(), ceiling.tier),
        ]
    }

    /// Checks that a call of this kind is permitted.
    pub fn may(&self, call: Call) -> Result<(), Failure> {
        for (set_by, _, tier) in self.narrowing() {
            if let Some(tier) = tier.filter(|tier| *tier < call.tier()) {
                return Err(Failure::Governance {
                    limit: format!("tier {tier}"),
                    rule: Rule::Tier,
                    set_by,
                    wanted: format!("{}, which needs tier {}", call.name(), call.tier()),
                });
            }
        }
        Ok(())
    }

    /// Checks that the artefact at `path` may be written. A protected path is refused whatever else
    /// is permitted.
    pub fn may_write(&self, path: &str) -> Result<(), Failure> {
        let refused = |rule, set_by, limit: String| Failure::Governance {
            limit,
            rule,
            set_by,
            wanted: format!("gateway.write to '{path}'"),
        };
        if let Some((pattern, set_by)) = self
            .protected
            .iter()
            .find(|(pattern, _)| pattern.matches(path))
        {
            let pattern = pattern.as_str().to_owned();
            return Err(refused(Rule::Protected, *set_by, pattern));
        }
        for (set_by, paths, _) in self.narrowing() {
            if let Some(paths) = paths
                && !paths.iter().any(|pattern| pattern.matches(path))
            {
                let permitted = match paths.as_slice() {
                    [] => "no path".to_owned(),
                    paths => {
                        let texts: Vec<&str> = paths.iter().map(PathPattern::as_str).collect();
                        texts.join(", ")
                    }
                };
                return Err(refused(Rule::Path, set_by, permitted));
            }
        }
        Ok(())
    }

    /// Returns `failure`, attributed to the ceiling if the descriptor asked for a larger bound.
    pub fn attribute(&self, failure: Failure) -> Failure {
        let (bound, wanted, limit) = match &failure {
            Failure::Fuel { limit } => (Bound::Fuel, format!("more than {limit}"), *limit),
            Failure::Limit {
                bound,
                wanted,
                limit,
            } => (*bound, wanted.to_string(), *limit),
            _ => return failure,
        };
        if self.asked.get(bound).is_none_or(|asked| asked <= limit) {
            return failure;
        }
        Failure::Governance {
            limit: format!("{} {limit}", bound.name()),
            rule: Rule::Limit,
            set_by: SetBy::Ceiling,
            wanted: format!("{} {wanted}", bound.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn authority(scope: &serde_json::Value, governance: &serde_json::Value) -> Authority {
        let descriptor = json!({
            "format": "coo-mission/1", "mission_type": "T", "module": {"set": "demo"},
            "steps": [{"id": "one"}], "limits": {"llm_calls": 5}, "scope": scope,
        });
        let descriptor = Descriptor::parse(descriptor.to_string().as_bytes()).unwrap();
        let governance: Governance = serde_json::from_value(governance.clone()).unwrap();
        governance.check().unwrap();
        Authority::of(&descriptor, &Policy::current(governance))
    }

    #[test]
    fn the_smaller_of_scope_and_ceiling_counts_and_is_named() {
        let none = authority(&json!({}), &json!({}));
        assert_eq!(none.may(Call::Write), Ok(()));
        assert_eq!(none.may_write("a/A_v1.0.md"), Ok(()));
        let both = authority(
            &json!({"tier": 2, "paths": ["a/**", "b/**"]}),
            &json!({"ceiling": {"tier": 1, "paths": ["b/**"], "limits": {"llm_calls": 2}}, "protected": ["b/c/**"]}),
        );
        let words = |result: Result<(), Failure>| result.unwrap_err().to_string();
        assert_eq!(both.may(Call::Query), Ok(()));
        assert_eq!(
            words(both.may(Call::Execute)),
            "governance error: db.execute, which needs tier 2: the ceiling (governance.ceiling of the configuration) permits tier 1"
        );
        assert_eq!(
            words(both.may(Call::Write)),
            "governance error: gateway.write, which needs tier 3: the descriptor's scope permits tier 2"
        );
        assert_eq!(both.may_write("b/A_v1.0.md"), Ok(()));
        assert_eq!(
            words(both.may_write("c/A_v1.0.md")),
            "governance error: gateway.write to 'c/A_v1.0.md': the descriptor's scope permits a/**, b/**"
        );
        assert_eq!(
            words(both.may_write("a/A_v1.0.md")),
            "governance error: gateway.write to 'a/A_v1.0.md': the ceiling (governance.ceiling of the configuration) permits b/**"
        );
        assert_eq!(
            words(both.may_write("b/c/A_v1.0.md")),
            "governance error: gateway.write to 'b/c/A_v1.0.md': protected as 'b/c/**' by the configuration (governance.protected); nobody can write it through the runtime"
        );
        assert_eq!(both.limits().llm_calls, 2);
    }

    #[test]
    fn the_ceiling_of_a_new_root_permits_what_a_descriptor_has_by_default() {
        let ceiling = serde_json::to_value(Ceiling::fresh()).unwrap();
        let fresh = authority(&json!({}), &json!({"ceiling": ceiling}));
        for call in [Call::Complete, Call::Query, Call::Execute, Call::Write] {
            assert_eq!(fresh.may(call), Ok(()));
        }
        assert_eq!(fresh.may_write("A_v1.0.md"), Ok(()));
        assert_eq!(fresh.may_write("a/b/A_v1.0.md"), Ok(()));
        let default = Limits::default();
        assert_eq!(
            *fresh.limits(),
            Limits {
                llm_calls: 5,
                ..default
            }
        );
        assert_eq!(default.capped(&Ceiling::fresh().limits), default);
        let more = Limits {
            fuel: default.fuel + 1,
            ..default
        };
        assert_eq!(more.capped(&Ceiling::fresh().limits), default);
    }

    #[test]
    fn a_bound_is_put_down_to_whoever_set_it() {
        let authority = authority(
            &json!({}),
            &json!({"ceiling": {"limits": {"llm_calls": 2, "fuel": 10}}}),
        );
        let hit = |bound, limit| Failure::Limit {
            limit,
            bound,
            wanted: limit + 1,
        };
        assert_eq!(
            authority.attribute(hit(Bound::LlmCalls, 2)).to_string(),
            "governance error: llm_calls 3: the ceiling (governance.ceiling of the configuration) permits llm_calls 2"
        );
        assert_eq!(
            authority.attribute(Failure::Fuel { limit: 10 }).to_string(),
            "governance error: fuel more than 10: the ceiling (governance.ceiling of the configuration) permits fuel 10"
        );
        let own = hit(Bound::Artefacts, 1_000);
        assert_eq!(authority.attribute(own.clone()), own);
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        for (governance, word) in [
            (json!({"ceiling": {"tier": 9}}), "tier: 9 found"),
            (json!({"ceiling": {"paths": ["["]}}), "paths: '['"),
            (json!({"protected": ["["]}), "protected: '['"),
            (
                json!({"ceiling": {"limits": {"resources": 1}}}),
                "'resources' is fixed",
            ),
        ] {
            let governance: Governance = serde_json::from_value(governance).unwrap();
            let refused = governance.check().unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
        for unknown in [
            json!({"cieling": {}}),
            json!({"ceiling": {"limits": {"feul": 1}}}),
        ] {
            assert!(serde_json::from_value::<Governance>(unknown).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_scope_and_no_ceiling_lets_a_protected_path_through(
            scope in prop::option::of(prop::collection::vec("(\\*\\*|specs/\\*\\*|\\*)", 0..3)),
            ceiling in prop::option::of(prop::collection::vec("(\\*\\*|specs/\\*\\*)", 0..3)),
            name in "(specs|SPECS|Specs)/([a-z]{1,5}/){0,3}[A-Z][a-z]{0,5}_v1\\.0\\.md",
        ) {
            let authority = authority(
                &json!({"paths": scope.unwrap_or_default()}),
                &json!({"ceiling": {"paths": ceiling.unwrap_or_default()}}),
            );
            let protected = matches!(
                authority.may_write(&name),
                Err(Failure::Governance { rule: Rule::Protected, .. })
            );
            prop_assert!(protected);
        }

        #[test]
        fn nothing_in_force_is_above_what_is_asked_or_permitted(fuel in any::<u64>(), most in any::<u64>()) {
            let limits = Limits { fuel, ..Limits::default() };
            let capped = limits.capped(&BTreeMap::from([(Bound::Fuel, most)]));
            prop_assert_eq!(capped.fuel, fuel.min(most));
            prop_assert_eq!(Limits { fuel, ..capped }, limits);
        }
    }
}
