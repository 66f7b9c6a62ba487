//! Names and values of annotations, and what is said of wrong ones.

use crate::resources::did_you_mean;

pub(crate) const PREFIX: &str = "bgp-daemon.io/";

/// The field of an annotation, such as `listen-range`.
pub(in crate::plan) fn field_of(name: &str) -> String {
    format!("metadata.annotations.{PREFIX}{name}")
}

/// Reads a value, or says what is expected.
pub(super) fn read<T>(
    value: &str,
    of: impl Fn(&str) -> Option<T>,
    what: &str,
) -> Result<Option<T>, String> {
    let read = of(value);
    if read.is_some() {
        return Ok(read);
    }
    // Only the words of the sentence that are values: a similar number is no help.
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    let words = what.split([' ', ',']).filter(is_word);
    let words = words.filter(|word| of(word).is_some());
    let meant = did_you_mean(value, words);
    Err(format!("expected {what}, found {value:?}{meant}"))
}
