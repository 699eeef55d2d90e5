//! What it means that an exchange broke off: whether it may pass, whether the server may have
//! worked on the request, and what to tell the person who has to do something about it.
//! Invariant: what did not leave whole is never in doubt; what did leave always is. Never sends.

use std::io;
use std::time::Duration;

use coo_kernel::llm::protocol::Failure;
use ureq::{Error, Timeout};

use super::connection::{Broken, is_tls};
use super::site::Site;

/// An exchange that broke off.
#[derive(Debug)]
pub(super) struct Lost {
    /// What the HTTP library says.
    pub error: Error,
    /// Bytes of the body that had come, and how many were announced.
    pub body: Option<(u64, Option<u64>)>,
}

/// What it means.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    /// May pass, and nothing was worked on. Its text follows the server's name.
    Passing(String),
    /// The request had left whole. Its text follows the server's name.
    InDoubt(String),
    /// Nothing that another attempt would change; in doubt or not.
    Failed(Failure, bool),
}

/// Where a call goes, for the texts.
pub(super) struct Way<'a> {
    pub site: &'a Site,
    /// Names the proxy, where there is one.
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

    /// What a broken exchange means.
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
            // How the TLS layer reports a certificate or a protocol it does not accept.
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

    /// A TLS handshake that failed, in words. Nothing was sent.
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

    /// What it means that a server asked in plain HTTP speaks TLS: it understood nothing.
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
    /// The connection was closed before a byte of a response had come.
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

/// Names that no name server knows; the standard library has no kind for them.
fn is_lookup(error: &io::Error) -> bool {
    error
        .to_string()
        .contains("failed to lookup address information")
}

/// How much of the answer had come.
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
