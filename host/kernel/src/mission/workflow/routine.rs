//! Which orders to a person are routine work: one table of verbs by kind of work, with what to do
//! instead. A sentence is an order only if it begins with one of these verbs, so "the copy" is not.

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

/// Returns every sentence of `text` that orders routine work, by the rules of `edition`.
pub fn orders(text: &str, edition: Edition) -> impl Iterator<Item = Order<'_>> {
    text.split(['.', '!', '?', ';', ':', '\n', '\r'])
        .filter_map(move |sentence| {
            let sentence = sentence.trim();
            let words: Vec<String> = sentence
                .split(|c: char| !c.is_alphabetic())
                .filter(|word| !word.is_empty())
                .map(str::to_ascii_lowercase)
                .collect();
            let verb = begin(&words, edition).first()?;
            let work = WORKS
                .iter()
                .find(|work| work.verbs.contains(&verb.as_str()))?;
            Some(Order {
                sentence,
                work: work.name,
                instead: work.instead,
            })
        })
}

/// Returns `words` without the leads and phrases that may stand before an order.
fn begin(mut words: &[String], edition: Edition) -> &[String] {
    let phrases: &[&[&str]] = if edition == Edition::FIRST {
        &[]
    } else {
        &PHRASES
    };
    loop {
        let phrase = phrases.iter().filter(|phrase| {
            let said = words.iter().map(String::as_str);
            said.take(phrase.len()).eq(phrase.iter().copied())
        });
        // The longest one; otherwise "make sure that you" would end at "you".
        let phrase = phrase.map(|phrase| phrase.len()).max();
        let lead = words
            .first()
            .filter(|word| LEADS.contains(&word.as_str()))
            .map(|_| 1);
        let Some(length) = phrase.or(lead) else {
            return words;
        };
        words = &words[length..];
    }
}
