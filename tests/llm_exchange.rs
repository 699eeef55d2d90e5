//! How an exchange with a model's server ends, down to the connection: kept and closed ones, floods,
//! bodies without end, answers that come too early, and a thousand calls at once. The server here
//! does with each connection what a test says.
//! Invariant: no test sleeps, and every wait has a limit.

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use coo::inside::effects::{Client, Endpoint, Reply, Unanswered};
use coo::inside::machine::block_on;
use coo_kernel::llm::{Message, ModelAnswer, Request, Role};
use insta::assert_snapshot;

use crate::support::steady;

const ANSWER: &str = r#"{"choices":[{"finish_reason":"stop","message":{"content":"hi"}}]}"#;
/// Longer than any step of a test takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A server that treats each connection as a test says.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
    thread: Option<JoinHandle<()>>,
}

/// What a test does with a connection.
struct Connection<'a> {
    stream: TcpStream,
    /// Its number, from 0.
    nth: usize,
    requests: &'a AtomicUsize,
}

impl Connection<'_> {
    /// Reads a whole request and counts it. `None` if the client has gone.
    fn request(&mut self) -> Option<()> {
        let mut body = vec![0; self.head()?];
        self.stream.read_exact(&mut body).ok()?;
        self.requests.fetch_add(1, Ordering::SeqCst);
        Some(())
    }

    /// Reads the head of a request and nothing of its body; returns the body's length.
    fn head(&mut self) -> Option<usize> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = head.split("content-length:").nth(1)?.split("\r\n").next()?;
        length.trim().parse().ok()
    }

    fn say(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).ok()
    }

    fn answer(&mut self) -> Option<()> {
        self.say(&response(200, ANSWER))
    }

    /// Waits until the client has gone.
    fn wait_for_the_end(&mut self) {
        let _ = self.stream.read_to_end(&mut Vec::new());
    }
}

