//! How far an exchange with a server came, and what that means for the call: may the server have
//! worked on the request, and may the request be sent again?
//!
//! Invariant: pure and total, and the only place that decides either. A request that a server may
//! have worked on is in doubt, and nothing sends it again unasked. The host reports how far an
//! exchange came and never claims less than may have happened.

use core::time::Duration;

/// How far an exchange came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// There was no connection, or no TLS with it.
    NotConnected,
    /// The server speaks another protocol than HTTP on this port: a second connection, on which
    /// nothing was asked, has shown it.
    OtherProtocol,
    /// A part of the request at most was handed over, and the rest never will be.
    PartlySent,
    /// The whole request was handed over, and nothing came back.
    Sent,
    /// The whole request was handed over, and a part of a response came back.
    PartlyAnswered,
    /// A whole response with this status came before the whole request had left. The rest of the
    /// request never leaves.
    AnsweredEarly(u16),
    /// The whole request was handed over, and a whole response with this status came back.
    Answered(u16),
}

/// What an exchange without an answer means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The server has not worked on the request, and may take it later.
    Passing,
    /// The server has not worked on the request, and would refuse it again.
    Refused,
    /// The server may have worked on the request, and may charge for it.
    InDoubt,
}

impl Reach {
    /// Returns the status of the response, if a whole one came.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::AnsweredEarly(status) | Self::Answered(status) => Some(status),
            Self::NotConnected
            | Self::OtherProtocol
            | Self::PartlySent
            | Self::Sent
            | Self::PartlyAnswered => None,
        }
    }

    /// Returns the same reach, with the status that an error inside the response states.
    #[must_use]
    pub const fn stating(self, status: u16) -> Self {
        match self {
            Self::AnsweredEarly(_) => Self::AnsweredEarly(status),
            Self::Answered(_) => Self::Answered(status),
            other => other,
        }
    }

    /// Returns what an exchange that gave no answer means for the call. `retry_after` is the wait
    /// that the server asked for.
    #[must_use]
    pub const fn standing(self, retry_after: Option<Duration>) -> Standing {
        match self {
            // Half of a JSON text means nothing to a server.
            Self::NotConnected | Self::PartlySent => Standing::Passing,
            Self::OtherProtocol => Standing::Refused,
            Self::Sent | Self::PartlyAnswered => Standing::InDoubt,
            Self::Answered(status) => of_status(status, retry_after.is_some()),
            Self::AnsweredEarly(status) => match of_status(status, retry_after.is_some()) {
                Standing::InDoubt if status == 408 || (status >= 500 && status <= 599) => {
                    Standing::Passing
                }
                Standing::InDoubt => Standing::Refused,
                settled => settled,
            },
        }
    }
}

/// Returns what a status says about a request that the server got whole. The rule is cautious: a
/// status that does not say that the server left the request alone leaves the call in doubt.
const fn of_status(status: u16, asks_to_return: bool) -> Standing {
    match status {
        // The account has no credit. Some providers send this while a payment is under way, and
        // then say when to return.
        402 if asks_to_return => Standing::Passing,
        // 425 is a server that does not take a request which may be a repetition; 429 counts
        // requests before it takes one; 503 is a server that cannot handle requests now; 529 is
        // the same, of providers that keep 503 for other faults.
        425 | 429 | 503 | 529 => Standing::Passing,
        // By the standard, 408 is a server that waited for the request in vain, but the whole
        // request had left. Providers and gateways send it if the model took too long. 499 is a
        // gateway whose client seemed to have gone: the model was at work.
        408 | 499 => Standing::InDoubt,
        // A redirect, which is never followed; a refusal of the request. 409 belongs here: it is a
        // conflict with something that the server keeps, a completion changes nothing that it
        // keeps, so the same request would meet the same conflict. 501, 505 and 511 are about the
        // method, the version of HTTP and the network itself: all before any work.
        300..=499 | 501 | 505 | 511 => Standing::Refused,
        // A server that failed at the request (500), or a gateway whose server gave no whole
        // answer (502, 504, 598, 599). 520 to 527 are a gateway's words about its last connection
        // to the server; it may have sent the request on an earlier one. Success without an answer
        // (200 to 299) belongs here, and so does every status that has no meaning.
        _ => Standing::InDoubt,
    }
}

