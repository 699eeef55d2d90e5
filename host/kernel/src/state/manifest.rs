//! The manifests of a state root, as data: the exact form of their text, what may be recorded of
//! a variable's value, and how a recorded manifest differs from one made now. `system` reads the
//! machine's own files.
//! Invariants: the value of a secret never gets into a manifest, only the fact that it is set. A
//! text that is not exactly what the program itself would write is refused, never interpreted.

pub mod system;

use serde::Serialize;
use serde_json::Value;

use crate::credentials::secret;
use crate::form::canonical;

/// Replaces what was left out.
const LEFT_OUT: &str = "[left out]";

/// Why text is not a valid manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not JSON at all.
    #[error("is not JSON: {0}")]
    NotJson(String),
    /// Not as `text` prints it: another order, other white space, or a missing end.
    #[error("is not canonical JSON, as 'coo manifests write' writes it")]
    NotCanonical,
    /// Another format, or none.
    #[error("has format {found}, this build reads {wanted}")]
    Format {
        /// The format that it states, as JSON.
        found: String,
        wanted: &'static str,
    },
}

/// Returns a manifest as it is written: canonical JSON on one line.
pub fn text(manifest: &Value) -> Result<String, canonical::NotCanonical> {
    Ok(canonical::to_string(manifest)? + "\n")
}

/// Reads text that `text` printed and whose field `format` is `format`; refuses any other.
pub fn parse(read: &[u8], format: &'static str) -> Result<Value, Damage> {
    let manifest: Value =
        serde_json::from_slice(read).map_err(|error| Damage::NotJson(error.to_string()))?;
    if manifest["format"] != format {
        return Err(Damage::Format {
            found: manifest["format"].to_string(),
            wanted: format,
        });
    }
    match text(&manifest) {
        Ok(text) if text.as_bytes() == read => Ok(manifest),
        _ => Err(Damage::NotCanonical),
    }
}

/// A field whose recorded and found values differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Difference {
    /// Its path, as `a.b.0`.
    pub field: String,
    /// The value in the manifest; null if it has no such field.
    pub recorded: Value,
    /// The present value; null if there is no such field.
    pub found: Value,
}

/// Returns every difference between two manifests, each at the innermost field, in the order of
/// the fields.
pub fn differences(recorded: &Value, found: &Value) -> Vec<Difference> {
    let mut list = Vec::new();
    compare(String::new(), recorded, found, &mut list);
    list
}

fn compare(field: String, recorded: &Value, found: &Value, list: &mut Vec<Difference>) {
    let below = |name: &str| match field.as_str() {
        "" => name.to_owned(),
        field => format!("{field}.{name}"),
    };
    match (recorded, found) {
        (Value::Object(old), Value::Object(new)) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                // A field that is null and one that is absent mean the same: nothing is known.
                compare(below(name), &recorded[name], &found[name], list);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for i in 0..old.len().max(new.len()) {
                let at = |items: &[Value]| items.get(i).cloned().unwrap_or_default();
                compare(below(&i.to_string()), &at(old), &at(new), list);
            }
        }
        (old, new) if old == new => {}
        (old, new) => list.push(Difference {
            field,
            recorded: old.clone(),
            found: new.clone(),
        }),
    }
}

/// Returns whether the name of a variable, or of a parameter in an address, marks a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH"]
        .iter()
        .any(|part| name.contains(part))
}

/// Returns `text` without any value of a secret variable.
pub fn without(text: &str, secrets: &[String]) -> String {
    secret::without(text, secrets, LEFT_OUT).into_owned()
}

/// Returns the value of a variable that is not secret, as it may be recorded: without the user and
/// password in an address, without the values of an address's secret parameters, and without any
/// value of a secret variable (`secrets`).
pub fn scrubbed(name: &str, value: &str, secrets: &[String]) -> String {
    let text = without(value, secrets);
    let upper = name.to_ascii_uppercase();
    // A proxy may be named without a scheme; but a list of folders may also hold an @ and a colon.
    let is_address = upper.ends_with("_PROXY") || upper.ends_with("_URL");
    let words = text.split_inclusive(|c: char| c.is_whitespace() || c == ',');
    words
        .map(|word| without_query_secrets(&without_user(word, is_address)))
        .collect()
}

/// Removes the user from an address, and rather too much than too little: a password may hold any
/// character, so everything before the last @ is removed.
fn without_user(word: &str, is_address: bool) -> String {
    let start = match word.find("://") {
        Some(scheme) => scheme + 3,
        None if is_address => 0,
        None => return word.to_owned(),
    };
    match word.rfind('@') {
        Some(at) if at >= start => format!("{}{}", &word[..start], &word[at + 1..]),
        _ => word.to_owned(),
    }
}

