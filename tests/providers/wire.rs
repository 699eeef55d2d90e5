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
#[expect(clippy::too_many_lines, reason = "a table of cases")]
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
            End::Resumable,
        ),
        row(
            "TLS",
            Step::Send(b"\x15\x03\x01\x00\x02\x02\x46".to_vec()),
            End::Resumable,
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
    assert_snapshot!(told, @"");
}