fn response(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Server {
    /// Starts a server that calls `treat` with each connection, on a thread of its own.
    fn start(treat: impl Fn(Connection<'_>) -> Option<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let thread = std::thread::spawn({
            let (requests, open) = (Arc::clone(&requests), Arc::clone(&open));
            move || {
                std::thread::scope(|scope| {
                    for (nth, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                        let Some(open) = open.as_mut() else { return };
                        open.push(stream.try_clone().unwrap());
                        let (treat, requests) = (&treat, &*requests);
                        scope.spawn(move || {
                            let ending = stream.try_clone();
                            treat(Connection {
                                stream,
                                nth,
                                requests,
                            });
                            // A copy of the stream is kept for the end of the test.
                            let _ = ending.map(|stream| stream.shutdown(Shutdown::Both));
                        });
                    }
                });
            }
        });
        Self {
            address,
            requests,
            open,
            thread: Some(thread),
        }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::new(format!("http://{}/v1", self.address), None)
    }

    fn client(&self) -> Client {
        Client::new(self.endpoint()).unwrap()
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.take().into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(open);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn request_of(content: String) -> Request {
    Request {
        max_tokens: None,
        messages: vec![Message::new(Role::User, content)],
        model: "m".into(),
        options: coo_kernel::llm::Options::default(),
        seed: None,
        temperature: None,
        top_p: None,
    }
}

fn request() -> Request {
    request_of("hello".into())
}

fn ask(client: &Client) -> Result<Reply, Unanswered> {
    block_on(client.complete(&request()))
}

fn text(reply: Result<Reply, Unanswered>) -> String {
    match reply.unwrap_or_else(|failed| panic!("{failed}")).answer {
        ModelAnswer::Completion(completion) => completion.text,
        other => panic!("{other:?}"),
    }
}

/// Asks once with a time limit of a second; returns what was said and whether the call is in doubt.
fn told(server: &Server) -> String {
    let client = Client::new(Endpoint {
        timeout: Duration::from_secs(1),
        attempts: 1,
        ..server.endpoint()
    });
    let unanswered = ask(&client.unwrap()).expect_err("an answer");
    let doubt = if unanswered.in_doubt {
        "in doubt"
    } else {
        "settled"
    };
    steady(&format!("{doubt}: {}\n", unanswered.failure))
}

#[test]
fn a_kept_connection_that_the_server_closed_is_not_used_for_the_next_call() {
    const CALLS: usize = 20;
    let (closed, is_closed) = mpsc::channel();
    let server = Server::start(move |mut connection| {
        connection.request()?;
        connection.answer()?;
        connection.stream.shutdown(Shutdown::Both).ok()?;
        closed.send(()).ok()
    });
    let client = server.client();
    for call in 0..CALLS {
        assert_eq!(text(ask(&client)), "hi", "call {call}");
        is_closed.recv_timeout(LIMIT).unwrap();
    }
    // Each went out once.
    assert_eq!(server.requests(), CALLS);
}

#[test]
fn a_call_that_is_lost_on_a_kept_connection_is_in_doubt_and_not_repeated() {
    let server = Server::start(|mut connection| {
        connection.request()?;
        connection.answer()?;
        connection.request()
    });
    let client = server.client();
    assert_eq!(text(ask(&client)), "hi");
    let unanswered = ask(&client).expect_err("an answer");
    assert!(unanswered.in_doubt, "{unanswered}");
    assert_eq!(server.requests(), 2);
}

#[test]
fn clients_of_one_server_share_their_connections() {
    let server = Server::start(|mut connection| {
        // A second connection gets no answer.
        while connection.nth == 0 {
            connection.request()?;
            connection.answer()?;
        }
        None
    });
    for _ in 0..3 {
        assert_eq!(text(ask(&server.client())), "hi");
        assert_eq!(text(ask(&server.client().clone())), "hi");
    }
    assert_eq!(server.requests(), 6);
}

fn headers(number: usize) -> String {
    let lines: Vec<String> = (0..number).map(|n| format!("x-{n}: y\r\n")).collect();
    lines.concat()
}

#[test]
fn a_flood_of_headers_ends_at_a_limit() {
    let many = headers(101);
    let long = format!("x: {}\r\n", "y".repeat(1024 * 1024));
    let mut all = String::new();
    for flood in [many, long] {
        let server = Server::start(move |mut connection| {
            connection.request()?;
            connection.say(&format!("HTTP/1.1 200 OK\r\n{flood}"))?;
            connection.say(&format!("content-length: {}\r\n\r\n{ANSWER}", ANSWER.len()))?;
            connection.wait_for_the_end();
            None
        });
        all += &told(&server);
        assert_eq!(server.requests(), 1);
    }
    // One header without end.
    let server = Server::start(|mut connection| {
        connection.request()?;
        connection.say("HTTP/1.1 200 OK\r\nx: ")?;
        loop {
            connection.say(&"y".repeat(4096))?;
        }
    });
    all += &told(&server);
    // As many as are read.
    let server = Server::start(|mut connection| {
        connection.request()?;
        let most = headers(99);
        let head = format!("HTTP/1.1 200 OK\r\n{most}content-length: {}", ANSWER.len());
        connection.say(&format!("{head}\r\n\r\n{ANSWER}"))
    });
    assert_eq!(text(ask(&server.client())), "hi");
    assert_snapshot!(all, @"
    in doubt: unusable answer from http://127.0.0.1:<port>: response headers beyond the limit (100 headers, 400 KiB)
    in doubt: unusable answer from http://127.0.0.1:<port>: response headers beyond the limit (100 headers, 400 KiB)
    in doubt: unusable answer from http://127.0.0.1:<port>: response headers beyond the limit (100 headers, 400 KiB)
    ");
}

#[test]
fn a_body_without_end_ends_at_a_limit() {
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let flood = Server::start(move |mut connection| {
        connection.request()?;
        connection.say(chunks)?;
        loop {
            connection.say(&format!("10000\r\n{}\r\n", " ".repeat(0x10000)))?;
        }
    });
    let drip = Server::start(move |mut connection| {
        connection.request()?;
        connection.say(chunks)?;
        connection.say("5\r\n{\"cho\r\n")?;
        connection.wait_for_the_end();
        None
    });
    let half_a_chunk = Server::start(move |mut connection| {
        connection.request()?;
        connection.say(chunks)?;
        connection.say("zz\r\n")
    });
    let cut = Server::start(move |mut connection| {
        connection.request()?;
        connection.say(chunks)?;
        connection.say("5\r\n{\"ch")
    });
    let all: String = [&flood, &drip, &half_a_chunk, &cut].map(told).concat();
    assert_snapshot!(all, @"
    in doubt: unusable answer from http://127.0.0.1:<port>: a body of more than 16777216 bytes
    in doubt: model call failed: http://127.0.0.1:<port> gave no whole answer in time (limit 1s, after 5 bytes), on the last of 1 attempt(s)
    in doubt: unusable answer from http://127.0.0.1:<port>: a response that breaks the rules of HTTP (Invalid chunk size line: missing size digit)
    in doubt: model call failed: http://127.0.0.1:<port> closed the connection before the answer was complete, after 4 bytes, on the last of 1 attempt(s)
    ");
}

#[test]
fn the_status_of_an_error_counts_although_its_body_has_no_end() {
    let server = Server::start(|mut connection| {
        connection.request()?;
        connection.say("HTTP/1.1 429 Slow\r\ncontent-length: 99\r\n\r\nslow down")?;
        connection.wait_for_the_end();
        None
    });
    assert_snapshot!(told(&server), @"settled: model call failed: http://127.0.0.1:<port> answered 429, saying 'slow down', on the last of 1 attempt(s)");
}

#[test]
fn interim_responses_are_skipped_and_do_not_stretch_the_time() {
    let server = Server::start(|mut connection| {
        connection.request()?;
        for _ in 0..50 {
            connection.say("HTTP/1.1 102 Processing\r\n\r\n")?;
        }
        connection.say("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")?;
        connection.answer()
    });
    assert_eq!(text(ask(&server.client())), "hi");

    let endless = Server::start(|mut connection| {
        connection.request()?;
        loop {
            connection.say("HTTP/1.1 102 Processing\r\n\r\n")?;
        }
    });
    let switching = Server::start(|mut connection| {
        connection.request()?;
        connection
            .say("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
    });
    let all = [&endless, &switching].map(told).concat();
    assert_snapshot!(all, @"
    in doubt: model call failed: http://127.0.0.1:<port> gave no whole answer in time (limit 1s), on the last of 1 attempt(s)
    in doubt: unusable answer from http://127.0.0.1:<port>: error 101, from a server that may have worked on it
    ");
}

#[test]
fn a_server_that_speaks_first_is_recognised_and_has_processed_nothing() {
    let server = Server::start(|mut connection| {
        connection.say("220 mail.example ESMTP ready\r\n")?;
        connection.wait_for_the_end();
        None
    });
    assert_snapshot!(told(&server), @"settled: unusable answer from http://127.0.0.1:<port>: bytes that are not HTTP/1.1 (beginning '220 mail.example ESMTP ready')");
}

#[test]
fn an_answer_that_comes_before_the_whole_request_has_left_leaves_nothing_in_doubt() {
    let mut all = String::new();
    for status in [500, 502, 200] {
        let (release, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let server = Server::start(move |mut connection| {
            connection.head()?;
            connection.say(&response(status, "{}"))?;
            // Neither reads on nor closes.
            let held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.recv_timeout(LIMIT).ok()
        });
        // Dropped before the server, which waits for it.
        let _release = release;
        let client = Client::new(Endpoint {
            attempts: 1,
            ..server.endpoint()
        });
        // More than any socket takes before somebody reads it.
        let long = request_of("word ".repeat(5_000_000));
        let unanswered = block_on(client.unwrap().complete(&long)).expect_err("an answer");
        assert!(!unanswered.in_doubt, "{status}: {unanswered}");
        all += &steady(&format!("{unanswered}\n"));
    }
    assert_snapshot!(all, @"
    model call failed: http://127.0.0.1:<port> answered 500, saying '{}', on the last of 1 attempt(s)
    model call failed: http://127.0.0.1:<port> answered 502, saying '{}', on the last of 1 attempt(s)
    unusable answer from http://127.0.0.1:<port>: HTTP 200 without 'choices': an empty object
    ");
}

#[test]
fn hundreds_of_calls_wait_at_once_and_hold_no_threads() {
    const CALLS: usize = 300;
    /// The worker, and the threads that look up names.
    const THREADS_MAX: usize = 9;
    let waiting = Arc::new((Mutex::new(0), Condvar::new()));
    let threads_seen = Arc::new(AtomicUsize::new(0));
    let server = Server::start({
        let (waiting, threads_seen) = (Arc::clone(&waiting), Arc::clone(&threads_seen));
        move |mut connection| {
            connection.request()?;
            // Nobody gets an answer before everybody has asked.
            let (count, changed) = &*waiting;
            {
                let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
                *count += 1;
                changed.notify_all();
                let waited = changed.wait_timeout_while(count, LIMIT, |count| *count < CALLS);
                assert!(!waited.unwrap().1.timed_out(), "not everybody asked");
            }
            threads_seen.fetch_max(io_threads(), Ordering::SeqCst);
            connection.answer()
        }
    });
    let client = server.client();
    let request = request();
    let mut calls: Vec<_> = (0..CALLS)
        .map(|_| Box::pin(sendable(client.complete(&request))))
        .collect();
    let mut answered = 0;
    block_on(poll_fn(|context| {
        calls.retain_mut(|call| match call.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(reply) => {
                assert_eq!(text(reply), "hi");
                answered += 1;
                false
            }
        });
        if calls.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    assert_eq!((answered, server.requests()), (CALLS, CALLS));
    let threads = threads_seen.load(Ordering::SeqCst);
    assert!((1..=THREADS_MAX).contains(&threads), "{threads} threads");
}

/// Returns the future, which may move between threads.
fn sendable<F: Future + Send>(future: F) -> F {
    future
}

/// Returns how many threads of this process belong to the runtime of calls.
fn io_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "io")
        .count()
}

#[test]
fn a_call_that_nobody_awaits_any_more_ends_its_connection() {
    let (asked, is_asked) = mpsc::channel();
    let (ended, is_ended): (_, Receiver<()>) = mpsc::channel();
    let server = Server::start(move |mut connection| {
        connection.request()?;
        asked.send(()).ok()?;
        connection.wait_for_the_end();
        ended.send(()).ok()
    });
    let client = server.client();
    let request = request();
    {
        let mut call = pin!(client.complete(&request));
        block_on(poll_fn(|context| {
            let pending = call.as_mut().poll(context).is_pending();
            assert!(pending, "it ended");
            Poll::Ready(())
        }));
        is_asked.recv_timeout(LIMIT).unwrap();
    }
    is_ended.recv_timeout(LIMIT).unwrap();
    assert_eq!(server.requests(), 1);
}
