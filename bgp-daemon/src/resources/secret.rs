//! Secret: the source of passwords. Its values are wiped from memory when dropped and never printed.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use zeroize::Zeroizing;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Metadata;

/// A Secret of Kubernetes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Secret {
    /// The metadata.
    pub metadata: Metadata,
    /// Its values; those given as text win over those given in base64.
    pub values: BTreeMap<String, SecretValue>,
}

/// A secret value. Compared by content; printed as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Keeps octets secret.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets, for the few callers that need them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let document = SecretDocument::deserialize(from)?;
        let mut values = BTreeMap::new();
        for (key, octets) in document.data {
            values.insert(key, octets.0);
        }
        for (key, text) in document.string_data {
            values.insert(key, SecretValue::new(text.0.as_bytes().to_vec()));
        }
        let mut metadata = document.metadata;
        // kubectl keeps a copy of the whole object in one of them.
        metadata.annotations.clear();
        Ok(Self { metadata, values })
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SecretDocument {
    metadata: Metadata,
    /// Values in base64.
    #[schemars(with = "BTreeMap<String, String>")]
    data: BTreeMap<String, Base64>,
    /// Values as text.
    #[schemars(with = "BTreeMap<String, String>")]
    string_data: BTreeMap<String, SecretText>,
}

/// A value in base64.
struct Base64(SecretValue);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = SecretText::deserialize(from)?;
        decode_base64(&text.0)
            .map(|octets| Self(SecretValue::new(octets)))
            .ok_or_else(|| D::Error::custom("is not base64"))
    }
}

/// Text that errors must not repeat.
struct SecretText(Zeroizing<String>);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SecretTextVisitor)
    }
}

struct SecretTextVisitor;

impl Visitor<'_> for SecretTextVisitor {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretText, E> {
        Ok(SecretText(Zeroizing::new(text.to_owned())))
    }

    // Serde's own errors for these types would contain the value.
    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretText, E> {
        Err(E::custom(NOT_TEXT))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretText, E> {
        Err(E::custom(NOT_TEXT))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretText, E> {
        Err(E::custom(NOT_TEXT))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretText, E> {
        Err(E::custom(NOT_TEXT))
    }
}

const NOT_TEXT: &str = "expected a text; put numbers and truth values in quotes";

impl Check for Secret {
    fn check(&self, _: &mut Vec<Fault>) {}
}

/// Decodes standard base64 (RFC 4648 §4) with padding; line breaks are skipped, as the Kubernetes API skips them. `None` if the text is
/// not base64.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let without_breaks = text.bytes().filter(|b| !matches!(b, b'\n' | b'\r'));
    let without_breaks = Zeroizing::new(without_breaks.collect::<Vec<u8>>());
    STANDARD.decode(&*without_breaks).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Resource, parse};

    #[test]
    fn base64_of_the_rfc() {
        for (text, octets) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9v\nYmFy", "foobar"),
        ] {
            assert_eq!(
                decode_base64(text).as_deref(),
                Some(octets.as_bytes()),
                "{text}"
            );
        }
        for bad in ["Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9 "] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }

    /// Promise 1.10.
    #[test]
    fn values_are_read_from_both_forms_and_never_printed() {
        let parsed = parse(
            "s.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: bgp, namespace: kube-system}\ndata: {a: b2xk, b: Yg==}\nstringData: {a: fresh}\n",
        );
        assert_eq!(parsed.problems, []);
        let Resource::Secret(secret) = parsed.documents[0].resource.as_ref() else {
            panic!("not a secret")
        };
        assert_eq!(secret.values["a"].expose(), b"fresh");
        assert_eq!(secret.values["b"].expose(), b"b");
        let printed = format!("{parsed:?}");
        assert!(
            !printed.contains("fresh") && !printed.contains("b2xk"),
            "{printed}"
        );
    }

    /// Promise 1.10.
    #[test]
    fn no_error_repeats_or_draws_a_value() {
        for body in [
            "stringData: {a: 4711}",
            "data: {a: '!4711'}",
            "data: {a: [4711]}",
            "data: 'x4711'",
            "stringData: 4711",
            "stringData: {4711: [1]}\nstringData: 1",
            "stringData: {a: &4711 x, b: *47112}",
            "stringData: {a: \"\\4711\"}",
            "stringData: [4711",
            "stringData:\n  a: '4711\n",
        ] {
            let parsed = parse(
                "s.yaml",
                &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: bgp}}\n{body}\n"),
            );
            assert!(parsed.documents.is_empty(), "{body}");
            for problem in &parsed.problems {
                let shown = format!("{problem} {problem:?} {}", problem.render());
                assert!(!shown.contains("4711"), "{shown}");
            }
            assert_eq!(parsed.problems.len(), 1, "{body}");
        }
    }
}
