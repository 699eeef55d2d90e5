//! Which orders to a person are routine work: one table of verbs by kind of work, with what to do
//! instead. A sentence is an order only if it begins with one of these verbs, so "the copy" is not,
//! and if it does not ask for a decision, so "Publish it?" is not. Looks at words only.

use serde::Serialize;

use crate::mission::edition::Edition;

/// A sentence that orders routine work.
#[derive(Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// The sentence unchanged, without its final punctuation.
    pub sentence: &'a str,
    /// The kind of work.
    pub work: &'static str,
    pub instead: &'static str,
}

#[derive(Serialize)]
struct Work {
    name: &'static str,
    verbs: &'static [&'static str],
    instead: &'static str,
}

const WORKS: [Work; 7] = [
    Work {
        name: "handling files",
        verbs: &[
            "copy", "paste", "move", "rename", "delete", "remove", "save", "archive", "attach",
        ],
        instead: "let a step write the file where it belongs, through the gateway",
    },
    Work {
        name: "running programs",
        verbs: &[
            "run", "rerun", "execute", "start", "restart", "launch", "retry", "build", "compile",
            "install", "deploy", "commit", "push",
        ],
        instead: "make it a step of the mission, or let the program that calls coo do it",
    },
    Work {
        name: "editing text",
        verbs: &[
            "edit",
            "fix",
            "format",
            "reformat",
            "update",
            "replace",
            "convert",
            "translate",
            "merge",
            "type",
            "enter",
            "fill",
            "insert",
            "write",
        ],
        instead: "let a step compute the text, with a model call if need be, and write it",
    },
    Work {
        name: "passing things on",
        verbs: &[
            "upload", "download", "send", "mail", "email", "post", "notify", "forward", "export",
            "publish",
        ],
        instead: "let the program that calls coo take the artefact and pass it on",
    },
    Work {
        name: "checking by rule",
        verbs: &[
            "check", "verify", "validate", "compare", "count", "test", "lint", "scan", "diff",
            "ensure",
        ],
        instead: "let a step check it and return an error, which ends the mission",
    },
    Work {
        name: "gathering and sorting",
        verbs: &[
            "fetch", "collect", "gather", "search", "find", "list", "sort", "label", "classify",
            "tag",
        ],
        instead: "put the data into the step's input or the world's database, and let a step sort it",
    },
    Work {
        name: "waiting",
        verbs: &["wait", "watch", "monitor", "poll"],
        instead: "let the program that calls coo start the mission when it is time",
    },
];

/// Words that can stand before the verb of an order.
const LEADS: [&str; 12] = [
    "please", "kindly", "now", "then", "next", "first", "finally", "also", "and", "just",
    "manually", "you",
];

/// Phrases that turn what follows into an order, however polite; known from the second edition on.
/// "Can we" is not one: it asks whether something may be done.
const PHRASES: [&[&str]; 20] = [
    &["can", "you"],
    &["could", "you"],
    &["will", "you"],
    &["would", "you"],
    &["you", "have", "to"],
    &["you", "must"],
    &["you", "need", "to"],
    &["you", "should"],
    &["i", "need", "you", "to"],
    &["we", "need", "you", "to"],
    &["your", "job", "is", "to"],
    &["your", "task", "is", "to"],
    &["be", "sure", "to"],
    &["make", "sure", "to"],
    &["make", "sure", "you"],
    &["make", "sure", "that", "you"],
    &["remember", "to"],
    &["don", "t", "forget", "to"],
    &["go", "and"],
    &["go", "ahead", "and"],
];

/// Phrases that ask a person to do what follows, however politely; known from the fourth edition on.
const POLITE: [&[&str]; 14] = [
    &["are", "you", "able", "to"],
    &["can", "i", "ask", "you", "to"],
    &["can", "we", "ask", "you", "to"],
    &["could", "i", "ask", "you", "to"],
    &["do", "you", "mind"],
    &["i", "d", "like", "you", "to"],
    &["i", "would", "like", "you", "to"],
    &["may", "i", "ask", "you", "to"],
    &["mind"],
    &["we", "d", "like", "you", "to"],
    &["we", "would", "like", "you", "to"],
    &["would", "you", "be", "able", "to"],
    &["would", "you", "be", "so", "kind", "as", "to"],
    &["would", "you", "mind"],
];

