//! New numbers, conflicts and their resolution, and that a merge of disjoint shards loses nothing.

use proptest::prelude::*;

use super::*;

fn id(number: u32) -> MissionId {
    MissionId::new(
        number,
        if number.is_multiple_of(3) {
            "DEMO_V1_1"
        } else {
            "T"
        },
    )
}

fn mission(number: u32, head: &str) -> Mission {
    Mission {
        id: id(number),
        run: Digest::of(head),
    }
}

fn artefact(path: &str, content: &str, number: u32) -> Artefact {
    Artefact {
        path: path.to_owned(),
        sha256: Digest::of(content),
        mission: id(number),
    }
}

fn call(request: &str, nth: u64, answer: &str) -> Call {
    Call {
        request: Digest::of(request),
        nth,
        answer: Digest::of(answer),
    }
}

fn root(name: &str, heads: &[(u32, &str)]) -> Root {
    Root {
        name: name.to_owned(),
        missions: heads
            .iter()
            .map(|(number, head)| mission(*number, head))
            .collect(),
        ..Root::default()
    }
}

/// Returns a refusal as the user sees it, a hint a line.
fn told(refused: &Refused) -> String {
    let hints = refused.hints();
    let hints: Vec<String> = hints.iter().map(|hint| format!("hint: {hint}")).collect();
    [vec![refused.to_string()], hints].concat().join("\n")
}

#[test]
fn missions_keep_free_numbers_and_get_the_next_where_they_are_taken() {
    let into = root("into", &[(2, "a"), (7, "b")]);
    let from = [
        root("x", &[(9, "c"), (2, "d"), (1, "e")]),
        root("y", &[(1, "a"), (2, "d"), (9, "f"), (3, "g")]),
    ];
    let plan = plan(&into, &from, None).unwrap();
    let moves: Vec<(usize, u32, String, bool)> = plan
        .missions
        .iter()
        .map(|m| (m.root, m.old.number(), m.new.to_string(), m.is_there))
        .collect();
    let to = |root, old, new: &str, is_there| (root, old, new.to_owned(), is_there);
    assert_eq!(
        moves,
        [
            to(0, 1, "MISSION-000001", false),
            to(0, 2, "MISSION-000010", false),
            // The kind of a mission stays.
            to(0, 9, "DEMO-000009", false),
            // A run that is there, and one that comes with the root before.
            to(1, 1, "MISSION-000002", true),
            to(1, 2, "MISSION-000010", true),
            to(1, 3, "DEMO-000003", false),
            to(1, 9, "DEMO-000011", false),
        ]
    );
}

#[test]
fn what_is_merged_twice_is_merged_once() {
    let (into, from) = with_conflicts();
    let first = plan(&into, &from, Some(Side::First)).unwrap();
    let mut merged = into;
    for placed in &first.missions {
        let mission = from[placed.root]
            .missions
            .iter()
            .find(|it| it.id == placed.old);
        merged.missions.push(Mission {
            id: placed.new,
            ..*mission.unwrap()
        });
    }
    for taken in &first.artefacts {
        merged.artefacts.push(Artefact {
            path: taken.path.clone(),
            sha256: taken.sha256,
            mission: taken.mission,
        });
    }
    merged
        .calls
        .extend(first.calls.iter().map(|taken| taken.call));
    let again = plan(&merged, &from, Some(Side::First)).unwrap();
    assert!(again.missions.iter().all(|mission| mission.is_there));
    assert!(
        again.artefacts.is_empty() && again.calls.is_empty(),
        "{again:?}"
    );
    let names = |plan: &Plan| -> Vec<MissionId> { plan.missions.iter().map(|m| m.new).collect() };
    assert_eq!(names(&again), names(&first));
}

