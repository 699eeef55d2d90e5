//! Calls through a proxy of the environment: what the proxy sees, what it can't see, and what is said
//! when it refuses.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

use insta::assert_snapshot;

use super::connections::{Manner, Server, Shown, authority};
use super::*;
use crate::support::shown;

/// A proxy that takes one connection. Returns what it was asked, with all that it could read.
fn proxy(forwards_to: Option<SocketAddr>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        let Some(place) = forwards_to else {
            let _ = client.write_all(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n");
            return String::from_utf8(seen).unwrap();
        };
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        let mut server = TcpStream::connect(place).unwrap();
        let back = std::thread::spawn({
            let (mut client, mut server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            move || {
                let _ = std::io::copy(&mut server, &mut client);
                let _ = client.shutdown(Shutdown::Both);
            }
        });
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = client.read(&mut piece) {
            seen.extend_from_slice(&piece[..read]);
            if server.write_all(&piece[..read]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        back.join().unwrap();
        String::from_utf8_lossy(&seen).into_owned()
    });
    (address, thread)
}

/// Asks `other.example`, of which only the proxy knows where it is.
fn ask_through(world: &World, proxy: &str, question: &str) -> Ran {
    let input = json!({"steps": [{"id": "ask", "input": question}]});
    world.descriptor("caller.json", &json!({"file": "caller.wasm"}), &input);
    let mut command = world.command(&["run", "caller.json"]);
    command
        .env("COO_LLM_BASE_URL", "https://other.example/v1")
        .env("SSL_CERT_FILE", authority(world))
        .env("HTTPS_PROXY", proxy);
    crate::support::ran(command.output().unwrap())
}

#[test]
fn a_proxy_sees_the_name_of_the_server_and_nothing_else() {
    let server = Server::start(Manner::Tls(Shown::OtherHost));
    let world = caller();
    let (address, thread) = proxy(Some(server.address));
    let ran = ask_through(&world, &format!("http://me:hidden@{address}"), "a question");
    let seen = thread.join().unwrap();
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0bug"), "{ran:?}");
    assert!(
        seen.starts_with("CONNECT other.example:443 HTTP/1.1\r\n"),
        "{seen}"
    );
    // "me:hidden" in Base64.
    assert!(
        seen.to_ascii_lowercase()
            .contains("proxy-authorization: basic"),
        "{seen}"
    );
    assert!(seen.contains("bWU6aGlkZGVu"), "{seen}");
    assert!(
        !seen.contains("a question") && !seen.contains("hidden"),
        "{seen}"
    );
    assert_eq!(server.counts(), (1, 1));
}

#[test]
fn a_proxy_that_refuses_is_named_without_its_credentials() {
    let world = caller();
    let (address, thread) = proxy(None);
    let ran = ask_through(&world, &format!("http://me:hidden@{address}"), "q");
    thread.join().unwrap();
    assert!(!ran.stderr.contains("hidden"), "{ran:?}");
    assert_snapshot!(shown("run caller.json", &ran), @"
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000001: model calls go to https://other.example, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: no usable connection to https://other.example (through the proxy 127.0.0.1:<port>): the proxy wants a user and a password, or other ones
    hint: give the proxy's user and password in HTTPS_PROXY
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
    let ran = ask_through(&world, "socks5://me:hidden@127.0.0.1:1", "q");
    assert!(!ran.stderr.contains("hidden"), "{ran:?}");
    assert_snapshot!(shown("run caller.json", &ran), @"
    $ coo run caller.json
    --- standard error
    [coo] MISSION-000002 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: proxy of the environment refused: 127.0.0.1:1 is a SOCKS proxy
    hint: name an HTTP proxy in HTTPS_PROXY, or the server in NO_PROXY
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    ");
}
