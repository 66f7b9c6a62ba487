//! Patches: what `patch` does to an object before it is written.
//!
//! | type        | is                                                                               |
//! |-------------|----------------------------------------------------------------------------------|
//! | `strategic` | like `merge`: no list of these kinds has a merge key. Directives are rejected    |
//! | `merge`     | JSON Merge Patch, RFC 7386                                                       |
//! | `json`      | JSON Patch, RFC 6902; an object instead of a list of operations is a merge patch |

use clap::ValueEnum;
use serde_json::Value;
use thiserror::Error;

/// Form of a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PatchType {
    /// Strategic merge patch
    #[default]
    Strategic,
    /// JSON Patch, RFC 6902
    Json,
    /// JSON Merge Patch, RFC 7386
    Merge,
}

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::cli) enum PatchError {
    #[error("the patch must be an object")]
    NotAnObject,
    #[error("the directive {0} of strategic patches is not supported")]
    Directive(String),
    #[error("operation {at} of the patch: {reason}")]
    Operation { at: usize, reason: String },
}

/// Applies a patch. After a failure, `target` is unusable.
pub(in crate::cli) fn apply(
    target: &mut Value,
    patch: &Value,
    form: PatchType,
) -> Result<(), PatchError> {
    match (form, patch) {
        // calicoctl's manual uses an object as its example of this form.
        (PatchType::Json, Value::Array(operations)) => operate(target, operations),
        (_, Value::Object(_)) => {
            if form == PatchType::Strategic {
                refuse_directives(patch)?;
            }
            merge(target, patch);
            Ok(())
        }
        _ => Err(PatchError::NotAnObject),
    }
}

fn refuse_directives(patch: &Value) -> Result<(), PatchError> {
    match patch {
        Value::Object(fields) => {
            let directive = fields.keys().find(|key| {
                *key == "$patch"
                    || *key == "$retainKeys"
                    || key.starts_with("$deleteFromPrimitiveList/")
                    || key.starts_with("$setElementOrder/")
            });
            match directive {
                Some(key) => Err(PatchError::Directive(key.clone())),
                None => fields.values().try_for_each(refuse_directives),
            }
        }
        Value::Array(items) => items.iter().try_for_each(refuse_directives),
        _ => Ok(()),
    }
}

/// RFC 7386 §2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let fields = target.as_object_mut().expect("it was just made one");
    for (key, change) in changes {
        match change {
            Value::Null => drop(fields.remove(key)),
            change => merge(fields.entry(key.as_str()).or_insert(Value::Null), change),
        }
    }
}

fn operate(target: &mut Value, operations: &[Value]) -> Result<(), PatchError> {
    for (at, operation) in operations.iter().enumerate() {
        one_operation(target, operation).map_err(|reason| PatchError::Operation { at, reason })?;
    }
    Ok(())
}

/// RFC 6902 §4.
fn one_operation(target: &mut Value, operation: &Value) -> Result<(), String> {
    let path = pointer(operation, "path")?;
    match operation["op"].as_str().unwrap_or_default() {
        "add" => add(target, path, value_of(operation)?),
        "remove" => remove(target, path).map(drop),
        "replace" => {
            let found = target.pointer_mut(path).ok_or_else(|| missing(path))?;
            *found = value_of(operation)?;
            Ok(())
        }
        "move" => {
            let from = pointer(operation, "from")?;
            if path
                .strip_prefix(from)
                .is_some_and(|rest| rest.starts_with('/'))
            {
                return Err(format!("{from} cannot be moved into itself"));
            }
            let value = remove(target, from)?;
            add(target, path, value)
        }
        "copy" => {
            let from = pointer(operation, "from")?;
            let value = target.pointer(from).cloned();
            add(target, path, value.ok_or_else(|| missing(from))?)
        }
        "test" => match target.pointer(path) == Some(&value_of(operation)?) {
            true => Ok(()),
            false => Err(format!("the value at {path} is not the expected one")),
        },
        other => Err(format!("unknown operation `{other}`")),
    }
}

fn pointer<'a>(operation: &'a Value, field: &str) -> Result<&'a str, String> {
    operation[field]
        .as_str()
        .ok_or_else(|| format!("{field} is missing"))
}

fn value_of(operation: &Value) -> Result<Value, String> {
    let value = operation.get("value").cloned();
    value.ok_or_else(|| "value is missing".to_owned())
}

