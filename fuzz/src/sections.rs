//! Splits an input into several texts: the first one, then one after each line `%% NAME`.

/// Returns the first text, and the other texts with their names.
pub fn sections(input: &[u8]) -> (&[u8], Vec<(String, &[u8])>) {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"%% ") {
            let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
            starts.push((at, at + line.len(), name));
        }
        at += line.len();
    }
    let first = starts.first().map_or(input.len(), |(start, _, _)| *start);
    let ends: Vec<usize> = starts
        .iter()
        .skip(1)
        .map(|(start, _, _)| *start)
        .chain([input.len()])
        .collect();
    let others = starts
        .into_iter()
        .zip(ends)
        .map(|((_, start, name), end)| (name, &input[start..end]))
        .collect();
    (&input[..first], others)
}
