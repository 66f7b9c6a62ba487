//! A YAML (or JSON) document as a JSON value with the location of each part in the text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::fault::Step;
use super::limits::{MAX_DOCUMENT, MAX_NESTED, MAX_NODES, MAX_REPLAYED};
use super::syntax;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineColumn {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value and its location.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) place: LineColumn,
    pub(crate) content: Content,
}

/// A value.
#[derive(Debug)]
pub(crate) enum Content {
    Scalar(Value),
    Sequence(Vec<Tree>),
    Mapping(Vec<(String, LineColumn, Tree)>),
}

/// Text that is not YAML.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) place: LineColumn,
    pub(crate) message: String,
}

impl Tree {
    /// Reads the only document of a text.
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        if text.len() > MAX_DOCUMENT {
            let limit = MAX_DOCUMENT >> 20;
            return Err(SyntaxError {
                place: LineColumn { line: 1, column: 1 },
                message: format!("is left out: a document has at most {limit} MiB"),
            });
        }
        let options = serde_saphyr::options! {
            with_snippet: false,
            budget: serde_saphyr::budget! {
                max_events: MAX_NODES * 2,
                max_nodes: MAX_NODES,
                max_depth: MAX_NESTED,
            },
            alias_limits: serde_saphyr::alias_limits! {
                max_total_replayed_events: MAX_REPLAYED,
            },
        };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| SyntaxError {
            place: {
                let (line, column) = syntax::place(&error, text);
                LineColumn { line, column }
            },
            message: format!("not valid YAML: {}", syntax::in_words(&error)),
        })
    }

    /// The value without locations.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::Sequence(items) => items.iter().map(Self::to_value).collect(),
            Content::Mapping(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, _, field)| (key.clone(), field.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Its items, if it is a sequence.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match &self.content {
            Content::Sequence(items) => Some(items),
            Content::Scalar(_) | Content::Mapping(_) => None,
        }
    }

    /// One of its fields, if it is a mapping with that field.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|(_, field)| field)
    }

    /// One of its fields, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.field(name)?.content {
            Content::Scalar(Value::String(text)) => Some(text),
            Content::Scalar(_) | Content::Sequence(_) | Content::Mapping(_) => None,
        }
    }

    /// Whether it is null.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Value::Null))
    }

    /// The location of the value at a path, or of its key; if there is no such value, the last location along the path.
    pub(super) fn find(&self, path: &[Step], at_key: bool) -> LineColumn {
        let mut tree = self;
        let mut place = self.place;
        for (depth, step) in path.iter().enumerate() {
            let next = match step {
                Step::Key(key) => {
                    tree.entry(key)
                        .map(|(at, field)| match depth + 1 == path.len() && at_key {
                            true => (at, field),
                            // A collection begins on the next line; its key is the better location.
                            false if field.is_collection() => (at, field),
                            false => (field.place, field),
                        })
                }
                Step::Index(index) => tree
                    .items()
                    .and_then(|items| items.get(*index))
                    .map(|item| (item.place, item)),
            };
            match next {
                Some(next) => (place, tree) = next,
                None => break,
            }
        }
        place
    }

    /// The locations of all values inside, by their paths as people write them.
    pub(super) fn fields(&self) -> Vec<(String, (usize, usize))> {
        let mut fields = Vec::new();
        self.add_fields("", &mut fields);
        fields
    }

    fn add_fields(&self, path: &str, fields: &mut Vec<(String, (usize, usize))>) {
        let mut add = |path: String, place: LineColumn, tree: &Self| {
            tree.add_fields(&path, fields);
            fields.push((path, (place.line, place.column)));
        };
        match &self.content {
            Content::Scalar(_) => {}
            Content::Sequence(items) => {
                for (at, item) in items.iter().enumerate() {
                    add(format!("{path}[{at}]"), item.place, item);
                }
            }
            Content::Mapping(entries) => {
                for (key, place, field) in entries {
                    let path = match path {
                        "" => key.clone(),
                        path => format!("{path}.{key}"),
                    };
                    let place = if field.is_collection() {
                        *place
                    } else {
                        field.place
                    };
                    add(path, place, field);
                }
            }
        }
    }

    fn is_collection(&self) -> bool {
        matches!(self.content, Content::Sequence(_) | Content::Mapping(_))
    }

    fn entry(&self, name: &str) -> Option<(LineColumn, &Self)> {
        match &self.content {
            Content::Mapping(fields) => fields
                .iter()
                .find(|(key, _, _)| key == name)
                .map(|(_, place, field)| (*place, field)),
            Content::Scalar(_) | Content::Sequence(_) => None,
        }
    }
}

