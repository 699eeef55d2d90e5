//! Describes an exchange that broke off: how far it came, and what the user can do about it. The
//! kernel (`Reach::standing`) decides what follows. Invariant: the reach is never less than what may
//! have happened. Never sends anything.

use std::error::Error;
use std::io;
use std::time::Duration;

use coo_kernel::llm::protocol::{Failure, Reach};

use super::pool;
use super::probe::Spoken;
use super::site::Site;

/// The limits of the HTTP library on the head of a response. They are its own; the text names them.
const HEADERS_MAX: &str = "100 headers, 400 KiB";
const CHECK_HTTP: &str = "check that the base URL is that of an HTTP server";

/// Why an exchange broke off.
#[derive(Debug)]
pub(super) enum Cause {
    /// The HTTP library says so.
    Http(reqwest::Error),
    /// The attempt's time is up.
    TimedOut,
    /// The server has taken nothing of the request for a long time.
    Stalled,
    /// The body has more bytes than this limit.
    TooLarge(u64),
    /// This machine gives no thread to wait on.
    NoThread(io::Error),
}

/// An exchange that broke off.
#[derive(Debug)]
pub(super) struct Lost {
    pub cause: Cause,
    /// The whole request was handed over; if not, the rest never leaves.
    pub is_sent: bool,
    /// The head of a response came.
    pub has_head: bool,
    /// Bytes of the body received, and the length announced; `None` if the body had not begun.
    pub body: Option<(u64, Option<u64>)>,
}

/// What is known of a broken exchange besides its reach.
#[derive(Debug, PartialEq)]
pub(super) enum What {
    /// What happened. The text follows the server's name.
    Said(String),
    /// Another attempt would not help.
    Failure(Failure),
}

/// The route of a call, for the texts.
pub(super) struct Way<'a> {
    pub site: &'a Site,
    /// Names the proxy; empty without one.
    pub through: &'a str,
    pub encrypted: bool,
    pub limit: Duration,
}

impl Lost {
    /// Returns how far the exchange came.
    pub(super) fn reach(&self) -> Reach {
        match &self.cause {
            Cause::NoThread(_) => Reach::NotConnected,
            Cause::Http(error) if error.is_connect() => Reach::NotConnected,
            _ if !self.is_sent => Reach::PartlySent,
            _ if self.has_head => Reach::PartlyAnswered,
            _ => Reach::Sent,
        }
    }

    fn before_the_head(&self) -> Option<&reqwest::Error> {
        match &self.cause {
            Cause::Http(error) if !self.has_head && !error.is_connect() => Some(error),
            _ => None,
        }
    }

    /// Returns whether the connection was closed before the first byte of a response.
    pub(super) fn is_silence(&self) -> bool {
        self.before_the_head().is_some_and(is_hang_up)
    }

    /// Returns whether the server said something that is not a response of HTTP.
    pub(super) fn is_foreign(&self) -> bool {
        self.before_the_head().is_some_and(breaks_http)
    }
}

impl Way<'_> {
    fn server(&self) -> String {
        format!("{}{}", self.site.server, self.through)
    }

    fn said(&self, said: &str) -> What {
        What::Said(format!("{said}{}", self.through))
    }

    fn no_connection(&self, found: String, next: &'static str) -> What {
        What::Failure(Failure::Connection {
            server: self.server(),
            found,
            next,
        })
    }

    fn unusable(&self, found: String, next: &'static str) -> What {
        What::Failure(Failure::Unusable {
            server: self.server(),
            found,
            next,
        })
    }

    /// Describes a broken exchange.
    pub(super) fn what(&self, lost: &Lost) -> What {
        match (&lost.cause, lost.reach()) {
            (Cause::NoThread(error), _) => self.no_connection(
                format!("this machine gives no thread to wait on ({error})"),
                "end other programs, or raise the limit on processes (ulimit -u)",
            ),
            (Cause::Http(error), Reach::NotConnected) => self.connecting(error),
            (Cause::TooLarge(limit), _) => self.unusable(
                format!("a body of more than {limit} bytes"),
                "check that the base URL is that of a chat-completions API",
            ),
            (Cause::Http(error), Reach::PartlySent) => self.unread(&last_words(error)),
            (Cause::Stalled, _) => self.unread("it has taken nothing for long"),
            (Cause::TimedOut, Reach::PartlySent) => self.unread("the time is up"),
            (Cause::TimedOut, _) => self.said(&format!(
                "gave no whole answer in time (limit {}{})",
                humantime::format_duration(self.limit),
                came(lost)
            )),
            (Cause::Http(error), _) => self.answering(error, lost),
        }
    }

    fn unread(&self, why: &str) -> What {
        self.said(&format!(
            "stopped reading before the request was whole, and said nothing ({})",
            self.site.message(why)
        ))
    }

    /// Describes an exchange that broke after the request had left.
    fn answering(&self, error: &reqwest::Error, lost: &Lost) -> What {
        let found = self.site.message(&last_words(error));
        if is_too_large(error) {
            return self.unusable(
                format!("response headers beyond the limit ({HEADERS_MAX})"),
                CHECK_HTTP,
            );
        }
        if breaks_http(error) {
            let what = if found.contains("HTTP version") {
                "bytes that are not HTTP/1.1"
            } else {
                "a response that breaks the rules of HTTP"
            };
            return self.unusable(format!("{what} ({found})"), CHECK_HTTP);
        }
        let is_closed =
            is_incomplete(error) || kind_of(error) == Some(io::ErrorKind::UnexpectedEof);
        if is_closed {
            return self.said(&format!(
                "closed the connection before the answer was complete{}",
                came(lost)
            ));
        }
        self.said(&format!(
            "broke the connection before the answer was complete ({found}{})",
            came(lost)
        ))
    }

    /// Describes a connection that did not come about. Nothing was sent.
    fn connecting(&self, error: &reqwest::Error) -> What {
        if let Some(error) = links(error).find_map(|link| link.downcast_ref::<rustls::Error>()) {
            return self.insecure(&self.site.message(&error.to_string()));
        }
        let found = self.site.message(&last_words(error));
        if found.contains("proxy authorization required") {
            return self.no_connection(
                "the proxy wants a user and a password, or other ones".to_owned(),
                "give the proxy's user and password in HTTPS_PROXY",
            );
        }
        let handshake = if self.encrypted {
            ", or no TLS with it"
        } else {
            ""
        };
        match kind_of(error) {
            _ if error.is_timeout() => self.said(&format!(
                "gave no connection in time{handshake} (limit {})",
                humantime::format_duration(pool::connect_limit(self.limit))
            )),
            Some(io::ErrorKind::ConnectionRefused) => self.said("refused the connection"),
            Some(
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe,
            ) if self.encrypted => {
                self.said("closed the connection in the middle of the TLS handshake")
            }
            _ => self.said(&format!("could not be reached ({found})")),
        }
    }

    /// Explains a failed TLS handshake. Nothing was sent.
    fn insecure(&self, found: &str) -> What {
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

    /// Describes a server that speaks another protocol.
    pub(super) fn other_protocol(&self, spoken: &Spoken) -> What {
        match spoken {
            Spoken::Tls => self.no_connection(
                "it speaks TLS, and the base URL says http://".to_owned(),
                "write the base URL with https://",
            ),
            Spoken::Greeting(bytes) => {
                let greeting = self.site.message(&String::from_utf8_lossy(bytes));
                self.unusable(
                    format!("bytes that are not HTTP/1.1 (beginning '{greeting}')"),
                    CHECK_HTTP,
                )
            }
        }
    }
}

