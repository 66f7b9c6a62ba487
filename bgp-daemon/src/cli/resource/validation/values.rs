//! How Calico's API reads the value of a field.

use serde_json::Value;

/// Whether a field is set; the API treats empty text and zero as missing.
pub(super) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_u64() != Some(0),
        Value::String(text) => !text.is_empty() && text != "0",
        Value::Array(items) => !items.is_empty(),
        Value::Object(_) => true,
    }
}
