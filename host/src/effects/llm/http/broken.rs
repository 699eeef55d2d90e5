//! Interprets an exchange that broke off: may the problem pass, may the server have processed the
//! request, and what can the user do about it? Invariant: a request that was not sent completely is
//! never in doubt; one that was always is. Never sends anything.

use std::io;
use std::time::Duration;

use coo_kernel::llm::protocol::Failure;
use ureq::{Error, Timeout};

use super::connection::{Broken, is_tls};
use super::site::Site;

/// An exchange that broke off.
#[derive(Debug)]
pub(super) struct Lost {
    pub error: Error,
    /// Bytes of the body received, and the length announced; `None` if the body had not begun.
    pub body: Option<(u64, Option<u64>)>,
}

/// What a broken exchange means for the call.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    /// May pass, and nothing was processed. The text follows the server's name.
    Passing(String),
    /// The request was sent completely. The text follows the server's name.
    InDoubt(String),
    /// Another attempt would not help. The flag says whether the call is in doubt.
    Failed(Failure, bool),
}

/// The route of a call, for the texts.
pub(super) struct Way<'a> {
    pub site: &'a Site,
    /// Names the proxy; empty without one.
    pub through: &'a str,
    pub encrypted: bool,
    pub limit: Duration,
}

impl Way<'_> {
    fn server(&self) -> String {
        format!("{}{}", self.site.server, self.through)
    }

    fn passing(&self, said: &str) -> Meaning {
        Meaning::Passing(format!("{}{}", said, self.through))
    }

    fn in_doubt(&self, said: &str) -> Meaning {
        Meaning::InDoubt(format!("{}{}", said, self.through))
    }

    fn no_connection(&self, found: String, next: &'static str) -> Meaning {
        let server = self.server();
        Meaning::Failed(
            Failure::Connection {
                server,
                found,
                next,
            },
            false,
        )
    }

    /// Returns what a broken exchange means.
    pub(super) fn meaning(&self, lost: &Lost) -> Meaning {
        let found = self.site.message(&lost.error.to_string());
        let limit = humantime::format_duration(self.limit);
        match (&lost.error, Broken::of(&lost.error)) {
            (_, Some(Broken::Connecting(error))) => self.connecting(error),
            (_, Some(Broken::Sending(why))) => self.unread(why),
            (Error::Timeout(Timeout::SendRequest | Timeout::SendBody | Timeout::PerWrite), _) => {
                self.unread(&found)
            }
            (_, Some(Broken::NotHttp(bytes))) => self.not_http(bytes),
            (Error::Timeout(Timeout::Resolve | Timeout::Connect), _) => {
                self.passing(&format!("could not be reached in time ({found})"))
            }
            (Error::HostNotFound | Error::BadUri(_), _) => {
                self.passing(&format!("could not be reached ({found})"))
            }
            (Error::Io(error), _) if is_lookup(error) => {
                self.passing(&format!("could not be reached ({found})"))
            }
            (Error::Timeout(_), _) => self.in_doubt(&format!(
                "gave no whole answer in time ({found}; limit {limit}{})",
                came(lost)
            )),
            (Error::Io(error), _) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.in_doubt(&format!(
                    "closed the connection before the answer was complete{}",
                    came(lost)
                ))
            }
            (Error::Io(_), _) => self.in_doubt(&format!(
                "broke the connection before the answer was complete ({found}{})",
                came(lost)
            )),
            (Error::BodyExceedsLimit(limit), _) => Meaning::Failed(
                Failure::Unusable {
                    server: self.server(),
                    found: format!("a body of more than {limit} bytes"),
                    next: "check that the base URL is that of a chat-completions API",
                },
                true,
            ),
            _ => Meaning::Failed(
                Failure::Unusable {
                    server: self.server(),
                    found: format!("a response that breaks the rules of HTTP ({found})"),
                    next: "check that the base URL is that of an HTTP server",
                },
                true,
            ),
        }
    }

    fn unread(&self, why: &str) -> Meaning {
        self.passing(&format!(
            "stopped reading before the request was whole, and said nothing ({})",
            self.site.message(why)
        ))
    }

    fn connecting(&self, error: &Error) -> Meaning {
        let found = self.site.message(&error.to_string());
        let handshake = if self.encrypted {
            ", or no TLS with it"
        } else {
            ""
        };
        match error {
            Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.passing("refused the connection")
            }
            // The TLS layer reports a certificate or protocol that it rejects in this way.
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => self.insecure(&found),
            Error::Rustls(_) | Error::Tls(_) | Error::Pem(_) => self.insecure(&found),
            Error::Io(error)
                if self.encrypted
                    && matches!(
                        error.kind(),
                        io::ErrorKind::UnexpectedEof
                            | io::ErrorKind::ConnectionReset
                            | io::ErrorKind::BrokenPipe
                    ) =>
            {
                self.passing("closed the connection in the middle of the TLS handshake")
            }
            Error::Timeout(_) => {
                self.passing(&format!("gave no connection in time{handshake} ({found})"))
            }
            _ => self.passing(&format!("could not be reached ({found})")),
        }
    }

    /// Explains a failed TLS handshake. Nothing was sent.
    fn insecure(&self, found: &str) -> Meaning {
        let has = |words: &[&str]| words.iter().any(|word| found.contains(word));
        let (what, next) = if has(&["corrupt message", "InvalidContentType"]) {
            (
                "what answers there does not speak TLS",
                "check the base URL's scheme: a server without TLS is named with http://",
            )
        } else if has(&["UnknownIssuer"]) {
            (
                "its certificate comes from an authority that is not trusted here",
                "if it is your own, name the authority's certificate in SSL_CERT_FILE",
            )
        } else if has(&["certificate expired", "Expired"]) {
            (
                "its certificate has expired",
                "check this machine's clock, or tell the server's operator",
            )
        } else if has(&["not valid yet", "NotValidYet"]) {
            (
                "its certificate is not valid yet",
                "check this machine's clock",
            )
        } else if has(&["not valid for name", "NotValidForName"]) {
            (
                "its certificate is for another host",
                "check the base URL's host",
            )
        } else {
            (
                "there is no TLS to be had with it",
                "check the base URL's scheme and host, any proxy, and this machine's clock",
            )
        };
        self.no_connection(format!("{what} ({found})"), next)
    }

    /// Returns the meaning of a TLS server addressed with plain HTTP: it has processed nothing.
    pub(super) fn speaks_tls(&self) -> Meaning {
        self.no_connection(
            "it speaks TLS, and the base URL says http://".to_owned(),
            "write the base URL with https://",
        )
    }

    fn not_http(&self, bytes: &[u8]) -> Meaning {
        if is_tls(bytes) {
            return self.speaks_tls();
        }
        let greeting = self.site.message(&String::from_utf8_lossy(bytes));
        Meaning::Failed(
            Failure::Unusable {
                server: self.server(),
                found: format!("bytes that are not HTTP/1.1 (beginning '{greeting}')"),
                next: "check that the base URL is that of an HTTP server",
            },
            false,
        )
    }
}

