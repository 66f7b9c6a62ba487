//! Every field of every kind: an invalid value is a problem at the field, even if everything else is valid; values that Calico's
//! API and Kubernetes accept are accepted silently.

use serde_json::{Value, json};

use super::{Parsed, Problem, Severity, parse};

/// A document of a kind, in one file with another, valid one.
fn read(version: &str, kind: &str, fields: &Value) -> Parsed {
    let mut document = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "it"}});
    let object = document.as_object_mut().expect("it is one");
    object.extend(fields.as_object().expect("it is one").clone());
    document["metadata"]["name"] = "it".into();
    let other = json!({"apiVersion": "projectcalico.org/v3", "kind": "BGPFilter", "metadata": {"name": "other"}});
    parse("x.yaml", &format!("{document}\n---\n{other}\n"))
}

const CALICO: &str = "projectcalico.org/v3";

fn version_of(kind: &str) -> (&str, &str) {
    match kind {
        "KubernetesNode" => ("v1", "Node"),
        "Service" | "Secret" => ("v1", kind),
        "EndpointSlice" => ("discovery.k8s.io/v1", kind),
        kind => (CALICO, kind),
    }
}

/// The rest of the object, such that only the one field is wrong.
fn base(kind: &str) -> Value {
    match kind {
        "IPPool" => json!({"spec": {"cidr": "10.0.0.0/16"}}),
        "BlockAffinity" => json!({"spec": {"cidr": "10.0.0.0/26", "node": "a"}}),
        "IPAMBlock" => json!({"spec": {"cidr": "10.0.0.0/26"}}),
        "CalicoNodeStatus" => {
            json!({"spec": {"node": "a", "classes": ["BGP"], "updatePeriodSeconds": 1}})
        }
        "BGPPeer" => json!({"spec": {"peerIP": "192.0.2.1", "asNumber": 1}}),
        "EndpointSlice" => json!({"addressType": "IPv4"}),
        _ => json!({}),
    }
}

/// An object with a value at a path such as `spec.filters.0`; lists are extended as needed.
fn with(kind: &str, path: &str, value: &Value) -> Value {
    let mut fields = base(kind);
    let mut at = &mut fields;
    for step in path.split('.') {
        at = match step.parse::<usize>() {
            Ok(index) => {
                if !at.is_array() {
                    *at = json!([]);
                }
                let items = at.as_array_mut().expect("it is one");
                items.resize(index + 1, Value::Null);
                &mut items[index]
            }
            Err(_) => &mut at[step],
        };
    }
    *at = value.clone();
    fields
}

