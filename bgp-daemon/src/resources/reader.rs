//! Deserializes a JSON value with our own error messages: what was expected, and what was found.
//!
//! Serde's own errors name Rust types (`invalid type: map, expected u8`), which users do not know.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{
    Deserializer, Error as SerdeError, Expected, IntoDeserializer, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::suggest::did_you_mean;

/// A value to deserialize.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a Value);

/// Why a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong, without the value.
    reason: String,
    /// The value, or the kind of value, in words.
    found: Option<String>,
    /// What was probably meant.
    hint: String,
    /// The missing field, if that is the problem.
    pub(super) missing: Option<&'static str>,
}

impl Wrong {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            found: None,
            hint: String::new(),
            missing: None,
        }
    }

    /// One sentence.
    pub(super) fn reason(&self) -> String {
        match &self.found {
            Some(found) => format!("{}, found {found}{}", self.reason, self.hint),
            None => self.reason.clone(),
        }
    }

    /// The same, without the value.
    pub(super) fn reason_without_value(&self) -> String {
        self.reason.clone()
    }

    fn found(reason: String, found: Unexpected<'_>) -> Self {
        Self {
            found: Some(in_words(found)),
            ..Self::new(reason)
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())
    }
}

impl std::error::Error for Wrong {}

impl SerdeError for Wrong {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = wanted(&expected.to_string());
        // Some YAML texts look like other types.
        let quotes = match (expected.as_str(), found) {
            (TEXT, Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_))
            | (TEXT, Unexpected::Float(_)) => " in quotes",
            _ => "",
        };
        Self::found(format!("expected {expected}{quotes}"), found)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::found(format!("expected {}", wanted(&expected.to_string())), found)
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Self {
            found: Some(format!("{len} of them")),
            ..Self::new(format!("expected {}", wanted(&expected.to_string())))
        }
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self {
            hint: did_you_mean(found, known.iter().copied()),
            ..Self::found(
                format!("expected {}", one_of(known)),
                Unexpected::Str(found),
            )
        }
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::new("unknown field")
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            missing: Some(field),
            ..Self::new("is required")
        }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("{field} stands here twice"))
    }
}

const TEXT: &str = "a text";

/// What a type expects, unless it is one of ours with its own message.
fn wanted(expected: &str) -> String {
    let whole = |least: i128, most: i128| format!("a whole number from {least} to {most}");
    match expected {
        "a boolean" => "true or false".to_owned(),
        "a string" | "a borrowed string" | "a character" => TEXT.to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" | "struct variant" | "newtype variant" | "tuple variant" => "a mapping".to_owned(),
        "option" | "any value" | "any valid JSON value" => "a value".to_owned(),
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" => whole(0, u64::MAX.into()),
        "i8" => whole(i8::MIN.into(), i8::MAX.into()),
        "i16" => whole(i16::MIN.into(), i16::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => whole(i64::MIN.into(), i64::MAX.into()),
        "f32" | "f64" => "a number".to_owned(),
        "unit" | "unit variant" => "nothing".to_owned(),
        "variant identifier" | "field identifier" => "a name".to_owned(),
        _ if expected.starts_with("struct ") => "a mapping".to_owned(),
        _ if expected.starts_with("enum ") => "a text or a mapping".to_owned(),
        _ if expected.starts_with("tuple ") || expected.starts_with("a tuple") => {
            "a list".to_owned()
        }
        _ => expected.to_owned(),
    }
}

/// Longest value to repeat, in characters.
const MAX_SHOWN: usize = 100;

fn in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) => match text.char_indices().nth(MAX_SHOWN) {
            Some((end, _)) => format!("{:?} and more", &text[..end]),
            None => format!("{text:?}"),
        },
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq | Unexpected::TupleVariant => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant | Unexpected::NewtypeVariant => {
            "a mapping".to_owned()
        }
        Unexpected::UnitVariant => TEXT.to_owned(),
        Unexpected::Enum => "a text or a mapping".to_owned(),
        Unexpected::Char(_)
        | Unexpected::Bytes(_)
        | Unexpected::NewtypeStruct
        | Unexpected::Other(_) => "something else".to_owned(),
    }
}

