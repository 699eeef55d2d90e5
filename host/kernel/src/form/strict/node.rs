//! Walks along a type: one value of the file for each call of its `Deserialize`. Keeps where the value
//! stands, so that each problem has a place. Reads no syntax itself; `serde_json` does.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeSeed, Error as _, IntoDeserializer, Visitor};
use serde_json::value::RawValue;

use super::{Problem, SCHEMA, Wrong, entries, in_place, line, shown, unknown};

/// The file, and what was found wrong so far.
pub(super) struct Whole<'a> {
    pub text: &'a str,
    pub problems: &'a RefCell<Vec<Problem>>,
}

/// A value: its text, which is a slice of the file's, and the path to it.
pub(super) struct Node<'a> {
    pub text: &'a str,
    pub field: String,
    pub whole: &'a Whole<'a>,
}

impl<'a> Node<'a> {
    fn problem(&self, what: String) -> Problem {
        Problem {
            line: line(self.whole.text, self.text),
            field: self.field.clone(),
            what,
        }
    }

    /// Gives an error the place of this value, unless it has one from further inside.
    fn place<T>(&self, result: Result<T, Wrong>) -> Result<T, Wrong> {
        result.map_err(|Wrong(problem)| {
            if problem.line > 0 {
                return Wrong(problem);
            }
            Wrong(self.problem(problem.what))
        })
    }

    fn json<T>(&self, result: Result<T, serde_json::Error>) -> Result<T, Wrong> {
        result.map_err(|error| Wrong(self.problem(in_place(&error))))
    }

    fn found(&self) -> de::Unexpected<'static> {
        match self.text.as_bytes().first() {
            Some(b'{') => de::Unexpected::Map,
            Some(b'[') => de::Unexpected::Seq,
            Some(b'"') => de::Unexpected::Other("a text"),
            Some(b'n') => de::Unexpected::Unit,
            Some(b't') => de::Unexpected::Bool(true),
            Some(b'f') => de::Unexpected::Bool(false),
            _ => de::Unexpected::Other("a number"),
        }
    }

    fn inner(&self, step: fmt::Arguments<'_>, text: &'a str) -> Self {
        Self {
            text,
            field: format!("{}{step}", self.field),
            whole: self.whole,
        }
    }

    fn list<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if !self.text.starts_with('[') {
            return self.place(Err(Wrong::invalid_type(self.found(), &visitor)));
        }
        let items: Vec<&RawValue> = self.json(serde_json::from_str(self.text))?;
        let items = items
            .iter()
            .enumerate()
            .map(|(i, item)| self.inner(format_args!("[{i}]"), item.get()))
            .collect::<Vec<_>>();
        let mut list = List(items.into_iter());
        self.place(visitor.visit_seq(&mut list))
    }

    /// `fields`: those that the type has; `None` if any name is permitted.
    fn object<V: Visitor<'a>>(
        self,
        visitor: V,
        fields: Option<&'static [&'static str]>,
    ) -> Result<V::Value, Wrong> {
        if !self.text.starts_with('{') {
            return self.place(Err(Wrong::invalid_type(self.found(), &visitor)));
        }
        let mut known: Vec<(String, Node<'a>)> = Vec::new();
        for (name, value) in self.json(entries(self.text))? {
            let dot = if self.field.is_empty() { "" } else { "." };
            let inner = self.inner(format_args!("{dot}{}", shown(&name)), value.get());
            let what = match fields {
                _ if self.field.is_empty() && name == SCHEMA => continue,
                _ if known.iter().any(|(earlier, _)| *earlier == name) => "found twice".to_owned(),
                Some(fields) if !fields.contains(&name.as_str()) => {
                    unknown("no such field", &name, fields)
                }
                _ => {
                    known.push((name, inner));
                    continue;
                }
            };
            // The rest is read all the same, so that one run tells everything.
            self.whole.problems.borrow_mut().push(inner.problem(what));
        }
        let object = Object {
            fields: known.into_iter(),
            value: None,
        };
        self.place(visitor.visit_map(object))
    }
}

/// What only a type that accepts anything asks for is read by `serde_json`: no field of it can be
/// unknown.
macro_rules! scalar {
    ($($name:ident)*) => { $(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.deserialize_scalar(visitor)
        }
    )* };
}

impl<'a> Node<'a> {
    fn deserialize_scalar<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let read = match self.text.as_bytes().first() {
            Some(b'{' | b'[') => Err(Wrong::invalid_type(self.found(), &visitor)),
            Some(b'"') => visitor.visit_string(self.json(serde_json::from_str(self.text))?),
            Some(b'n') => visitor.visit_unit(),
            Some(b't' | b'f') => visitor.visit_bool(self.text == "true"),
            _ => {
                let number: serde_json::Number = self.json(serde_json::from_str(self.text))?;
                match (number.as_u64(), number.as_i64()) {
                    (Some(number), _) => visitor.visit_u64(number),
                    (None, Some(number)) => visitor.visit_i64(number),
                    (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
                }
            }
        };
        self.place(read)
    }
}

impl<'de> de::Deserializer<'de> for Node<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let mut from = serde_json::Deserializer::from_str(self.text);
        let read = de::Deserializer::deserialize_any(&mut from, visitor);
        self.json(read)
    }

    scalar! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.text == "null" {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_scalar(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        // `RawValue` asks by a name of its own, which only `serde_json` knows.
        if name.starts_with('$') {
            let mut from = serde_json::Deserializer::from_str(self.text);
            let read = de::Deserializer::deserialize_newtype_struct(&mut from, name, visitor);
            return self.json(read);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.object(visitor, None)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.object(visitor, Some(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if self.text.starts_with('"') {
            let word: String = self.json(serde_json::from_str(self.text))?;
            let word: StringDeserializer<Wrong> = word.into_deserializer();
            return self.place(visitor.visit_enum(word));
        }
        if self.text.starts_with('{') {
            let fields = self.json(entries(self.text))?;
            let wrong = match fields.as_slice() {
                [(name, _)] if variants.contains(&name.as_str()) => None,
                [(name, _)] => Some(unknown(
                    &format!("field '{}' found", shown(name)),
                    name,
                    variants,
                )),
                several => Some(format!(
                    "{} fields found; exactly one of {} needed",
                    several.len(),
                    variants.join(", ")
                )),
            };
            if let Some(wrong) = wrong {
                return self.place(Err(Wrong::custom(wrong)));
            }
            let mut from = serde_json::Deserializer::from_str(self.text);
            let read = de::Deserializer::deserialize_enum(&mut from, name, variants, visitor);
            return self.json(read);
        }
        let needed = format!("one of {}", variants.join(", "));
        self.place(Err(Wrong::invalid_type(self.found(), &needed.as_str())))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }
}

struct List<'a>(std::vec::IntoIter<Node<'a>>);

impl<'de> de::SeqAccess<'de> for &mut List<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        self.0.next().map(|node| seed.deserialize(node)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Object<'a> {
    fields: std::vec::IntoIter<(String, Node<'a>)>,
    value: Option<Node<'a>>,
}

impl<'de> de::MapAccess<'de> for Object<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let Some((name, value)) = self.fields.next() else {
            return Ok(None);
        };
        let name: StringDeserializer<Wrong> = name.into_deserializer();
        let key = value.place(seed.deserialize(name));
        self.value = Some(value);
        key.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => Err(Wrong::custom("a value without a name")),
        }
    }
}