fn with_conflicts() -> (Root, [Root; 2]) {
    let mut into = root("into", &[(1, "a")]);
    into.artefacts = vec![
        artefact("r/A_v1.0.md", "one", 1),
        artefact("Same_v1.0.md", "s", 1),
    ];
    into.calls = vec![call("q", 0, "yes")];
    let mut x = root("x", &[(1, "b")]);
    x.artefacts = vec![
        artefact("r/A_v1.0.md", "two", 1),
        artefact("Same_v1.0.md", "s", 1),
        artefact("Only_v1.0.md", "o", 1),
    ];
    x.calls = vec![call("q", 0, "yes"), call("q", 1, "later")];
    let mut y = root("y", &[(1, "c")]);
    y.artefacts = vec![artefact("R/A_v1.0.md", "two", 1)];
    y.calls = vec![call("q", 0, "no")];
    (into, [x, y])
}

#[test]
fn a_conflict_is_named_and_nothing_is_merged() {
    let (into, from) = with_conflicts();
    assert_eq!(
        told(&plan(&into, &from, None).unwrap_err()),
        "artefact r/A_v1.0.md: into has content 7692c3ad3540, x has 3fc4ccfe7458\n\
         hint: and artefact r/A_v1.0.md of into and R/A_v1.0.md of y differ only in case\n\
         hint: and model call 8e35c2cd3bf6 (time 0 in a run): into and y have different answers\n\
         hint: '--prefer first' keeps what is here, else what the root has that is named first\n\
         hint: '--prefer last' can't replace a name that differs only in case"
    );
}

#[test]
fn the_side_that_is_named_wins() {
    let (into, from) = with_conflicts();
    let first = plan(&into, &from, Some(Side::First)).unwrap();
    let paths = |plan: &Plan| -> Vec<(usize, String, bool)> {
        let artefacts = plan.artefacts.iter().cloned();
        artefacts.map(|a| (a.root, a.path, a.replaces)).collect()
    };
    assert_eq!(paths(&first), [(0, "Only_v1.0.md".to_owned(), false)]);
    assert_eq!(first.artefacts[0].mission, id(2));
    let later = TakenCall {
        root: 0,
        call: call("q", 1, "later"),
        replaces: false,
    };
    assert_eq!(first.calls, [later]);

    // A name that differs only in case can't win.
    let refused = plan(&into, &from, Some(Side::Last)).unwrap_err();
    assert!(told(&refused).starts_with(
        "artefact r/A_v1.0.md of x and R/A_v1.0.md of y differ only in case\nhint: '--prefer first'"
    ));
    let mut from = from;
    from[1].artefacts.clear();
    let last = plan(&into, &from, Some(Side::Last)).unwrap();
    assert_eq!(
        paths(&last),
        [
            (0, "Only_v1.0.md".to_owned(), false),
            (0, "r/A_v1.0.md".to_owned(), true),
        ]
    );
    let no = TakenCall {
        root: 1,
        call: call("q", 0, "no"),
        replaces: true,
    };
    assert!(last.calls.contains(&no) && last.calls.contains(&later));
    assert_eq!((first.missions.len(), last.missions.len()), (2, 2));
}

#[test]
fn only_some_conflicts_are_told_and_the_rest_is_counted() {
    let of = |name: &str, content: &str| {
        let mut root = root(name, &[(1, name)]);
        root.artefacts = (10..35)
            .map(|i| artefact(&format!("A_v1.{i}.md"), content, 1))
            .collect();
        root
    };
    let refused = plan(&of("into", "1"), &[of("x", "2")], None).unwrap_err();
    let hints = refused.hints();
    assert_eq!(hints.len(), 19 + 3);
    assert_eq!(hints[19], "and 5 other conflicts");
}

