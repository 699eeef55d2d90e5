//! Reads how long a server asks the client to wait. Never reads a clock.

use std::time::{Duration, SystemTime};

/// Reads a `Retry-After` header, which holds seconds or an HTTP date. Returns 0 s for a date in the
/// past, and `None` for an unreadable header.
#[must_use]
pub fn parse_retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that overflows still means a wait, longer than every limit.
        return Some(Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_nothing_else() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let read = |header| parse_retry_after(header, now).map(|wait| wait.as_secs());
        assert_eq!(read(" 7 "), Some(7));
        assert_eq!(read("99999999999999999999999"), Some(u64::MAX));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:27 GMT"), Some(0));
        for bad in ["", "-1", "1.5", "soon", "Sun, 99 Nov 1994 08:49:27 GMT"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
