//! Octets as hexadecimal text, for logs and serialization.

use std::fmt;

/// Prints octets as hex digits; of more than 64 only the first, with the total number.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

/// Enough to recognise an attribute, and short enough for a log line.
const SHOWN: usize = 64;

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        shown
            .iter()
            .try_for_each(|octet| write!(f, "{octet:02x}"))?;
        if self.0.len() > SHOWN {
            write!(f, "... {} octets", self.0.len())?;
        }
        Ok(())
    }
}

/// All octets as hex digits.
#[cfg(feature = "serde")]
pub(super) fn to_hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// The inverse of [`to_hex`].
#[cfg(feature = "serde")]
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|value| value as u8);
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

/// Octets as hex, for `serde(with)`.
#[cfg(feature = "serde")]
pub(super) fn serialize<S: serde::Serializer>(
    octets: &impl AsRef<[u8]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_hex(octets.as_ref()))
}

/// Octets from hex, for `serde(with)`.
#[cfg(feature = "serde")]
pub(super) fn deserialize<'de, D>(deserializer: D) -> Result<Box<[u8]>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
    let octets = from_hex(&text).ok_or_else(|| serde::de::Error::custom("expected hex digits"))?;
    Ok(octets.into())
}

/// Reads a value from its text.
#[cfg(feature = "serde")]
pub(super) fn parse<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: std::str::FromStr<Err: fmt::Display>,
    D: serde::Deserializer<'de>,
{
    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}
