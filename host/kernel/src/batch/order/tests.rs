//! The answers of `Order`, held to its rule over all missions, and whole batches in any order of ends,
//! held to the same missions one after another.

use proptest::prelude::*;

use super::*;

const TOUCHED: Standing = Standing::Ended { touched: true };
const FREE: Standing = Standing::Ended { touched: false };

#[test]
fn a_mission_that_touched_waits_for_all_before_it_and_one_that_did_not_waits_for_none() {
    let mut order = Order::new(4);
    assert_eq!(order.next(), None);
    order.set(2, TOUCHED);
    assert_eq!(order.next(), None);
    order.set(3, FREE);
    assert_eq!(order.next(), Some(3));
    order.set(3, Standing::Sealed);
    order.set(0, TOUCHED);
    assert_eq!(order.next(), Some(0));
    // An answer differed, so it runs again.
    order.set(0, Standing::Running);
    assert_eq!(order.next(), None);
    order.set(0, FREE);
    order.set(0, Standing::Sealed);
    assert_eq!(order.next(), None);
    order.set(1, Standing::Interrupted);
    assert_eq!((order.next(), order.held_up_by()), (None, Some(1)));
    order.set(1, Standing::GivenUp);
    assert_eq!((order.next(), order.held_up_by()), (Some(2), None));
    order.set(2, Standing::Sealed);
    assert!(order.is_done());
    // Too late, and elsewhere.
    order.set(2, Standing::Running);
    order.set(9, TOUCHED);
    assert!(order.is_done() && order.next().is_none() && order.get(9).is_none());
}

#[test]
fn a_batch_of_no_missions_is_done() {
    assert!(Order::new(0).is_done());
}

fn standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Running),
        Just(TOUCHED),
        Just(FREE),
        Just(Standing::Interrupted),
        Just(Standing::Sealed),
        Just(Standing::GivenUp),
    ]
}

/// A mission of a model: it may read the number that is the world, and then replaces or leaves it,
/// fails, pauses, or is refused.
#[derive(Debug, Clone, Copy)]
enum Mission {
    /// Uses nothing; its result is this.
    Computes(u64),
    /// Reads and changes nothing.
    Reads,
    /// Changes the world as a function of what it reads.
    Changes(u64),
    /// Fails if what it reads has this remainder by 3; else changes the world.
    FailsAt(u64),
    /// Pauses after it has read; a person answers after the batch.
    Pauses,
    /// Has no end.
    Refused,
}

/// What a mission leaves: its result, and the world after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    result: u64,
    world: Option<u64>,
}

fn step(world: u64, salt: u64) -> u64 {
    // Neither commutative nor invertible by accident: the order of any two changes shows.
    (world.wrapping_mul(31) ^ salt).wrapping_add(salt << 7) % 1_000_003
}

impl Mission {
    const fn touches(self) -> bool {
        !matches!(self, Self::Computes(_) | Self::Refused)
    }

    fn run(self, world: u64) -> Option<Left> {
        let (result, world) = match self {
            Self::Computes(result) => (result, None),
            Self::Reads | Self::Pauses => (world, None),
            Self::FailsAt(rest) if world % 3 == rest => (0, None),
            Self::Changes(salt) | Self::FailsAt(salt) => (world, Some(step(world, salt))),
            Self::Refused => return None,
        };
        Some(Left { result, world })
    }
}

fn mission() -> impl Strategy<Value = Mission> {
    prop_oneof![
        any::<u64>().prop_map(Mission::Computes),
        Just(Mission::Reads),
        (1_u64..100).prop_map(Mission::Changes),
        (0_u64..3).prop_map(Mission::FailsAt),
        Just(Mission::Pauses),
        Just(Mission::Refused),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_next_mission_is_the_first_that_the_rule_permits(
        acts in prop::collection::vec((0_usize..12, standing()), 0..80),
    ) {
        let mut order = Order::new(12);
        let mut standings = [Standing::Running; 12];
        for (position, standing) in acts {
            order.set(position, standing);
            if !standings[position].is_settled() {
                standings[position] = standing;
            }
            let permitted = |position: &usize| match standings[*position] {
                FREE => true,
                TOUCHED => standings[..*position].iter().all(|earlier| earlier.is_settled()),
                _ => false,
            };
            prop_assert_eq!(order.next(), (0..12).find(permitted));
            prop_assert_eq!(order.is_done(), standings.iter().all(|standing| standing.is_settled()));
        }
    }

    #[test]
    fn a_batch_ends_as_its_missions_one_after_another(
        missions in prop::collection::vec(mission(), 0..14),
        // Which mission starts, ends, is interrupted or resumed next: positions, in any order.
        acts in prop::collection::vec((0_usize..14, 0_u8..5), 0..120),
        seal_now in prop::collection::vec(any::<bool>(), 120),
    ) {
        let mut serial_world = 7;
        let mut serial = Vec::new();
        for mission in &missions {
            let left = mission.run(serial_world);
            serial_world = left.and_then(|left| left.world).unwrap_or(serial_world);
            serial.push(left.map(|left| left.result));
        }

        let mut order = Order::new(missions.len());
        let mut world = 7;
        let mut results = vec![None; missions.len()];
        // The world as of the start of each mission that runs.
        let mut seen: Vec<Option<u64>> = vec![None; missions.len()];
        let mut ends: Vec<Option<Left>> = vec![None; missions.len()];
        let mut sealed = |order: &mut Order, world: &mut u64, ends: &mut Vec<Option<Left>>| {
            while let Some(position) = order.next() {
                assert!(!order.get(position).unwrap().is_settled(), "{position} twice");
                let mission = missions[position];
                let mut left = ends[position].unwrap();
                if mission.touches() {
                    // The caller repeats it on the world as it is now.
                    left = mission.run(*world).unwrap();
                }
                results[position] = Some(left.result);
                *world = left.world.unwrap_or(*world);
                order.set(position, Standing::Sealed);
            }
        };
        let finish = (0..missions.len()).map(|position| (position, 9));
        for (number, (position, what)) in acts.into_iter().chain(finish).enumerate() {
            let Some(mission) = missions.get(position) else { continue };
            let standing = order.get(position).unwrap();
            if standing.is_settled() || matches!(standing, Standing::Ended { .. }) {
                continue;
            }
            match what {
                0 | 1 => seen[position] = Some(world),
                2 => {
                    seen[position] = None;
                    order.set(position, Standing::Interrupted);
                }
                _ => match mission.run(*seen[position].get_or_insert(world)) {
                    Some(left) => {
                        ends[position] = Some(left);
                        order.set(position, Standing::Ended { touched: mission.touches() });
                    }
                    None => order.set(position, Standing::GivenUp),
                },
            }
            if seal_now.get(number).copied().unwrap_or(true) {
                sealed(&mut order, &mut world, &mut ends);
            }
        }
        sealed(&mut order, &mut world, &mut ends);
        prop_assert!(order.is_done(), "{:?}", order);
        prop_assert_eq!(world, serial_world);
        prop_assert_eq!(results, serial);
    }
}