#[test]
fn roots_that_contradict_themselves_are_refused() {
    let fine = root("into", &[(1, "a")]);
    let refused = |root: Root| told(&plan(&fine, &[root], None).unwrap_err());
    assert_eq!(
        refused(fine.clone()),
        "root into: named twice\nhint: name each root once"
    );
    let hint = "\nhint: take the state root from a copy";
    assert_eq!(
        refused(root("x", &[(1, "a"), (1, "b")])),
        format!("root x: number 1 found twice{hint}")
    );
    let mut bad = root("x", &[(1, "a")]);
    bad.artefacts = vec![artefact("A_v1.0.md", "a", 2)];
    assert_eq!(
        refused(bad.clone()),
        format!("root x: artefact A_v1.0.md: no mission MISSION-000002{hint}")
    );
    bad.artefacts = vec![artefact("A_v1.0.md", "a", 1), artefact("a_v1.0.md", "a", 1)];
    assert_eq!(
        refused(bad.clone()),
        format!("root x: artefact a_v1.0.md: found twice{hint}")
    );
    bad.artefacts.clear();
    bad.calls = vec![call("q", 0, "a"), call("q", 0, "b")];
    assert_eq!(
        refused(bad),
        format!("root x: model call 8e35c2cd3bf6: two frozen answers found{hint}")
    );
    let last = root("into", &[(1, "c"), (u32::MAX, "a")]);
    let refused = plan(&last, &[root("x", &[(1, "b")])], None).unwrap_err();
    assert_eq!(refused, Refused::TooMany);
}

/// Rows of a root over a small set of names, so that roots often meet.
fn any_root(place: usize) -> impl Strategy<Value = Root> {
    let missions = prop::collection::btree_map(1_u32..20, "[a-d]", 1..6);
    let artefacts = prop::collection::btree_map("[ab]_v1\\.[0-3]\\.md", "[xy]", 0..5);
    let calls = prop::collection::btree_map(("[pq]", 0_u64..2), "[xy]", 0..4);
    (missions, artefacts, calls).prop_map(move |(missions, artefacts, calls)| {
        let first = *missions.first_key_value().unwrap().0;
        Root {
            name: format!("root{place}"),
            missions: missions
                .iter()
                // Some of the first two roots are the same run.
                .map(|(number, head)| mission(*number, &format!("{head}{}", place / 2)))
                .collect(),
            artefacts: artefacts
                .iter()
                .map(|(path, content)| artefact(path, content, first))
                .collect(),
            calls: calls
                .iter()
                .map(|((request, nth), answer)| call(request, *nth, answer))
                .collect(),
        }
    })
}

fn roots() -> impl Strategy<Value = Vec<Root>> {
    (
        any_root(0),
        any_root(1),
        any_root(2),
        any_root(3),
        1_usize..5,
    )
        .prop_map(|(a, b, c, d, n)| {
            let mut all = vec![a, b, c, d];
            all.truncate(n);
            all
        })
}

/// What a root holds after a merge: contents by path in lower case, and answers.
type Held = (
    BTreeMap<String, (String, Digest)>,
    BTreeMap<(Digest, u64), Digest>,
);

fn held(root: &Root) -> Held {
    let artefacts = root.artefacts.iter();
    let calls = root.calls.iter();
    (
        artefacts
            .map(|a| (a.path.to_lowercase(), (a.path.clone(), a.sha256)))
            .collect(),
        calls.map(|c| ((c.request, c.nth), c.answer)).collect(),
    )
}

