//! Formats of texts that Calico's API refuses and the speaker accepts: names, labels, selectors that are too long, ranges with
//! host bits, hardware addresses.

use serde_json::Value;

use super::field::Field;
use crate::resources::{Kind, prefix};

/// Longest selector.
const MAX_SELECTOR: usize = 1024;
/// Longest name or value of a label or annotation, without the part before the slash.
const MAX_QUALIFIED: usize = 63;
/// Limit of all annotations of an object, octets.
const MAX_ANNOTATIONS: usize = 256 << 10;

const NOT_A_NAME: &str = "is no name: expected small letters, digits, - and .";
const HOST_BITS: &str = "has bits set behind its length";

/// Texts of the specification, by the kind of object.
pub(super) fn check(kind: Kind, spec: &Value, fields: &mut Vec<Field>) {
    let mut forms = Forms { spec, fields };
    match kind {
        Kind::BgpPeer => {
            forms.each("node", NOT_A_NAME, is_subdomain);
            forms.each("filters[]", NOT_A_NAME, is_subdomain);
            for selector in ["nodeSelector", "peerSelector", "localWorkloadSelector"] {
                forms.each(selector, "is longer than 1024 octets", is_short_selector);
            }
        }
        Kind::BgpConfiguration => {
            for range in [
                "serviceClusterIPs[].cidr",
                "serviceExternalIPs[].cidr",
                "serviceLoadBalancerIPs[].cidr",
                "prefixAdvertisements[].cidr",
            ] {
                forms.each(range, HOST_BITS, is_masked);
            }
            forms.each("communities[].name", NOT_A_NAME, is_subdomain);
            forms.required("communities[]", "name");
            forms.required("prefixAdvertisements[]", "communities");
        }
        Kind::BgpFilter => {
            for range in ["importV4", "importV6", "exportV4", "exportV6"] {
                forms.each(&format!("{range}[].cidr"), HOST_BITS, is_masked);
            }
        }
        Kind::IpPool => {
            for selector in ["nodeSelector", "namespaceSelector"] {
                forms.each(selector, "is longer than 1024 octets", is_short_selector);
                let reason = "global() means nothing in a pool";
                forms.each(selector, reason, |text| !text.contains("global("));
            }
        }
        Kind::Node => {
            for field in ["vxlanTunnelMACAddr", "vxlanTunnelMACAddrV6"] {
                forms.each(field, "is no hardware address", is_hardware_address);
            }
            let reason = "is no address or masked prefix";
            forms.each("addresses[].address", reason, |text| {
                prefix(text).is_some() && is_masked(text)
            });
            forms.each("interfaces[].name", NOT_A_NAME, is_subdomain);
        }
        Kind::CalicoNodeStatus => forms.each("node", NOT_A_NAME, is_subdomain),
        _ => {}
    }
}

/// Keys and values of labels, and keys of annotations.
pub(super) fn check_metadata(metadata: &Value, fields: &mut Vec<Field>) {
    let entries = |field: &str| {
        let entries = metadata[field].as_object().into_iter().flatten();
        entries.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    };
    for (key, value) in entries("labels") {
        if !is_qualified(key) {
            fields.push(Field::new("Metadata.Labels (label)", QUALIFIED).with_value(&key.into()));
        }
        if !(value.is_empty() || is_label(value)) {
            let field = Field::new("Metadata.Labels (value)", LABEL_VALUE);
            fields.push(field.with_value(&value.into()));
        }
    }
    let mut size = 0;
    for (key, value) in entries("annotations") {
        size += key.len() + value.len();
        if !is_qualified(&key.to_lowercase()) {
            let field = Field::new("Metadata.Annotations (key)", QUALIFIED);
            fields.push(field.with_value(&key.into()));
        }
    }
    if size > MAX_ANNOTATIONS {
        let reason = "all annotations of an object together are larger than 256 KiB";
        fields.push(Field::new("Metadata.Annotations (key)", reason));
    }
}

