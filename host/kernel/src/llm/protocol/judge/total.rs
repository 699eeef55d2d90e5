//! Property tests of the judge over generated responses: it gives every response a meaning, and
//! half an answer never counts as a whole one.

use proptest::prelude::*;
use serde_json::json;

use super::super::exchange::Standing;
use super::tests::{choice, judge_bytes};
use super::*;

/// Returns JSON as providers send it and worse: the protocol's own names, any values.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "choices",
        "message",
        "content",
        "error",
        "code",
        "type",
        "text",
        "refusal",
        "status",
        "finish_reason",
        "delta",
        "tool_calls",
        "detail",
        "errors",
        "usage",
        "metadata",
        "raw",
    ]);
    let word = prop::sample::select(vec![
        "",
        "stop",
        "MAX_TOKENS",
        "abort",
        "text",
        "error",
        "insufficient_quota",
        "x\u{1b}[2J",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_u64..700).prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Map<_, _>>()
                    .into()
            }),
        ]
    })
}

/// Checks the properties that every verdict must have.
fn holds(status: u16, body: &[u8]) -> Result<(), TestCaseError> {
    let verdict = judge_bytes(status, body);
    let shown = match &verdict {
        Verdict::Answered(completion, _) => {
            prop_assert!((200..300).contains(&status));
            let body = parse::json(body).expect("an answer that is not JSON");
            let end = End::of(&body["choices"][0]["finish_reason"]);
            if completion.finish_reason == FinishReason::Stop {
                prop_assert_eq!(end, End::Whole);
            }
            String::new()
        }
        Verdict::Rejected(reason, _) => reason.clone(),
        Verdict::Trouble { reach, said } => {
            prop_assert_ne!(reach.standing(None), Standing::InDoubt);
            said.clone()
        }
        Verdict::Failed(failure) | Verdict::InDoubt(failure) => failure.to_string(),
    };
    prop_assert!(!shown.chars().any(char::is_control), "{}", shown);
    prop_assert!(shown.len() < 20_000, "{} bytes", shown.len());
    let is_success = (200..300).contains(&status);
    if !is_success && Reach::Answered(status).standing(None) == Standing::InDoubt {
        // A code that names a used-up quota is the one thing that settles it.
        prop_assert!(
            matches!(
                verdict,
                Verdict::InDoubt(_) | Verdict::Failed(Failure::QuotaUsedUp { .. })
            ),
            "{:?}",
            verdict
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_body_under_every_status_has_a_meaning(
        status in 200_u16..600,
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        holds(status, &body)?;
    }

    #[test]
    fn every_json_under_every_status_has_a_meaning(
        status in prop_oneof![Just(200_u16), 200_u16..600],
        body in any_json(),
        message in any_json(),
        reason in any_json(),
    ) {
        holds(status, body.to_string().as_bytes())?;
        let whole = choice(&json!({"finish_reason": reason, "message": message}));
        holds(status, whole.to_string().as_bytes())?;
        let with_error = json!({"error": body, "choices": whole["choices"]});
        holds(status, with_error.to_string().as_bytes())?;
        let stream = format!("data: {with_error}\n\ndata: {whole}\n\ndata: [DONE]\n\n");
        holds(status, stream.as_bytes())?;
        let text = with_error.to_string();
        for end in (0..text.len()).step_by(7).filter(|end| text.is_char_boundary(*end)) {
            holds(status, &text.as_bytes()[..end])?;
        }
    }
}
