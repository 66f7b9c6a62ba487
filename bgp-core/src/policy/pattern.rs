//! Regular expressions over the text of AS paths and communities, in the syntax that operators know from other routers.

use std::fmt;
use std::str::FromStr;

use regex_lite::Regex;

/// A regular expression in which `_` matches the edge of a number: the start, the end, or one character that is not a digit.
///
/// The syntax is that of [`regex_lite`]: `^`, `$`, `.`, `*`, `+`, `?`, `|`, `(...)`, `[...]`. A match may begin and end anywhere
/// unless `^` and `$` say otherwise. The cost of a search is at most proportional to the length of the pattern times the length
/// of the text. Two patterns are equal if their texts are equal.
///
/// The text of an AS path is the output of [`AsPath`](crate::wire::attribute::AsPath): numbers separated by one space, sets as
/// `{1 2}`, confederation segments as `(1 2)` and `[1 2]`. A community is `65000:100`, a large community `65000:1:2`, an extended
/// community `rt:65000:100`.
///
/// ```
/// use bgp_core::policy::Pattern;
///
/// let pattern = |text: &str| text.parse::<Pattern>();
/// assert!(pattern("_65001_")?.is_match("64512 65001 3"));
/// assert!(!pattern("_65001_")?.is_match("64512 165001 3"));
/// assert!(pattern("^65001 ")?.is_match("65001 3"));
/// assert!(pattern("_(65001|65002)$")?.is_match("64512 65002"));
/// assert!(pattern("^65000:1..$")?.is_match("65000:100"));
/// assert!(pattern("(65001").is_err());
/// # Ok::<(), bgp_core::policy::PatternError>(())
/// ```
#[derive(Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

/// The meaning of `_`.
const EDGE: &str = "(?:^|$|[^0-9])";

impl Pattern {
    /// Whether the pattern matches some part of the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let regex = Regex::new(&text.replace('_', EDGE));
        let regex = regex.map_err(|error| PatternError(error.to_string()))?;
        let text = text.into();
        Ok(Self { text, regex })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl std::hash::Hash for Pattern {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Text that is not a regular expression, or too large to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a regular expression: {}", self.0)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_as_paths() {
        for (pattern, path, matches) in [
            ("_65001_", "65001", true),
            ("_65001_", "1 65001 2", true),
            ("_65001_", "1 {65001 7} 2", true),
            ("_65001_", "650010 165001", false),
            ("^65001 ", "65001 2", true),
            ("^65001 ", "65001", false),
            ("^65001_", "65001", true),
            ("_65001$", "1 65001", true),
            ("_65001$", "65001 1", false),
            ("(65001|65002)$", "1 65002", true),
            ("^$", "", true),
            ("^$", "1", false),
            ("^(1_)+2$", "1 1 1 2", true),
            (".*", "", true),
            ("_6451[2-9]_", "1 64515 2", true),
            ("_6451[2-9]_", "1 64511 2", false),
        ] {
            let compiled: Pattern = pattern.parse().unwrap();
            assert_eq!(compiled.is_match(path), matches, "{pattern} {path}");
        }
    }

    #[test]
    fn equal_texts_are_equal_patterns() {
        let pattern = |text: &str| text.parse::<Pattern>().unwrap();
        assert_eq!(pattern("_1_"), pattern("_1_"));
        assert_ne!(pattern("_1_"), pattern("_2_"));
        assert_eq!(pattern("_1_").to_string(), "_1_");
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_refused() {
        let large = "(?:(?:1{100}){100}){100}";
        for text in ["(", "[", "*", "a{2,1}", large] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
