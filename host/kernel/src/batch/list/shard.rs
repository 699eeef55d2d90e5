//! A part of a list for one of several machines. Invariant: the shards `1/n` to `n/n` of a list have
//! no mission in common, and have all of them together.

use std::fmt;
use std::str::FromStr;

use crate::form::plain;

/// Shards of one list: more machines than any batch has.
pub const SHARDS_MAX: u32 = 10_000;

/// Every n-th mission, beginning at the i-th: `i/n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    index: u32,
    count: u32,
}

impl Shard {
    /// The whole list.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Returns whether the shard has the mission at `position`, counted from 0 in the whole list.
    pub const fn takes(self, position: usize) -> bool {
        position % self.count as usize == self.index as usize - 1
    }

    /// Returns the position in the whole list of the shard's mission at `place`, counted from 0.
    pub const fn position(self, place: usize) -> usize {
        place * self.count as usize + self.index as usize - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Text that is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a shard; i/n needed with 1 <= i <= n <= {SHARDS_MAX}, as in 2/8", plain::one_line(.0))]
pub struct NotAShard(String);

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, NotAShard> {
        let refuse = || NotAShard(text.chars().take(80).collect());
        let (index, count) = text.split_once('/').ok_or_else(refuse)?;
        let number = |digits: &str| {
            // `parse` accepts a plus sign.
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number)
        };
        let (index, count): (u32, u32) = number(index).zip(number(count)).ok_or_else(refuse)?;
        if (1..=SHARDS_MAX).contains(&count) && (1..=count).contains(&index) {
            Ok(Self { index, count })
        } else {
            Err(refuse())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_part_of_a_whole_is_a_shard() {
        for good in ["1/1", "2/8", "10000/10000"] {
            assert_eq!(good.parse::<Shard>().unwrap().to_string(), good);
        }
        for bad in [
            "", "/", "1", "0/1", "2/1", "1/0", "-1/2", "+1/2", "1/10001", "1/2/3", " 1/2", "١/2",
        ] {
            let refused = bad.parse::<Shard>().unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("'{bad}' is not a shard")),
                "{refused}"
            );
        }
        assert_eq!((0..5).filter(|p| Shard::WHOLE.takes(*p)).count(), 5);
    }

    proptest! {
        #[test]
        fn shards_are_disjoint_complete_and_of_equal_length(missions in 0_usize..500, count in 1_u32..40) {
            let mut lengths = Vec::new();
            let mut taken = vec![0; missions];
            for index in 1..=count {
                let shard: Shard = format!("{index}/{count}").parse().unwrap();
                let of_shard = (0..missions).filter(|position| shard.takes(*position));
                let of_shard: Vec<usize> = of_shard.collect();
                for position in &of_shard {
                    taken[*position] += 1;
                }
                lengths.push(of_shard.len());
            }
            prop_assert!(taken.iter().all(|times| *times == 1));
            prop_assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1);
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC*") {
            let _ = text.parse::<Shard>();
        }
    }
}
