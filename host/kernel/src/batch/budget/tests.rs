//! What is reserved, what is counted, every refusal, and that no budget is ever exceeded.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::llm::{Image, Message, Options, Role};

fn prices(input: u64, output: u64) -> Prices {
    let price = Price {
        input_micros: Micros(input),
        output_micros: Micros(output),
    };
    Prices {
        models: BTreeMap::from([("m".to_owned(), price)]),
        ..Prices::default()
    }
}

fn budget(tokens: Option<u64>, micros: Option<u64>) -> Budget {
    let limit = Limit {
        micros: micros.map(Micros),
        tokens,
    };
    // 2 and 10 a million tokens: a token costs 2 or 10 millionths.
    Budget::new(limit, prices(2_000_000, 10_000_000), Spent::default())
}

const fn need(tokens_in: u64, tokens_out: u64) -> Need {
    Need {
        tokens_in,
        tokens_out,
    }
}

const fn usage(prompt: u64, completion: u64) -> Usage {
    Usage {
        completion_tokens: Some(completion),
        prompt_tokens: Some(prompt),
    }
}

#[track_caller]
fn go(budget: &mut Budget, need: Need) -> Reservation {
    match budget.reserve("m", need) {
        Ok(Answer::Go(reservation)) => reservation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_need_counts_bytes_messages_and_the_longest_answer() {
    let message = |content: &str| Message::new(Role::User, content);
    let mut request = Request {
        max_tokens: Some(50),
        messages: vec![message("é漢"), message("")],
        model: "m".to_owned(),
        options: Options::default(),
        seed: None,
        temperature: None,
        top_p: None,
    };
    assert_eq!(Need::of(&request, 7), need(256 + 2 + 3 + 2 * 16, 50));
    let mut more = request.clone();
    more.options.stop = vec!["12345".to_owned()];
    more.messages[0].images = vec![Image::new("image/png".to_owned(), vec![0; 100_000])];
    assert_eq!(Need::of(&more, 7), need(293 + 5 + 65_536, 50));
    request.max_tokens = None;
    assert_eq!(Need::of(&request, 7), need(293, 7));
    assert_eq!(Need::of(&request, u64::MAX).tokens(), u64::MAX);
}

#[test]
fn what_the_server_reports_is_counted_and_the_rest_is_given_back() {
    let mut budget = budget(Some(100), Some(1_000));
    let first = go(&mut budget, need(40, 20));
    // 60 of 100 tokens are reserved, and 280 of 1,000 millionths.
    assert_eq!(budget.reserve("m", need(41, 0)), Ok(Answer::Wait));
    let cost = budget.settle(first, usage(10, 5));
    assert_eq!(
        cost,
        Cost {
            micros: Some(Micros(70)),
            tokens_in: 10,
            tokens_out: 5
        }
    );
    let second = go(&mut budget, need(41, 0));
    budget.release(second);
    // Of a call without a report, all that was reserved counts.
    let third = go(&mut budget, need(30, 10));
    let cost = budget.settle(third, Usage::default());
    assert_eq!((cost.tokens_in, cost.tokens_out), (30, 10));
    assert_eq!(
        budget.spent(),
        Spent {
            micros: Micros(70 + 160),
            tokens_in: 40,
            tokens_out: 15
        }
    );
}

#[test]
fn every_refusal_says_spent_needed_and_limit() {
    let told = |budget: &mut Budget, model: &str, need: Need| {
        let refused = budget.reserve(model, need).unwrap_err();
        format!("{refused}\nhint: {}", refused.hint().unwrap())
    };
    let mut tokens = budget(Some(100), None);
    let first = go(&mut tokens, need(60, 30));
    tokens.settle(first, usage(60, 30));
    assert_eq!(
        told(&mut tokens, "m", need(5, 6)),
        "budget of the batch: tokens: 90 spent, up to 11 needed by the next call, limit 100\n\
         hint: resume the batch with a larger budget, or set a lower llm.max_tokens in the missions"
    );
    let mut money = budget(None, Some(2_500_000));
    let first = go(&mut money, need(1_000_000, 50_000));
    money.settle(first, usage(1_000_000, 25_000));
    assert_eq!(
        told(&mut money, "m", need(100_000, 10_000)),
        "budget of the batch: 2.25 USD spent, up to 0.30 needed by the next call, limit 2.50\n\
         hint: resume the batch with a larger budget, or set a lower llm.max_tokens in the missions"
    );
    assert_eq!(
        told(&mut money, "other", need(1, 1)),
        "budget of the batch: model other has no price\n\
         hint: set the price of the model in llm.prices of the configuration"
    );
    assert!(
        tokens.reserve("m", need(u64::MAX, 1)).is_err(),
        "never wraps"
    );
}

#[test]
fn without_a_limit_of_money_a_model_needs_no_price() {
    let mut budget = budget(Some(100), None);
    let Ok(Answer::Go(call)) = budget.reserve("other", need(1, 1)) else {
        panic!("refused");
    };
    assert_eq!(budget.settle(call, usage(1, 1)).micros, None);
    let mut unlimited = Budget::new(Limit::default(), Prices::default(), Spent::default());
    for _ in 0..3 {
        let call = go(&mut unlimited, need(u64::MAX, u64::MAX));
        unlimited.settle(call, usage(u64::MAX, u64::MAX));
    }
    assert_eq!(unlimited.spent().tokens(), u64::MAX);
}

#[test]
fn a_resumed_batch_has_spent_what_the_first_process_has() {
    let mut first = budget(Some(100), Some(1_000));
    let call = go(&mut first, need(40, 40));
    first.settle(call, usage(40, 40));
    let recorded = serde_json::to_string(&first.spent()).unwrap();
    assert_eq!(recorded, r#"{"micros":480,"tokens_in":40,"tokens_out":40}"#);
    let spent = serde_json::from_str(&recorded).unwrap();
    let limit = Limit {
        micros: None,
        tokens: Some(100),
    };
    let mut second = Budget::new(limit, Prices::default(), spent);
    assert!(second.reserve("m", need(20, 1)).is_err());
    let _fits = go(&mut second, need(20, 0));
}

/// What happens to a budget.
#[derive(Debug, Clone)]
enum Act {
    Reserve(u64, u64),
    /// Settles the n-th reservation with parts of its need, in percent; `None` is not reported.
    Settle(usize, Option<u64>, Option<u64>),
    Release(usize),
    /// The process ends: what was reserved is lost, and may have been spent.
    Resume,
}

fn act() -> impl Strategy<Value = Act> {
    let percent = || prop::option::of(0_u64..=100);
    prop_oneof![
        6 => (0_u64..300, 0_u64..300).prop_map(|(i, o)| Act::Reserve(i, o)),
        4 => (any::<usize>(), percent(), percent()).prop_map(|(n, i, o)| Act::Settle(n, i, o)),
        1 => any::<usize>().prop_map(Act::Release),
        1 => Just(Act::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_budget_is_exceeded_while_servers_keep_to_the_bounds(
        tokens in prop::option::of(0_u64..2_000),
        micros in prop::option::of(0_u64..4_000),
        (input, output) in (0_u64..5_000_000, 0_u64..5_000_000),
        acts in prop::collection::vec(act(), 1..150),
    ) {
        let limit = Limit { micros: micros.map(Micros), tokens };
        let prices = prices(input, output);
        let mut budget = Budget::new(limit, prices.clone(), Spent::default());
        let mut open: Vec<(Reservation, Need)> = Vec::new();
        // Counted apart: the exact cost, in millionths of a millionth.
        let (mut used, mut exact) = (0, 0);
        for act in acts {
            match act {
                Act::Reserve(tokens_in, tokens_out) => {
                    let need = need(tokens_in, tokens_out);
                    match budget.reserve("m", need) {
                        Ok(Answer::Go(reservation)) => open.push((reservation, need)),
                        // Nothing would ever end this wait.
                        Ok(Answer::Wait) => prop_assert!(!open.is_empty()),
                        Err(Refused::Tokens { spent, needed, limit }) => {
                            prop_assert_eq!((spent, Some(limit)), (used, tokens));
                            prop_assert!(spent + needed > limit);
                        }
                        Err(Refused::Money { spent, needed, limit, .. }) => {
                            prop_assert_eq!(Some(limit.0), micros);
                            prop_assert!(spent.0 + needed.0 > limit.0);
                        }
                        Err(other) => prop_assert!(false, "{}", other),
                    }
                }
                Act::Settle(n, part_in, part_out) if !open.is_empty() => {
                    let (reservation, need) = open.swap_remove(n % open.len());
                    let part = |tokens: u64, percent: Option<u64>| {
                        percent.map(|percent| tokens * percent / 100)
                    };
                    let reported = Usage {
                        completion_tokens: part(need.tokens_out, part_out),
                        prompt_tokens: part(need.tokens_in, part_in),
                    };
                    let cost = budget.settle(reservation, reported);
                    used += cost.tokens_in + cost.tokens_out;
                    exact += cost.tokens_in * input + cost.tokens_out * output;
                }
                Act::Release(n) if !open.is_empty() => {
                    let (reservation, _) = open.swap_remove(n % open.len());
                    budget.release(reservation);
                }
                Act::Settle(..) | Act::Release(_) => {}
                Act::Resume => {
                    // A call in doubt counts with all that was reserved for it.
                    for (reservation, need) in open.drain(..) {
                        budget.settle(reservation, Usage::default());
                        used += need.tokens();
                        exact += need.tokens_in * input + need.tokens_out * output;
                    }
                    budget = Budget::new(limit, prices.clone(), budget.spent());
                }
            }
            prop_assert_eq!(budget.spent().tokens(), used);
            prop_assert!(tokens.is_none_or(|limit| used <= limit));
            prop_assert!(micros.is_none_or(|limit| budget.spent().micros.0 <= limit));
            prop_assert!(budget.spent().micros.0 * 1_000_000 >= exact);
        }
        for (reservation, _) in open {
            budget.release(reservation);
        }
        prop_assert_eq!((budget.reserved_tokens, budget.reserved_micros), (0, Micros(0)));
    }
}
