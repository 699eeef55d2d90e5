//! SIGKILL from outside, at moments nobody chose: between any two instructions, not only at
//! the points the crash matrix knows.

use std::time::Duration;

use crate::support::every;
use crate::support::trial::{Disturbance, Mission, Reference};

/// Rounds of the long form.
const ROUNDS: usize = 300;
/// The delays are drawn from this.
const SEED: u64 = 0x5eed_0f00;
/// Most often that one mission is killed.
const KILLS_MAX: u64 = 4;

/// `SplitMix64`: the same delays in every run.
struct Random(u64);

impl Random {
    /// Below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

#[test]
fn a_mission_killed_at_random_moments_ends_as_if_it_had_not_been() {
    let rounds = ROUNDS / every(5);
    let reference = Reference::of(Mission::Triage);
    let longest = u64::try_from(reference.duration().as_micros()).unwrap();
    println!("seed {SEED:#x}, delays below {longest} µs");
    let mut random = Random(SEED);
    let (mut kills, mut missions_killed, mut in_doubt, mut again) = (0, 0, 0, 0);
    for _ in 0..rounds {
        let mut trial = reference.trial();
        let mut left = 1 + random.below(KILLS_MAX);
        trial.settle(|_| {
            if left == 0 {
                return Disturbance::None;
            }
            left -= 1;
            Disturbance::Signal(Duration::from_micros(random.below(longest)))
        });
        trial.assert_equal_to_undisturbed();
        let killed = trial.killed();
        kills += killed;
        missions_killed += usize::from(killed > 0);
        again += usize::from(killed > 1);
        in_doubt += trial.in_doubt.values().sum::<usize>();
    }
    println!(
        "{rounds} rounds, {missions_killed} killed in time ({again} more than once, {kills} kills), {in_doubt} calls in doubt, 0 losses"
    );
    // Far fewer than there are: how fast the machine is may change from round to round.
    assert!(missions_killed > rounds / 10, "killed too late");
}
