//! The bounds of the window, the order of the queue, and that every call leaves in the end.

use proptest::prelude::*;

use super::*;

fn pace(requests: Option<u32>, tokens: Option<u64>, in_flight: Option<u32>) -> Pace {
    Pace::new(CallLimits {
        calls_in_flight: in_flight,
        requests_per_minute: requests,
        tokens_per_minute: tokens,
    })
}

#[track_caller]
fn go(pace: &mut Pace, now_ms: u64) -> Ticket {
    match pace.ask(now_ms) {
        Answer::Go(ticket) => ticket,
        other => panic!("at {now_ms}: {other:?}"),
    }
}

#[test]
fn without_limits_every_call_leaves_at_once() {
    let mut pace = pace(None, None, None);
    for _ in 0..1_000 {
        pace.join(u64::MAX);
    }
    for _ in 0..1_000 {
        let ticket = go(&mut pace, 0);
        pace.settle(ticket, u64::MAX, 0);
    }
    assert_eq!(pace.ask(0), Answer::Idle);
    assert!(pace.window.is_empty(), "nothing to remember");
}

#[test]
fn the_request_after_the_limit_waits_until_the_first_is_a_minute_old() {
    let mut pace = pace(Some(2), None, None);
    for _ in 0..3 {
        pace.join(1);
    }
    let first = go(&mut pace, 1_000);
    pace.settle(first, 1, 1_100);
    let _second = go(&mut pace, 30_000);
    assert_eq!(pace.ask(30_000), Answer::WaitUntil(61_000));
    assert_eq!(pace.ask(60_999), Answer::WaitUntil(61_000));
    let _third = go(&mut pace, 61_000);
}

#[test]
fn tokens_are_reserved_by_estimate_and_counted_as_reported() {
    let mut pace = pace(None, Some(100), None);
    for tokens in [80, 80, 30] {
        pace.join(tokens);
    }
    let first = go(&mut pace, 0);
    assert_eq!(pace.ask(5), Answer::WaitUntil(60_000));
    pace.settle(first, 20, 10);
    let second = go(&mut pace, 10);
    assert_eq!(pace.ask(20), Answer::WaitUntil(60_010));
    // A call that fails gives its reservation back.
    pace.settle(second, 0, 30);
    let third = go(&mut pace, 30);
    // A server may report more than the estimate.
    pace.settle(third, 500, 40);
    pace.join(1);
    assert_eq!(pace.ask(60_010), Answer::WaitUntil(60_030));
}

#[test]
fn a_call_above_the_limit_leaves_alone() {
    let mut pace = pace(None, Some(100), None);
    for tokens in [1, 500, 1] {
        pace.join(tokens);
    }
    let _first = go(&mut pace, 0);
    assert_eq!(pace.ask(0), Answer::WaitUntil(60_000));
    let _large = go(&mut pace, 60_000);
    assert_eq!(pace.ask(60_000), Answer::WaitUntil(120_000));
    // A call that failed is in the window without tokens, and holds up nobody.
    let failed = go(&mut pace, 120_000);
    pace.settle(failed, 0, 120_000);
    pace.join(500);
    let _large = go(&mut pace, 120_000);
}

#[test]
fn calls_in_flight_are_limited_and_a_call_that_was_not_sent_counts_for_nothing() {
    let mut pace = pace(Some(2), Some(10), Some(1));
    for _ in 0..4 {
        pace.join(10);
    }
    let first = go(&mut pace, 0);
    assert_eq!(pace.ask(70_000), Answer::WaitForSettle);
    pace.settle(first, 10, 70_000);
    let second = go(&mut pace, 70_000);
    pace.cancel(second);
    let third = go(&mut pace, 70_000);
    pace.settle(third, 0, 70_000);
    let fourth = go(&mut pace, 70_000);
    pace.settle(fourth, 0, 70_000);
    pace.join(1);
    // The failed calls are requests all the same.
    assert_eq!(pace.ask(70_000), Answer::WaitUntil(130_000));
}

#[test]
fn a_hold_is_for_all_calls_and_is_never_shortened() {
    let mut pace = pace(None, None, None);
    pace.join(1);
    pace.hold(500);
    pace.hold(200);
    assert_eq!(pace.ask(100), Answer::WaitUntil(500));
    pace.join(1);
    let first = go(&mut pace, 500);
    pace.hold(900);
    pace.settle(first, 1, 600);
    assert_eq!(pace.ask(600), Answer::WaitUntil(900));
    let _second = go(&mut pace, 900);
}

#[test]
fn who_leaves_the_queue_holds_up_nobody_and_time_never_runs_backwards() {
    let mut pace = pace(Some(1), None, None);
    let (first, second, third) = (pace.join(1), pace.join(1), pace.join(1));
    pace.leave(first);
    let ticket = go(&mut pace, 1_000);
    assert_eq!(ticket.turn, second);
    // It has left: there is nothing to remove.
    pace.leave(second);
    assert_eq!(pace.ask(0), Answer::WaitUntil(61_000));
    pace.leave(third);
    assert_eq!(pace.ask(0), Answer::Idle);
}

