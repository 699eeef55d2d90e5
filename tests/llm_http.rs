//! The model client against a real server on loopback: what reaches the server, what each of
//! its possible behaviours means, and how often it is asked.
//! Invariant: no test sleeps; time, waiting and chance are given to the client.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use coo::inside::effects::{ApiKey, Client, Endpoint, Failure, Reply, Unanswered, Waiter};
use coo::inside::machine::block_on;
use coo_kernel::llm::{FinishReason, Message, ModelAnswer, Refusal, Request, Role, Usage};
use insta::assert_snapshot;
use serde_json::json;

use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::steady;

const KEY: &str = "sk-test-0123456789abcdef";
/// Sunday, 6 November 1994, 08:49:37 UTC: the example of the HTTP standard.
const NOW_UNIX_S: u64 = 784_111_777;

fn request() -> Request {
    Request {
        max_tokens: Some(256),
        messages: vec![
            Message::new(Role::System, "Answer in one line."),
            Message::new(Role::User, "hello \"é\""),
        ],
        model: "test/model".into(),
        options: coo_kernel::llm::Options::default(),
        seed: Some(42),
        temperature: Some(0.0),
        top_p: Some(1.0),
    }
}

fn endpoint(base_url: String) -> Endpoint {
    Endpoint::new(base_url, Some(ApiKey::new(KEY)))
}

/// The result of a call, and the waits it made, in milliseconds.
struct Called {
    result: Result<Reply, Unanswered>,
    waits_ms: Vec<u128>,
}

impl Called {
    fn at(endpoint: Endpoint) -> Self {
        let waits = Arc::new(Mutex::new(Vec::new()));
        let waiter = Waiter {
            now: Box::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_UNIX_S)),
            wait: Box::new({
                let waits = Arc::clone(&waits);
                move |wait: Duration| {
                    waits.lock().unwrap().push(wait.as_millis());
                    Box::pin(std::future::ready(()))
                }
            }),
            jitter: Box::new(|| 0.0),
        };
        let client = Client::with_waiter(endpoint, waiter).unwrap();
        let result = block_on(client.complete(&request()));
        for printed in [format!("{result:?}"), format!("{client:?}")] {
            assert!(!printed.contains(KEY), "the key is shown: {printed}");
        }
        if let Err(failure) = &result {
            assert!(!failure.to_string().contains(KEY), "{failure}");
        }
        let waits_ms = waits.lock().unwrap().clone();
        Self { result, waits_ms }
    }

    fn reply(self) -> Reply {
        self.result.unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn failure(self) -> Failure {
        self.result.expect_err("the call succeeded").failure
    }
}

/// Calls a server with this script; checks how many requests reached it.
fn call<S: Into<Step>>(script: impl IntoIterator<Item = S>, requests_expected: usize) -> Called {
    let server = ModelServer::start(script);
    let called = Called::at(endpoint(server.base_url()));
    assert_eq!(
        server.requests().len(),
        requests_expected,
        "{:?}",
        called.result
    );
    called
}

fn error(status: u16, message: &str) -> Response {
    Response::json(
        status,
        &json!({"error": {"code": status, "message": message}}),
    )
}

/// Gives a failure's whole text as a line of its own, without the port of its server.
fn said(failure: &Failure) -> String {
    steady(&format!("{failure}\n"))
}

