//! What a server speaks that does not answer in HTTP, found out on a connection of its own.
//! Invariants: nothing of a call is sent, neither text nor key; only what the server says of itself
//! counts as proof. Never decides what follows from it.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::machine::asynchronous;

/// Enough to distinguish TLS from other protocols, and a greeting from noise.
const GREETING_BYTES_MAX: usize = 40;
/// Bounds each step of the probe: a server answers a greeting at once.
const STEP_MAX: Duration = Duration::from_secs(2);
/// A server that speaks first does so at once.
const GREETING_MAX: Duration = Duration::from_secs(1);
/// Every response of HTTP begins with this.
const HTTP: &[u8] = b"HTTP/";

/// What a server speaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Tls,
    /// Another protocol, in which the server speaks first. Holds its first bytes.
    Greeting(Vec<u8>),
}

/// The shortest TLS client hello: version 1.2, five ciphers, no extensions.
const CLIENT_HELLO: [u8; 58] = {
    let mut hello = [0; 58];
    let head = [
        0x16, 0x03, 0x01, 0, 53, // a record of 53 bytes
        0x01, 0, 0, 49, // a client's hello of 49 bytes
        0x03, 0x03, // version 1.2, then 32 bytes of chance, which may as well be 0
    ];
    let tail = [
        0, 0, 10, 0xc0, 0x2f, 0xc0, 0x2b, 0x00, 0x9c, 0x00, 0x2f, 0x13, 0x01, 1, 0,
    ];
    let mut n = 0;
    while n < head.len() {
        hello[n] = head[n];
        n += 1;
    }
    n = 0;
    while n < tail.len() {
        hello[head.len() + 32 + n] = tail[n];
        n += 1;
    }
    hello
};

/// Returns what the server at `authority` speaks if that is certainly not HTTP. `may_greet` allows
/// for a server that speaks first, as servers of mail and databases do and those of HTTP never do.
pub(super) async fn spoken(authority: &str, may_greet: bool) -> Option<Spoken> {
    let place = if has_port(authority) {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let connected = asynchronous::within(STEP_MAX, TcpStream::connect(place)).await?;
    let stream = connected.ok()?;
    if may_greet {
        let first = first_bytes(&stream, GREETING_MAX).await;
        if !first.is_empty() {
            return (!first.starts_with(HTTP)).then_some(Spoken::Greeting(first));
        }
    }
    asynchronous::within(STEP_MAX, say(&stream, &CLIENT_HELLO)).await?;
    let first = first_bytes(&stream, STEP_MAX).await;
    is_tls(&first).then_some(Spoken::Tls)
}

fn has_port(authority: &str) -> bool {
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

async fn say(stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        if stream.writable().await.is_err() {
            return;
        }
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Returns the first bytes of the server; empty if it says nothing in time or hangs up.
async fn first_bytes(stream: &TcpStream, limit: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async {
        while bytes.len() < HTTP.len() && stream.readable().await.is_ok() {
            let mut piece = [0; GREETING_BYTES_MAX];
            match stream.try_read(&mut piece) {
                Ok(0) => return,
                Ok(read) => bytes.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // What came before the limit counts.
    let _ = asynchronous::within(limit, reading).await;
    bytes.truncate(GREETING_BYTES_MAX);
    bytes
}

/// Returns whether the bytes begin a TLS record: a handshake or an alert.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
}
