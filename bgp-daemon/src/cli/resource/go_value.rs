//! Objects as Go sees them: the printed form of values, zero values of missing fields, and the names of fields in Go.

use std::fmt::Write;

use bgp_core::types::Asn;
use serde_json::{Value, json};

use crate::resources::Kind;

/// A value in the form of Go's `%v`.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write_text(value, &mut out);
    out
}

fn write_text(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => {
            write!(out, "{number}").expect("writing to a String cannot fail");
        }
        Value::String(text) => out.push_str(text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { " " } else { "" });
                write_text(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push_str("map[");
            for (at, (key, field)) in fields.iter().enumerate() {
                out.push_str(if at > 0 { " " } else { "" });
                out.push_str(key);
                out.push(':');
                write_text(field, out);
            }
            out.push(']');
        }
    }
}

/// Whether a value is true for Go's templates.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// A field by its name in Go, such as `PeerIP`, or its name in JSON. Fields of the metadata are found directly as well.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let find = |value: &'a Value| {
        let fields = value.as_object()?;
        fields.get(name).or_else(|| {
            let mut fields = fields.iter();
            fields.find_map(|(key, field)| key.eq_ignore_ascii_case(name).then_some(field))
        })
    };
    match name {
        "ObjectMeta" | "ListMeta" => find(value).or_else(|| value.get("metadata")),
        _ => find(value).or_else(|| find(value.get("metadata")?)),
    }
}

/// An AS number in any form.
pub(super) fn as_number(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Value::String(text) => text.parse::<Asn>().ok().map(|asn| asn.0),
        _ => None,
    }
}

/// Converts AS numbers to numbers, as stored by the API.
pub(super) fn normalise(kind: Kind, object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else {
        return;
    };
    match kind {
        Kind::BgpPeer | Kind::BgpConfiguration => {
            normalise_at(spec, "/asNumber");
            normalise_at(spec, "/localASNumber");
        }
        Kind::Node => normalise_at(spec, "/bgp/asNumber"),
        Kind::BgpFilter => normalise_rules(spec),
        _ => {}
    }
}

fn normalise_at(value: &mut Value, path: &str) {
    if let Some(found) = value.pointer_mut(path)
        && let Some(number) = as_number(found)
    {
        *found = number.into();
    }
}

fn normalise_rules(spec: &mut Value) {
    for rules in ["importV4", "importV6", "exportV4", "exportV6"] {
        for rule in items_mut(spec.get_mut(rules)) {
            normalise_items(rule.get_mut("asPathPrefix"));
            for operation in items_mut(rule.get_mut("operations")) {
                normalise_items(operation.pointer_mut("/prependASPath/prefix"));
            }
        }
    }
}

fn normalise_items(list: Option<&mut Value>) {
    items_mut(list).for_each(|item| normalise_at(item, ""));
}

fn items_mut(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

/// The object with the zero values that a Go program has for missing fields.
pub(super) fn with_zero_values(mut object: Value) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    if kind.ends_with("List")
        && let Some(items) = object.get_mut("items").and_then(Value::as_array_mut)
    {
        for item in items {
            *item = with_zero_values(item.take());
        }
    }
    let zeros = zero_values(&kind);
    if let (Some(fields), Some(zeros)) = (object.as_object_mut(), zeros.as_object()) {
        let spec = fields.entry("spec").or_insert_with(|| json!({}));
        for (key, zero) in zeros {
            let given = spec.get(key).is_some_and(|value| !value.is_null());
            if !given && let Some(spec) = spec.as_object_mut() {
                spec.insert(key.clone(), zero.clone());
            }
        }
    }
    object
}