#[test]
fn the_request_reaches_the_server_whole_and_the_answer_comes_back() {
    let server = ModelServer::start([Response::completion("hi\n")]);
    let reply = Called::at(endpoint(server.base_url())).reply();

    let ModelAnswer::Completion(completion) = reply.answer else {
        panic!("{:?}", reply.answer);
    };
    assert_eq!(completion.text, "hi\n");
    assert_eq!(completion.model, "test/model");
    assert_eq!(completion.finish_reason, FinishReason::Stop);
    let usage = Usage {
        completion_tokens: Some(2),
        prompt_tokens: Some(3),
    };
    assert_eq!(completion.usage, usage);
    assert_eq!(reply.provenance.server, server.origin());
    assert_eq!(reply.provenance.recorded_at, "1994-11-06T08:49:37Z");
    assert_eq!(reply.provenance.response_id.as_deref(), Some("test-1"));
    assert_eq!(reply.provenance.note, None);

    let requests = server.requests();
    let [sent] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    assert_eq!(
        (sent.method.as_str(), sent.path.as_str()),
        ("POST", "/v1/chat/completions")
    );
    assert_eq!(
        sent.header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(
        sent.header("user-agent"),
        Some(concat!("coo/", env!("CARGO_PKG_VERSION")))
    );
    for absent in ["cookie", "accept-encoding", "expect", "referer"] {
        assert_eq!(sent.header(absent), None, "{absent}");
    }
    assert_eq!(
        String::from_utf8_lossy(&sent.body),
        r#"{"max_tokens":256,"messages":[{"content":"Answer in one line.","role":"system"},{"content":"hello \"é\"","role":"user"}],"model":"test/model","seed":42,"stream":false,"temperature":0.0,"top_p":1.0}"#
    );
}

#[test]
fn without_a_key_none_is_sent_and_the_field_name_is_the_configured_one() {
    let server = ModelServer::start([Response::completion("hi")]);
    let called = Called::at(Endpoint {
        api_key: None,
        max_tokens_field: "max_completion_tokens".into(),
        ..endpoint(server.base_url() + "/")
    });
    called.reply();
    let sent = &server.requests()[0];
    assert_eq!(sent.path, "/v1/chat/completions");
    assert_eq!(sent.header("authorization"), None);
    assert_eq!(sent.json()["max_completion_tokens"], 256);
    assert_eq!(sent.json().get("max_tokens"), None);
}

#[test]
fn one_client_serves_many_calls_and_many_threads() {
    let server = ModelServer::start(["a", "b", "c"].map(Response::completion));
    let client = Client::new(endpoint(server.base_url())).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| block_on(client.complete(&request())).unwrap());
        }
    });
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_refused_request_is_an_answer_and_is_not_repeated() {
    for status in [400, 413, 422] {
        let reply = call([error(status, "prompt too long")], 1).reply();
        let ModelAnswer::Error(Refusal::Rejected(reason)) = reply.answer else {
            panic!("{:?}", reply.answer);
        };
        assert_eq!(
            reason,
            format!(
                "the provider rejected the request with status {status}, saying 'prompt too long'"
            )
        );
    }
}

#[test]
fn a_wrong_path_is_no_answer() {
    let page = Response::json(404, "404 page not found");
    let failure = call([page], 1).failure();
    assert_snapshot!(said(&failure), @"unusable answer from http://127.0.0.1:<port>: HTTP 404 without a provider's error in its body, saying '404 page not found'");
}

