use super::*;
use serde_json::json;

fn said(kind: Kind, name: &str, spec: Value) -> String {
    let value = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": {"name": name},
        "spec": spec,
    });
    let given = Given::from_value(kind, value).expect("its fields are known");
    match check(&given, Request::Create) {
        Ok(()) => String::new(),
        Err(invalid) => invalid.to_string(),
    }
}

/// Promise 17.6.
#[test]
fn peers_by_the_rules_of_the_api() {
    #[rustfmt::skip]
    let cases = [
        (json!({"peerIP": "192.0.2.1", "asNumber": 64512}), ""),
        (json!({"peerSelector": "has(rr)"}), ""),
        (json!({"peerIP": "192.0.2.1"}), ""),
        (json!({"peerIP": "192.0.2.1", "asNumber": 0}), ""),
        (json!({"node": "a", "nodeSelector": "all()", "peerSelector": "all()"}), "spec (node and nodeSelector cannot both be set)"),
        (json!({"peerIP": "192.0.2.1", "asNumber": 1, "peerSelector": "all()"}), "the following fields:\n-  spec (asNumber must be empty when peerSelector is set)\n-  spec (peerIP and peerSelector cannot both be set)\n"),
        (json!({"peerSelector": "all()", "asNumber": "1.10"}), "spec (asNumber must be empty when peerSelector is set)"),
        (json!({"peerIP": "192.0.2.1", "localWorkloadSelector": "all()", "asNumber": 1}), "spec (peerIP must be empty when localWorkloadSelector is set)"),
        (json!({"peerSelector": "all()", "localWorkloadSelector": "all()"}), "the following fields:\n-  spec (peerSelector must be empty when localWorkloadSelector is set)\n-  spec (asNumber is required when localWorkloadSelector is set)\n"),
        (json!({"peerSelector": "all()", "reachableBy": "192.0.2.1"}), "spec (reachableBy must be empty when peerIP is empty)"),
        (json!({"peerSelector": "all()", "keepOriginalNextHop": true, "nextHopMode": "Keep"}), "spec (keepOriginalNextHop and nextHopMode cannot both be set; keepOriginalNextHop is deprecated, use nextHopMode instead)"),
        (json!({"peerIP": "[fd00::1]:1790", "asNumber": 1, "reachableBy": "192.0.2.1"}), "ReachableBy = '192.0.2.1' (ReachableBy and PeerIP address family mismatched)"),
        (json!({"peerIP": "10.0.0.300", "asNumber": 1}), "spec.peerIP (expected an address, or an address and a port as 10.0.0.1:1790 or [fd00::1]:1790, or auto-gateway, found \"10.0.0.300\")"),
    ];
    for (spec, expected) in cases {
        let expected = match expected {
            "" => String::new(),
            text if text.starts_with("the") => format!("error with {text}"),
            text => format!("error with field {text}"),
        };
        assert_eq!(said(Kind::BgpPeer, "tor", spec), expected);
    }
}

/// Promise 17.6.
#[test]
fn configurations_by_the_rules_of_the_api() {
    #[rustfmt::skip]
    let cases = [
        ("default", json!({"asNumber": 64512, "nodeToNodeMeshEnabled": false}), ""),
        ("node.a", json!({"logSeverityScreen": "Debug", "serviceClusterIPs": []}), ""),
        ("node.a", json!({"asNumber": 64512}), "BGPConfiguration.Spec.ASNumber (Cannot set ASNumber on a non default BGP Configuration.)"),
        ("node.a", json!({"nodeToNodeMeshEnabled": false}), "BGPConfiguration.Spec.NodeToNodeMeshEnabled (Cannot set nodeToNodeMeshEnabled on a non default BGP Configuration.)"),
        ("node.a", json!({"nodeMeshMaxRestartTime": "2m"}), "BGPConfiguration.Spec.NodeMeshMaxRestartTime (Cannot set nodeMeshMaxRestartTime on a non default BGP Configuration.)"),
        ("default", json!({"nodeToNodeMeshEnabled": false, "nodeMeshPassword": {"secretKeyRef": {"name": "a", "key": "b"}}}), "spec (nodeMeshPassword cannot be set when nodeToNodeMeshEnabled is false)"),
        ("default", json!({"communities": [{"name": "a", "value": "1:2"}]}), "spec (communities are defined but not used in prefixAdvertisements)"),
        ("default", json!({"communities": [{"name": "a", "value": "1:70000"}], "prefixAdvertisements": [{"cidr": "10.0.0.0/8", "communities": ["a"]}]}), "Spec.Communities[].Value = '1:70000' (invalid community value or format used.)"),
        ("default", json!({"programClusterRoutes": "EnabledIPIPOnly", "ignoredInterfaces": ["eth*"]}), ""),
        ("default", json!({"programClusterRoutes": "Foo"}), "spec.programClusterRoutes (expected Enabled, EnabledIPIPOnly, Disabled or EnabledNoEncapOnly, found \"Foo\")"),
        ("default", json!({"ignoredInterfaces": ["eth0", "*"]}), "spec.ignoredInterfaces[1] (expected 1 to 15 letters, digits or _ . * - and not only *)"),
        ("default", json!({"localWorkloadPeeringIPV4": "fd00::1"}), "spec.localWorkloadPeeringIPV4 (expected an IPv4 address, found \"fd00::1\")"),
        ("default", json!({"prefixAdvertisements": [{"cidr": "10/8", "communities": ["1:2"]}]}), "Spec.PrefixAdvertisements[].CIDR = '10/8' (invalid CIDR value.)"),
        ("default", json!({"prefixAdvertisements": [{"cidr": "10.0.0.0/8", "communities": ["a"]}]}), "Spec.PrefixAdvertisements[].Communities[] = 'a' (community used is invalid or not defined.)"),
    ];
    for (name, spec, expected) in cases {
        let prefix = if expected.is_empty() {
            ""
        } else {
            "error with field "
        };
        let expected = format!("{prefix}{expected}");
        assert_eq!(said(Kind::BgpConfiguration, name, spec), expected);
    }
}