/// Returns an error and its causes. An error of input or output hides the one inside it.
fn links<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&link| {
        let inside = link
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inside| inside as &(dyn Error + 'static));
        inside.or_else(|| link.source())
    })
}

/// Returns the words of the innermost cause; the outer ones only name layers of the library.
fn last_words(error: &reqwest::Error) -> String {
    links(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// Returns the kind of the error of input or output among the causes.
fn kind_of(error: &reqwest::Error) -> Option<io::ErrorKind> {
    links(error)
        .filter_map(|link| link.downcast_ref::<io::Error>())
        .map(io::Error::kind)
        .find(|kind| *kind != io::ErrorKind::Other)
}

fn of_hyper(error: &reqwest::Error, is: impl Fn(&hyper::Error) -> bool) -> bool {
    links(error)
        .filter_map(|link| link.downcast_ref::<hyper::Error>())
        .any(is)
}

fn is_incomplete(error: &reqwest::Error) -> bool {
    of_hyper(error, hyper::Error::is_incomplete_message)
}

fn is_too_large(error: &reqwest::Error) -> bool {
    // The library answers this question to servers only.
    of_hyper(error, |error| {
        error.is_parse() && error.to_string().contains("too large")
    })
}

/// Returns whether what the server said breaks the rules of HTTP.
fn breaks_http(error: &reqwest::Error) -> bool {
    let broken = of_hyper(error, |error| {
        // The library has no question for bytes that came before the request.
        error.is_parse() || error.to_string().contains("unexpected message")
    });
    let framing = [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput];
    !is_too_large(error) && (broken || kind_of(error).is_some_and(|kind| framing.contains(&kind)))
}

fn is_hang_up(error: &reqwest::Error) -> bool {
    let ends = [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe,
    ];
    is_incomplete(error) || kind_of(error).is_some_and(|kind| ends.contains(&kind))
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
    use super::*;

    fn lost(cause: Cause, is_sent: bool, has_head: bool) -> Lost {
        Lost {
            cause,
            is_sent,
            has_head,
            body: None,
        }
    }

    #[test]
    fn the_reach_is_never_less_than_what_may_have_happened() {
        for (is_sent, has_head, reach) in [
            (false, false, Reach::PartlySent),
            (false, true, Reach::PartlySent),
            (true, false, Reach::Sent),
            (true, true, Reach::PartlyAnswered),
        ] {
            for cause in [Cause::TimedOut, Cause::Stalled, Cause::TooLarge(1)] {
                assert_eq!(lost(cause, is_sent, has_head).reach(), reach);
            }
        }
        let no_thread = Cause::NoThread(io::ErrorKind::WouldBlock.into());
        assert_eq!(lost(no_thread, false, false).reach(), Reach::NotConnected);
    }

    #[test]
    fn the_innermost_cause_is_found_inside_errors_of_input_and_output() {
        let inner = rustls::Error::DecryptError;
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
        let found = links(&error).last().unwrap();
        assert!(found.downcast_ref::<rustls::Error>().is_some());
        assert_eq!(links(&error).count(), 3);
    }
}