fn zero_values(kind: &str) -> Value {
    match kind {
        "BGPPeer" => json!({
            "node": "", "nodeSelector": "", "peerIP": "", "asNumber": 0, "peerSelector": "",
            "keepOriginalNextHop": false, "sourceAddress": "", "reachableBy": "", "filters": [],
            "localWorkloadSelector": "",
        }),
        "BGPConfiguration" => json!({"logSeverityScreen": ""}),
        "BGPFilter" => json!({"importV4": [], "importV6": [], "exportV4": [], "exportV6": []}),
        "IPPool" => json!({
            "cidr": "", "vxlanMode": "", "ipipMode": "", "natOutgoing": false, "disabled": false,
            "disableBGPExport": false, "blockSize": 0, "nodeSelector": "", "allowedUses": [],
        }),
        "BFDConfiguration" => json!({"nodeSelector": "", "interfaces": []}),
        "IPReservation" => json!({"reservedCIDRs": []}),
        "CalicoNodeStatus" => json!({"node": "", "classes": []}),
        "Profile" => json!({"ingress": [], "egress": [], "labelsToApply": {}}),
        "Node" => json!({}),
        _ => Value::Null,
    }
}

/// The items of a list, or the sorted `key=value` of a map, with a separator between them; unless `limit` is 0, truncated to that
/// many octets, with dots at the end.
pub(super) fn join(items: &Value, separator: &str, limit: usize) -> String {
    let items: Vec<String> = match items {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            let mut pairs: Vec<_> = fields
                .map(|(key, value)| format!("{key}={}", text(value)))
                .collect();
            pairs.sort();
            pairs
        }
        other => vec![text(other)],
    };
    let mut joined = items.join(separator);
    if limit > 0 && joined.len() > limit {
        let mut end = limit.saturating_sub(DOTS.len());
        while !joined.is_char_boundary(end) {
            end -= 1;
        }
        joined.truncate(end);
        joined.push_str(DOTS);
    }
    joined
}

const DOTS: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_in_go() {
        for (value, expected) in [
            (json!(["f9", 1, true]), "[f9 1 true]"),
            (json!({"b": [1], "a": "x"}), "map[a:x b:[1]]"),
            (json!([]), "[]"),
            (json!(null), "<nil>"),
            (json!(1.5), "1.5"),
        ] {
            assert_eq!(text(&value), expected);
        }
    }

    #[test]
    fn fields_by_their_names_in_go() {
        let peer = json!({"metadata": {"name": "tor", "labels": {"a": "b"}}, "spec": {"peerIP": "x", "asNumber": 1}});
        let spec = field(&peer, "Spec").expect("it has one");
        assert_eq!(field(spec, "PeerIP"), Some(&json!("x")));
        assert_eq!(field(spec, "ASNumber"), Some(&json!(1)));
        assert_eq!(field(&peer, "Name"), Some(&json!("tor")));
        let metadata = field(&peer, "ObjectMeta").expect("it has one");
        assert_eq!(field(metadata, "Labels"), Some(&json!({"a": "b"})));
        assert_eq!(field(&peer, "Status"), None);
    }

    #[test]
    fn as_numbers_become_numbers() {
        let mut filter = json!({"spec": {"importV4": [{"asPathPrefix": ["1.10", "5"], "operations": [{"prependASPath": {"prefix": ["64512"]}}]}]}});
        normalise(Kind::BgpFilter, &mut filter);
        assert_eq!(
            filter["spec"]["importV4"][0],
            json!({"asPathPrefix": [65546, 5], "operations": [{"prependASPath": {"prefix": [64512]}}]})
        );
        let mut peer = json!({"spec": {"asNumber": "1.0", "localASNumber": "x"}});
        normalise(Kind::BgpPeer, &mut peer);
        assert_eq!(
            peer,
            json!({"spec": {"asNumber": 65536, "localASNumber": "x"}})
        );
    }

    #[test]
    fn joined_items_are_cut() {
        assert_eq!(
            join(&json!(["10.0.0.0/8", "11.0.0.0/8"]), ",", 0),
            "10.0.0.0/8,11.0.0.0/8"
        );
        assert_eq!(
            join(&json!(["10.0.0.0/8", "11.0.0.0/8"]), ",", 12),
            "10.0.0.0/..."
        );
        assert_eq!(join(&json!({"b": 1, "a": "x"}), ",", 0), "a=x,b=1");
        assert_eq!(join(&json!(null), ",", 5), "");
        assert_eq!(join(&json!("x"), ",", 0), "x");
    }
}
