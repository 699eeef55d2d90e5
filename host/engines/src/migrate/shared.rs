//! Names that modules get from each other: a module that binds the package's name at its top shares
//! it. Decides from the whole plan which questions about shared names to ask. Changes no source.

use std::collections::{BTreeMap, BTreeSet};

use super::{Migration, Planned};
use crate::python::ModulePath;

/// Asks in every file that shares a changing name, if another file reaches that name.
pub fn ask_about_shared(migration: &Migration<'_>, planned: &mut [Planned]) {
    let modules: Vec<Option<Vec<String>>> = planned
        .iter()
        .map(|file| migration.importable(&file.path))
        .collect();
    // For each module that has the name, the files that bind the name it has.
    let mut sharing: BTreeMap<Vec<String>, BTreeSet<usize>> = BTreeMap::new();
    for (number, file) in planned.iter().enumerate() {
        if let Some(module) = &modules[number]
            && !file.reach.shared.is_empty()
        {
            sharing.entry(module.clone()).or_default().insert(number);
        }
    }
    if sharing.is_empty() {
        return;
    }
    // A module that imports everything from another one passes the name on.
    loop {
        let mut more = Vec::new();
        for (number, file) in planned.iter().enumerate() {
            let Some(module) = &modules[number] else {
                continue;
            };
            for from in &file.reach.all_from {
                let known = sharing.get(module);
                let found = migration.sharers(&sharing, from);
                more.extend(
                    found
                        .into_iter()
                        .filter(|number| known.is_none_or(|known| !known.contains(number)))
                        .map(|number| (module.clone(), number)),
                );
            }
        }
        if more.is_empty() {
            break;
        }
        for (module, number) in more {
            sharing.entry(module).or_default().insert(number);
        }
    }
    let reached: BTreeSet<usize> = planned
        .iter()
        .flat_map(|file| &file.reach.from)
        .flat_map(|from| migration.sharers(&sharing, from))
        .collect();
    for number in reached {
        let file = &mut planned[number];
        let questions = std::mem::take(&mut file.reach.shared);
        file.questions.extend(questions);
        file.questions
            .sort_by_key(|question| (question.line, question.text.clone()));
    }
}

impl Migration<'_> {
    /// Returns the name by which other modules import the file at `path`.
    fn importable(&self, path: &str) -> Option<Vec<String>> {
        let module = self.module(path).or_else(|| ModulePath::of_file(path));
        module.map(|(module, _)| module.components().to_vec())
    }

    /// Returns the files from which a module imported as `from` has the name. Tests may import each
    /// other by the last part of their names, from any folder on the path.
    fn sharers(
        &self,
        sharing: &BTreeMap<Vec<String>, BTreeSet<usize>>,
        from: &[String],
    ) -> BTreeSet<usize> {
        let is_it = |module: &Vec<String>| {
            module == from || (!self.moved.from.begins(module) && module.ends_with(from))
        };
        let found = sharing.iter().filter(|(module, _)| is_it(module));
        found
            .flat_map(|(_, numbers)| numbers.iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::config::Config;

    /// Returns the files that are asked about, with the questions' texts.
    fn asked(files: &[(&str, &str)]) -> Vec<(String, String, String)> {
        let text = "[migrate]\nfrom = 'old'\nto = 'new'\nimports = ['tests/**/*.py']\n";
        let config = Config::parse(text).unwrap().migrate.unwrap();
        let migration = Migration::of(&config).unwrap();
        let plan = |(path, content): &(&str, &str)| migration.plan(path, content.as_bytes());
        let mut planned: Vec<Planned> = files.iter().map(plan).collect::<Result<_, _>>().unwrap();
        ask_about_shared(&migration, &mut planned);
        let questions = planned.iter().flat_map(|file| {
            let path = file.path.clone();
            file.questions.iter().map(move |question| {
                let answer = question.answers[0].clone();
                (path.clone(), question.text.clone(), answer)
            })
        });
        questions.collect()
    }

    #[test]
    fn a_name_that_another_module_reaches_is_asked_about_where_it_is_bound() {
        let h = (
            "old/h.py",
            "import old.a\n\n\ndef f():\n    return old.a.x\n",
        );
        let question = |path: &str, text: &str, answer: &str| {
            vec![(path.to_owned(), text.to_owned(), answer.to_owned())]
        };
        let of_h = question("old/h.py", "old.a", "new.a as old, new as old");
        for source in [
            "from .h import old\n",
            "from old.h import x, old as o\n",
            "from . import h\nh.old.a.f()\n",
            "from old import h as other\nother.old\n",
            "import old.h as h\nx = h.old\n",
            "from .h import *\nold.a.f()\n",
            "mock.patch('old.h.old.a.f')\n",
        ] {
            let found = asked(&[h, ("old/i.py", source)]);
            assert!(found.contains(&of_h[0]), "{source}: {found:?}");
        }
        for source in [
            "from .h import f\n",
            "from .a import old\n",
            "x.old\nself.h.old\n",
            "from . import h\nh.f()\n",
            "from .h import *\nf()\n",
        ] {
            assert_eq!(asked(&[h, ("old/i.py", source)]), [], "{source}");
        }
        // A module that passes everything on.
        let on = ("old/i.py", "from .h import *\n");
        assert_eq!(
            asked(&[h, on, ("tests/t.py", "from old.i import old\n")]),
            of_h
        );
        assert_eq!(asked(&[h, on]), []);
        // Tests that find each other on the path.
        assert_eq!(
            asked(&[
                ("tests/unit/tools.py", "import old\n"),
                ("tests/unit/t.py", "from tools import old\nold.f()\n"),
            ]),
            question("tests/unit/tools.py", "old", "new as old")
        );
        // Where the name stays, there is no question.
        let kept = ("old/h.py", "import old\nold = old\n");
        assert_eq!(asked(&[kept, ("old/i.py", "from .h import old\n")]), []);
    }
}
