//! Writes objects as YAML in the style of `kubectl` and `calicoctl`: keys sorted, lists not indented, every text on one line.
//! Text that another reader could take for a number or a boolean is quoted; an IPv4 address is not.

use std::net::Ipv4Addr;

use serde_json::Value;

/// The object as YAML, with a final line break.
///
/// # Errors
///
/// The object cannot be written.
pub fn write(object: &Value) -> Result<String, serde_saphyr::SerializeError> {
    let mut out = String::new();
    match is_collection(object) {
        true => write_collection(object, 0, &mut out)?,
        false => out = scalar(object)? + "\n",
    }
    Ok(out)
}

fn is_collection(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Writes the lines of a mapping or sequence that is not empty.
fn write_collection(
    value: &Value,
    indent: usize,
    out: &mut String,
) -> Result<(), serde_saphyr::SerializeError> {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let key = text(key)?;
                out.push_str(&format!("{:indent$}{key}:", ""));
                match field {
                    field if !is_collection(field) => {
                        out.push_str(&format!(" {}\n", scalar(field)?))
                    }
                    Value::Array(_) => {
                        out.push('\n');
                        write_collection(field, indent, out)?;
                    }
                    field => {
                        out.push('\n');
                        write_collection(field, indent + STEP, out)?;
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str(&format!("{:indent$}- ", ""));
                if is_collection(item) {
                    // The first line follows the dash.
                    let mut lines = String::new();
                    write_collection(item, indent + STEP, &mut lines)?;
                    out.push_str(&lines[indent + STEP..]);
                } else {
                    out.push_str(&format!("{}\n", scalar(item)?));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

const STEP: usize = 2;

fn scalar(value: &Value) -> Result<String, serde_saphyr::SerializeError> {
    match value {
        Value::String(value) => text(value),
        // Numbers, booleans, null, and empty collections are the same in both languages.
        other => Ok(other.to_string()),
    }
}

fn text(text: &str) -> Result<String, serde_saphyr::SerializeError> {
    if text.parse::<Ipv4Addr>().is_ok() {
        return Ok(text.to_owned());
    }
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let written = serde_saphyr::to_string_with_options(&text, options)?;
    Ok(written.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn looks_as_kubectl_writes_it() {
        let object = json!({
            "metadata": {"name": "tor", "labels": {}, "annotations": {"a/b": "true", "n": "12"}},
            "spec": {"peerIP": "192.0.2.1", "list": [[1, [2]], {"b": null, "a": []}, "x"], "s": "rack == 'a'"},
        });
        let expected = "\
metadata:
  annotations:
    a/b: \"true\"
    \"n\": \"12\"
  labels: {}
  name: tor
spec:
  list:
  - - 1
    - - 2
  - a: []
    b: null
  - x
  peerIP: 192.0.2.1
  s: rack == 'a'
";
        assert_eq!(write(&object).expect("it is YAML"), expected);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "\\PC{0,12}",
            "[-?:#&*!|>%@`'\"{}\\[\\], \n\t\r~=<0-9.eEyn_]{0,6}"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn is_read_as_it_was_written(object in any_value()) {
            let text = write(&object).expect("it is YAML");
            let read: Value = serde_saphyr::from_str(&text).expect(&text);
            prop_assert_eq!(read, object, "{}", text);
        }
    }
}
