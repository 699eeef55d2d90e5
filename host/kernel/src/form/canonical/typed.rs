//! Types that write their own canonical form, for what every host call writes: requests and answers.
//! Invariant: the form is that of `to_string`, byte for byte; tests hold each type to it. Never builds a
//! text that is only compared.

use super::{Comparison, to_string_sorted};

/// Takes a canonical form piece by piece.
pub trait Sink {
    /// Takes the next piece.
    fn text(&mut self, text: &str);

    /// Takes a text as JSON writes it, with its quotes.
    fn quoted(&mut self, text: &str) {
        self.text("\"");
        if is_plain(text) {
            self.text(text);
        } else if let Ok(escaped) = serde_json::to_string(text) {
            self.text(&escaped[1..escaped.len() - 1]);
        }
        self.text("\"");
    }

    /// Takes an integer.
    fn integer(&mut self, number: i64) {
        if number < 0 {
            self.text("-");
        }
        self.natural(number.unsigned_abs());
    }

    /// Takes an integer that is not negative.
    fn natural(&mut self, number: u64) {
        // The longest has 20 digits.
        let mut digits = [0; 20];
        let mut from = digits.len();
        let mut left = number;
        loop {
            from -= 1;
            digits[from] = b'0' + u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.text(std::str::from_utf8(&digits[from..]).unwrap_or_default());
    }
}

/// A value that writes its canonical form.
pub trait Canonical {
    /// Writes it to `sink`.
    fn write_to(&self, sink: &mut impl Sink);
}

/// Returns whether JSON writes `text` as it is.
fn is_plain(text: &str) -> bool {
    // Without an early end, so that many bytes are looked at together.
    let count = |chunk: &[u8]| {
        chunk.iter().fold(0_u8, |found, byte| {
            found | u8::from(*byte < 0x20) | u8::from(*byte == b'"') | u8::from(*byte == b'\\')
        })
    };
    text.as_bytes().chunks(256).all(|chunk| count(chunk) == 0)
}

impl Sink for String {
    fn text(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Sink for Comparison<'_> {
    fn text(&mut self, text: &str) {
        Comparison::text(self, text);
    }
}

impl Canonical for u64 {
    fn write_to(&self, sink: &mut impl Sink) {
        sink.natural(*self);
    }
}

impl Canonical for str {
    fn write_to(&self, sink: &mut impl Sink) {
        sink.quoted(self);
    }
}

/// Writes a list of values, each with `write`.
pub fn list<T, S: Sink>(items: &[T], sink: &mut S, write: impl Fn(&T, &mut S)) {
    sink.text("[");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            sink.text(",");
        }
        write(item, sink);
    }
    sink.text("]");
}

/// Writes a value that has no form of its own, from a text that is built for it.
pub fn serialised<T: serde::Serialize>(value: &T, sink: &mut impl Sink) {
    if let Ok(text) = to_string_sorted(value) {
        sink.text(&text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::form::canonical::to_string;

    fn written(value: &(impl Canonical + ?Sized)) -> String {
        let mut text = String::new();
        value.write_to(&mut text);
        text
    }

    proptest! {
        #[test]
        fn texts_and_numbers_are_written_as_json_writes_them(
            text in prop_oneof![".*", "[ -~\\t\\n\"\\\\]{0,600}", "(?s).{0,300}"],
            natural in any::<u64>(),
            integer in any::<i64>(),
        ) {
            prop_assert_eq!(written(text.as_str()), to_string(&text).unwrap());
            prop_assert_eq!(written(&natural), to_string(&natural).unwrap());
            let mut found = String::new();
            found.integer(integer);
            prop_assert_eq!(found, to_string(&integer).unwrap());
            let mut comparison = Comparison::with(&text);
            comparison.text(&text);
            prop_assert!(comparison.is_equal());
        }
    }

    #[test]
    fn the_ends_of_the_integers_are_exact() {
        for number in [0, 1, -1, i64::MAX, i64::MIN] {
            let mut found = String::new();
            found.integer(number);
            assert_eq!(found, number.to_string());
        }
        assert_eq!(written(&u64::MAX), u64::MAX.to_string());
    }
}
