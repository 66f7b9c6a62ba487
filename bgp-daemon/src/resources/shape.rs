//! The set of fields of an object, regardless of their values: enough to detect that some were removed.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// The paths of all values of an object, as sorted hashes. It reveals no values, so that of a Secret may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape(Vec<u64>);

impl Shape {
    /// The shape of an object.
    pub(crate) fn of(value: &Value) -> Self {
        let mut paths = Vec::new();
        collect(value, 0, &mut paths);
        paths.sort_unstable();
        paths.dedup();
        Self(paths)
    }

    /// Whether an older object has a field that this one lacks.
    pub(crate) fn lacks_something_of(&self, older: &Self) -> bool {
        let has = |path| self.0.binary_search(path).is_ok();
        !older.0.iter().all(has)
    }
}

fn collect(value: &Value, parent: u64, paths: &mut Vec<u64>) {
    let mut enter = |step: &dyn Fn(&mut DefaultHasher), value: &Value| {
        let mut hasher = DefaultHasher::new();
        parent.hash(&mut hasher);
        step(&mut hasher);
        let path = hasher.finish();
        paths.push(path);
        collect(value, path, paths);
    };
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter().filter(|(_, field)| !field.is_null()) {
                enter(&|hasher| key.hash(hasher), field);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                enter(&|hasher| at.hash(hasher), item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_lost_is_seen_and_what_changes_is_not() {
        let old = json!({"spec": {"a": 1, "list": [{"x": 1}, {"x": 2}]}});
        for (new, loses) in [
            (
                json!({"spec": {"a": 2, "list": [{"x": 3}, {"x": 2}]}}),
                false,
            ),
            (
                json!({"spec": {"a": 1, "b": 1, "list": [{"x": 1}, {"x": 2}, {}]}}),
                false,
            ),
            (json!({"spec": {"a": 1, "list": [{"x": 1}]}}), true),
            (json!({"spec": {"a": 1, "list": [{"x": 1}, {}]}}), true),
            (json!({"spec": {"list": [{"x": 1}, {"x": 2}]}}), true),
            (
                json!({"spec": {"a": null, "list": [{"x": 1}, {"x": 2}]}}),
                true,
            ),
            (json!({"spec": null}), true),
        ] {
            let lacks = Shape::of(&new).lacks_something_of(&Shape::of(&old));
            assert_eq!(lacks, loses, "{new}");
        }
    }
}
