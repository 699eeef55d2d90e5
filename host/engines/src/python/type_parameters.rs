//! Rewrites defaults of type parameters (PEP 696, `class C[T = int]`), which the grammar does not
//! know, as bounds, which it knows. The text keeps its length, and every name keeps its place.

/// Returns `text` with every such default written as a bound; none if it has no default.
pub fn defaults_as_bounds(text: &str) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    let mut is_changed = false;
    while at < bytes.len() {
        if let Some(end) = past_text(text, at) {
            at = end;
        } else if is_word(bytes[at]) {
            let end = word_end(&bytes, at);
            if matches!(&bytes[at..end], b"def" | b"class" | b"type")
                && let Some(open) = brackets(&bytes, end)
            {
                is_changed |= parameters(text, &mut bytes, open + 1);
                at = open + 1;
            } else {
                at = end;
            }
        } else {
            at += 1;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    is_changed.then_some(text)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    let length = bytes[at..].iter().take_while(|byte| is_word(**byte));
    at + length.count()
}

fn past_spaces(bytes: &[u8], at: usize) -> usize {
    let spaces = bytes[at..].iter();
    at + spaces.take_while(|byte| b" \t\x0c".contains(byte)).count()
}

/// Returns where the brackets after `def name` begin.
fn brackets(bytes: &[u8], after: usize) -> Option<usize> {
    let name = past_spaces(bytes, after);
    let end = word_end(bytes, name);
    let open = past_spaces(bytes, end);
    (name > after && end > name && bytes.get(open) == Some(&b'[')).then_some(open)
}

/// Returns the end of the comment or string that begins at `at`.
fn past_text(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes[at] {
        b'#' => {
            let line = bytes[at..].iter().position(|byte| *byte == b'\n');
            Some(line.map_or(bytes.len(), |length| at + length))
        }
        quote @ (b'"' | b'\'') => {
            let triple = [quote; 3];
            let is_triple = bytes[at..].starts_with(&triple);
            let mut end = at + if is_triple { 3 } else { 1 };
            while end < bytes.len() {
                match bytes[end] {
                    b'\\' => end += 1,
                    _ if is_triple && bytes[end..].starts_with(&triple) => return Some(end + 3),
                    byte if !is_triple && (byte == quote || byte == b'\n') => return Some(end + 1),
                    _ => {}
                }
                end += 1;
            }
            Some(bytes.len())
        }
        _ => None,
    }
}

/// Rewrites the type parameters that begin at `start`. Returns whether anything changed.
fn parameters(text: &str, bytes: &mut [u8], start: usize) -> bool {
    let (mut depth, mut at) = (0_usize, start);
    let (mut has_bound, mut is_changed) = (false, false);
    while at < bytes.len() {
        if let Some(end) = past_text(text, at) {
            at = end;
            continue;
        }
        match bytes[at] {
            b'[' | b'(' | b'{' => depth += 1,
            b']' | b')' | b'}' if depth > 0 => depth -= 1,
            b']' | b')' | b'}' => break,
            b',' if depth == 0 => has_bound = false,
            b':' if depth == 0 => has_bound = true,
            b'=' if depth == 0 => {
                bytes[at] = if has_bound { b'|' } else { b':' };
                is_changed = true;
                // `*Ts = *tuple[int]`
                let value = past_spaces(bytes, at + 1);
                if bytes.get(value) == Some(&b'*') {
                    bytes[value] = b' ';
                }
            }
            _ => {}
        }
        at += 1;
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_becomes_a_bound_of_the_same_length() {
        for (source, expected) in [
            ("def f[T = int](): ...", Some("def f[T : int](): ...")),
            (
                "class C[T: (int, str) = int, *U = *tuple[int], **P = [a]](B): pass",
                Some("class C[T: (int, str) | int, *U :  tuple[int], **P : [a]](B): pass"),
            ),
            (
                "type X[T=old.a.T] = list[T]",
                Some("type X[T:old.a.T] = list[T]"),
            ),
            (
                "def f[T = x['=']](a=1): ...",
                Some("def f[T : x['=']](a=1): ..."),
            ),
            ("def f[T](a=1): ...\nx[a] = 1\ntype = x[1]", None),
            ("'def f[T = 1]' # def f[T = 1]\n'''\ndef f[T = 1]'''", None),
            ("def f[T = ", Some("def f[T : ")),
        ] {
            assert_eq!(defaults_as_bounds(source).as_deref(), expected, "{source}");
        }
    }
}
