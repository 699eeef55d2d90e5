//! Finds modules that a pickle names; Python imports them by that name when it loads the pickle.
//! Looks for the name only where the format can hold one, and reads nothing else of the pickle.

use super::words::is_word;

/// Returns the first module in the package `from` that a pickle anywhere in `bytes` names.
pub fn module_in(bytes: &[u8], from: &str) -> Option<String> {
    let name = from.as_bytes();
    let mut at = 0;
    while let Some(found) = position(&bytes[at..], name) {
        let start = at + found;
        if let Some(module) = module_at(bytes, start, name) {
            return Some(module);
        }
        at = start + 1;
    }
    None
}

fn position(bytes: &[u8], name: &[u8]) -> Option<usize> {
    bytes.windows(name.len()).position(|window| window == name)
}

/// Returns the module's name that begins at `start`, if a pickle can have one there.
fn module_at(bytes: &[u8], start: usize, name: &[u8]) -> Option<String> {
    let (before, after) = bytes.split_at(start);
    let length = after
        .iter()
        .take_while(|byte| is_word(char::from(**byte)) && byte.is_ascii() || **byte == b'.')
        .count();
    let module = &after[..length];
    let rest = &module[name.len().min(length)..];
    if !(rest.is_empty() || rest.starts_with(b".")) {
        return None;
    }
    let text = || String::from_utf8(module.to_vec()).ok();
    // GLOBAL and INST: the module and the name, each on a line of its own.
    if before.ends_with(b"c") || before.ends_with(b"(i") {
        let line = after[length..].strip_prefix(b"\n")?;
        let begins = line.first().is_some_and(|byte| is_word(char::from(*byte)));
        return begins.then(text).flatten();
    }
    // Text after its length: an opcode, then the length in one, four or eight bytes.
    let says = |opcodes: &[u8], width: usize| {
        let place = start.checked_sub(width + 1)?;
        let number = bytes[place + 1..start].iter().rev();
        let said = number.fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        (opcodes.contains(&bytes[place]) && said == length).then_some(())
    };
    let is_said = says(b"\x8cU", 1).or_else(|| says(b"XT", 4));
    is_said.or_else(|| says(b"\x8d", 8)).and_then(|()| text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_pickles_of_every_protocol_name_are_found() {
        for (pickle, expected) in [
            // pickle.dumps(old.core.T, protocol=0), 2 and 4
            (&b"cold.core\nT\np0\n."[..], Some("old.core")),
            (b"\x80\x02cold.core\nT\nq\x00.", Some("old.core")),
            (
                b"\x80\x04\x95\x12\0\0\0\0\0\0\0\x8c\x08old.core\x94\x8c\x01T\x94\x93\x94.",
                Some("old.core"),
            ),
            (b"X\x03\0\0\0old", Some("old")),
            (b"\x8c\x0aolder.core\x94", None),
            (b"\x8c\x09old.core\x94", None),
            (b"cold.core T", None),
            (b"the old one", None),
        ] {
            assert_eq!(module_in(pickle, "old").as_deref(), expected);
        }
    }
}
