//! Collects checks up to the first that does not hold. An error of a check is its evidence, and the
//! hints of the error become the check's.

use anyhow::{Result, bail};
use coo_kernel::tier1::Check;

use crate::hint;

/// The checks of one fix pack.
#[derive(Default)]
pub struct Checks {
    pub list: Vec<Check>,
}

impl Checks {
    /// Performs a check, which returns its evidence. Returns `None` if it does not hold.
    pub fn hold(&mut self, what: &str, check: impl FnOnce() -> Result<String>) -> Option<()> {
        self.hold_with(what, || Ok((check()?, ())))
    }

    /// Performs a check that also returns a value.
    pub fn hold_with<T>(
        &mut self,
        what: &str,
        check: impl FnOnce() -> Result<(String, T)>,
    ) -> Option<T> {
        match check() {
            Ok((evidence, value)) => {
                self.list.push(Check::new(what, true, evidence));
                Some(value)
            }
            Err(error) => {
                let mut failed = Check::new(what, false, format!("{error:#}"));
                let hints = hint::all(&error);
                if !hints.is_empty() {
                    failed = failed.or(hints.join("; "));
                }
                self.list.push(failed);
                None
            }
        }
    }
}

/// Fails with `why` unless `holds`.
pub fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<()> {
    if !holds {
        bail!(why());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::hint::Hint as _;

    #[test]
    fn a_check_that_fails_has_its_error_as_evidence_and_its_hints() {
        let mut checks = Checks::default();
        assert_eq!(checks.hold("a", || Ok("fine".to_owned())), Some(()));
        let failed = checks.hold("b", || {
            Err(anyhow!("broken").hint("mend it").context("part"))
        });
        assert_eq!(failed, None);
        assert_eq!(checks.list[0], Check::new("a", true, "fine"));
        assert_eq!(checks.list[1].evidence, "part: broken");
        assert_eq!(checks.list[1].hint.as_deref(), Some("mend it"));
        assert_eq!(
            checks.hold("c", || ensure(false, || "no".into())
                .map(|()| String::new())),
            None
        );
        assert_eq!(checks.list[2].hint, None);
    }
}
