//! The bytes of a body: what is read although nobody asked for it in that form, and what is named
//! for what it is, with its place.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use insta::assert_snapshot;

use super::*;

const ANSWER: &str = r#"{"choices":[{"finish_reason":"stop","message":{"content":"x"}}]}"#;

/// A response of these bytes, as they are.
fn raw(headers: &str, body: &[u8]) -> Step {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    Step::Send([head.as_bytes(), body].concat())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

fn with_text(text: &str) -> String {
    format!(r#"{{"choices":[{{"finish_reason":"stop","message":{{"content":{text}}}}}]}}"#)
}

#[test]
fn what_is_read_although_nobody_asked_for_it() {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(ANSWER.as_bytes()).unwrap();
    let chunk = |delta: &str, end: &str| {
        format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{end}}}]}}\n\n"
        )
    };
    let stream = [
        ": OPENROUTER PROCESSING\n\n",
        &chunk(r#"{"role":"assistant","content":"He"}"#, "null"),
        &chunk(r#"{"content":"llo"}"#, "null"),
        &chunk("{}", "\"stop\""),
        "data: [DONE]\n\n",
    ]
    .concat();
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &ANSWER[..5],
        ANSWER.len() - 5,
        &ANSWER[5..]
    );
    let interim = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    check(vec![
        row("gzip", raw("content-encoding: gzip\r\n", &gzip(ANSWER)), End::Gives("0x")),
        row("gzip unsaid", raw("", &gzip(ANSWER)), End::Gives("0x")),
        row("deflate", raw("content-encoding: deflate\r\n", &zlib.finish().unwrap()), End::Gives("0x")),
        row("byte order mark", raw("", format!("\u{feff}{ANSWER}").as_bytes()), End::Gives("0x")),
        row("white space", raw("", format!("\n\n   \r\n{ANSWER}\n").as_bytes()), End::Gives("0x")),
        row("comments", raw("", format!(": wait\n\n: wait\n\n{ANSWER}").as_bytes()), End::Gives("0x")),
        row("stream", raw("", stream.as_bytes()), End::Gives("0Hello")),
        row("chunked", Step::Send(chunked.into_bytes()), End::Gives("0x")),
        row("interim", Step::Send(interim.into_bytes()), End::Gives("0x")),
        row("same name twice", raw("", br#"{"id":"a","id":"a","choices":[{"finish_reason":"stop","message":{"content":"x"}}]}"#), End::Gives("0x")),
        row("a pair of surrogates", raw("", with_text(r#""\ud83d\ude00""#).as_bytes()), End::Gives("0\u{1f600}")),
    ]);
}

#[test]
fn what_is_named_for_what_it_is() {
    let half_stream = "data: {\"choices\":[{\"delta\":{\"content\":\"Hal\"}}]}\n\n";
    let deep = with_text(&("[".repeat(200) + &"]".repeat(200)));
    let told = check(vec![
        row(
            "br",
            raw("content-encoding: br\r\n", b"\x0b\x02"),
            End::InDoubt,
        ),
        row(
            "half of gzip",
            raw("content-encoding: gzip\r\n", &gzip(ANSWER)[..30]),
            End::InDoubt,
        ),
        row(
            "half of a stream",
            raw("", half_stream.as_bytes()),
            End::InDoubt,
        ),
        row("NaN", raw("", with_text("NaN").as_bytes()), End::InDoubt),
        row(
            "Infinity",
            raw("", with_text("-Infinity").as_bytes()),
            End::InDoubt,
        ),
        row(
            "half a surrogate",
            raw("", with_text(r#""a\ud83d""#).as_bytes()),
            End::InDoubt,
        ),
        row("deep", raw("", deep.as_bytes()), End::InDoubt),
        row(
            "a huge number",
            raw("", with_text("1e999").as_bytes()),
            End::InDoubt,
        ),
        row(
            "two answers",
            raw("", format!(r#"{{"choices":[],{}"#, &ANSWER[1..]).as_bytes()),
            End::InDoubt,
        ),
        row(
            "JSON twice",
            raw("", format!("{ANSWER}{ANSWER}").as_bytes()),
            End::InDoubt,
        ),
        row("not UTF-8", raw("", b"{\"a\": \"\xff\"}"), End::InDoubt),
        row(
            "half of JSON",
            raw("", &ANSWER.as_bytes()[..20]),
            End::InDoubt,
        ),
        row("nothing", raw("", b""), End::InDoubt),
        row(
            "no content",
            Step::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
            End::InDoubt,
        ),
        row(
            "announced more",
            Step::Truncate(Response::json(200, ANSWER), 10),
            End::InDoubt,
        ),
        row("hung up", Step::HangUp, End::InDoubt),
        row(
            "a redirect",
            Response::json(307, "").header("location", "http://127.0.0.1:1/v1"),
            End::Resumable,
        ),
        row(
            "not HTTP",
            Step::Send(b"220 mail server ready\r\n\r\n".to_vec()),
            End::InDoubt,
        ),
        row(
            "TLS",
            Step::Send(b"\x15\x03\x01\x00\x02\x02\x46".to_vec()),
            End::InDoubt,
        ),
        row(
            "an error in gzip",
            Step::Send(
                [
                    b"HTTP/1.1 401 No\r\ncontent-encoding: gzip\r\n\r\n".as_slice(),
                    &gzip(r#"{"error":{"message":"no key"}}"#),
                ]
                .concat(),
            ),
            End::Resumable,
        ),
        row(
            "an error cut off",
            Step::Truncate(Response::json(503, r#"{"error":{"message":"busy"}}"#), 10),
            End::Resumable,
        ),
    ]);
    assert_snapshot!(told, @r#"
    # br
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is compressed with 'br', which was not asked for and is not read here; it was sent: 2 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    # half of gzip
    [coo] MISSION-000002 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is gzip data that breaks off or is damaged after 0 bytes unpacked (incomplete deflate stream); it was sent: 12 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000002 --resend' sends it again and continues
    # half of a stream
    [coo] MISSION-000003 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is an event stream that breaks off after 1 events, without a finish reason and without [DONE] (49 bytes, beginning 'data: {"choices":[{"delta":{"content":"Hal"}}]}'); it was sent: 16 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000003 --resend' sends it again and continues
    # NaN
    [coo] MISSION-000004 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is not JSON: it has NaN, which JSON does not know, at byte 57 (64 bytes, beginning '{"choices":[{"finish_reason":"stop","message":{"content":NaN}}]}'); it was sent: 3 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000004 --resend' sends it again and continues
    # Infinity
    [coo] MISSION-000005 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000005: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is not JSON: it has -Infinity, which JSON does not know, at byte 57 (70 bytes, beginning '{"choices":[{"finish_reason":"stop","message":{"content":-Infinity}}]}'); it was sent: 8 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000005 --resend' sends it again and continues
    # half a surrogate
    [coo] MISSION-000006 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is not JSON: it has half of a surrogate pair at byte 59 (70 bytes, beginning '{"choices":[{"finish_reason":"stop","message":{"content":"a\ud83d"}}]}'); it was sent: 16 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000006 --resend' sends it again and continues
    # deep
    [coo] MISSION-000007 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000007: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is not to be read: it is nested deeper than 128 levels at byte 180 (461 bytes, beginning '{"choices":[{"finish_reason":"stop","message":{"content":[[[[[[[[[[[[[[[[[[[[[[[…'); it was sent: 4 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000007 --resend' sends it again and continues
    # a huge number
    [coo] MISSION-000008 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000008: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is not JSON: it has a number that is too large at byte 61 (66 bytes, beginning '{"choices":[{"finish_reason":"stop","message":{"content":1e999}}]}'); it was sent: 13 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000008 --resend' sends it again and continues
    # two answers
    [coo] MISSION-000009 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000009: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is not to be read: it has the name 'choices' twice, with different values, at byte 76 (77 bytes, beginning '{"choices":[],"choices":[{"finish_reason":"stop","message":{"content":"x"}}]}'); it was sent: 11 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000009 --resend' sends it again and continues
    # JSON twice
    [coo] MISSION-000010 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000010: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body goes on after its JSON at byte 64 (128 bytes, beginning '{"choices":[{"finish_reason":"stop","message":{"content":"x"}}]}{"choices":[{"fi…'); it was sent: 10 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000010 --resend' sends it again and continues
    # not UTF-8
    [coo] MISSION-000011 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000011: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is not JSON: it is not UTF-8 text at byte 7 (10 bytes, beginning '{"a": "�"}'); it was sent: 9 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000011 --resend' sends it again and continues
    # half of JSON
    [coo] MISSION-000012 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000012: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body ends in the middle of JSON at byte 20 (20 bytes, beginning '{"choices":[{"finish'); it was sent: 12 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000012 --resend' sends it again and continues
    # nothing
    [coo] MISSION-000013 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000013: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is empty (0 bytes, beginning ''); it was sent: 7 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000013 --resend' sends it again and continues
    # no content
    [coo] MISSION-000014 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000014: unusable answer from http://127.0.0.1:<port>: HTTP 204 whose body is empty (0 bytes, beginning ''); it was sent: 10 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check with the provider, whose server sent what can't be read
    hint: the call may have been made and charged for; 'coo resume MISSION-000014 --resend' sends it again and continues
    # announced more
    [coo] MISSION-000015 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000015: model call failed: http://127.0.0.1:<port> closed the connection before the answer was complete, after 64 of 74 bytes, on the last of 1 attempt(s); it was sent: 14 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000015 --resend' sends it again and continues
    # hung up
    [coo] MISSION-000016 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000016: model call failed: http://127.0.0.1:<port> closed the connection before the answer was complete, on the last of 1 attempt(s); it was sent: 7 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000016 --resend' sends it again and continues
    # a redirect
    [coo] MISSION-000017 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000017: model call redirected: http://127.0.0.1:<port> answered 307, to http://127.0.0.1:1/v1; redirects are never followed, since the key would travel
    hint: set the base URL to the final address
    hint: 'coo resume MISSION-000017' continues where it stopped
    # not HTTP
    [coo] MISSION-000018 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000018: unusable answer from http://127.0.0.1:<port>: bytes that are not HTTP/1.1 (invalid HTTP version parsed); it was sent: 8 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check that the base URL is that of an HTTP server
    hint: the call may have been made and charged for; 'coo resume MISSION-000018 --resend' sends it again and continues
    # TLS
    [coo] MISSION-000019 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000019: unusable answer from http://127.0.0.1:<port>: bytes that are not HTTP/1.1 (invalid HTTP version parsed); it was sent: 3 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check that the base URL is that of an HTTP server
    hint: the call may have been made and charged for; 'coo resume MISSION-000019 --resend' sends it again and continues
    # an error in gzip
    [coo] MISSION-000020 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000020: model call not authorised: http://127.0.0.1:<port> answered 401, saying 'no key'
    hint: check the API key and what it may use
    hint: 'coo resume MISSION-000020' continues where it stopped
    # an error cut off
    [coo] MISSION-000021 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000021: model call failed: http://127.0.0.1:<port> answered 503, saying 'busy', on the last of 1 attempt(s)
    hint: the server is overloaded or failing: run again later
    hint: 'coo resume MISSION-000021' continues where it stopped
    "#);
}