fn without_query_secrets(word: &str) -> String {
    let Some((address, query)) = word.split_once('?').filter(|_| word.contains("://")) else {
        return word.to_owned();
    };
    let parameters: Vec<String> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={LEFT_OUT}"),
            _ => parameter.to_owned(),
        })
        .collect();
    format!("{address}?{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_text_that_is_written_is_read() {
        let manifest = json!({"format": "coo-tools-manifest/1", "a": [1, null]});
        let written = text(&manifest).unwrap();
        assert_eq!(
            written,
            "{\"a\":[1,null],\"format\":\"coo-tools-manifest/1\"}\n"
        );
        let read = |text: &str| parse(text.as_bytes(), "coo-tools-manifest/1");
        assert_eq!(read(&written), Ok(manifest));
        assert_eq!(read(written.trim_end()), Err(Damage::NotCanonical));
        assert_eq!(read(&written.replace(',', ", ")), Err(Damage::NotCanonical));
        assert!(matches!(read("{"), Err(Damage::NotJson(_))));
        assert!(matches!(read(""), Err(Damage::NotJson(_))));
        for other in ["[]\n", "{}\n", "{\"format\":\"coo-tools-manifest/2\"}\n"] {
            assert!(matches!(read(other), Err(Damage::Format { .. })), "{other}");
        }
    }

    #[test]
    fn differences_lie_as_deep_as_they_can() {
        let old = json!({"a": {"x": 1, "y": [1, 2]}, "gone": {"z": 1}, "same": "s", "null": null});
        let new = json!({"a": {"x": 2, "y": [1, 3, 4]}, "gone": null, "same": "s", "new": true});
        let found: Vec<(String, Value, Value)> = differences(&old, &new)
            .into_iter()
            .map(|found| (found.field, found.recorded, found.found))
            .collect();
        let expected = [
            ("a.x", json!(1), json!(2)),
            ("a.y.1", json!(2), json!(3)),
            ("a.y.2", json!(null), json!(4)),
            ("gone", json!({"z": 1}), json!(null)),
            ("new", json!(null), json!(true)),
        ];
        assert_eq!(
            found,
            expected.map(|(field, old, new)| (field.to_owned(), old, new))
        );
    }

    #[test]
    fn addresses_lose_user_password_and_secret_parameters() {
        let scrub = |name: &str, value: &str| scrubbed(name, value, &["sk-0123456789abc".into()]);
        for (name, value, expected) in [
            ("COO_LLM_BASE_URL", "https://a:b@host/v1", "https://host/v1"),
            (
                "COO_LLM_BASE_URL",
                "https://a:p/w@x@host/v1",
                "https://host/v1",
            ),
            ("COO_LLM_BASE_URL", "https://host/v1", "https://host/v1"),
            (
                "COO_LLM_BASE_URL",
                "https://host/v1?a=1&api_key=x&b=2",
                "https://host/v1?a=1&api_key=[left out]&b=2",
            ),
            ("HTTP_PROXY", "me:word@proxy:3128", "proxy:3128"),
            ("https_proxy", "proxy:3128", "proxy:3128"),
            (
                "NO_PROXY",
                "http://a:b@one,http://c:d@two, http://e@three",
                "http://one,http://two, http://three",
            ),
            (
                "PATH",
                "/opt/python@3.11/bin:/usr/bin",
                "/opt/python@3.11/bin:/usr/bin",
            ),
            ("PATH", "/home/sk-0123456789abc/bin", "/home/[left out]/bin"),
            // Too short to be distinguished from an ordinary word.
            ("PATH", "/home/sk-0123/bin", "/home/sk-0123/bin"),
        ] {
            assert_eq!(scrub(name, value), expected, "{name}={value}");
        }
        for name in ["OPENROUTER_API_KEY", "gh_token", "DB_PASSWORD", "MY_SECRET"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["PATH", "LANG", "COO_ROOT", "PYTHONHASHSEED", "TZ"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(read in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&read, "coo-tools-manifest/1");
        }

        #[test]
        fn a_secret_never_comes_through(
            before in ".{0,20}",
            secret in "[a-zA-Z0-9/:@?&=. -]{16,30}",
            after in ".{0,20}",
            name in "PATH|HTTP_PROXY|COO_LLM_BASE_URL",
        ) {
            let text = scrubbed(&name, &format!("{before}{secret}{after}"), std::slice::from_ref(&secret));
            prop_assert!(!text.contains(&secret), "{}", text);
        }

        #[test]
        fn a_manifest_differs_from_itself_nowhere(numbers in prop::collection::btree_map("[a-c]{0,2}", any::<u8>(), 0..5)) {
            let value = json!({"format": "x", "numbers": numbers});
            prop_assert_eq!(differences(&value, &value), vec![]);
        }
    }
}
