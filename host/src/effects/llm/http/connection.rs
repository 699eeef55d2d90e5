//! The connection below a call: how far an exchange had come when it broke, and what a server says
//! before it has read the whole request. Invariant: a request that was not sent completely is
//! distinguished from one that was, because only the latter can have been processed. Never decides
//! what follows from that.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport, time,
};
use ureq::{Error, Timeout};

/// Every response begins with this.
const HTTP: &[u8] = b"HTTP/";
/// Seconds that a server has to explain why it stopped reading.
const LAST_WORD_S: u64 = 10;
/// Enough to distinguish TLS from other protocols, and a greeting from noise.
const GREETING_BYTES_MAX: usize = 40;

/// Why an exchange broke, if the HTTP library does not say so itself.
#[derive(Debug)]
pub(super) enum Broken {
    /// Before the connection, including its TLS handshake, was established.
    Connecting(Box<Error>),
    /// While the request was being sent; the server never had all of it.
    Sending(String),
    /// The response is not HTTP; holds its first bytes.
    NotHttp(Vec<u8>),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting(error) => error.fmt(f),
            Self::Sending(why) => f.write_str(why),
            Self::NotHttp(_) => f.write_str("bytes that are not HTTP"),
        }
    }
}

impl std::error::Error for Broken {}

impl Broken {
    /// Returns the cause inside `error`, if it carries one.
    pub(super) fn of(error: &Error) -> Option<&Self> {
        match error {
            Error::Other(inner) => inner.downcast_ref(),
            _ => None,
        }
    }

    /// Wraps the cause in an error that the HTTP library passes on.
    fn raise(self) -> Error {
        Error::Other(Box::new(self))
    }
}

/// Opens connections as the HTTP library does, and watches those to one server.
#[derive(Debug)]
pub(super) struct Watch {
    inner: DefaultConnector,
    /// Host and port of the server; connections to a proxy are not watched.
    authority: String,
}

impl Watch {
    /// Returns a connector that watches connections to this host and port.
    pub(super) fn new(authority: &str) -> Self {
        Self {
            inner: DefaultConnector::default(),
            authority: authority.to_owned(),
        }
    }
}

impl Connector<()> for Watch {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let is_server = details
            .uri
            .authority()
            .is_some_and(|authority| authority.as_str().eq_ignore_ascii_case(&self.authority));
        let connected = self.inner.connect(details, chained);
        if !is_server {
            return connected;
        }
        let transport = connected.map_err(|error| Broken::Connecting(Box::new(error)).raise())?;
        Ok(transport.map(|inner| {
            Box::new(Watched {
                inner,
                is_cut_short: false,
                awaits_first: false,
            }) as Box<dyn Transport>
        }))
    }
}

/// A connection watched by `Watch`.
#[derive(Debug)]
struct Watched {
    inner: Box<dyn Transport>,
    /// The server stopped reading in the middle of the request. Its response so far counts.
    is_cut_short: bool,
    /// Data was sent, and no byte of the answer has arrived yet.
    awaits_first: bool,
}

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.awaits_first = true;
        if self.is_cut_short {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(Error::Io(error)) if is_hang_up(&error) => {
                // The server may have answered already (too large, no key, too many requests); read
                // that next.
                self.is_cut_short = true;
                Ok(())
            }
            // The server has accepted no byte for a long time, perhaps for the same reason.
            Err(Error::Timeout(Timeout::PerWrite)) => {
                self.is_cut_short = true;
                Ok(())
            }
            Err(error) => Err(Broken::Sending(error.to_string()).raise()),
            Ok(()) => Ok(()),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = if self.is_cut_short {
            NextTimeout {
                after: timeout.after.min(time::Duration::from_secs(LAST_WORD_S)),
                ..timeout
            }
        } else {
            timeout
        };
        let came = self.inner.await_input(timeout);
        if self.is_cut_short && !matches!(came, Ok(true)) {
            let why = came.map_or_else(|error| error.to_string(), |_| "closed".to_owned());
            return Err(Broken::Sending(why).raise());
        }
        if self.awaits_first && matches!(came, Ok(true)) {
            let input = self.inner.buffers().input();
            let known = input.len().min(HTTP.len());
            if input[..known] != HTTP[..known] {
                let greeting = input[..input.len().min(GREETING_BYTES_MAX)].to_vec();
                return Err(Broken::NotHttp(greeting).raise());
            }
            self.awaits_first = input.len() < HTTP.len();
        }
        came
    }

    fn is_open(&mut self) -> bool {
        !self.is_cut_short && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    )
}

/// Returns whether the bytes begin a TLS record: a handshake or an alert.
pub(super) fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 0x03, ..])
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
/// Bounds the probe: a server that speaks TLS answers at once.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns whether the server at `authority`, which silently closed a plain HTTP connection, speaks
/// TLS. Opens a connection of its own and sends only a client hello.
pub(super) fn speaks_tls(authority: &str) -> bool {
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let probe = || -> io::Result<bool> {
        let address = place.to_socket_addrs()?.next();
        let address = address.ok_or(io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
        stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
        stream.set_write_timeout(Some(PROBE_TIMEOUT))?;
        stream.write_all(&CLIENT_HELLO)?;
        let mut first = [0; 2];
        stream.read_exact(&mut first)?;
        Ok(is_tls(&first))
    };
    probe().unwrap_or(false)
}
