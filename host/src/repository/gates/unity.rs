//! Gate A: required files exist, the old package is gone together with all uses of it, and every
//! import of the new package resolves. Reads the repository; writes nothing.

use anyhow::Result;
use coo_engines::gate::Evidence;
use coo_engines::gate::evidence::named;
use coo_engines::migrate::{Migration, unresolved};
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::{Node, TreePath};
use serde_json::json;

use super::super::Repository;

/// Evaluates gate A.
pub fn judge(repository: &Repository) -> Result<Evidence> {
    let section = &repository.config.gates;
    let mut findings = Vec::new();
    let mut files: Vec<(TreePath, bool)> = Vec::new();
    let mut folders: Vec<String> = Vec::new();
    for found in repository.part(&Scope::new(&["**/*"])?)?.scan()? {
        match found.entry.node {
            Node::Folder { .. } => folders.push(found.entry.path.text()),
            node => files.push((found.entry.path, matches!(node, Node::File { .. }))),
        }
    }
    let paths: Vec<String> = files.iter().map(|(path, _)| path.text()).collect();
    let mut required = 0;
    for (pattern, scope) in section.required.each() {
        required += 1;
        if !paths.iter().any(|path| scope.has(path)) {
            findings.push(format!("{pattern}: is required, and no file matches"));
        }
    }
    let mut found = json!({
        "files": paths.len(), "migration": null, "required": required,
    });
    if let Some(config) = &repository.config.migrate {
        let migration = Migration::of(config)?.among(paths.iter().map(String::as_str));
        let legacy = paths.iter().filter(|path| migration.is_legacy(path));
        findings.extend(legacy.map(|path| format!("{path}: is of the old package")));
        if folders.contains(&config.from) {
            findings.push(format!(
                "{}: the folder of the old package is there",
                config.from
            ));
        }
        if !paths.iter().any(|path| migration.is_in_new(path)) {
            findings.push(format!("{}: the new package has no file", config.to));
        }
        // A part of the migration must be a file; other entries are read only if they are files.
        let is_read = |path: &TreePath, is_file: bool| {
            let path = path.text();
            let has_part = migration.has(&path) || migration.is_in_new(&path);
            has_part || (is_file && migration.reads_after(&path))
        };
        let read = files.iter();
        let read: Vec<TreePath> = read
            .filter(|(path, is_file)| is_read(path, *is_file))
            .map(|(path, _)| path.clone())
            .collect();
        let after = repository.judge(&read, |path, content| {
            Ok(migration.after(&path.text(), content)?)
        })?;
        findings.extend(after.iter().flat_map(|file| file.legacy.iter().cloned()));
        findings.extend(migration.taken_after(&paths));
        let modules = migration.modules(paths.iter().map(String::as_str));
        findings.extend(unresolved(&after, &modules, &section.generated));
        let moved = migration.moved();
        found["migration"] = json!({
            "from": moved.from,
            "imports": after.iter().map(|file| file.imports.len()).sum::<usize>(),
            "read": read.len(),
            "to": moved.to,
        });
    } else if required == 0 {
        findings.push(
            "nothing to look at: name files in [gates] required, or write [migrate]".to_owned(),
        );
    }
    if paths.is_empty() {
        findings.push("the repository has no files".to_owned());
    }
    Ok(Evidence {
        findings: named(findings),
        found,
    })
}