const QUALIFIED: &str = "expected at most 63 letters, digits or - _ . that begin and end with a letter or digit, \
                         with a name of a domain and / before them or without";
const LABEL_VALUE: &str =
    "expected at most 63 letters, digits or - _ . that begin and end with a letter or digit";

/// A DNS subdomain as Kubernetes defines it (RFC 1123).
pub(super) fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A name with an optional domain (Kubernetes' qualified names).
fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_label(name),
        None => is_label(key),
    }
}

fn is_label(text: &str) -> bool {
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= MAX_QUALIFIED
        && text.bytes().all(inner)
        && ends(text.bytes().next())
        && ends(text.bytes().next_back())
}

fn is_short_selector(text: &str) -> bool {
    text.len() <= MAX_SELECTOR
}

/// A text that is not a prefix is reported elsewhere.
fn is_masked(text: &str) -> bool {
    prefix(text).is_none_or(|prefix| prefix == prefix.trunc())
}

/// Six, eight or twenty octets in Go's formats: `:` or `-` between octets, or `.` between pairs of them.
fn is_hardware_address(text: &str) -> bool {
    let groups = |by: char, digits: usize, counts: [usize; 3]| {
        let parts: Vec<_> = text.split(by).collect();
        let is_hex =
            |part: &&str| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit());
        counts.contains(&parts.len()) && parts.iter().all(is_hex)
    };
    groups(':', 2, [6, 8, 20]) || groups('-', 2, [6, 8, 20]) || groups('.', 4, [3, 4, 10])
}

struct Forms<'a> {
    spec: &'a Value,
    fields: &'a mut Vec<Field>,
}

impl Forms<'_> {
    /// Refuses invalid texts at a path, in which `[]` is every item of a list.
    fn each(&mut self, path: &str, reason: &str, is_good: impl Fn(&str) -> bool) {
        for (place, value) in found(self.spec, path) {
            if value
                .as_str()
                .is_some_and(|text| !text.is_empty() && !is_good(text))
            {
                self.fields
                    .push(Field::new(place, reason).with_value(value));
            }
        }
    }

    /// Refuses objects at a path without a field.
    fn required(&mut self, path: &str, field: &str) {
        for (place, value) in found(self.spec, path) {
            if value.is_object() && matches!(&value[field], Value::Null) {
                self.fields
                    .push(Field::new(format!("{place}.{field}"), "is required"));
            }
        }
    }
}

