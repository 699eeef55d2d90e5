//! Which export of a component starts it. Admission checks the type of the export and the sandbox
//! calls it, so both ask here. Judges no types and calls nothing.

/// The export of a mission.
pub const RUN: &str = "run";
/// Beginning of the exported interface of a WASI program, in all its compatible versions.
const COMMAND: &str = "wasi:cli/run@0.2.";

/// Returns the export that starts a component with these exports: `run`, or else the first
/// `wasi:cli/run`.
pub fn of_component<'a>(exports: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut command = None;
    for name in exports {
        if name == RUN {
            return Some(name);
        }
        if command.is_none() && name.starts_with(COMMAND) {
            command = Some(name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_comes_before_every_command_and_the_first_command_before_others() {
        let commands = ["x", "wasi:cli/run@0.2.0", "wasi:cli/run@0.2.3"];
        assert_eq!(of_component(commands), Some("wasi:cli/run@0.2.0"));
        assert_eq!(of_component(["wasi:cli/run@0.2.0", "run"]), Some("run"));
        assert_eq!(of_component(["wasi:cli/run@0.3.0", "runs"]), None);
        assert_eq!(of_component([]), None);
    }
}
