//! The rulesets of this coo, by digest, and the check that they are the ones that a configuration pins
//! (packet §5.4). Never reads a ruleset from disk, and judges nothing by one.

use std::sync::LazyLock;

use anyhow::{Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::edition::Edition;
use coo_kernel::mission::ruleset::{self, Digests, Ruleset};

use super::config::Config;
use crate::hint::Hint as _;

/// The rulesets that are files.
const FILES: [(Ruleset, &str); 2] = [
    (
        Ruleset::ConstitutionalLint,
        include_str!("../../../reference/constitutional_lint.json"),
    ),
    (
        Ruleset::GovernanceLeak,
        include_str!("../../../reference/governance_leak_ruleset.json"),
    ),
];

/// Returns the digest of every ruleset of this coo.
#[must_use]
pub fn digests() -> &'static Digests {
    static DIGESTS: LazyLock<Digests> = LazyLock::new(|| {
        let files = FILES.map(|(ruleset, text)| (ruleset, Digest::of(text)));
        let mission = ruleset::of_missions(Edition::CURRENT);
        let all = files.into_iter().chain([(Ruleset::Mission, mission)]);
        all.collect()
    });
    &DIGESTS
}

/// Fails if a ruleset of this coo is not the one that `config` pins.
pub fn check(config: &Config) -> Result<()> {
    ruleset::check(&config.rulesets, digests()).map_err(|other| {
        let accept = format!(
            "use the coo with that ruleset, or set rulesets.{} of config.json to {} to accept this one",
            other.ruleset, other.found
        );
        anyhow!(other).context("configuration").hint(accept)
    })
}
