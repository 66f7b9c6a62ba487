//! Values that are serialized as their text.

use std::fmt::Display;

use serde::Serializer;

pub(super) fn as_text<T: Display, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