/// Kind, path, a wrong value, and the end of its problem.
#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn wrong() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    vec![
        ("BGPPeer", "spec.node", json!(7), "spec.node: expected a text in quotes, found 7"),
        ("BGPPeer", "spec.nodeSelector", json!("rack ="), "spec.nodeSelector: not a selector: "),
        ("BGPPeer", "spec.nodeSelector", json!(["all()"]), "spec.nodeSelector: expected a selector such as rack == 'a' && has(gpu), found a list"),
        ("BGPPeer", "spec.peerIP", json!("192.0.2.1/32"), "found \"192.0.2.1/32\""),
        ("BGPPeer", "spec.peerIP", json!("[fd00::1]"), "found \"[fd00::1]\""),
        ("BGPPeer", "spec.peerIP", json!("192.0.2.1:0"), "found \"192.0.2.1:0\""),
        ("BGPPeer", "spec.asNumber", json!("x"), "found \"x\""),
        ("BGPPeer", "spec.asNumber", json!(-1), "found -1"),
        ("BGPPeer", "spec.asNumber", json!("1.65536"), "found \"1.65536\""),
        ("BGPPeer", "spec.localASNumber", json!(4294967296_u64), "found 4294967296"),
        ("BGPPeer", "spec.keepOriginalNextHop", json!("yes"), "expected true or false, found \"yes\""),
        ("BGPPeer", "spec.nextHopMode", json!("self"), "expected Auto, Self or Keep, found \"self\" (did you mean Self?)"),
        ("BGPPeer", "spec.password.secretKeyRef", json!({"name": "x"}), "spec.password.secretKeyRef.key: is required"),
        ("BGPPeer", "spec.password.secretKeyRef", json!("x"), "expected a mapping, found \"x\""),
        ("BGPPeer", "spec.password", json!("hunter2"), "spec.password: expected a mapping, found \"hunter2\""),
        ("BGPPeer", "spec.sourceAddress", json!("UseNodeIp"), "expected UseNodeIP or None, found \"UseNodeIp\" (did you mean UseNodeIP?)"),
        ("BGPPeer", "spec.maxRestartTime", json!("90"), "found \"90\""),
        ("BGPPeer", "spec.maxRestartTime", json!(90), "found 90"),
        ("BGPPeer", "spec.keepaliveTime", json!("-1s"), "found \"-1s\""),
        ("BGPPeer", "spec.numAllowedLocalASNumbers", json!("1"), "expected a whole number from -2147483648 to 2147483647, found \"1\""),
        ("BGPPeer", "spec.ttlSecurity", json!(256), "expected a whole number from 0 to 255, found 256"),
        ("BGPPeer", "spec.reachableBy", json!("192.0.2.1:5"), "expected an IP address, found \"192.0.2.1:5\""),
        ("BGPPeer", "spec.reachableBy", json!("fd00::1"), "reachableBy and peerIP are of different address families"),
        ("BGPPeer", "spec.filters", json!("f"), "spec.filters: expected a list, found \"f\""),
        ("BGPPeer", "spec.filters.0", json!(1), "spec.filters[0]: expected a text in quotes, found 1"),
        ("BGPPeer", "spec.localWorkloadSelector", json!("("), "spec.localWorkloadSelector: not a selector: "),
        ("BGPPeer", "spec.reversePeering", json!("auto"), "expected Auto or Manual, found \"auto\" (did you mean Auto?)"),
        ("BGPPeer", "spec.failureDetectionMode", json!("BFD"), "expected None or BFDIfDirectlyConnected, found \"BFD\""),
        ("BGPPeer", "spec", json!([]), "spec: expected a mapping, found a list"),
        ("BGPPeer", "metadata.labels", json!({"name": 1}), "metadata.labels.name: expected a text in quotes, found 1"),
        ("BGPConfiguration", "spec.logSeverityScreen", json!("Warn"), "or Fatal, found \"Warn\"; only this is left out"),
        ("BGPConfiguration", "spec.nodeToNodeMeshEnabled", json!("true"), "expected true or false, found \"true\"; only this is left out"),
        ("BGPConfiguration", "spec.asNumber", json!(1.5), "found 1.5; only this is left out"),
        ("BGPConfiguration", "spec.serviceClusterIPs.0.cidr", json!("10.0.0.0/33"), "spec.serviceClusterIPs[0].cidr: expected a prefix such as 10.0.0.0/8, found \"10.0.0.0/33\"; only this is left out"),
        ("BGPConfiguration", "spec.serviceExternalIPs.0", json!("10.0.0.0/8"), "spec.serviceExternalIPs[0]: expected a mapping, found \"10.0.0.0/8\"; only this is left out"),
        ("BGPConfiguration", "spec.serviceLoadBalancerIPs", json!({"cidr": "10.0.0.0/8"}), "expected a list, found a mapping; only this is left out"),
        ("BGPConfiguration", "spec.serviceClusterIPs.0.cidr", json!("10.0.0.1/8"), "has bits set behind its length; 10.0.0.0/8 is used"),
        ("BGPConfiguration", "spec.serviceLoadBalancerAggregation", json!("enabled"), "(did you mean Enabled?); only this is left out"),
        ("BGPConfiguration", "spec.communities.0", json!({"name": "a"}), "spec.communities[0].value: is required; only this is left out"),
        ("BGPConfiguration", "spec.communities.0", json!({"name": "a", "value": "1:65536"}), "found \"1:65536\"; only this is left out"),
        ("BGPConfiguration", "spec.prefixAdvertisements.0", json!({"communities": ["1:2"]}), "spec.prefixAdvertisements[0].cidr: is required; only this is left out"),
        ("BGPConfiguration", "spec.prefixAdvertisements.0", json!({"cidr": "10.0.0.0/8", "communities": "1:2"}), "expected a list, found \"1:2\"; only this is left out"),
        ("BGPConfiguration", "spec.listenPort", json!(65536), "expected a port, 1 to 65535, found 65536; only this is left out"),
        ("BGPConfiguration", "spec.listenPort", json!("179"), "found \"179\"; only this is left out"),
        ("BGPConfiguration", "spec.nodeMeshPassword.secretKeyRef", json!({"name": "x"}), "spec.nodeMeshPassword.secretKeyRef.key: is required; only this is left out"),
        ("BGPConfiguration", "spec.nodeMeshMaxRestartTime", json!("soon"), "found \"soon\"; only this is left out"),
        ("BGPConfiguration", "spec.bindMode", json!("NodeIp"), "(did you mean NodeIP?); only this is left out"),
        ("BGPConfiguration", "spec.ignoredInterfaces.0", json!("a-name-that-is-too-long"), "spec.ignoredInterfaces[0]: expected 1 to 15 letters, digits or _ . * - and not only *; only this is left out"),
        ("BGPConfiguration", "spec.ignoredInterfaces.0", json!("*"), "and not only *; only this is left out"),
        ("BGPConfiguration", "spec.localWorkloadPeeringIPV4", json!("fd00::1"), "expected an IPv4 address, found \"fd00::1\"; only this is left out"),
        ("BGPConfiguration", "spec.localWorkloadPeeringIPV6", json!("10.0.0.1"), "expected an IPv6 address, found \"10.0.0.1\"; only this is left out"),
        ("BGPConfiguration", "spec.programClusterRoutes", json!("EnabledIpipOnly"), "(did you mean EnabledIPIPOnly?); only this is left out"),
        ("BGPConfiguration", "spec.ipv4NormalRoutePriority", json!(0), "expected a route priority, 1 to 2147483646, found 0; only this is left out"),
        ("BGPConfiguration", "spec.ipv6NormalRoutePriority", json!(2147483647), "found 2147483647; only this is left out"),
        ("BGPConfiguration", "spec.listnPort", json!(1), "spec.listnPort: unknown field (did you mean listenPort?)"),
        ("BGPFilter", "spec.importV4.0", json!({}), "spec.importV4[0].action: is required"),
        ("BGPFilter", "spec.importV4.0", json!({"action": "Deny"}), "expected Accept or Reject, found \"Deny\""),
        ("BGPFilter", "spec.importV6.0", json!({"action": "Accept", "cidr": "10.0.0.0/8", "matchOperator": "In"}), "spec.importV6[0].cidr: is of the other address family than the list it stands in"),
        ("BGPFilter", "spec.exportV4.0", json!({"action": "Accept", "cidr": "10.0.0.0/8"}), "cidr and matchOperator must both be set or both be empty"),
        ("BGPFilter", "spec.exportV4.0", json!({"action": "Accept", "cidr": "10.0.0.0/8", "matchOperator": "Is"}), "expected Equal, NotEqual, In or NotIn, found \"Is\" (did you mean In?)"),
        ("BGPFilter", "spec.exportV4.0", json!({"action": "Accept", "prefixLength": {"min": 8}}), "cidr is required when prefixLength is set"),
        ("BGPFilter", "spec.exportV4.0", json!({"action": "Accept", "cidr": "10.0.0.0/8", "matchOperator": "In", "prefixLength": {"min": 33}}), "spec.exportV4[0].prefixLength: expected lengths from 0 to 32"),
        ("BGPFilter", "spec.exportV4.0", json!({"action": "Accept", "cidr": "10.0.0.0/8", "matchOperator": "In", "prefixLength": {"max": "x"}}), "expected a whole number from 0 to 255, found \"x\""),
        ("BGPFilter", "spec.exportV4.0", json!({"action": "Accept", "cidr": "10.0.0.1/8", "matchOperator": "In"}), "has bits set behind its length; 10.0.0.0/8 is used"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "source": "Local"}), "expected RemotePeers, found \"Local\""),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "interface": "eth0/1"}), "expected 1 to 15 letters, digits or _ . * -"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "peerType": "EBGP"}), "expected eBGP or iBGP, found \"EBGP\" (did you mean eBGP?)"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "communities": {"values": []}}), "expected exactly one community"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "communities": {"values": ["1"]}}), "found \"1\""),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "asPathPrefix": ["x"]}), "spec.exportV6[0].asPathPrefix[0]: expected an AS number: 0 to 4294967295, or two 16-bit numbers in quotes such as \"1.10\", found \"x\""),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "priority": 0}), "found 0"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Reject", "operations": [{"setPriority": {"value": 1}}]}), "operations may only be used with action Accept"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "operations": [{}]}), "expected exactly one of addCommunity, prependASPath or setPriority, found 0 fields"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "operations": [{"addCommunity": {}}]}), "addCommunity.value: is required"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "operations": [{"addComunity": {"value": "1:2"}}]}), "(did you mean addCommunity?)"),
        ("BGPFilter", "spec.exportV6.0", json!({"action": "Accept", "operations": [{"prependASPath": {"prefix": []}}]}), "expected 1 to 10 AS numbers"),
        ("Node", "spec.bgp.asNumber", json!("many"), "spec.bgp.asNumber: expected an AS number: 0 to 4294967295, or two 16-bit numbers in quotes such as \"1.10\", found \"many\""),
        ("Node", "spec.bgp.ipv4Address", json!("10.0.0.1/40"), "found \"10.0.0.1/40\""),
        ("Node", "spec.bgp.ipv6Address", json!("10.0.0.1"), "found \"10.0.0.1\""),
        ("Node", "spec.bgp.ipv4IPIPTunnelAddr", json!("10.0.0.1/24"), "expected an IPv4 address, found \"10.0.0.1/24\""),
        ("Node", "spec.bgp.routeReflectorClusterID", json!("1"), "expected an IPv4 address, found \"1\""),
        ("Node", "spec.orchRefs.0", json!("k8s"), "spec.orchRefs[0]: expected a mapping, found \"k8s\""),
        ("Node", "spec.addresses.0.type", json!("InternalIp"), "(did you mean InternalIP?)"),
        ("Node", "spec.wireguard.interfaceIPv4Address", json!("x"), "expected an IPv4 address, found \"x\""),
        ("Node", "spec.ipv6VXLANTunnelAddr", json!("10.0.0.1"), "expected an IPv6 address, found \"10.0.0.1\""),
        ("Node", "spec.bgp", json!({}), "is empty: the node has no address for BGP"),
        ("KubernetesNode", "spec.podCIDR", json!("x"), "expected a prefix such as 10.0.0.0/8, found \"x\""),
        ("KubernetesNode", "spec.unschedulable", json!("no"), "expected true or false, found \"no\""),
        ("KubernetesNode", "metadata.annotations", json!({"projectcalico.org/Interfaces": "[{"}), "is ignored: is not JSON: it ends within a value"),
        ("KubernetesNode", "metadata.annotations", json!({"projectcalico.org/Interfaces": "[1]"}), "is ignored: [0]: expected a mapping, found 1"),
        ("KubernetesNode", "metadata.annotations", json!({"projectcalico.org/IPv4Address": "here"}), "is ignored: `here` is not an IPv4 address with the length of its network, such as 10.0.0.1/24"),
        ("IPPool", "spec.cidr", json!("10.0.0.0/x"), "expected a prefix such as 10.0.0.0/8, found \"10.0.0.0/x\""),
        ("IPPool", "spec.cidr", json!(null), "spec.cidr: is required"),
        ("IPPool", "spec.vxlanMode", json!("Cross"), "expected Never, Always or CrossSubnet, found \"Cross\"; only this is left out"),
        ("IPPool", "spec.ipipMode", json!("always"), "(did you mean Always?); only this is left out"),
        ("IPPool", "spec.natOutgoing", json!(1), "expected true or false, found 1; only this is left out"),
        ("IPPool", "spec.disableBGPExport", json!("true"), "spec.disableBGPExport: expected true or false, found \"true\""),
        ("IPPool", "spec.blockSize", json!(33), "expected 20 to 32, found 33"),
        ("IPPool", "spec.blockSize", json!("26"), "found \"26\"; only this is left out"),
        ("IPPool", "spec.nodeSelector", json!("!"), "not a selector: "),
        ("IPPool", "spec.allowedUses.0", json!("Workloads"), "(did you mean Workload?); only this is left out"),
        ("IPPool", "spec.assignmentMode", json!("Auto"), "expected Automatic or Manual, found \"Auto\"; only this is left out"),
        ("BFDConfiguration", "spec.nodeSelector", json!("!"), "not a selector: "),
        ("BFDConfiguration", "spec.interfaces", json!({}), "spec.interfaces: expected a list, found a mapping"),
        ("BFDConfiguration", "spec.interfaces.0", json!({"multiplier": 3}), "spec.interfaces[0].matchPattern: is required"),
        ("BFDConfiguration", "spec.interfaces.0", json!({"matchPattern": "e*h0"}), "spec.interfaces[0].matchPattern: expected the name of an interface, its beginning and * such as eth*, or *"),
        ("BFDConfiguration", "spec.interfaces.0", json!({"matchPattern": "a-name-that-is-too-long"}), "its beginning and * such as eth*, or *"),
        ("BFDConfiguration", "spec.interfaces.0", json!({"matchPattern": "*", "minimumRecvInterval": "9ms"}), "spec.interfaces[0].minimumRecvInterval: expected 10ms to 60s"),
        ("BFDConfiguration", "spec.interfaces.0", json!({"matchPattern": "*", "minimumSendInterval": "300"}), "expected a duration such as 90s, 2m0s or 1h15m, found \"300\""),
        ("BFDConfiguration", "spec.interfaces.0", json!({"matchPattern": "*", "idleSendInterval": "100ms"}), "spec.interfaces[0].idleSendInterval: expected 1s to 60s"),
        ("BFDConfiguration", "spec.interfaces.0", json!({"matchPattern": "*", "multiplier": 0}), "spec.interfaces[0].multiplier: expected 1 to 255, found 0"),
        ("BFDConfiguration", "spec.interfaces.0", json!({"matchPattern": "*", "multiplier": 256}), "found 256"),
        ("IPReservation", "spec.reservedCIDRs.0", json!("x"), "expected an address or a prefix, found \"x\""),
        ("IPReservation", "spec.reservedCIDRs", json!("10.0.0.1"), "expected a list, found \"10.0.0.1\""),
        ("BlockAffinity", "spec.state", json!("Confirmed"), "expected confirmed, pending or pendingDeletion, found \"Confirmed\" (did you mean confirmed?)"),
        ("BlockAffinity", "spec.node", json!(null), "spec.node: is required"),
        ("BlockAffinity", "spec.cidr", json!(null), "spec.cidr: is required"),
        ("BlockAffinity", "spec.type", json!("node"), "expected host or virtual, found \"node\""),
        ("BlockAffinity", "spec.deleted", json!("yes"), "expected true or false, found \"yes\""),
        ("IPAMBlock", "spec.cidr", json!("x"), "found \"x\""),
        ("IPAMBlock", "spec.allocations", json!([null, -1]), "found -1"),
        ("IPAMBlock", "spec.attributes.0", json!({"secondary": {"node": 1}}), "spec.attributes[0].secondary.node: expected a text in quotes, found 1"),
        ("CalicoNodeStatus", "spec.node", json!(null), "spec.node: is required"),
        ("CalicoNodeStatus", "spec.classes.0", json!("Bgp"), "expected Agent, BGP or Routes, found \"Bgp\" (did you mean BGP?)"),
        ("CalicoNodeStatus", "spec.updatePeriodSeconds", json!(86401), "spec.updatePeriodSeconds: expected 0 to 86400"),
        ("CalicoNodeStatus", "spec.updatePeriodSeconds", json!(-1), "found -1"),
        ("Secret", "data.a", json!("!"), "data.a: is not base64"),
        ("Secret", "data.a", json!(["x"]), "data.a: expected a text"),
        ("Secret", "stringData.a", json!(7), "stringData.a: expected a text; put numbers and truth values in quotes"),
        ("Secret", "data", json!("x"), "data: expected a mapping"),
        ("Service", "spec.type", json!("Loadbalancer"), "(did you mean LoadBalancer?)"),
        ("Service", "spec.clusterIP", json!("none"), "spec.clusterIP: expected an IP address or None, found \"none\""),
        ("Service", "spec.clusterIPs.0", json!("10.0.0"), "spec.clusterIPs[0]: expected an IP address or None, found \"10.0.0\""),
        ("Service", "spec.externalIPs.0", json!("x"), "spec.externalIPs[0]: expected an IP address, found \"x\""),
        ("Service", "spec.loadBalancerIP", json!("x"), "expected an IP address, found \"x\""),
        ("Service", "spec.externalTrafficPolicy", json!("local"), "(did you mean Local?)"),
        ("Service", "spec.ipFamilies.0", json!("IPV4"), "(did you mean IPv4?)"),
        ("Service", "status.loadBalancer.ingress.0.ip", json!("x"), "expected an IP address, found \"x\""),
        ("EndpointSlice", "addressType", json!("IPv5"), "expected IPv4, IPv6 or FQDN, found \"IPv5\" (did you mean IPv4?)"),
        ("EndpointSlice", "addressType", json!(null), "addressType: is required"),
        ("EndpointSlice", "endpoints", json!({}), "endpoints: expected a list, found a mapping"),
        ("EndpointSlice", "endpoints.0.conditions.ready", json!("true"), "expected true or false, found \"true\""),
        ("EndpointSlice", "endpoints.0.nodeName", json!(1), "expected a text in quotes, found 1"),
    ]
}