#[test]
fn an_unaccepted_key_fails_at_once() {
    let mut all = String::new();
    for status in [401, 403] {
        let failure = call([error(status, "no auth")], 1).failure();
        let expected = status;
        assert!(matches!(failure, Failure::Unauthorised { status, .. } if status == expected));
        all += &said(&failure);
    }
    assert_snapshot!(all, @"
    model call not authorised: http://127.0.0.1:<port> answered 401, saying 'no auth'
    model call not authorised: http://127.0.0.1:<port> answered 403, saying 'no auth'
    ");
}

#[test]
fn a_missing_payment_fails_at_once_unless_the_server_says_when_to_return() {
    let failure = call([error(402, "no credit")], 1).failure();
    assert!(matches!(failure, Failure::Unpaid { status: 402, .. }));
    assert_snapshot!(said(&failure), @"model call not paid for: http://127.0.0.1:<port> answered 402, saying 'no credit'");

    let later = error(402, "no credit").header("retry-after", "2");
    let called = call([later.clone(), Response::completion("hi")], 2);
    assert_eq!(called.waits_ms, [2000]);
    called.reply();

    let failure = call(vec![later; 4], 4).failure();
    assert!(matches!(failure, Failure::Unpaid { .. }), "{failure}");
}

#[test]
fn a_passing_trouble_is_retried_with_growing_waits_until_it_passes() {
    for status in [425, 429, 503, 529] {
        let trouble = error(status, "busy");
        let called = call([trouble.clone(), trouble, Response::completion("hi")], 3);
        assert_eq!(called.waits_ms, [250, 500], "{status}");
        called.reply();
    }
}

#[test]
fn a_trouble_that_does_not_pass_exhausts_the_attempts() {
    let mut all = String::new();
    for status in [425, 429, 503, 529] {
        let called = call(vec![error(status, "busy"); 5], 4);
        assert_eq!(called.waits_ms, [250, 500, 1000]);
        let failure = called.failure();
        assert!(matches!(failure, Failure::Exhausted { attempts: 4, .. }));
        all += &said(&failure);
    }
    assert_snapshot!(all, @"
    model call failed: http://127.0.0.1:<port> answered 425, saying 'busy', on the last of 4 attempt(s)
    model call failed: http://127.0.0.1:<port> answered 429, saying 'busy', on the last of 4 attempt(s)
    model call failed: http://127.0.0.1:<port> answered 503, saying 'busy', on the last of 4 attempt(s)
    model call failed: http://127.0.0.1:<port> answered 529, saying 'busy', on the last of 4 attempt(s)
    ");
}

#[test]
fn the_wait_the_server_asks_for_is_kept_in_seconds_and_as_a_date() {
    for (retry_after, wait_ms) in [
        ("7", 7000),
        ("60", 60_000),
        ("0", 250),
        ("Sun, 06 Nov 1994 08:49:46 GMT", 9000),
        ("Sun, 06 Nov 1994 08:40:00 GMT", 250),
        ("nonsense", 250),
    ] {
        let trouble = error(429, "slow down").header("Retry-After", retry_after);
        let called = call([trouble, Response::completion("hi")], 2);
        assert_eq!(called.waits_ms, [wait_ms], "{retry_after}");
        called.reply();
    }
}

#[test]
fn a_wait_beyond_the_limit_fails_and_says_how_long_the_server_asked() {
    let mut all = String::new();
    for retry_after in ["3600", "Sun, 06 Nov 1994 09:49:37 GMT"] {
        let trouble = error(429, "slow down").header("retry-after", retry_after);
        let called = call([trouble], 1);
        assert!(called.waits_ms.is_empty());
        let failure = called.failure();
        assert!(matches!(
            failure,
            Failure::Postponed {
                asked_s: 3600,
                limit_s: 60,
                ..
            }
        ));
        all += &said(&failure);
    }
    assert_snapshot!(all, @"
    model call postponed: http://127.0.0.1:<port> answered 429, saying 'slow down', and asks to wait 3600 s; the limit is 60 s
    model call postponed: http://127.0.0.1:<port> answered 429, saying 'slow down', and asks to wait 3600 s; the limit is 60 s
    ");
}

#[test]
fn all_waits_together_are_bounded() {
    let trouble = error(503, "busy").header("retry-after", "50");
    let called = call(vec![trouble; 4], 3);
    assert_eq!(called.waits_ms, [50_000, 50_000]);
    assert!(matches!(
        called.failure(),
        Failure::Exhausted { attempts: 3, .. }
    ));
}

#[test]
fn a_used_up_quota_is_not_waited_for() {
    let body = json!({"error": {
        "message": "You exceeded your current quota", "type": "insufficient_quota",
        "param": null, "code": "insufficient_quota",
    }});
    let failure = call([Response::json(429, &body).header("retry-after", "1")], 1).failure();
    assert!(matches!(failure, Failure::QuotaUsedUp { status: 429, .. }));
    assert_snapshot!(said(&failure), @"model quota used up: http://127.0.0.1:<port> answered 429, saying 'You exceeded your current quota'");
}

#[test]
fn an_error_inside_a_200_counts_as_its_code_says() {
    let in_body =
        |code: u16| Response::json(200, &json!({"error": {"code": code, "message": "no"}}));
    let in_choice = |code: u16, content: &str| {
        let error = json!({"code": code, "message": "no"});
        let choice =
            json!({"finish_reason": "error", "error": error, "message": {"content": content}});
        Response::json(200, &json!({"choices": [choice]}))
    };
    let in_silent_choice = |code: u16| in_choice(code, "");
    let mut all = String::new();
    for inside in [&in_body as &dyn Fn(u16) -> Response, &in_silent_choice] {
        let called = call([inside(503), Response::completion("hi")], 2);
        assert_eq!(called.waits_ms, [250]);
        called.reply();

        // Its server may have worked on it.
        for status in [408, 500, 502] {
            let in_doubt = call([inside(status), Response::completion("hi")], 1);
            assert!(in_doubt.result.expect_err("an answer").in_doubt, "{status}");
        }

        let failure = call([inside(401)], 1).failure();
        all += &said(&failure);

        let reply = call([inside(400)], 1).reply();
        assert!(matches!(
            reply.answer,
            ModelAnswer::Error(Refusal::Rejected(_))
        ));
    }
    // A model had begun to answer, whatever the code says.
    for status in [401, 429, 503] {
        let begun = in_choice(status, "par");
        let called = call([begun, Response::completion("hi")], 1);
        let unanswered = called.result.expect_err("an answer");
        assert!(unanswered.in_doubt, "{status}");
        all += &said(&unanswered.failure);
    }
    assert_snapshot!(all, @"
    model call not authorised: http://127.0.0.1:<port> answered 401 inside an HTTP 200, saying 'no'
    model call not authorised: http://127.0.0.1:<port> answered 401 inside an HTTP 200, saying 'no'
    unusable answer from http://127.0.0.1:<port>: an answer that an error broke off, saying 'no'
    unusable answer from http://127.0.0.1:<port>: an answer that an error broke off, saying 'no'
    unusable answer from http://127.0.0.1:<port>: an answer that an error broke off, saying 'no'
    ");
}

#[test]
fn a_200_that_is_no_answer_fails_at_once() {
    let mut all = String::new();
    for body in [
        "<html>Sign in</html>",
        "{\"choices\": [",
        "{}",
        r#"{"choices": [{"message": {"content": null}}]}"#,
    ] {
        let failure = call([Response::json(200, &body)], 1).failure();
        assert!(matches!(failure, Failure::Unusable { .. }));
        all += &said(&failure);
    }
    assert_snapshot!(all, @r#"
    unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is an HTML page and is not JSON (20 bytes, beginning '<html>Sign in</html>')
    unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body ends in the middle of JSON at byte 13 (13 bytes, beginning '{"choices": [')
    unusable answer from http://127.0.0.1:<port>: HTTP 200 without 'choices': an empty object
    unusable answer from http://127.0.0.1:<port>: an answer without text
    "#);
}

#[test]
fn a_body_beyond_the_limit_is_refused_whether_announced_or_not() {
    let announced = Step::Truncate(Response::json(200, "{}"), 17 * 1024 * 1024);
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(17 * 1024 * 1024, b' ');
    let mut all = String::new();
    for step in [announced, Step::Send(endless)] {
        let failure = call([step], 1).failure();
        all += &said(&failure);
    }
    assert_snapshot!(all, @"
    unusable answer from http://127.0.0.1:<port>: a body of more than 16777216 bytes
    unusable answer from http://127.0.0.1:<port>: a body of more than 16777216 bytes
    ");
}

#[test]
fn a_broken_connection_is_not_retried_since_the_call_may_have_been_made() {
    let truncated = Step::Truncate(Response::completion("never whole"), 100);
    let called = call([truncated, Response::completion("hi").into()], 1);
    assert!(called.waits_ms.is_empty());
    let failure = called.failure();
    assert_snapshot!(said(&failure), @"model call failed: http://127.0.0.1:<port> closed the connection before the answer was complete, after 205 of 305 bytes, on the last of 1 attempt(s)");
    let failure = call([Step::HangUp, Step::HangUp], 1).failure();
    assert!(
        matches!(failure, Failure::Exhausted { attempts: 1, .. }),
        "{failure}"
    );
}

#[test]
fn bytes_that_are_not_http_leave_the_call_in_doubt() {
    // The server read the request first, so that nothing proves that it left it alone.
    let called = call([Step::Send(b"220 mail server ready\r\n\r\n".to_vec())], 1);
    let unanswered = called.result.expect_err("an answer");
    assert!(unanswered.in_doubt);
    assert_snapshot!(said(&unanswered.failure), @"unusable answer from http://127.0.0.1:<port>: bytes that are not HTTP/1.1 (invalid HTTP version parsed)");
}

#[test]
fn a_server_that_never_answers_is_given_up_after_the_timeout() {
    let server = ModelServer::start([Step::StaySilent]);
    let called = Called::at(Endpoint {
        timeout: Duration::from_millis(200),
        attempts: 2,
        ..endpoint(server.base_url())
    });
    // Once: it may be at work on it.
    assert!(called.waits_ms.is_empty());
    let failure = called.failure();
    assert_snapshot!(said(&failure), @"model call failed: http://127.0.0.1:<port> gave no whole answer in time (limit 200ms), on the last of 1 attempt(s)");
}

#[test]
fn a_redirect_is_never_followed() {
    let elsewhere = ModelServer::start([Response::completion("stolen")]);
    let mut all = String::new();
    for status in [301, 302, 303, 307, 308] {
        let place = format!("{}/v1?key={KEY}", elsewhere.origin());
        let redirect = Response::json(status, "{}").header("location", &place);
        let failure = call([redirect], 1).failure();
        assert!(matches!(failure, Failure::Redirected { .. }), "{failure}");
        let text = failure.to_string();
        assert!(text.contains(&elsewhere.origin()), "{text}");
        all += &said(&failure);
    }
    assert_snapshot!(all, @"
    model call redirected: http://127.0.0.1:<port> answered 301, to http://127.0.0.1:<port>/v1?key=<redacted>; redirects are never followed, since the key would travel
    model call redirected: http://127.0.0.1:<port> answered 302, to http://127.0.0.1:<port>/v1?key=<redacted>; redirects are never followed, since the key would travel
    model call redirected: http://127.0.0.1:<port> answered 303, to http://127.0.0.1:<port>/v1?key=<redacted>; redirects are never followed, since the key would travel
    model call redirected: http://127.0.0.1:<port> answered 307, to http://127.0.0.1:<port>/v1?key=<redacted>; redirects are never followed, since the key would travel
    model call redirected: http://127.0.0.1:<port> answered 308, to http://127.0.0.1:<port>/v1?key=<redacted>; redirects are never followed, since the key would travel
    ");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_key_that_the_server_echoes_is_shown_nowhere() {
    let message = format!("key {KEY} is bad\n\u{1b}[2J");
    let mut all = String::new();
    for status in [400, 401, 402, 403, 404, 409, 418] {
        // `call` looks for the key in all that is shown.
        let called = call([error(status, &message)], 1);
        let printed = match called.result {
            Ok(reply) => format!("{:?}", reply.answer),
            Err(failure) => failure.to_string(),
        };
        assert!(
            !printed.contains('\u{1b}') && !printed.contains('\n'),
            "{printed:?}"
        );
        all += &steady(&printed);
        all += "\n";
    }
    assert_snapshot!(all, @"
    unusable answer from http://127.0.0.1:<port>: a rejection that contains the API key, which must not be recorded: the provider rejected the request with status 400, saying 'key <redacted> is bad  [2J'
    model call not authorised: http://127.0.0.1:<port> answered 401, saying 'key <redacted> is bad  [2J'
    model call not paid for: http://127.0.0.1:<port> answered 402, saying 'key <redacted> is bad  [2J'
    model call not authorised: http://127.0.0.1:<port> answered 403, saying 'key <redacted> is bad  [2J'
    unusable answer from http://127.0.0.1:<port>: HTTP 404, saying 'key <redacted> is bad  [2J'
    unusable answer from http://127.0.0.1:<port>: error 409, saying 'key <redacted> is bad  [2J'
    unusable answer from http://127.0.0.1:<port>: error 418, saying 'key <redacted> is bad  [2J'
    ");
    call(vec![error(503, &message); 4], 4).failure();
    let failure = call([Response::completion(&message)], 1).failure();
    assert_snapshot!(said(&failure), @"unusable answer from http://127.0.0.1:<port>: an answer that contains the API key, which must not be recorded");
}

#[test]
fn a_long_message_is_cut() {
    let failure = call([error(401, &"x".repeat(100_000))], 1).failure();
    assert!(failure.to_string().len() < 1000);
}

#[test]
fn a_port_where_nobody_listens_is_named() {
    // Port 1 is reserved for a service that no longer exists; a port that was free a moment
    // ago could be another test's by now.
    let called = Called::at(endpoint("http://127.0.0.1:1/v1".into()));
    assert_eq!(called.waits_ms, [250, 500, 1000]);
    let failure = called.failure();
    assert!(matches!(failure, Failure::Exhausted { attempts: 4, .. }));
    assert_snapshot!(said(&failure), @"model call failed: http://127.0.0.1:1 refused the connection, on the last of 4 attempt(s)");
}

#[test]
fn a_server_without_tls_gets_no_key_when_tls_is_asked_for() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let mut received = Vec::new();
        // Ends when the client goes away, in whatever manner.
        let _ = stream.read_to_end(&mut received);
        received
    });
    let called = Called::at(endpoint(format!("https://{address}/v1")));
    assert!(called.waits_ms.is_empty());
    let failure = called.failure();
    assert!(matches!(failure, Failure::Connection { .. }), "{failure}");
    assert_snapshot!(said(&failure), @"no usable connection to https://127.0.0.1:<port>: what answers there does not speak TLS (received corrupt message of type InvalidContentType)");
    let received = server.join().unwrap();
    assert!(!String::from_utf8_lossy(&received).contains(KEY));
}

#[test]
fn a_call_is_in_doubt_only_where_the_server_may_have_worked_on_it() {
    let in_doubt = |called: Called| called.result.expect_err("an answer").in_doubt;
    for settled in [401, 402, 403, 409, 425, 429, 503, 529] {
        let script = [(); 4].map(|()| error(settled, "no"));
        let server = ModelServer::start(script);
        let called = Called::at(endpoint(server.base_url()));
        assert!(!in_doubt(called), "{settled}");
    }
    let server = ModelServer::start(Vec::<Step>::new());
    let gone = server.base_url();
    drop(server);
    assert!(!in_doubt(Called::at(endpoint(gone))), "nobody listens");

    // A server that failed at it, or a proxy whose upstream gave no whole answer: it may have worked
    // on it. Not again unasked.
    for status in [
        408, 499, 500, 502, 504, 507, 520, 521, 522, 523, 524, 525, 526, 527, 598,
    ] {
        for response in [
            error(status, "no").header("retry-after", "1"),
            Response::json(status, "<html>"),
        ] {
            let called = call([(); 4].map(|()| response.clone()), 1);
            assert!(in_doubt(called), "{status}");
        }
    }
    assert!(in_doubt(call([Step::HangUp], 1)));
    assert!(in_doubt(call([Response::json(200, "not JSON")], 1)));
    // A page for people: no model's API has worked on anything.
    assert!(!in_doubt(call([Response::json(200, "<html>")], 1)));
}
