//! Connections: one for all calls of a run, TLS and its certificates, and an answer that comes
//! before the whole request has been read. The server here keeps its connections and speaks TLS
//! where it is told to.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use coo::inside::effects::{Client, Endpoint, Reply, Unanswered};
use coo::inside::machine::block_on;
use coo_kernel::llm::{Message, ModelAnswer, Refusal, Request, Role};
use insta::assert_snapshot;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::*;
use crate::support::shown;

/// An authority that nothing trusts but what is told to, and what it has signed. Made for this
/// process alone: no key is kept anywhere.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let named = &mut params.distinguished_name;
    named.push(DnType::CommonName, "an authority of tests");
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        pem,
        issuer: Issuer::new(params, key),
    }
});

/// The authority's certificate as a file of `world`.
pub(super) fn authority(world: &World) -> PathBuf {
    world.file("authority.pem", &AUTHORITY.pem)
}

/// What a server shows.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// A certificate for this machine.
    Right,
    /// The same, until the end of 2020.
    Expired,
    /// One for another machine.
    OtherHost,
}

impl Shown {
    fn signed(self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let hosts: &[&str] = match self {
            Self::Right | Self::Expired => &["127.0.0.1", "localhost"],
            Self::OtherHost => &["other.example"],
        };
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "a server of tests");
        if matches!(self, Self::Expired) {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 12, 31);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &AUTHORITY.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        (certificate.der().clone(), key.into())
    }
}

/// What the server does with a connection.
#[derive(Clone)]
pub(super) enum Manner {
    /// Answers every request, as long as the client stays.
    Keep,
    /// The same, inside TLS with this certificate.
    Tls(Shown),
    /// Answers as soon as the head has come, and closes with the body unread.
    TooLarge,
    /// The same, but neither reads on nor closes.
    TooLargeAndStill,
    /// Closes after the head, without a word.
    CloseEarly,
    /// As some TLS servers do: closes without a word on what is not TLS.
    SilentTls,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let [connections, requests] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let thread = std::thread::spawn({
            let (connections, requests) = (Arc::clone(&connections), Arc::clone(&requests));
            let open = Arc::clone(&open);
            move || {
                std::thread::scope(|scope| {
                    for stream in listener.incoming().map_while(Result::ok) {
                        {
                            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                            let Some(open) = open.as_mut() else { return };
                            // A copy would keep a connection open that is to be closed.
                            if !matches!(manner, Manner::TooLarge | Manner::CloseEarly) {
                                open.push(stream.try_clone().unwrap());
                            }
                        }
                        connections.fetch_add(1, Ordering::SeqCst);
                        let (manner, requests) = (manner.clone(), Arc::clone(&requests));
                        scope.spawn(move || serve(&manner, stream, &requests));
                    }
                });
            }
        });
        Self {
            address,
            connections,
            requests,
            open,
            thread: Some(thread),
        }
    }

    fn base_url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/v1", self.address)
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        (count(&self.connections), count(&self.requests))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        for stream in open.into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(manner: &Manner, mut stream: TcpStream, requests: &AtomicUsize) {
    // A client that goes away is the test's business.
    let _ = match manner {
        Manner::Keep => keep(&mut stream, requests),
        Manner::Tls(shown) => {
            let (certificate, key) = shown.signed();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate], key)
                .unwrap();
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            keep(&mut StreamOwned::new(connection, stream), requests)
        }
        Manner::TooLarge | Manner::TooLargeAndStill => head(&mut stream).and_then(|_| {
            requests.fetch_add(1, Ordering::SeqCst);
            stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        }),
        Manner::SilentTls => (|| {
            let mut first = [0];
            stream.read_exact(&mut first)?;
            let alert: &[u8] = if first == [0x16] {
                b"\x15\x03\x03\x00\x02\x02\x28"
            } else {
                b""
            };
            stream.write_all(alert)?;
            stream.shutdown(Shutdown::Both)
        })(),
        Manner::CloseEarly => head(&mut stream).map(|_| {
            requests.fetch_add(1, Ordering::SeqCst);
        }),
    };
}

/// Reads a head, byte for byte, so that nothing of the body is taken; gives the body's length.
fn head(stream: &mut impl Read) -> io::Result<usize> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.split("content-length:").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next());
    Ok(length.map_or(0, |length| length.trim().parse().unwrap()))
}