/// `A`, `A or B`, `A, B or C`.
fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [name] => (*name).to_owned(),
        [names @ .., last] => format!("{} or {last}", names.join(", ")),
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => {
                visitor.visit_seq(SeqDeserializer::new(items.iter().map(Reader)))
            }
            Value::Object(fields) => visitor.visit_map(mapping(fields)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    /// A list is never a struct, although serde would accept it.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::Array(_) => Err(Wrong::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let found = match self.0 {
            Value::String(text) => return visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Object(fields) if fields.len() == 1 => {
                return visitor.visit_enum(MapAccessDeserializer::new(mapping(fields)));
            }
            Value::Object(fields) => {
                let reason = format!("expected exactly one of {}", one_of(variants));
                return Err(Wrong {
                    found: Some(format!("{} fields", fields.len())),
                    ..Wrong::new(reason)
                });
            }
            Value::Array(_) => Unexpected::Seq,
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        };
        Err(Wrong::found(
            format!("expected {}", one_of(variants)),
            found,
        ))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The fields of an object as a serde deserializer.
fn mapping<'de, 'a>(
    fields: &'a serde_json::Map<String, Value>,
) -> MapDeserializer<'de, impl Iterator<Item = (&'a str, Reader<'a>)>, Wrong> {
    MapDeserializer::new(
        fields
            .iter()
            .map(|(key, field)| (key.as_str(), Reader(field))),
    )
}

impl IntoDeserializer<'_, Wrong> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    enum Choice {
        Alpha,
        Beta,
        Gamma { by: u32 },
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Sample {
        number: u16,
        signed: Option<i32>,
        text: String,
        truth: bool,
        list: Vec<Choice>,
        map: BTreeMap<String, String>,
    }

    fn good() -> Value {
        json!({
            "number": 1, "signed": -1, "text": "x", "truth": true,
            "list": ["alpha", {"gamma": {"by": 3}}], "map": {"a": "b"},
        })
    }

    #[test]
    fn what_is_right_is_read() {
        Sample::deserialize(Reader(&good())).expect("it is right");
    }

    #[test]
    fn what_is_wrong_is_said_in_plain_words() {
        #[rustfmt::skip]
        let cases = [
            ("/number", json!(65536), "expected a whole number from 0 to 65535, found 65536"),
            ("/number", json!(-1), "expected a whole number from 0 to 65535, found -1"),
            ("/number", json!("7"), "expected a whole number from 0 to 65535, found \"7\""),
            ("/number", json!(1.5), "expected a whole number from 0 to 65535, found 1.5"),
            ("/number", json!([]), "expected a whole number from 0 to 65535, found a list"),
            ("/signed", json!({}), "expected a whole number from -2147483648 to 2147483647, found a mapping"),
            ("/text", json!(7), "expected a text in quotes, found 7"),
            ("/text", json!(true), "expected a text in quotes, found true"),
            ("/text", json!(null), "expected a text, found nothing"),
            ("/truth", json!("yes"), "expected true or false, found \"yes\""),
            ("/list", json!("alpha"), "expected a list, found \"alpha\""),
            ("/list/0", json!("alpa"), "expected alpha, beta or gamma, found \"alpa\" (did you mean alpha?)"),
            ("/list/0", json!(4), "expected alpha, beta or gamma, found 4"),
            ("/list/0", json!({"alpha": {}, "beta": {}}), "expected exactly one of alpha, beta or gamma, found 2 fields"),
            ("/list/0", json!("gamma"), "expected a mapping, found a text"),
            ("/list/0", json!({"alpha": 1}), "expected nothing, found 1"),
            ("/list/1/gamma", json!({}), "is required"),
            ("/map", json!([1]), "expected a mapping, found a list"),
            ("/map/a", json!({"b": 1}), "expected a text, found a mapping"),
            ("", json!([]), "expected a mapping, found a list"),
        ];
        for (pointer, value, expected) in cases {
            let mut sample = good();
            *sample.pointer_mut(pointer).expect(pointer) = value;
            let wrong = Sample::deserialize(Reader(&sample)).expect_err(pointer);
            assert_eq!(wrong.reason(), expected, "{pointer}");
        }
    }

    #[test]
    fn long_values_are_cut_and_secret_ones_not_repeated() {
        let long = json!("\u{e9}".repeat(1000));
        let wrong = u8::deserialize(Reader(&long)).expect_err("it is no number");
        assert!(wrong.reason().len() < 300, "{wrong}");
        assert_eq!(
            wrong.reason_without_value(),
            "expected a whole number from 0 to 255"
        );
    }
}
