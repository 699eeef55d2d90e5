//! Requests that are written and read again: random conversations, and records that were changed.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::form::canonical;

/// What is kept beside the chain.
type Contents = BTreeMap<Digest, Vec<u8>>;

fn message(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

fn request(messages: Vec<Message>) -> Request {
    Request {
        max_tokens: Some(9),
        messages,
        model: "m".to_owned(),
        options: Options::default(),
        seed: None,
        temperature: Some(0.0),
        top_p: None,
    }
}

/// Writes `requests` as the events 1, 3, 5 and so on; returns the bodies and the kept contents.
fn written(requests: &[Request]) -> (Vec<String>, Contents) {
    let mut conversation = Conversation::default();
    let mut kept = Contents::new();
    let mut bodies = Vec::new();
    for (seq, request) in (1..).step_by(2).zip(requests) {
        let sha256 = request.digest().unwrap();
        let (body, long) = conversation.intent(seq, request, sha256, 1).unwrap();
        for text in long {
            kept.insert(Digest::of(&text), text.into());
        }
        bodies.push(canonical::to_string_sorted(&body).unwrap());
    }
    (bodies, kept)
}

/// Reads the bodies again.
fn read(bodies: &[String], kept: &Contents) -> Result<Vec<Request>, CallError> {
    let mut requests = Requests::default();
    let mut content = |sha256: &Digest| kept.get(sha256).cloned().ok_or("it is not there".into());
    (1..)
        .step_by(2)
        .zip(bodies)
        .map(|(seq, body)| requests.take(seq, serde_json::from_str(body).unwrap(), &mut content))
        .collect()
}

#[test]
fn a_request_holds_what_is_new_in_it() {
    let long = "x".repeat(INLINE_BYTES_MAX + 1);
    let system = message(Role::System, "be brief");
    let first = request(vec![system.clone(), message(Role::User, &long)]);
    let mut second = first.clone();
    second
        .messages
        .extend([message(Role::Assistant, "yes"), message(Role::User, "why?")]);
    let third = request(vec![system, message(Role::User, "other")]);
    let (bodies, kept) = written(&[first, second.clone(), third, second]);
    let new = |at: usize| {
        let body: serde_json::Value = serde_json::from_str(&bodies[at]).unwrap();
        json!([body["since"], body["request"]["messages"]])
    };
    assert_eq!(
        [new(0), new(1), new(2), new(3)],
        [
            json!([null, [
                {"content": "be brief", "role": "system"},
                {"content": {"bytes": 1025, "sha256": Digest::of(&long)}, "role": "user"},
            ]]),
            json!([{"call": 1, "messages": 2}, [
                {"content": "yes", "role": "assistant"},
                {"content": "why?", "role": "user"},
            ]]),
            json!([{"call": 1, "messages": 1}, [{"content": "other", "role": "user"}]]),
            json!([{"call": 3, "messages": 4}, []]),
        ]
    );
    assert_eq!(kept.len(), 1);
}

#[test]
fn a_long_conversation_takes_as_many_bytes_as_was_said() {
    let mut messages = Vec::new();
    let mut requests = Vec::new();
    let mut said = 0;
    for turn in 0..100 {
        for role in [Role::User, Role::Assistant] {
            let text = format!("{turn} {role:?} ").repeat(300);
            said += text.len();
            messages.push(message(role, &text));
        }
        requests.push(request(messages.clone()));
    }
    let (bodies, kept) = written(&requests);
    let events: usize = bodies.iter().map(String::len).sum();
    let contents: usize = kept.values().map(Vec::len).sum();
    assert_eq!(contents, said);
    assert!(events < 100 * 500, "{events} bytes of events");
    assert_eq!(read(&bodies, &kept).unwrap(), requests);
}

#[test]
fn a_changed_record_is_refused_and_named() {
    let first = request(vec![message(Role::User, "a"), message(Role::User, "b")]);
    let second = request([first.messages.clone(), vec![message(Role::User, "c")]].concat());
    let (bodies, kept) = written(&[first, second]);
    let refused = |from: &str, to: &str| {
        let changed: Vec<String> = bodies.iter().map(|body| body.replace(from, to)).collect();
        assert_ne!(changed, bodies);
        read(&changed, &kept).unwrap_err().to_string()
    };
    assert_eq!(
        refused(r#""call":1"#, r#""call":3"#),
        "event 3: it begins with 2 messages of event 3, which has not as many"
    );
    assert_eq!(
        refused(r#""messages":2"#, r#""messages":0"#),
        "event 3: it begins with 0 messages of event 1, which has not as many"
    );
    for (from, to) in [
        (r#""content":"a""#, r#""content":"d""#),
        (r#""messages":2"#, r#""messages":1"#),
        (r#""model":"m""#, r#""model":"n""#),
    ] {
        let said = refused(from, to);
        assert!(said.contains("and its record states"), "{said}");
    }
    let said = refused(
        r#""content":"a""#,
        &format!(
            r#""content":{{"bytes":1,"sha256":"{}"}}"#,
            Digest::of("nowhere")
        ),
    );
    assert_eq!(said, "event 1: a text of its model call");
}

/// A kilobyte of record that names one text very often.
#[test]
fn a_text_that_is_named_too_often_is_not_read() {
    let long = "x".repeat(1 << 20);
    let said = SaidMessage {
        content: Text::of(&long),
        images: Vec::new(),
        role: Role::User,
        tool_call_id: None,
        tool_calls: Vec::new(),
    };
    let body = |times: usize, since| IntentBody {
        nth: 1,
        request: SaidRequest {
            max_tokens: None,
            messages: vec![said.clone(); times],
            model: String::new(),
            options: None,
            seed: None,
            temperature: None,
            top_p: None,
        },
        sha256: Digest::of("another"),
        since,
    };
    let mut requests = Requests::default();
    let mut reads = 0;
    let mut content = |_: &Digest| {
        reads += 1;
        Ok(long.clone().into_bytes())
    };
    let refused = requests.take(1, body(1025, None), &mut content);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "event 1: the texts up to it have 1074790400 bytes, 1073741824 is the limit"
    );
    // The digest is wrong, but the messages are known from here on.
    assert!(requests.take(3, body(4, None), &mut content).is_err());
    let since = Since {
        call: 3,
        messages: 4,
    };
    let refused = requests.take(5, body(1021, Some(since)), &mut content);
    assert!(matches!(refused, Err(CallError::TooLong { seq: 5, .. })));
    assert_eq!(reads, 4);

    let mut other = said;
    other.content = Text::Kept(Blob {
        bytes: 7,
        sha256: Digest::of(&long),
    });
    let text = other.content.read(&mut |_| Ok(long.clone().into_bytes()));
    assert_eq!(
        text.unwrap_err().to_string(),
        "has 1048576 bytes, stated are 7"
    );
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let content = prop_oneof![
        "[ab]{0,2}",
        Just("long ".repeat(300)),
        Just("é".repeat(INLINE_BYTES_MAX / 2)),
        Just("é".repeat(INLINE_BYTES_MAX / 2 + 1)),
    ];
    let role = prop_oneof![Just(Role::System), Just(Role::User), Just(Role::Assistant)];
    let image = prop::option::of(prop::collection::vec(any::<u8>(), 1..4));
    let arguments = prop::option::of(content.clone());
    let message =
        (role, content, image, arguments).prop_map(|(role, content, image, arguments)| {
            let image = image.map(|content| Image::new("image/png".to_owned(), content));
            let call = |arguments| ToolCall {
                arguments,
                id: "c".to_owned(),
                name: "f".to_owned(),
            };
            Message {
                images: image.into_iter().collect(),
                tool_call_id: arguments.as_ref().map(|_| "c".to_owned()),
                tool_calls: arguments.map(call).into_iter().collect(),
                ..Message::new(role, content)
            }
        });
    prop::collection::vec(message, 0..6)
}

fn options() -> impl Strategy<Value = Options> {
    (
        prop::option::of("[ab]{1}"),
        prop::collection::vec("[ab]{0,600}", 0..4),
    )
        .prop_map(|(alias, stop)| Options {
            alias,
            stop,
            ..Options::default()
        })
}

/// Returns the request as a record has it: it names images and does not hold them.
fn as_recorded(mut request: Request) -> Request {
    for message in &mut request.messages {
        for image in &mut message.images {
            image.content = [].into();
        }
    }
    request
}

proptest! {
    /// Whatever is asked, what is read is what was asked.
    #[test]
    fn what_is_read_is_what_was_written(
        conversations in prop::collection::vec(messages(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 12),
        options in prop::collection::vec(options(), 12),
    ) {
        // Each request begins with a part of the one before.
        let mut requests: Vec<Request> = Vec::new();
        for (messages, cut) in conversations.into_iter().zip(cuts) {
            let before = requests.last().map_or(Vec::new(), |last| last.messages.clone());
            let kept = cut.index(before.len() + 1);
            let messages = [&before[..kept], &messages[..]].concat();
            let options = options[requests.len()].clone();
            requests.push(Request { options, ..request(messages) });
        }
        let (bodies, kept) = written(&requests);
        let requests: Vec<Request> = requests.into_iter().map(as_recorded).collect();
        prop_assert_eq!(read(&bodies, &kept).unwrap(), requests);
    }

    /// No record makes the reader panic or use more than a record's own messages.
    #[test]
    fn no_record_is_read_without_end(
        sinces in prop::collection::vec((0_u64..20, 0_u64..20), 1..10),
    ) {
        let mut requests = Requests::default();
        for (seq, (call, messages)) in (1..).zip(sinces) {
            let body = IntentBody {
                nth: 1,
                request: SaidRequest {
                    max_tokens: None,
                    messages: vec![SaidMessage::of(&Message::new(Role::User, "x"))],
                    model: String::new(),
                    options: None,
                    seed: None,
                    temperature: None,
                    top_p: None,
                },
                sha256: Digest::of("another"),
                since: Some(Since { call, messages }),
            };
            let taken = requests.take(seq, body, &mut |_| Err("none".into()));
            prop_assert!(taken.is_err());
        }
    }
}
