//! What an error of a provider means, in a status or inside an HTTP 200. First comes what may have
//! been paid for, then what the error is about, then the status alone. Invariant: total, as `judge` is.
//! Never looks at an answer.

use super::super::exchange::{self, Reach, Standing};
use super::super::failure::Failure;
use super::super::sense::Sense;
use super::super::stated::Stated;
use super::{
    ASK_ACCOUNT, ASK_PROVIDER, CHECK_BASE_URL, EXCERPT_BYTES, MESSAGE_CHARS_MAX, NAME_CHARS_MAX,
    Origin, Received, Request, Site, Verdict, unusable,
};

/// What is known of an error besides its words.
pub(super) struct Found {
    pub reach: Reach,
    pub status: u16,
    /// Where the error stood, if not in the status.
    pub inside: &'static str,
    /// The body is an HTML page.
    pub is_page: bool,
    /// The body states an error in JSON, as an API does.
    pub is_api: bool,
}

/// Returns the words of an error that is not JSON: short text unchanged, or the title of a page.
pub(super) fn plain_words(received: &Received, found: &Found) -> String {
    let start = &received.body[..received.body.len().min(EXCERPT_BYTES)];
    let text = String::from_utf8_lossy(start);
    if let Some(spoilt) = &received.spoilt {
        return format!("a body that {spoilt}");
    }
    if !found.is_page {
        return text.chars().take(MESSAGE_CHARS_MAX).collect();
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let end = start + lower[start..].find("</title>")?;
        text.get(start..end)
    });
    title.map_or_else(
        || "an HTML page".to_owned(),
        |title| format!("an HTML page, {}", title.trim()),
    )
}

/// Judges an error inside an HTTP 200.
pub(super) fn judge_stated(
    stated: &Stated,
    reach: Reach,
    request: &Request,
    site: &Site<'_>,
) -> Verdict {
    let status = stated.status().or_else(|| {
        Some(match stated.sense()? {
            Sense::Key => 401,
            Sense::Money => 402,
            Sense::Quota => 429,
            Sense::Model | Sense::Place => 404,
            Sense::Moderation => 400,
        })
    });
    let Some(status) = status else {
        return Verdict::InDoubt(unusable(
            site,
            format!(
                "HTTP 200 with an error of unknown kind{}",
                site.said(&stated.message)
            ),
            ASK_PROVIDER,
        ));
    };
    let found = Found {
        reach: reach.stating(status),
        status,
        inside: " inside an HTTP 200",
        is_page: false,
        is_api: true,
    };
    judge_error(&found, stated, request, site)
}

pub(super) fn judge_error(
    found: &Found,
    stated: &Stated,
    request: &Request,
    site: &Site<'_>,
) -> Verdict {
    let status = found.status;
    let said = format!("{}{}", found.inside, site.said(&stated.message));
    let server = site.server.to_owned();
    if let Some(verdict) = unsettled(found, stated, &said, site) {
        return verdict;
    }
    let reach = found.reach;
    let sense = match status {
        // A failing server may say anything about its models; only a code can name a used-up quota.
        408 | 425 | 500.. => stated.is_quota().then_some(Sense::Quota),
        429 => stated
            .sense()
            .filter(|sense| matches!(sense, Sense::Quota | Sense::Money)),
        _ => stated.sense(),
    };
    let place = |what: &str| {
        let found = format!("HTTP {status}{what}{said}");
        Verdict::Failed(unusable(site, found, CHECK_BASE_URL))
    };
    match (sense, status) {
        (Some(Sense::Quota), _) => {
            return Verdict::Failed(Failure::QuotaUsedUp {
                server,
                status,
                said,
            });
        }
        (Some(Sense::Money) | None, 402) => return Verdict::Trouble { reach, said },
        (Some(Sense::Money), _) => {
            return Verdict::Failed(Failure::Unpaid {
                server,
                status,
                said,
            });
        }
        (Some(Sense::Key), _) => {
            return Verdict::Failed(Failure::Unauthorised {
                server,
                status,
                said,
            });
        }
        (Some(Sense::Moderation), 400..=403 | 422 | 451) => {
            return Verdict::Rejected(rejection(found, stated, site), Origin::default());
        }
        (Some(Sense::Model), 400..=404 | 410 | 422) if found.is_api => {
            let model = (site.clean)(&request.model, NAME_CHARS_MAX);
            return Verdict::Failed(Failure::NoModel {
                server,
                status,
                said,
                model,
            });
        }
        (Some(Sense::Place), _) => return place(""),
        _ => {}
    }
    match status {
        // A wrong path or a proxy in between also answers 400, which says nothing about the
        // request: it counts only with the provider's own error.
        400 if found.is_api => Verdict::Rejected(rejection(found, stated, site), Origin::default()),
        413 | 422 => Verdict::Rejected(rejection(found, stated, site), Origin::default()),
        403 if found.is_page => place(" from something between here and the API"),
        401 | 403 => Verdict::Failed(Failure::Unauthorised {
            server,
            status,
            said,
        }),
        404 if found.is_api => Verdict::Failed(unusable(
            site,
            format!("HTTP 404{said}"),
            "check that the base URL is that of a chat-completions API, and the model's name",
        )),
        407 => Verdict::Failed(unusable(
            site,
            format!("HTTP 407 from a proxy{said}"),
            "give the proxy's user and password in HTTPS_PROXY",
        )),
        511 => Verdict::Failed(unusable(
            site,
            format!("HTTP 511 from the network{said}"),
            "log in to this network first",
        )),
        501 | 505 => place(""),
        402 | 408 | 425 | 429 | 500..=599 => Verdict::Trouble { reach, said },
        _ if found.is_api => Verdict::Failed(unusable(
            site,
            format!("error {status}{said}"),
            ASK_PROVIDER,
        )),
        _ => place(" without a provider's error in its body"),
    }
}

/// Judges a status that does not say that the server left the request alone; `None` for any other.
fn unsettled(found: &Found, stated: &Stated, said: &str, site: &Site<'_>) -> Option<Verdict> {
    if found.reach.standing(None) != Standing::InDoubt {
        return None;
    }
    let status = found.status;
    let is_gateway = exchange::is_of_a_gateway(status);
    // A code that names a used-up quota says that the server left the request alone. No gateway
    // knows that.
    if stated.is_quota() && !is_gateway {
        return Some(Verdict::Failed(Failure::QuotaUsedUp {
            server: site.server.to_owned(),
            status,
            said: said.to_owned(),
        }));
    }
    let who = if is_gateway {
        "a gateway whose server"
    } else {
        "a server that"
    };
    let last = format!("error {status}{said}, from {who} may have worked on it");
    Some(Verdict::InDoubt(unusable(site, last, ASK_ACCOUNT)))
}

/// Returns the reason of a rejection. The record keeps it and the guest sees it, so it mentions
/// neither the place nor the moment.
fn rejection(found: &Found, stated: &Stated, site: &Site<'_>) -> String {
    // The title of a page names the place.
    let said = if found.is_api {
        site.said(&stated.message)
    } else {
        String::new()
    };
    format!(
        "the provider rejected the request with status {}{said}",
        found.status
    )
}
