//! The files that a compiler has read, as cargo writes them beside a module in the form of a rule
//! of make: `<module>: <file> <file>`, where a space in a name is `\ `. Says nothing about crates of
//! a registry, which `Cargo.lock` pins. Reads no file.

/// Returns the files that the rule for `target` names; `None` if the text has no such rule.
#[must_use]
pub fn parse(text: &str, target: &str) -> Option<Vec<String>> {
    let start = escaped(target) + ":";
    let rest = text.lines().find_map(|line| line.strip_prefix(&start))?;
    let mut files = Vec::new();
    let mut file = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&' ') => {
                file.push(' ');
                chars.next();
            }
            ' ' if file.is_empty() => {}
            ' ' => files.push(std::mem::take(&mut file)),
            c => file.push(c),
        }
    }
    if !file.is_empty() {
        files.push(file);
    }
    Some(files)
}

fn escaped(path: &str) -> String {
    path.replace(' ', "\\ ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rule_of_the_module_is_found_among_others() {
        let text = "/t/a.d: /t/x\n\n/t/my mission.wasm: /s/other\n\
                    /t/my\\ mission.wasm: /s/src/lib.rs /s/a\\ b.wit\n";
        assert_eq!(
            parse(text, "/t/my mission.wasm"),
            Some(vec!["/s/src/lib.rs".to_owned(), "/s/a b.wit".to_owned()])
        );
        assert_eq!(parse(text, "/t/none.wasm"), None);
        assert_eq!(parse("", "/t/none.wasm"), None);
        assert_eq!(parse("/t/m:\n", "/t/m"), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn names_with_spaces_are_read_as_they_were_written(
            target in "[a-z:é /]{1,20}",
            files in prop::collection::vec("/[a-z:é .]{0,20}", 0..6),
        ) {
            let written: Vec<String> = files.iter().map(|file| escaped(file)).collect();
            let text = format!("{}: {}\n", escaped(&target), written.join(" "));
            prop_assert_eq!(parse(&text, &target), Some(files));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC*", target in "\\PC{0,5}") {
            let _ = parse(&text, &target);
        }
    }
}