/// Promise 1.7.
#[test]
fn each_wrong_value_of_each_field_is_named() {
    let mut misses = Vec::new();
    for (kind, path, value, expected) in wrong() {
        let (version, name) = version_of(kind);
        let parsed = read(version, name, &with(kind, path, &value));
        let lines: Vec<_> = parsed.problems.iter().map(ToString::to_string).collect();
        let is_left_out = |p: &Problem| p.severity == Severity::Error && !p.field_only;
        let kept = 2 - usize::from(parsed.problems.iter().any(is_left_out));
        let is_named = match &lines[..] {
            [line] => {
                let start = line.starts_with("x.yaml:1:") && line.contains(&format!("{name}/"));
                let begins = expected.ends_with(": ") && line.contains(expected);
                start && (begins || line.ends_with(expected))
            }
            _ => false,
        };
        if !is_named || parsed.documents.len() != kept {
            misses.push(format!(
                "{kind} {path} {value}: {lines:#?}\n  not {expected}"
            ));
        }
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}

/// Values that Calico accepts are accepted: kind, path and value.
#[rustfmt::skip]
fn right() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("BGPPeer", "spec.peerIP", json!("[192.0.2.1]:1790")),
        ("BGPPeer", "spec.asNumber", json!("1.10")),
        ("BGPPeer", "spec.asNumber", json!("65000")),
        ("BGPPeer", "spec.password", json!({})),
        ("BGPPeer", "spec.password.secretKeyRef", json!({"key": "k"})),
        ("BGPPeer", "spec.nodeSelector", json!("")),
        ("BGPPeer", "spec.nextHopMode", json!(null)),
        ("BGPPeer", "spec.ttlSecurity", json!(255)),
        ("BGPPeer", "spec.maxRestartTime", json!("1h0m0.5s")),
        ("BGPPeer", "spec.filters", json!(null)),
        ("BGPConfiguration", "spec.logSeverityScreen", json!("wArNiNg")),
        ("BGPConfiguration", "spec.serviceClusterIPs", json!([{"cidr": "10.0.0.0/8"}, {"cidr": ""}, {}, {"cidr": "10.0.0.1"}, {"cidr": "fd00::1"}])),
        ("BGPConfiguration", "spec.communities.0", json!({"name": "a", "value": "4294967295:0:1"})),
        ("BGPConfiguration", "spec.nodeMeshPassword", json!({})),
        ("BGPConfiguration", "spec.ignoredInterfaces", json!(["eth*", "a.b_c-1"])),
        ("BFDConfiguration", "spec.nodeSelector", json!("rack == 'a'")),
        ("BFDConfiguration", "spec.interfaces.0", json!({"matchPattern": "eth*", "minimumRecvInterval": "10ms", "minimumSendInterval": "1m0s", "idleSendInterval": "1m", "multiplier": 255})),
        ("BGPFilter", "spec.importV4.0", json!({"action": "Accept", "cidr": "10.0.0.1", "matchOperator": "Equal"})),
        ("BGPFilter", "spec.importV4.0", json!({"action": "Reject", "interface": "*", "operations": []})),
        ("BGPFilter", "spec.importV6.0", json!({"action": "Accept", "cidr": "fd00::/8", "matchOperator": "In", "prefixLength": {"min": 0, "max": 128}})),
        ("Node", "spec.bgp", json!({"ipv4Address": "10.0.0.1", "ipv6Address": "fd00::1/64"})),
        ("Node", "metadata.uid", json!("x")),
        ("KubernetesNode", "status.capacity", json!({"cpu": 4})),
        ("IPPool", "spec.blockSize", json!(0)),
        ("IPPool", "spec.cidr", json!("fd00::/48")),
        ("IPPool", "spec.allowedUses", json!(["Workload", "Tunnel"])),
        ("IPPool", "status.conditions", json!([{"type": "Allocatable"}])),
        ("IPReservation", "spec.reservedCIDRs", json!(["10.0.0.1", "10.0.0.1/24"])),
        ("BlockAffinity", "spec.deleted", json!("false")),
        ("BlockAffinity", "spec.deleted", json!(false)),
        ("BlockAffinity", "spec.state", json!("")),
        ("IPAMBlock", "spec.strictAffinity", json!(false)),
        ("CalicoNodeStatus", "spec.updatePeriodSeconds", json!(0)),
        ("Secret", "data.a", json!("Zg==")),
        ("Service", "spec.clusterIP", json!("None")),
        ("Service", "spec.clusterIP", json!("")),
        ("Service", "spec.ports", json!([{"port": 80}])),
        ("EndpointSlice", "endpoints", json!(null)),
        ("EndpointSlice", "endpoints.0", json!({"addresses": ["10.0.0.1"], "conditions": {"ready": null}})),
    ]
}