/// Returns whether a status is one of a gateway between the caller and the model's server.
#[must_use]
pub const fn is_of_a_gateway(status: u16) -> bool {
    matches!(status, 502 | 504 | 520..=527 | 530 | 598 | 599)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Writes what each status means: one line for each run of equal statuses.
    fn table(of: impl Fn(u16) -> Standing) -> String {
        let mut text = String::new();
        let mut first = 0;
        for status in 0..=1000_u16 {
            if status == 1000 || of(status) != of(first) {
                let _ = writeln!(text, "{first}-{} {:?}", status - 1, of(first));
                first = status;
            }
        }
        text
    }

    /// A second statement of the table, for every status that HTTP can express.
    #[test]
    fn every_status_has_the_standing_that_the_table_says() {
        let plain = "0-299 InDoubt\n300-407 Refused\n408-408 InDoubt\n409-424 Refused\n\
             425-425 Passing\n426-428 Refused\n429-429 Passing\n430-498 Refused\n499-500 InDoubt\n\
             501-501 Refused\n502-502 InDoubt\n503-503 Passing\n504-504 InDoubt\n\
             505-505 Refused\n506-510 InDoubt\n511-511 Refused\n512-528 InDoubt\n529-529 Passing\n\
             530-999 InDoubt\n";
        let answered = |asked| move |status| Reach::Answered(status).standing(asked);
        assert_eq!(table(answered(None)), plain);
        let soon = Some(Duration::ZERO);
        let with_402 = plain.replace(
            "300-407 Refused",
            "300-401 Refused\n402-402 Passing\n403-407 Refused",
        );
        assert_eq!(table(answered(soon)), with_402);

        let early = "0-407 Refused\n408-408 Passing\n409-424 Refused\n425-425 Passing\n\
             426-428 Refused\n429-429 Passing\n430-499 Refused\n500-500 Passing\n501-501 Refused\n\
             502-504 Passing\n505-505 Refused\n506-510 Passing\n511-511 Refused\n512-599 Passing\n\
             600-999 Refused\n";
        assert_eq!(
            table(|status| Reach::AnsweredEarly(status).standing(None)),
            early
        );
    }

    #[test]
    fn what_ends_before_a_whole_response_has_one_standing_each() {
        for retry_after in [None, Some(Duration::ZERO)] {
            for (reach, standing) in [
                (Reach::NotConnected, Standing::Passing),
                (Reach::PartlySent, Standing::Passing),
                (Reach::OtherProtocol, Standing::Refused),
                (Reach::Sent, Standing::InDoubt),
                (Reach::PartlyAnswered, Standing::InDoubt),
            ] {
                assert_eq!(reach.standing(retry_after), standing, "{reach:?}");
                assert_eq!(reach.status(), None);
                assert_eq!(reach.stating(429), reach);
            }
        }
        assert_eq!(Reach::Answered(200).stating(503).status(), Some(503));
        assert_eq!(
            Reach::AnsweredEarly(200).stating(503),
            Reach::AnsweredEarly(503)
        );
    }

    #[test]
    fn nothing_that_was_not_sent_whole_is_in_doubt() {
        for status in 0..=999 {
            let standing = Reach::AnsweredEarly(status).standing(None);
            assert_ne!(standing, Standing::InDoubt, "{status}");
        }
    }

    #[test]
    fn a_gateway_never_settles_a_call() {
        for status in (0..=999).filter(|status| is_of_a_gateway(*status)) {
            let standing = Reach::Answered(status).standing(Some(Duration::ZERO));
            assert_eq!(standing, Standing::InDoubt, "{status}");
        }
    }
}