fn missing(path: &str) -> String {
    format!("there is nothing at {path}")
}

/// The container of the value at a path, and the last step of the path.
fn parent<'a>(target: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| missing(path))?;
    let last = last.replace("~1", "/").replace("~0", "~");
    let found = target.pointer_mut(parent).ok_or_else(|| missing(parent))?;
    Ok((found, last))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    match parent(target, path)? {
        (Value::Object(fields), key) => drop(fields.insert(key, value)),
        (Value::Array(items), last) => {
            let at = match last.as_str() {
                "-" => items.len(),
                number => number.parse().map_err(|_| missing(path))?,
            };
            if at > items.len() {
                return Err(missing(path));
            }
            items.insert(at, value);
        }
        _ => return Err(missing(path)),
    }
    Ok(())
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    let removed = match parent(target, path)? {
        (Value::Object(fields), key) => fields.remove(&key),
        (Value::Array(items), last) => {
            let at = last.parse().ok().filter(|at| *at < items.len());
            at.map(|at: usize| items.remove(at))
        }
        _ => None,
    };
    removed.ok_or_else(|| missing(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merge_patches_of_the_rfc() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": [1]}),
                json!({"a": [2, 3]}),
                json!({"a": [2, 3]}),
            ),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [1]}),
                json!({"a": {"b": {"c": null}}}),
                json!({"a": {"b": {}}}),
            ),
        ] {
            for form in [PatchType::Merge, PatchType::Strategic, PatchType::Json] {
                let mut patched = target.clone();
                apply(&mut patched, &patch, form).expect("it is a patch");
                assert_eq!(patched, result);
            }
        }
        let directive = json!({"spec": {"$patch": "replace"}});
        assert_eq!(
            apply(&mut json!({}), &directive, PatchType::Strategic),
            Err(PatchError::Directive("$patch".to_owned()))
        );
        assert_eq!(
            apply(&mut json!({}), &json!([]), PatchType::Merge),
            Err(PatchError::NotAnObject)
        );
    }

    #[test]
    fn json_patches_of_the_rfc() {
        let target = json!({"a": {"b/c": [1, 2]}, "d": 3});
        #[rustfmt::skip]
        let cases = [
            (json!([{"op": "add", "path": "/a/b~1c/1", "value": 9}]), Ok(json!({"a": {"b/c": [1, 9, 2]}, "d": 3}))),
            (json!([{"op": "add", "path": "/a/b~1c/-", "value": 9}]), Ok(json!({"a": {"b/c": [1, 2, 9]}, "d": 3}))),
            (json!([{"op": "remove", "path": "/a/b~1c/0"}]), Ok(json!({"a": {"b/c": [2]}, "d": 3}))),
            (json!([{"op": "replace", "path": "/d", "value": null}]), Ok(json!({"a": {"b/c": [1, 2]}, "d": null}))),
            (json!([{"op": "move", "from": "/d", "path": "/a/e"}]), Ok(json!({"a": {"b/c": [1, 2], "e": 3}}))),
            (json!([{"op": "copy", "from": "/d", "path": "/e"}]), Ok(json!({"a": {"b/c": [1, 2]}, "d": 3, "e": 3}))),
            (json!([{"op": "test", "path": "/d", "value": 3}]), Ok(target.clone())),
            (json!([{"op": "test", "path": "/d", "value": 4}]), Err("operation 0 of the patch: the value at /d is not the expected one")),
            (json!([{"op": "remove", "path": "/x"}]), Err("operation 0 of the patch: there is nothing at /x")),
            (json!([{"op": "add", "path": "/a/b~1c/3", "value": 1}]), Err("operation 0 of the patch: there is nothing at /a/b~1c/3")),
            (json!([{"op": "move", "from": "/a", "path": "/a/x"}]), Err("operation 0 of the patch: /a cannot be moved into itself")),
            (json!([{"op": "test", "path": "/d", "value": 3}, {"op": "sing", "path": ""}]), Err("operation 1 of the patch: unknown operation `sing`")),
        ];
        for (patch, expected) in cases {
            let mut patched = target.clone();
            let result = apply(&mut patched, &patch, PatchType::Json);
            let result = result.map(|()| patched).map_err(|error| error.to_string());
            assert_eq!(result, expected.map_err(str::to_owned), "{patch}");
        }
    }
}
