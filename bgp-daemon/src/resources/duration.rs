//! Durations in Go's format: `90s`, `2m0s`, `1h15m30.5s`.

use std::fmt;
use std::time::Duration;

/// Text that is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationError;

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a duration such as 90s, 2m0s or 1h15m")
    }
}

impl std::error::Error for DurationError {}

/// Reads a duration: numbers with units `h`, `m`, `s`, `ms`, `us` or `ns`, or a bare `0`. A negative duration, which no field
/// here allows, is an error, and so is one of more than 2^63 ns (292 years).
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(DurationError);
    }
    let mut rest = text;
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (component, after) = component_nanos(rest)?;
        nanos += component;
        rest = after;
        if nanos > i64::MAX as u128 {
            return Err(DurationError);
        }
    }
    let nanos = u64::try_from(nanos).map_err(|_| DurationError)?;
    Ok(Duration::from_nanos(nanos))
}

/// Reads one number with its unit; returns the rest.
fn component_nanos(text: &str) -> Result<(u128, &str), DurationError> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => digits(after),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError);
    }
    let (unit, rest) = UNITS
        .iter()
        .find_map(|(name, nanos)| Some((*nanos, rest.strip_prefix(name)?)))
        .ok_or(DurationError)?;
    let whole = match whole {
        "" => 0,
        digits => digits.parse::<u64>().map_err(|_| DurationError)?,
    };
    // More digits than a nanosecond is of an hour make no difference.
    let fraction: u128 = fraction
        .bytes()
        .take(13)
        .fold((0, unit), |(sum, scale), digit| {
            let scale = scale / 10;
            (sum + u128::from(digit - b'0') * scale, scale)
        })
        .0;
    Ok((u128::from(whole) * unit + fraction, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Units and their nanoseconds; a longer name comes before its prefixes.
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 1.11.
    #[test]
    fn reads_what_go_writes() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("90s", 90_000),
            ("2m0s", 120_000),
            ("1h15m30.5s", 4_530_500),
            ("300ms", 300),
            (".5s", 500),
            ("1.s", 1_000),
            ("+3s", 3_000),
            ("1500us", 1),
        ] {
            assert_eq!(
                parse_duration(text).map(|d| d.as_millis()),
                Ok(millis),
                "{text}"
            );
        }
    }

    /// Promise 1.11.
    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "10",
            "s",
            ".s",
            "-5s",
            "5 s",
            "5s ",
            "1d",
            "5S",
            "1e3s",
            "9999999h",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(text), Err(DurationError), "{text:?}");
        }
    }
}
