//! Rulesets of the scanner and the lint, from any bytes: they are refused or can be applied, and
//! nothing panics. The first part is the ruleset, the rest the file it is applied to.
#![no_main]

use coo_kernel::baseline::TreePath;
use coo_kernel::repository::lint::Linter;
use coo_kernel::repository::scan::Scanner;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (ruleset, content) = input;
    let Ok(path) = TreePath::from_text("docs/a.md") else {
        return;
    };
    if let Ok(scanner) = Scanner::new(&ruleset) {
        let _ = scanner.file(&path, &content);
    }
    if let Ok(linter) = Linter::new(&ruleset) {
        let _ = linter.file(&path, &content);
    }
});