fn keep(stream: &mut (impl Read + Write), requests: &AtomicUsize) -> io::Result<()> {
    loop {
        let mut body = vec![0; head(stream)?];
        stream.read_exact(&mut body)?;
        requests.fetch_add(1, Ordering::SeqCst);
        let answer = json!({"choices": [{"finish_reason": "stop", "message": {"content": "bug"}}]});
        let answer = answer.to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
        stream.flush()?;
    }
}

#[test]
fn all_calls_of_a_run_share_a_connection() {
    let server = Server::start(Manner::Keep);
    let world = World::new().with("COO_LLM_MODEL", "test/model");
    let tickets: Vec<Value> = (1..=6)
        .map(|id| json!({"id": id, "text": format!("It broke {id} times")}))
        .collect();
    let input = json!({
        "system": "You sort tickets.", "question": "Which label fits?",
        "labels": ["bug", "billing"], "fallback": "other", "tickets": tickets,
    });
    let more = json!({"steps": [{"id": "triage", "input": input}]});
    world.descriptor("triage.json", &json!({"set": "triage"}), &more);
    let ran = world.coo_with(
        &["run", "triage.json"],
        "COO_LLM_BASE_URL",
        &server.base_url("http"),
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.counts(), (1, 6));
}

/// Asks a server over TLS; `authority` is what `SSL_CERT_FILE` names.
fn over_tls(world: &World, server: &Server, authority: Option<&str>) -> Ran {
    world.descriptor(
        "caller.json",
        &json!({"file": "caller.wasm"}),
        &json!({"steps": [{"id": "ask", "input": "q"}]}),
    );
    let mut command = world.command(&["run", "caller.json"]);
    command.env("COO_LLM_BASE_URL", server.base_url("https"));
    if let Some(authority) = authority {
        command.env("SSL_CERT_FILE", authority);
    }
    crate::support::ran(command.output().unwrap())
}

