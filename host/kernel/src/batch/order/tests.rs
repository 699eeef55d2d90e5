//! The answers of `Order`, held to its rule over all missions, and whole batches in any order of ends,
//! held to the same missions one after another.

use proptest::prelude::*;

use super::*;

#[test]
fn a_mission_that_touched_waits_for_all_before_it_and_one_that_did_not_waits_for_none() {
    let mut order = Order::new(3);
    assert!(order.may_end(0, true) && !order.may_end(1, true) && order.may_end(2, false));
    order.settle(1);
    assert!(!order.may_end(2, true));
    order.settle(0);
    assert!(order.may_end(2, true));
    // Elsewhere, and once more.
    order.settle(9);
    order.settle(0);
    assert!(order.may_end(2, true) && !order.may_end(9, true));
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
    fn a_mission_may_end_exactly_when_the_rule_permits_it(
        settled in prop::collection::vec(0_usize..14, 0..40),
    ) {
        let mut order = Order::new(12);
        let mut is_settled = [false; 12];
        for position in settled {
            order.settle(position);
            if let Some(is_settled) = is_settled.get_mut(position) {
                *is_settled = true;
            }
            for position in 0..12 {
                let all_before = is_settled[..position].iter().all(|is_settled| *is_settled);
                prop_assert_eq!(order.may_end(position, true), all_before);
                prop_assert!(order.may_end(position, false));
            }
        }
    }

    #[test]
    fn a_batch_ends_as_its_missions_one_after_another(
        missions in prop::collection::vec(mission(), 0..14),
        // Which mission starts, runs to its end, or is asked whether it may end: positions, in any order.
        acts in prop::collection::vec((0_usize..14, 0_u8..4), 0..120),
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
        let mut is_settled = vec![false; missions.len()];
        // What each mission did on the world that it saw.
        let mut ends: Vec<Option<Left>> = vec![None; missions.len()];
        let finish = (0..missions.len()).map(|position| (position, 9));
        for (position, what) in acts.into_iter().chain(finish) {
            let Some(mission) = missions.get(position) else { continue };
            if is_settled[position] {
                continue;
            }
            if what == 0 || ends[position].is_none() {
                ends[position] = mission.run(world);
            }
            let Some(mut left) = ends[position] else {
                order.settle(position);
                is_settled[position] = true;
                continue;
            };
            if what < 2 || !order.may_end(position, mission.touches()) {
                continue;
            }
            if mission.touches() {
                // The caller repeats it on the world as it is now.
                left = mission.run(world).unwrap();
            }
            results[position] = Some(left.result);
            world = left.world.unwrap_or(world);
            order.settle(position);
            is_settled[position] = true;
        }
        prop_assert!(is_settled.iter().all(|is_settled| *is_settled), "{:?}", order);
        prop_assert_eq!(world, serial_world);
        prop_assert_eq!(results, serial);
    }
}