fn merged(into: &Root, plan: &Plan) -> Held {
    let (mut artefacts, mut calls) = held(into);
    for taken in &plan.artefacts {
        let key = taken.path.to_lowercase();
        artefacts.insert(key, (taken.path.clone(), taken.sha256));
    }
    for taken in &plan.calls {
        calls.insert((taken.call.request, taken.call.nth), taken.call.answer);
    }
    (artefacts, calls)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_mission_is_lost_and_no_number_is_given_twice(roots in roots()) {
        let (into, from) = roots.split_first().unwrap();
        let plan = plan(into, from, Some(Side::First)).unwrap();
        let mut expected = BTreeSet::new();
        for (place, root) in from.iter().enumerate() {
            expected.extend(root.missions.iter().map(|mission| (place, mission.id)));
        }
        let moved: BTreeSet<_> = plan.missions.iter().map(|m| (m.root, m.old)).collect();
        prop_assert_eq!(moved.len(), plan.missions.len());
        prop_assert_eq!(moved, expected);
        let mut numbers: BTreeSet<u32> = into.missions.iter().map(|m| m.id.number()).collect();
        for mission in plan.missions.iter().filter(|mission| !mission.is_there) {
            prop_assert!(numbers.insert(mission.new.number()));
            prop_assert_eq!(mission.new.with_number(mission.old.number()), mission.old);
        }
        // A run that is there already has the number of a mission of an earlier root.
        for mission in plan.missions.iter().filter(|mission| mission.is_there) {
            prop_assert!(numbers.contains(&mission.new.number()));
        }
        let order: Vec<_> = plan.missions.iter().map(|m| (m.root, m.old.number())).collect();
        prop_assert!(order.is_sorted());
    }

    #[test]
    fn artefacts_and_answers_are_those_of_the_side_that_wins(mut roots in roots()) {
        // Each mission is another run, so that each artefact counts.
        for (place, root) in roots.iter_mut().enumerate() {
            for mission in &mut root.missions {
                mission.run = Digest::of(format!("{place} {}", mission.id));
            }
        }
        let (into, from) = roots.split_first().unwrap();
        let (mut first, mut last) = (Held::default(), Held::default());
        for root in &roots {
            let (artefacts, calls) = held(root);
            for (key, value) in artefacts {
                first.0.entry(key.clone()).or_insert_with(|| value.clone());
                last.0.insert(key, value);
            }
            for (key, value) in calls {
                first.1.entry(key).or_insert(value);
                last.1.insert(key, value);
            }
        }
        let by_first = plan(into, from, Some(Side::First)).unwrap();
        prop_assert_eq!(&merged(into, &by_first), &first);
        let by_last = plan(into, from, Some(Side::Last)).unwrap();
        prop_assert_eq!(&merged(into, &by_last), &last);
        // Without a conflict all agree, and only then there is a plan without a side.
        match plan(into, from, None) {
            Ok(plan) => {
                prop_assert_eq!(first, last);
                prop_assert_eq!(&plan, &by_first);
            }
            Err(Refused::Conflicts { all }) => prop_assert!(!all.is_empty()),
            Err(other) => prop_assert!(false, "{}", other),
        }
        for taken in by_first.artefacts.iter().chain(&by_last.artefacts) {
            let owner = &from[taken.root];
            let of = by_first.missions.iter().find(|m| m.new == taken.mission).unwrap();
            prop_assert_eq!(of.root, taken.root);
            prop_assert!(owner.missions.iter().any(|mission| mission.id == of.old));
        }
    }

    #[test]
    fn the_order_of_rows_makes_no_difference(roots in roots(), turn in 0_usize..6) {
        let mut turned = roots.clone();
        for root in &mut turned {
            let by = |length: usize| if length == 0 { 0 } else { turn % length };
            let (m, a, c) = (root.missions.len(), root.artefacts.len(), root.calls.len());
            root.missions.rotate_left(by(m));
            root.artefacts.reverse();
            root.artefacts.rotate_left(by(a));
            root.calls.rotate_left(by(c));
        }
        for side in [None, Some(Side::First), Some(Side::Last)] {
            let expected = plan(&roots[0], &roots[1..], side);
            prop_assert_eq!(plan(&turned[0], &turned[1..], side), expected);
        }
    }

    #[test]
    fn disjoint_shards_lose_nothing(
        missions in 1_u32..40,
        count in 1_usize..5,
    ) {
        // Each mission writes an artefact and asks a question of its own.
        let shards: Vec<Root> = (0..count).map(|shard| {
            let name = format!("shard{shard}");
            let mut root = Root { name, ..Root::default() };
            let of_shard = (0..missions).filter(|position| *position as usize % count == shard);
            for (number, position) in (1..).zip(of_shard) {
                root.missions.push(mission(number, &position.to_string()));
                root.artefacts.push(artefact(&format!("A_v1.{position}.md"), "a", number));
                root.calls.push(call(&position.to_string(), 0, "yes"));
            }
            root
        }).collect();
        let plan = plan(&Root { name: "into".to_owned(), ..Root::default() }, &shards, None).unwrap();
        let all = missions as usize;
        prop_assert_eq!((plan.missions.len(), plan.artefacts.len(), plan.calls.len()), (all, all, all));
        prop_assert!(plan.missions.iter().all(|mission| !mission.is_there));
        let mut numbers: Vec<u32> = plan.missions.iter().map(|m| m.new.number()).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=missions).collect::<Vec<_>>());
    }
}