#[test]
fn what_calico_and_kubernetes_take_is_taken_without_a_word() {
    let mut misses = Vec::new();
    for (kind, path, value) in right() {
        let (version, name) = version_of(kind);
        let parsed = read(version, name, &with(kind, path, &value));
        if parsed.documents.len() != 2 || !parsed.problems.is_empty() {
            misses.push(format!("{kind} {path} {value}: {:#?}", parsed.problems));
        }
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}

/// Promise 1.7.
#[test]
fn the_first_mistake_hides_no_other_and_makes_none() {
    let spec = json!({
        "peerIP": "192.0.2.300", "asNumber": "x", "node": "a", "nodeSelector": "all()", "reachableBy": "192.0.2.9",
        "filters": ["a", 1, "b", 2], "password": {"secretKeyRef": {"nam": "x"}}, "peerIp": "y",
    });
    let parsed = read(CALICO, "BGPPeer", &json!({"spec": spec}));
    let mut fields: Vec<_> = parsed
        .problems
        .iter()
        .filter_map(|problem| problem.field.as_deref())
        .collect();
    fields.sort_unstable();
    let expected = [
        "spec.asNumber",
        "spec.filters[1]",
        "spec.filters[3]",
        "spec.nodeSelector",
        "spec.password.secretKeyRef.key",
        "spec.peerIP",
        "spec.peerIp",
    ];
    assert_eq!(fields, expected, "{:#?}", parsed.problems);
    let rules = json!([
        {"action": "Deny", "cidr": "x", "matchOperator": "In", "prefixLength": {"min": 1}},
        {"action": "Accept", "priority": 0},
        {"action": "Reject", "operations": [{"setPriority": {"value": 1}}]},
    ]);
    let parsed = read(CALICO, "BGPFilter", &json!({"spec": {"importV4": rules}}));
    let fields: Vec<_> = parsed
        .problems
        .iter()
        .filter_map(|problem| problem.field.as_deref())
        .collect();
    let expected = ["action", "cidr"].map(|field| format!("spec.importV4[0].{field}"));
    assert_eq!(fields[..2], expected, "{:#?}", parsed.problems);
    assert_eq!(
        fields[2..],
        ["spec.importV4[1].priority", "spec.importV4[2].operations"]
    );
}