#[test]
fn an_authority_of_ones_own_is_named_in_the_environment() {
    let server = Server::start(Manner::Tls(Shown::Right));
    let world = caller();
    let authority = authority(&world);
    let authority = authority.to_str().unwrap();

    let ran = over_tls(&world, &server, None);
    assert_snapshot!(shown("run caller.json", &ran), @"
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000001: model calls go to https://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: no usable connection to https://127.0.0.1:<port>: its certificate comes from an authority that is not trusted here (invalid peer certificate: UnknownIssuer)
    hint: if it is your own, name the authority's certificate in SSL_CERT_FILE
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
    assert_eq!(server.counts().1, 0, "{ran:?}");

    let ran = over_tls(&world, &server, Some(authority));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0bug"), "{ran:?}");
    assert_eq!(server.counts().1, 1);

    // A folder of certificates does it too.
    let folder = world.path().join("certificates");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(authority, folder.join("one.pem")).unwrap();
    std::fs::write(folder.join("notes"), "no certificate").unwrap();
    let mut command = world.command(&["run", "caller.json", "--live"]);
    command
        .env("COO_LLM_BASE_URL", server.base_url("https"))
        .env("SSL_CERT_DIR", &folder);
    let ran = crate::support::ran(command.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// Replaces the details of an expired certificate by a name, because they have the current time.
fn without_time(told: &str) -> String {
    let Some((before, details)) = told.split_once("has expired (") else {
        return told.to_owned();
    };
    let (_, after) = details.split_once(")\nhint: ").expect("no hint");
    format!("{before}has expired (<details>)\nhint: {after}")
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let world = caller();
    let authority = authority(&world);
    let mut said = String::new();
    for certificate in [Shown::Expired, Shown::OtherHost] {
        let server = Server::start(Manner::Tls(certificate));
        let ran = over_tls(&world, &server, authority.to_str());
        said += &without_time(&shown("run caller.json", &ran));
        assert!(!ran.stderr.contains("--resend"), "{ran:?}");
        assert_eq!(server.counts().1, 0, "{ran:?}");
    }
    assert_snapshot!(said, @r#"
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000001: model calls go to https://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: no usable connection to https://127.0.0.1:<port>: its certificate has expired (<details>)
    hint: check this machine's clock, or tell the server's operator
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000002: model calls go to https://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000002 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: no usable connection to https://127.0.0.1:<port>: its certificate is for another host (invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("other.example"))
    hint: check the base URL's host
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    "#);
}

#[test]
fn a_file_of_authorities_that_can_not_be_used_is_an_error() {
    let server = Server::start(Manner::Tls(Shown::Right));
    let world = caller();
    world.file("empty.pem", "no certificate");
    let mut said = String::new();
    for name in ["missing.pem", "empty.pem", "/dev/null"] {
        let ran = over_tls(&world, &server, Some(name));
        said += &shown("run caller.json", &ran);
        assert!(!ran.stderr.contains("--resend"), "{ran:?}");
    }
    assert_snapshot!(said, @"
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: SSL_CERT_FILE refused: missing.pem: No such file or directory (os error 2)
    hint: name a file of PEM certificates, or unset it
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000002 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: SSL_CERT_FILE refused: empty.pem: it has no PEM certificate
    hint: name a file of PEM certificates, or unset it
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000003 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: SSL_CERT_FILE refused: /dev/null: it is not a file
    hint: name a file of PEM certificates, or unset it
    hint: 'coo resume MISSION-000003' continues where it stopped
    --- exit 5
    ");
    assert_eq!(server.counts(), (0, 0));
}

#[test]
fn a_scheme_that_does_not_fit_the_server_is_recognised() {
    let world = caller();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received);
    });
    let ran = ask(&world, "q", &format!("https://{address}/v1"), &json!({}));
    answering.join().unwrap();
    assert_snapshot!(shown("run caller.json", &ran), @"
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000001: model calls go to https://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: no usable connection to https://127.0.0.1:<port>: what answers there does not speak TLS (received corrupt message of type InvalidContentType)
    hint: check the base URL's scheme: a server without TLS is named with http://
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
    assert!(!ran.stderr.contains("--resend"), "{ran:?}");

    for manner in [Manner::Tls(Shown::Right), Manner::SilentTls] {
        let server = Server::start(manner);
        let ran = ask(&world, "q", &server.base_url("http"), &json!({}));
        for words in ["it speaks TLS", "write the base URL with https://"] {
            assert!(ran.stderr.contains(words), "{words}: {ran:?}");
        }
        assert!(!ran.stderr.contains("--resend"), "{ran:?}");
    }
}

#[test]
fn an_answer_before_the_body_is_read_is_heard() {
    let server = Server::start(Manner::TooLarge);
    let world = caller();
    for question in ["short".to_owned(), "word ".repeat(600_000)] {
        let ran = ask(&world, &question, &server.base_url("http"), &json!({}));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr
                .contains("the provider rejected the request with status 413"),
            "{ran:?}"
        );
    }
    // The long one is asked once more, with its head alone, if its answer was lost on the way.
    assert!(
        (2..=3).contains(&server.counts().1),
        "{:?}",
        server.counts()
    );
}

/// Asks with more than any socket takes before somebody reads it.
fn ask_at_length(server: &Server, timeout: Duration) -> Result<Reply, Unanswered> {
    let message = Message::new(Role::User, "word ".repeat(5_000_000));
    let client = Client::new(Endpoint {
        attempts: 1,
        timeout,
        ..Endpoint::new(server.base_url("http"), None)
    });
    block_on(client.unwrap().complete(&Request {
        max_tokens: None,
        messages: vec![message],
        model: "m".into(),
        options: coo_kernel::llm::Options::default(),
        seed: None,
        temperature: None,
        top_p: None,
    }))
}

#[test]
fn a_request_that_did_not_leave_whole_is_not_in_doubt() {
    let minute = Duration::from_mins(1);
    // The last one is waited for until it has taken nothing for twice an eighth of the time.
    for (manner, timeout) in [
        (Manner::TooLarge, minute),
        (Manner::TooLargeAndStill, Duration::from_secs(8)),
    ] {
        let server = Server::start(manner);
        let answer = ask_at_length(&server, timeout).unwrap().answer;
        assert!(
            matches!(&answer, ModelAnswer::Error(Refusal::Rejected(reason)) if reason.contains("413")),
            "{answer:?}"
        );
    }
    let server = Server::start(Manner::CloseEarly);
    let unanswered = ask_at_length(&server, minute).unwrap_err();
    assert!(!unanswered.in_doubt, "{unanswered}");
    assert!(
        unanswered
            .to_string()
            .contains("stopped reading before the request was whole, and said nothing"),
        "{unanswered}"
    );
}