/// The values at a path of the specification, with their own paths.
fn found<'a>(spec: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let mut found = vec![("spec".to_owned(), spec)];
    for step in path.split('.') {
        let (field, is_list) = match step.strip_suffix("[]") {
            Some(field) => (field, true),
            None => (step, false),
        };
        let inside = found
            .iter()
            .map(|(place, value)| (format!("{place}.{field}"), &value[field]));
        found = match is_list {
            false => inside.collect(),
            true => inside
                .flat_map(|(place, list)| {
                    let items = list.as_array().into_iter().flatten().enumerate();
                    items.map(move |(at, item)| (format!("{place}[{at}]"), item))
                })
                .collect(),
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(kind: Kind, spec: &Value) -> Vec<String> {
        let mut fields = Vec::new();
        check(kind, spec, &mut fields);
        fields.iter().map(ToString::to_string).collect()
    }

    /// Promise 17.6.
    #[test]
    fn forms_by_the_rules_of_the_api() {
        let long = "a".repeat(1025);
        #[rustfmt::skip]
        let cases = [
            (Kind::BgpPeer, json!({"node": "a.b-c", "filters": ["f"], "nodeSelector": "all()"}), ""),
            (Kind::BgpPeer, json!({"node": "A"}), "spec.node = 'A' (is no name: expected small letters, digits, - and .)"),
            (Kind::BgpPeer, json!({"filters": ["a", "b/c"]}), "spec.filters[1] = 'b/c' (is no name: expected small letters, digits, - and .)"),
            (Kind::BgpPeer, json!({"peerSelector": long}), "(is longer than 1024 octets)"),
            (Kind::BgpConfiguration, json!({"serviceClusterIPs": [{"cidr": "10.0.0.0/8"}, {"cidr": ""}, {"cidr": "10.0.0.1"}]}), ""),
            (Kind::BgpConfiguration, json!({"serviceClusterIPs": [{"cidr": "10.0.0.1/8"}]}), "spec.serviceClusterIPs[0].cidr = '10.0.0.1/8' (has bits set behind its length)"),
            (Kind::BgpConfiguration, json!({"prefixAdvertisements": [{"cidr": "fd00::1/64", "communities": []}]}), "spec.prefixAdvertisements[0].cidr = 'fd00::1/64' (has bits set behind its length)"),
            (Kind::BgpConfiguration, json!({"prefixAdvertisements": [{"cidr": "fd00::/64"}]}), "spec.prefixAdvertisements[0].communities (is required)"),
            (Kind::BgpConfiguration, json!({"communities": [{"value": "1:2"}]}), "spec.communities[0].name (is required)"),
            (Kind::BgpConfiguration, json!({"communities": [{"name": "X Y"}]}), "spec.communities[0].name = 'X Y' (is no name: expected small letters, digits, - and .)"),
            (Kind::BgpFilter, json!({"importV4": [{"cidr": "10.0.0.0/8"}]}), ""),
            (Kind::BgpFilter, json!({"exportV6": [{}, {"cidr": "fd00::1/64"}]}), "spec.exportV6[1].cidr = 'fd00::1/64' (has bits set behind its length)"),
            (Kind::IpPool, json!({"nodeSelector": "has(a)"}), ""),
            (Kind::IpPool, json!({"namespaceSelector": "global()"}), "spec.namespaceSelector = 'global()' (global() means nothing in a pool)"),
            (Kind::Node, json!({"vxlanTunnelMACAddr": "66:2a:5b:00:11:2F", "addresses": [{"address": "10.0.0.1"}, {"address": "10.0.0.0/8"}]}), ""),
            (Kind::Node, json!({"vxlanTunnelMACAddrV6": "66:2a:5b"}), "spec.vxlanTunnelMACAddrV6 = '66:2a:5b' (is no hardware address)"),
            (Kind::Node, json!({"addresses": [{"address": "here"}]}), "spec.addresses[0].address = 'here' (is no address or masked prefix)"),
            (Kind::CalicoNodeStatus, json!({"node": "-a"}), "spec.node = '-a' (is no name: expected small letters, digits, - and .)"),
        ];
        for (kind, spec, expected) in cases {
            let said = said(kind, &spec).join("; ");
            assert!(
                said.ends_with(expected) && said.is_empty() == expected.is_empty(),
                "{spec}: {said}"
            );
        }
    }

    #[test]
    fn labels_and_annotations_by_the_rules_of_kubernetes() {
        let long = "a".repeat(64);
        for (metadata, problems) in [
            (
                json!({"labels": {"rack": "a", "x.y/z_1": "", "A": "1.b-C"}, "annotations": {"Bgp-daemon.io/hold-time": "any thing"}}),
                0,
            ),
            (
                json!({"labels": {"rack": "a b", "": "x", "a/b/c": "x", "X/y": "x"}}),
                4,
            ),
            (
                json!({"labels": {"rack": long, &long: "x", "-a": "x", "a": ".b"}}),
                4,
            ),
            (
                json!({"annotations": {"a b": "x", "/c": "x", "d/": "x"}}),
                3,
            ),
            (
                json!({"annotations": {"a": "x".repeat(MAX_ANNOTATIONS)}}),
                1,
            ),
            (json!({}), 0),
        ] {
            let mut fields = Vec::new();
            check_metadata(&metadata, &mut fields);
            assert_eq!(fields.len(), problems, "{fields:?}");
        }
    }
}
