//! Makes configurations of a repository with patterns and paths, and checks what must hold for
//! them.

use arbitrary::{Result, Unstructured};
use coo_engines::migrate::Migration;
use coo_engines::repository::config::Config;
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::TreePath;

use crate::pick;
use crate::several;

const NAMES: [&str; 14] = [
    "a", "b", "ab", "old", "new", ".git", ".x", "x.py", "[", "]", "!", "ä", " ", "-",
];
const PIECES: [&str; 18] = [
    "a", "b", "old", "*", "*", "**", "?", "[ab]", "[!a]", "[a-b]", "[", "]", "!", "/", ".py", ".",
    "ä", "-",
];
const CONTENT: [&str; 8] = [
    "old",
    "old.a",
    "import old\n",
    "x",
    "\n",
    "\"old:f\"",
    ".",
    "é",
];

/// Makes a configuration, and files to ask it about, from a recipe.
pub fn made(recipe: &mut Unstructured<'_>) -> Result<(String, Vec<(String, Vec<u8>)>)> {
    let scope = |recipe: &mut Unstructured<'_>| -> Result<String> {
        let mut patterns = Vec::new();
        for _ in 0..recipe.int_in_range(0..=3)? {
            patterns.push(format!("'{}'", pattern(recipe)?));
        }
        Ok(format!("[{}]", patterns.join(", ")))
    };
    let mut text = format!("[repository]\nexclude = {}\n", scope(recipe)?);
    if recipe.arbitrary()? {
        text += &format!(
            "[amend]\namendments = 'a'\ndocuments = {}\n",
            scope(recipe)?
        );
    }
    if recipe.arbitrary()? {
        text += &format!(
            "[scan]\nruleset = 'r'\nruleset_sha256 = '{}'\npaths = {}\nexclude = {}\n",
            "0".repeat(64),
            scope(recipe)?,
            scope(recipe)?,
        );
    }
    if recipe.arbitrary()? {
        text += &format!(
            "[migrate]\nfrom = '{}'\nto = '{}'\nsource = '{}'\nimports = {}\nstrings = {}\nmentions = {}\nquestions = {}\n",
            path(recipe)?,
            path(recipe)?,
            pick(recipe, &["", "", "a", "a/b"])?,
            scope(recipe)?,
            scope(recipe)?,
            scope(recipe)?,
            scope(recipe)?,
        );
    }
    let mut files = Vec::new();
    for _ in 0..recipe.int_in_range(0..=4)? {
        files.push((path(recipe)?, several(recipe, &CONTENT, 5)?.into_bytes()));
    }
    Ok((text, files))
}

fn pattern(recipe: &mut Unstructured<'_>) -> Result<String> {
    several(recipe, &PIECES, 8)
}

fn path(recipe: &mut Unstructured<'_>) -> Result<String> {
    let mut path = pick(recipe, &NAMES)?.to_owned();
    for _ in 0..recipe.int_in_range(0..=3)? {
        path.push('/');
        path.push_str(&several(recipe, &NAMES, 2)?);
    }
    Ok(path)
}

/// Reads a configuration and checks its answers about every file.
pub fn check(text: &str, files: &[(String, Vec<u8>)]) {
    let Ok(config) = Config::parse(text) else {
        return;
    };
    let value = serde_json::to_value(&config).expect("data");
    let again: Config = serde_json::from_value(value).expect("what was written is read");
    assert_eq!(again, config);

    let mut scopes = vec![&config.repository.exclude];
    scopes.extend(config.amend.as_ref().map(|amend| &amend.documents));
    scopes.extend(
        config
            .scan
            .iter()
            .flat_map(|scan| [&scan.paths, &scan.exclude]),
    );
    if let Some(migrate) = &config.migrate {
        scopes.extend([
            &migrate.imports,
            &migrate.strings,
            &migrate.mentions,
            &migrate.questions,
        ]);
    }
    for (path, _) in files {
        // Engines ask only about paths of this form.
        if TreePath::from_text(path).is_err() {
            continue;
        }
        for scope in &scopes {
            asked(scope, path);
        }
        let all = Scope::all_of(scopes.iter().copied());
        assert_eq!(all.has(path), scopes.iter().any(|scope| scope.has(path)));
        let exact = Scope::exactly([path.as_str()]).expect("a path means itself");
        assert!(exact.has(path));
        assert!(!exact.has(&format!("{path}x")) && !exact.has(&format!("x{path}")));
        asked(&exact, path);
        if path.rsplit('/').next() == Some(".git") {
            assert!(config.repository.leaves_out(path));
        }
    }
    let Some(Ok(migration)) = config.migrate.as_ref().map(Migration::of) else {
        return;
    };
    let mut planned = Vec::new();
    for (path, content) in files {
        if TreePath::from_text(path).is_ok() && migration.has(path) {
            planned.extend(migration.plan(path, content));
        }
    }
    for file in &planned {
        assert!(
            file.becomes
                .as_ref()
                .is_none_or(|becomes| *becomes != file.path)
        );
        assert!(file.content.is_none() || !file.edits.is_empty());
    }
    let there: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let taken = planned.iter().filter_map(|file| file.becomes.as_deref());
    let is_taken = taken.into_iter().any(|becomes| there.contains(&becomes));
    assert_eq!(
        migration.check(&planned, there.iter().copied()).is_err(),
        is_taken
    );
}

/// Checks that a scope which has a file reaches the file's folders, and that a scope is the union
/// of its patterns.
fn asked(scope: &Scope, path: &str) {
    let has = scope.has(path);
    assert_eq!(has, scope.each().any(|(_, scope)| scope.has(path)));
    let patterns: Vec<&str> = scope.patterns().collect();
    assert_eq!(&Scope::new(&patterns).expect("read before"), scope);
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        assert!(
            !has || scope.reaches(above),
            "{patterns:?} has {path} and does not reach {above}"
        );
        // Nor does a scope reach a folder without reaching the folders around it.
        assert!(
            folder == path || !scope.reaches(folder) || scope.reaches(above),
            "{patterns:?} reaches {folder} and does not reach {above}"
        );
        folder = above;
    }
}