fn place_of(location: serde_saphyr::Location) -> LineColumn {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    LineColumn {
        line: number(location.line()),
        column: number(location.column()),
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(from)?;
        Ok(Self {
            place: place_of(spanned.referenced),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        // JSON has no infinity; as text it is rejected by name where a number is expected.
        let number = serde_json::Number::from_f64(value).map(Value::Number);
        Ok(Content::Scalar(
            number.unwrap_or_else(|| value.to_string().into()),
        ))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Content, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Content, D::Error> {
        Content::deserialize(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Content::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Content, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = from.next_key::<Spanned<String>>()? {
            fields.push((key.value, place_of(key.referenced), from.next_value()?));
        }
        Ok(Content::Mapping(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "kind: BGPPeer\nspec:\n  list:\n  - a: 1\n    b: \"1\"\n  - {a: ~, b: no}\n  \u{e9}: 0x10\n";

    fn steps(keys: &[&str]) -> Vec<Step> {
        let step = |key: &&str| match key.parse() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::Key((*key).to_owned()),
        };
        keys.iter().map(step).collect()
    }

    #[test]
    fn scalars_have_the_types_that_kubernetes_gives_them() {
        assert_eq!(
            Tree::parse(TEXT).unwrap().to_value(),
            json!({"kind": "BGPPeer", "spec": {"list": [{"a": 1, "b": "1"}, {"a": null, "b": false}], "\u{e9}": 16}})
        );
    }

    #[test]
    fn every_part_knows_its_place() {
        let tree = Tree::parse(TEXT).unwrap();
        for (path, at_key, line, column) in [
            (&["kind"][..], false, 1, 7),
            (&["kind"], true, 1, 1),
            (&["spec", "list"], true, 3, 3),
            (&["spec", "list"], false, 3, 3),
            (&["spec", "list", "0", "b"], false, 5, 8),
            (&["spec", "list", "1"], false, 6, 5),
            (&["spec", "list", "1", "b"], false, 6, 15),
            (&["spec", "\u{e9}"], false, 7, 6),
            (&["spec", "missing", "x"], false, 2, 1),
        ] {
            assert_eq!(
                tree.find(&steps(path), at_key),
                LineColumn { line, column },
                "{path:?}"
            );
        }
    }

    #[test]
    fn json_is_yaml_even_with_tabs() {
        let tree =
            Tree::parse("{\n\t\"a\":\t[1, 2.5, true, null, \"x\\ty\"],\n\t\"b\": {}\n}\n").unwrap();
        assert_eq!(
            tree.to_value(),
            json!({"a": [1, 2.5, true, null, "x\ty"], "b": {}})
        );
    }

    #[test]
    fn what_is_not_yaml_says_where() {
        for (text, line) in [
            ("a: [1, 2\nb: 3\n", 2),
            ("a: 1\na: 2\n", 2),
            ("a:\n\t- b\n", 2),
            ("a: 'x\n", 1),
            ("a: *nobody\n", 1),
        ] {
            let error = Tree::parse(text).expect_err(text);
            assert!(
                (line..=line + 1).contains(&error.place.line),
                "{text:?}: {error:?}"
            );
            assert!(
                error.message.len() > 20 && !error.message.contains('\n'),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_small_text_cannot_become_a_big_value() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..10 {
            let before = format!("*a{}", n - 1);
            text += &format!("a{n}: &a{n} [{}]\n", [before.as_str(); 10].join(", "));
        }
        assert!(Tree::parse(&text).is_err());
        assert!(Tree::parse(&"[".repeat(100_000)).is_err());
    }
}
