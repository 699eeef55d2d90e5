//! A chat-completions server for tests, on loopback, with a script instead of a model. Invariant:
//! it answers the n-th request with the n-th step of its script, or each request according to its
//! content. It records every request before answering, handles one at a time, and ends when
//! dropped. Never sleeps and never leaves loopback.

#![allow(
    dead_code,
    reason = "each test file that includes this module uses a part of it"
)]

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A client that stops in the middle of its request must not hang a test.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What the server does with one request.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends a whole response.
    Respond(Response),
    /// Sends a response that announces this many bytes more than it has, then closes.
    Truncate(Response, usize),
    /// Sends exactly these bytes, then closes.
    Send(Vec<u8>),
    /// Closes without sending a byte.
    HangUp,
    /// Sends nothing and keeps the connection open until the server is dropped.
    StaySilent,
}

/// A response of the script.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// Creates a response with a JSON body: a value, or text that only claims to be JSON.
    pub fn json(status: u16, body: &(impl ToString + ?Sized)) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }

    /// Creates a successful answer with this text, in the form of a chat-completions server.
    pub fn completion(text: &str) -> Self {
        let body = serde_json::json!({
            "id": "test-1",
            "model": "test/model",
            "choices": [{
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        });
        Self::json(200, &body)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns the bytes to send; announces `extra` bytes more than the body has.
    fn to_bytes(&self, extra: usize) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let length = self.body.len() + extra;
        let _ = write!(
            head,
            "content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        [head.as_bytes(), &self.body].concat()
    }
}

impl From<Response> for Step {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    /// Path with the query, if any.
    pub path: String,
    /// Headers in order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Exactly as many bytes as were announced.
    pub body: Vec<u8>,
}

impl Recorded {
    /// Returns the first header of this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name)?;
        Some(&found.1)
    }

    /// Parses the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("request body is not JSON")
    }
}

/// A running server.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Vec<Recorded>,
    /// Every connection that may still be open, to be shut down at the end.
    connections: Vec<TcpStream>,
    stopping: bool,
}

impl ModelServer {
    /// Starts a server on a free port. A request after the script's last step is recorded and
    /// answered with 418, which no client accepts as an answer or retries.
    pub fn start<S: Into<Step>>(script: impl IntoIterator<Item = S>) -> Self {
        let script: Vec<Step> = script.into_iter().map(Into::into).collect();
        let mut script = script.into_iter();
        Self::answering(move |_| {
            let step = script.next();
            step.unwrap_or_else(|| Response::json(418, "{}").into())
        })
    }

    /// Starts a server that answers each request according to its content, so that a repeated
    /// request gets the same answer. While `answer` runs, no other request is answered.
    pub fn answering(answer: impl FnMut(&Recorded) -> Step + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no loopback port");
        let address = listener.local_addr().expect("no local address");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || serve(&listener, answer, &shared)
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Starts a server that holds each request until the sender sends or is dropped, so that a
    /// failed test releases it too. The caller must drop the sender before the server, because the
    /// server cannot end while it holds a request.
    pub fn holding(answer: fn() -> Response) -> (Self, Sender<()>) {
        let (release, released) = mpsc::channel();
        let server = Self::answering(move |_| {
            let _ = released.recv();
            answer().into()
        });
        (server, release)
    }

    /// Starts a server that answers nobody before `together` requests are there, and then the last one
    /// first.
    pub fn gathering(together: usize, answer: fn(&Recorded) -> Step) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no loopback port");
        let address = listener.local_addr().expect("no local address");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut waiting = Vec::new();
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { continue };
                    let Some(request) = taken(&stream, &shared) else {
                        if lock(&shared).stopping {
                            return;
                        }
                        continue;
                    };
                    waiting.push((stream, request));
                    if waiting.len() == together {
                        for (stream, request) in waiting.drain(..).rev() {
                            answered(&stream, &answer(&request));
                        }
                    }
                }
            }
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Waits for the first request. Fails if `caller` ends before it.
    pub fn wait_for_request(&self, caller: &mut Child) {
        while self.requests().is_empty() {
            assert_eq!(caller.try_wait().unwrap(), None, "it ended before its call");
            std::thread::yield_now();
        }
    }

    /// Returns the base URL for a client.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    /// Returns scheme, host and port.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared).requests.clone()
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        {
            let mut shared = lock(&self.shared);
            shared.stopping = true;
            for connection in shared.connections.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        // Wakes the thread from `accept`.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    listener: &TcpListener,
    mut answer: impl FnMut(&Recorded) -> Step,
    shared: &Mutex<Shared>,
) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let Some(request) = taken(&stream, shared) else {
            if lock(shared).stopping {
                return;
            }
            continue;
        };
        answered(&stream, &answer(&request));
    }
}

/// Reads and records a request; `None` if there is none.
fn taken(stream: &TcpStream, shared: &Mutex<Shared>) -> Option<Recorded> {
    {
        let mut shared = lock(shared);
        if shared.stopping {
            return None;
        }
        shared.connections.extend(stream.try_clone());
    }
    let Ok(request) = read_request(stream) else {
        let _ = stream.shutdown(Shutdown::Both);
        return None;
    };
    lock(shared).requests.push(request.clone());
    Some(request)
}

fn answered(stream: &TcpStream, step: &Step) {
    let bytes = match step {
        Step::Respond(response) => response.to_bytes(0),
        Step::Truncate(response, missing) => response.to_bytes(*missing),
        Step::Send(bytes) => bytes.clone(),
        Step::HangUp => Vec::new(),
        Step::StaySilent => return,
    };
    let mut stream = stream;
    // If the client has disconnected, that is part of the test and not an error of the server.
    let _ = stream.write_all(&bytes);
    let _ = stream.shutdown(Shutdown::Both);
}

fn read_request(stream: &TcpStream) -> io::Result<Recorded> {
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    let mut line = || -> io::Result<String> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(io::Error::other("no request line"));
    };
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Recorded {
        method,
        path,
        headers,
        body,
    })
}
