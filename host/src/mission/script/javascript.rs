//! The files of a JavaScript or TypeScript script: itself, and what it imports by a relative path. Other
//! imports are the runner's matter. Runs nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use coo_kernel::mission::script::{Bundle, FILES_MAX};

use super::typescript::{self, Parsed};
use super::{extension, file_name, is_file, lexical, source_text};
use crate::hint::Hint as _;

/// What a runner tries behind the path of an import, in this order, if there is no file of that name.
const ENDINGS: [&str; 7] = [
    ".js",
    ".mjs",
    ".ts",
    ".mts",
    "/index.js",
    "/index.mjs",
    "/index.ts",
];

/// Returns the bundle of the script in `file`.
pub fn bundle(file: &Path) -> Result<Bundle> {
    let first = lexical(file);
    let mut sources: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut waiting = vec![first.clone()];
    while let Some(path) = waiting.pop() {
        if sources.contains_key(&path) {
            continue;
        }
        ensure!(
            sources.len() < FILES_MAX,
            "more than {FILES_MAX} files, which is the limit"
        );
        let source = source_text(&path)?;
        let name = file_name(&path)?;
        let Parsed { source, imports } = if extension(&name) == Some("json") {
            Parsed {
                source,
                imports: Vec::new(),
            }
        } else {
            typescript::parse(&name, source).with_context(|| format!("file {}", path.display()))?
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        for import in imports {
            let target = lexical(&folder.join(&import.path));
            match found(&target) {
                Some(target) => waiting.push(target),
                None => {
                    return Err(anyhow!(
                        "file {}: line {}: '{}' is not there",
                        path.display(),
                        import.line,
                        import.path
                    )
                    .hint("imports by a relative path start at the importing file"));
                }
            }
        }
        sources.insert(path, source);
    }
    let top = common_folder(sources.keys());
    let inside = |path: &Path| -> Result<String> {
        let path = path.strip_prefix(&top).unwrap_or(path);
        let text = path.to_str().map(str::to_owned);
        text.with_context(|| format!("file {}: its name is not text", path.display()))
    };
    let main = sources.remove(&first).unwrap_or_default();
    let mut bundle = Bundle::new(&inside(&first)?, main);
    for (path, source) in sources {
        bundle.add_file(&inside(&path)?, source)?;
    }
    Ok(bundle)
}

/// Returns the file that an import means. TypeScript writes the name of the file that it will have become.
fn found(target: &Path) -> Option<PathBuf> {
    if is_file(target) {
        return Some(target.to_owned());
    }
    let text = target.to_str()?;
    let typed = [(".js", ".ts"), (".mjs", ".mts")]
        .into_iter()
        .filter_map(|(js, ts)| Some(format!("{}{ts}", text.strip_suffix(js)?)));
    let ended = ENDINGS.iter().map(|ending| format!("{text}{ending}"));
    ended
        .chain(typed)
        .map(PathBuf::from)
        .find(|path| is_file(path))
}

/// Returns the deepest folder that holds all files.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let folder = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
    let Some(first) = paths.next() else {
        return PathBuf::new();
    };
    paths.fold(folder(first), |common, path| {
        let other = folder(path);
        let pairs = common.components().zip(other.components());
        let shared = pairs.take_while(|(a, b)| a == b);
        shared.map(|(a, _)| a).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_script_comes_with_what_it_imports() {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "scripts/main.ts",
            "import { a } from '../lib/a.js';\nimport coo from 'coo';\nconst x: number = a;\ncoo.output(x);\nconst data = await import('./data.json');\n",
        );
        write("lib/a.ts", "import './b'; export const a: number = 1;\n");
        write("lib/b/index.js", "import '../a.js';\n");
        write("scripts/data.json", "{}");
        write("scripts/unused.js", "");
        let bundle = bundle(&folder.path().join("scripts/./main.ts")).unwrap();
        let value: Value = serde_json::from_str(&bundle.text().unwrap()).unwrap();
        assert_eq!(value["main"], "scripts/main.ts");
        assert_eq!(
            value["files"],
            json!({
                "scripts/main.ts": "import { a } from '../lib/a.js';\nimport coo from 'coo';\nconst x         = a;\ncoo.output(x);\nconst data = await import('./data.json');\n",
                "lib/a.ts": "import './b'; export const a         = 1;\n",
                "lib/b/index.js": "import '../a.js';\n",
                "scripts/data.json": "{}",
            })
        );
    }

    #[test]
    fn an_import_that_is_not_there_is_named() {
        let folder = tempfile::TempDir::new().unwrap();
        let main = folder.path().join("a.js");
        fs::write(&main, "\nimport './gone.js'").unwrap();
        let error = bundle(&main).unwrap_err().to_string();
        assert!(
            error.ends_with("line 2: './gone.js' is not there"),
            "{error}"
        );
    }
}
