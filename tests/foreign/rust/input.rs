//! Standard input by lines, by bytes and to its end; a word count of it.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, Read as _, Write as _};

fn main() -> io::Result<()> {
    let stdin = io::stdin();
    let mut first = String::new();
    stdin.lock().read_line(&mut first)?;
    let mut three = [0; 3];
    stdin.lock().read_exact(&mut three)?;
    let mut words = BTreeMap::new();
    let mut lines = 0;
    for line in stdin.lock().lines() {
        let line = line?;
        lines += 1;
        for word in line.split_whitespace() {
            *words.entry(word.to_owned()).or_insert(0_usize) += 1;
        }
    }
    let mut rest = Vec::new();
    let left = stdin.lock().read_to_end(&mut rest)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    writeln!(out, "first {first:?}, three {three:?}, {lines} lines, left {left}")?;
    let mut order: Vec<_> = words.into_iter().collect();
    order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    for (word, count) in order.iter().take(10) {
        writeln!(out, "{count:>6} {word}")?;
    }
    out.flush()
}