/// Promise 17.6.
#[test]
fn filters_by_the_rules_of_the_api() {
    #[rustfmt::skip]
    let cases = [
        (json!({"action": "Accept", "cidr": "10.0.0.0/8"}), "spec.importV4[0] (cidr and matchOperator must both be set or both be empty)"),
        (json!({"action": "Accept", "prefixLength": {"min": 8}}), "spec.importV4[0] (cidr is required when prefixLength is set)"),
        (json!({"action": "Accept", "operations": vec![json!({"addCommunity": {"value": "1:2"}}); 11]}), "spec.importV4[0].operations (expected at most 10 operations)"),
        (json!({"action": "Reject", "operations": [{"addCommunity": {"value": "1:2"}}]}), "spec.importV4[0] (operations may only be used with action Accept)"),
    ];
    for (rule, expected) in cases {
        let said = said(Kind::BgpFilter, "f", json!({"importV4": [rule]}));
        assert_eq!(said, format!("error with field {expected}"));
    }
}

/// Promise 17.6.
#[test]
fn nodes_and_requests_for_status_by_the_rules_of_the_api() {
    #[rustfmt::skip]
    let cases = [
        (Kind::Node, json!({}), ""),
        (Kind::Node, json!({"bgp": {"asNumber": 64512}}), ""),
        (Kind::Node, json!({"bgp": {}}), "field spec.bgp (must not be empty)"),
        (Kind::Node, json!({"bgp": {"ipv4Address": ""}}), "field spec.bgp (must not be empty)"),
        (Kind::CalicoNodeStatus, json!({"node": "a", "classes": ["BGP", "Agent"], "updatePeriodSeconds": 0}), ""),
        (Kind::CalicoNodeStatus, json!({"node": "a", "updatePeriodSeconds": 1}), "field spec.classes (is required)"),
        (Kind::CalicoNodeStatus, json!({"node": "a", "classes": ["BGP", "Agent", "BGP"], "updatePeriodSeconds": 1}), "field spec.classes = '[BGP Agent BGP]' (must not name a class twice)"),
        (Kind::CalicoNodeStatus, json!({"node": "a", "classes": ["BGP"]}), "field spec.updatePeriodSeconds (is required)"),
    ];
    for (kind, spec, expected) in cases {
        let expected = match expected {
            "" => String::new(),
            text => format!("error with {text}"),
        };
        assert_eq!(said(kind, "a", spec), expected);
    }
}

#[test]
fn names_are_dns_subdomains() {
    let long = "a".repeat(254);
    for (name, good) in [
        ("tor-1.rack", true),
        ("", false),
        ("Tor", false),
        ("a..b", false),
        ("-a", false),
        ("a/b", false),
        (long.as_str(), false),
    ] {
        let said = said(Kind::BgpPeer, name, json!({"peerSelector": "all()"}));
        assert_eq!(said.is_empty(), good, "{name}: {said}");
        let prefix = format!("error with field Metadata.Name = '{name}' (");
        assert!(good || said.starts_with(&prefix), "{said}");
    }
}