impl Lost {
    /// Returns whether the connection was closed before the first byte of a response.
    pub(super) fn is_silence(&self) -> bool {
        let ends = [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
        ];
        self.body.is_none()
            && matches!(&self.error, Error::Io(error) if ends.contains(&error.kind()))
    }
}

/// Returns whether a name lookup failed; the standard library has no error kind for it.
fn is_lookup(error: &io::Error) -> bool {
    error
        .to_string()
        .contains("failed to lookup address information")
}

/// Says how much of the answer had arrived.
fn came(lost: &Lost) -> String {
    match lost.body {
        Some((bytes, Some(announced))) => format!(", after {bytes} of {announced} bytes"),
        Some((bytes, None)) => format!(", after {bytes} bytes"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::ToSocketAddrs as _;

    use super::*;

    fn meaning(error: Error) -> Meaning {
        let site = Site {
            server: "https://host".into(),
            key: None,
        };
        let way = Way {
            site: &site,
            through: "",
            encrypted: true,
            limit: Duration::from_secs(1),
        };
        way.meaning(&Lost { error, body: None })
    }

    #[test]
    fn a_name_that_can_not_be_looked_up_is_no_call() {
        // Too long for any name server to be asked.
        let name = format!("{}.invalid", "x".repeat(300));
        let error = (name.as_str(), 80).to_socket_addrs().expect_err("a host");
        assert!(matches!(meaning(Error::Io(error)), Meaning::Passing(_)));
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(matches!(meaning(Error::Io(reset)), Meaning::InDoubt(_)));
    }
}