/// Leads that address a person. The others only say when, as in "Now publish it?".
const ADDRESSED: [&str; 4] = ["please", "kindly", "manually", "you"];

/// Last words that ask whether an order was carried out, as in "Copy it, done?".
const TAGS: [&str; 5] = ["done", "ok", "okay", "please", "thanks"];

/// The tables of these rules, as a digest of the rules covers them.
#[derive(Serialize)]
pub(super) struct Tables {
    addressed: &'static [&'static str],
    leads: &'static [&'static str],
    phrases: Vec<&'static [&'static str]>,
    tags: &'static [&'static str],
    works: &'static [Work],
}

/// Returns the tables that `edition` uses.
pub(super) fn tables(edition: Edition) -> Tables {
    let asks = asks_for_decisions(edition);
    Tables {
        addressed: if asks { &ADDRESSED } else { &[] },
        leads: &LEADS,
        phrases: phrases(edition).collect(),
        tags: if asks { &TAGS } else { &[] },
        works: &WORKS,
    }
}

/// Returns whether a bare verb with a question mark asks for a decision: from the fourth edition on.
fn asks_for_decisions(edition: Edition) -> bool {
    edition > Edition::THIRD
}

fn phrases(edition: Edition) -> impl Iterator<Item = &'static [&'static str]> {
    let orders: &[&[&str]] = if edition == Edition::FIRST {
        &[]
    } else {
        &PHRASES
    };
    let polite: &[&[&str]] = if asks_for_decisions(edition) {
        &POLITE
    } else {
        &[]
    };
    orders.iter().chain(polite).copied()
}

/// Returns every sentence of `text` that orders routine work, by the rules of `edition`.
pub fn orders(text: &str, edition: Edition) -> impl Iterator<Item = Order<'_>> {
    text.split_inclusive(['.', '!', '?', ';', ':', '\n', '\r'])
        .filter_map(move |ended| {
            let is_asked = ended.ends_with('?');
            let sentence = ended.trim_end_matches(['.', '!', '?', ';', ':', '\n', '\r']);
            let sentence = sentence.trim();
            let words: Vec<String> = sentence
                .split(|c: char| !c.is_alphabetic())
                .filter(|word| !word.is_empty())
                .map(str::to_ascii_lowercase)
                .collect();
            let (rest, is_addressed) = begin(&words, edition);
            let (verb, after) = rest.split_first()?;
            let may_be_gerund = is_addressed && asks_for_decisions(edition);
            let work = WORKS.iter().find(|work| {
                let mut verbs = work.verbs.iter();
                verbs.any(|known| verb == known || (may_be_gerund && is_gerund(verb, known)))
            })?;
            let is_tagged = after
                .last()
                .is_some_and(|word| TAGS.contains(&word.as_str()));
            // "Publish it?" asks whether it shall be published.
            if asks_for_decisions(edition) && is_asked && !is_addressed && !is_tagged {
                return None;
            }
            Some(Order {
                sentence,
                work: work.name,
                instead: work.instead,
            })
        })
}

/// Returns whether `word` is the gerund of `verb`: "pasting", "running", "copying".
fn is_gerund(word: &str, verb: &str) -> bool {
    let Some(stem) = word.strip_suffix("ing") else {
        return false;
    };
    let doubled = || {
        let last = verb.chars().next_back();
        last.is_some_and(|last| stem.strip_suffix(last) == Some(verb))
    };
    stem == verb || verb.strip_suffix('e') == Some(stem) || doubled()
}

/// Returns `words` without the leads and phrases that may stand before an order, and whether one of
/// them addresses a person.
fn begin(mut words: &[String], edition: Edition) -> (&[String], bool) {
    let mut is_addressed = false;
    loop {
        let phrase = phrases(edition).filter(|phrase| {
            let said = words.iter().map(String::as_str);
            said.take(phrase.len()).eq(phrase.iter().copied())
        });
        // The longest one; otherwise "make sure that you" would end at "you".
        let phrase = phrase.map(<[_]>::len).max();
        let lead = words.first().map(String::as_str);
        let lead = lead.filter(|word| LEADS.contains(word));
        let Some(length) = phrase.or(lead.map(|_| 1)) else {
            return (words, is_addressed);
        };
        is_addressed |= phrase.is_some() || lead.is_some_and(|word| ADDRESSED.contains(&word));
        words = &words[length..];
    }
}