/// What happens to a queue.
#[derive(Debug, Clone)]
enum Act {
    Join(u64),
    Pass(u64),
    Ask,
    /// Settles the n-th call in flight with a part of its estimate, in percent.
    Settle(usize, u64),
    Cancel(usize),
    Hold(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0_u64..60).prop_map(Act::Join),
        3 => (0_u64..40_000).prop_map(Act::Pass),
        6 => Just(Act::Ask),
        3 => (any::<usize>(), 0_u64..=100).prop_map(|(n, percent)| Act::Settle(n, percent)),
        1 => any::<usize>().prop_map(Act::Cancel),
        1 => (0_u64..90_000).prop_map(Act::Hold),
    ]
}

fn limits() -> impl Strategy<Value = CallLimits> {
    let some = |most: u32| prop::option::of(1..=most);
    (some(4), some(4), prop::option::of(1_u64..100)).prop_map(|(in_flight, requests, tokens)| {
        CallLimits {
            calls_in_flight: in_flight,
            requests_per_minute: requests,
            tokens_per_minute: tokens,
        }
    })
}

/// A call that has left, as the test remembers it.
struct Sent {
    at_ms: u64,
    estimate: u64,
    /// As reported, or the estimate until then; `None` if it was cancelled.
    tokens: Option<u64>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_window_of_a_minute_ever_has_more_than_the_limits(
        limits in limits(),
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let mut pace = Pace::new(limits);
        let mut now_ms = 0;
        let mut not_before_ms = 0;
        let mut estimates: VecDeque<(Turn, u64)> = VecDeque::new();
        let mut sent: Vec<Sent> = Vec::new();
        let mut flying: Vec<(Ticket, usize)> = Vec::new();
        for act in acts {
            match act {
                Act::Join(tokens) => {
                    let turn = pace.join(tokens);
                    estimates.push_back((turn, tokens));
                }
                Act::Pass(ms) => now_ms += ms,
                Act::Hold(ms) => {
                    not_before_ms = not_before_ms.max(now_ms + ms);
                    pace.hold(now_ms + ms);
                }
                Act::Settle(_, _) | Act::Cancel(_) if flying.is_empty() => {}
                Act::Settle(n, percent) => {
                    let (ticket, place) = flying.swap_remove(n % flying.len());
                    let tokens = sent[place].estimate * percent / 100;
                    sent[place].tokens = Some(tokens);
                    pace.settle(ticket, tokens, now_ms);
                }
                Act::Cancel(n) => {
                    let (ticket, place) = flying.swap_remove(n % flying.len());
                    sent[place].tokens = None;
                    pace.cancel(ticket);
                }
                Act::Ask => match pace.ask(now_ms) {
                    Answer::Go(ticket) => {
                        let (turn, estimate) = estimates.pop_front().unwrap();
                        prop_assert_eq!(ticket.turn, turn, "first come, first served");
                        prop_assert!(now_ms >= not_before_ms);
                        flying.push((ticket, sent.len()));
                        sent.push(Sent { at_ms: now_ms, estimate, tokens: Some(estimate) });
                        let most = limits.calls_in_flight.unwrap_or(u32::MAX) as usize;
                        prop_assert!(flying.len() <= most);
                    }
                    Answer::WaitUntil(until_ms) => prop_assert!(until_ms > now_ms),
                    Answer::WaitForSettle => prop_assert!(!flying.is_empty()),
                    Answer::Idle => prop_assert!(estimates.is_empty()),
                },
            }
            // A call is the first of a window at the latest when it leaves, so these are all windows.
            let start = sent.last().map_or(0, |last| (last.at_ms + 1).saturating_sub(WINDOW_MS));
            let window = sent.iter().filter(|call| call.at_ms >= start);
            let tokens: Vec<u64> = window.filter_map(|call| call.tokens).collect();
            if let Some(most) = limits.requests_per_minute {
                prop_assert!(tokens.len() <= most as usize);
            }
            if let Some(most) = limits.tokens_per_minute {
                let counted: Vec<u64> = tokens.into_iter().filter(|tokens| *tokens > 0).collect();
                prop_assert!(counted.len() == 1 || counted.iter().sum::<u64>() <= most, "{:?}", counted);
            }
        }
    }

    #[test]
    fn every_call_leaves_if_the_caller_waits_as_it_is_told(
        limits in limits(),
        calls in prop::collection::vec((0_u64..200, 0_u64..100_000, any::<bool>()), 1..40),
    ) {
        let mut pace = Pace::new(limits);
        let turns: Vec<Turn> = calls.iter().map(|(tokens, _, _)| pace.join(*tokens)).collect();
        let mut left = Vec::new();
        let mut flying: VecDeque<Ticket> = VecDeque::new();
        let mut now_ms = 0;
        // Each wait lets at least one call leave the window or end, so few answers are needed.
        for _ in 0..=calls.len() * 4 {
            match pace.ask(now_ms) {
                Answer::Go(ticket) => {
                    left.push(ticket.turn);
                    flying.push_back(ticket);
                }
                Answer::WaitUntil(until_ms) => {
                    prop_assert!(until_ms <= now_ms + WINDOW_MS);
                    now_ms = until_ms;
                }
                Answer::WaitForSettle => {
                    let ticket = flying.pop_front().unwrap();
                    let (tokens, ms, is_failed) = calls[usize::try_from(ticket.number).unwrap()];
                    now_ms += ms;
                    pace.settle(ticket, if is_failed { 0 } else { tokens }, now_ms);
                }
                Answer::Idle => break,
            }
        }
        prop_assert_eq!(left, turns);
    }
}
