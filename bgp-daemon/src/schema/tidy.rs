//! Makes schemas of types into schemas of documents: without `null`, defaults and the words of Rust.

use serde_json::Value;

/// Tidies a schema and all below it. With `closed`, unknown fields are mistakes, except in metadata.
pub(super) fn tidy(schema: &mut Value, closed: bool) {
    let Value::Object(fields) = schema else {
        if let Value::Array(schemas) = schema {
            schemas.iter_mut().for_each(|schema| tidy(schema, closed));
        }
        return;
    };
    // Absent and null are the same, and nobody types the second.
    fields.remove("default");
    fields.remove("$schema");
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            fields["type"] = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = &mut choices[..] {
            let only = std::mem::take(only);
            fields.remove("anyOf");
            for (name, value) in only {
                // The field's own description is the better one.
                fields.entry(name).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = plain(text);
    }
    if closed && fields.contains_key("properties") {
        let open = Value::Bool(false);
        fields.entry("additionalProperties").or_insert(open);
    }
    for (name, below) in fields.iter_mut() {
        match (name.as_str(), below) {
            ("properties", Value::Object(fields)) => {
                for (name, field) in fields.iter_mut() {
                    tidy(field, closed && name != "metadata");
                }
            }
            ("items" | "anyOf" | "oneOf" | "allOf" | "additionalProperties", below) => {
                tidy(below, closed);
            }
            _ => {}
        }
    }
}

/// A description without links of rustdoc, and with the fields' names of documents.
fn plain(text: &str) -> String {
    let text = text.replace("[`", "").replace("`]", "");
    let parts = text.split('`').enumerate();
    let part = |(at, part): (usize, &str)| match at % 2 {
        0 => part.to_owned(),
        _ => camel(part),
    };
    parts.map(part).collect::<Vec<_>>().join("`")
}

fn camel(name: &str) -> String {
    let is_field = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    if !is_field {
        return name.to_owned();
    }
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &first.into_iter().chain(letters).collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_words_of_rust_go() {
        let description =
            "Of a [`BgpPeer`]: compared as `match_operator` says, with `host:a_node`.";
        let mut schema = json!({
            "description": description,
            "properties": {
                "metadata": { "properties": {} },
                "text": { "type": ["string", "null"], "default": null },
                "part": { "description": "Own.", "anyOf": [{ "description": "Type's.", "properties": {} }, { "type": "null" }] },
            },
        });
        tidy(&mut schema, true);
        let wanted = json!({
            "description": "Of a BgpPeer: compared as `matchOperator` says, with `host:a_node`.",
            "properties": {
                "metadata": { "properties": {} },
                "text": { "type": "string" },
                "part": { "description": "Own.", "properties": {}, "additionalProperties": false },
            },
            "additionalProperties": false,
        });
        assert_eq!(schema, wanted);
    }
}
