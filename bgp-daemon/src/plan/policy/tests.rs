use super::*;
use crate::plan::{Environment, plan};
use crate::resources::{ResourceSet, parse};
use bgp_core::types::Asn;
use bgp_core::wire::attribute::{Community, LargeCommunity};

/// The plan of node `a` with two peers, `Global_192_0_2_1` (eBGP) and `Global_192_0_2_2` (iBGP), both with `filters`.
fn plan_with(rules: &str, more: &str) -> Plan {
    let text = format!(
        "{{apiVersion: projectcalico.org/v3, kind: Node, metadata: {{name: a}}, spec: {{bgp: {{ipv4Address: 10.0.0.1/24, ipv6Address: 'fd00::1/64'}}}}}}
---
{{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {{name: f}}, spec: {{{rules}}}}}
---
{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: e}}, spec: {{peerIP: 192.0.2.1, asNumber: 65001, filters: [f]}}}}
---
{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: i}}, spec: {{peerIP: 192.0.2.2, asNumber: 64512, filters: [f]}}}}
---
{more}"
    );
    let parsed = parse("test.yaml", &text);
    assert_eq!(parsed.problems, []);
    let set = ResourceSet::from_documents(parsed.documents).set;
    plan(&set, "a", &Environment::default())
}

fn peer<'a>(plan: &'a Plan, name: &str) -> &'a Peer {
    plan.peers
        .iter()
        .find(|peer| peer.name == name)
        .expect(name)
}

const EXTERNAL: &str = "Global_192_0_2_1";
const INTERNAL: &str = "Global_192_0_2_2";

/// The rules that an export filter of one rule becomes.
fn compiled(rule: &str, name: &str) -> Vec<Rule> {
    let plan = plan_with(&format!("exportV4: [{{{rule}}}]"), "");
    let policy = Audience::exporting(peer(&plan, name)).policy(&plan);
    policy
        .rules()
        .iter()
        .filter(|rule| rule.origin.starts_with("BGPFilter/f exportV4[0]"))
        .cloned()
        .collect()
}

fn conditions_of(rule: &str) -> Vec<Condition> {
    match &compiled(rule, EXTERNAL)[..] {
        [rule] => rule.conditions.clone(),
        rules => panic!("{rules:?}"),
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn prefix(net: &str, min_len: u8, max_len: u8) -> Condition {
    let net = self::net(net);
    Condition::Prefix(PrefixSet::from_iter([PrefixMatch {
        net,
        min_len,
        max_len,
    }]))
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

/// Promise 7.2.
#[test]
fn prefixes_are_compared_as_the_operator_says() {
    for (rule, expected) in [
        (
            "cidr: 44.0.0.0/16, matchOperator: In",
            prefix("44.0.0.0/16", 16, 32),
        ),
        (
            "cidr: 44.0.0.0/16, matchOperator: NotIn",
            not(prefix("44.0.0.0/16", 16, 32)),
        ),
        (
            "cidr: 44.0.0.0/16, matchOperator: Equal",
            prefix("44.0.0.0/16", 16, 16),
        ),
        (
            "cidr: 44.0.0.0/16, matchOperator: NotEqual",
            not(prefix("44.0.0.0/16", 16, 16)),
        ),
        (
            "cidr: 44.0.0.0/16, matchOperator: In, prefixLength: {min: 8, max: 24}",
            prefix("44.0.0.0/16", 16, 24),
        ),
        (
            "cidr: 44.0.0.0/16, matchOperator: In, prefixLength: {min: 20}",
            prefix("44.0.0.0/16", 20, 32),
        ),
        (
            "cidr: 44.0.0.0/16, matchOperator: NotIn, prefixLength: {max: 24}",
            not(prefix("44.0.0.0/16", 16, 24)),
        ),
    ] {
        assert_eq!(
            conditions_of(&format!("{rule}, action: Accept")),
            [expected],
            "{rule}"
        );
    }
}

/// Promise 7.3.
#[test]
fn with_lengths_equal_never_matches_and_not_equal_always() {
    let lengths = "cidr: 44.0.0.0/16, prefixLength: {max: 24}, action: Accept, matchOperator:";
    assert_eq!(compiled(&format!("{lengths} Equal"), EXTERNAL), []);
    assert_eq!(conditions_of(&format!("{lengths} NotEqual")), []);
}

/// Promise 7.1.
#[test]
fn every_other_condition() {
    for (rule, expected) in [
        ("source: RemotePeers", !Condition::Source(Source::Local)),
        (
            "interface: '*.calico'",
            Condition::Interface("*.calico".into()),
        ),
        (
            "communities: {values: ['65000:42']}",
            Condition::Community(Community(65000 << 16 | 42)),
        ),
        (
            "communities: {values: ['65000:1:2']}",
            Condition::LargeCommunity(LargeCommunity {
                global: 65000,
                local1: 1,
                local2: 2,
            }),
        ),
        (
            "asPathPrefix: [65001, '1.1']",
            Condition::AsPathPrefix(vec![Asn(65001), Asn(65537)]),
        ),
        ("priority: 512", Condition::LocalPref(2_147_483_135)),
    ] {
        assert_eq!(
            conditions_of(&format!("{rule}, action: Reject")),
            [expected],
            "{rule}"
        );
    }
}

/// Promise 7.5.
#[test]
fn operations_are_done_in_order() {
    let rules = compiled(
        "action: Accept, operations: [{addCommunity: {value: '1:2'}}, {prependASPath: {prefix: [65001, 65002]}}, {setPriority: {value: 512}}, {addCommunity: {value: '1:2:3'}}]",
        EXTERNAL,
    );
    assert_eq!(
        rules[0].actions,
        [
            Action::AddCommunity(Community(1 << 16 | 2)),
            Action::PrependAsPath(vec![Asn(65001), Asn(65002)]),
            Action::SetLocalPref(2_147_483_135),
            Action::AddLargeCommunity(LargeCommunity {
                global: 1,
                local1: 2,
                local2: 3
            }),
        ]
    );
    assert_eq!(rules[0].verdict, Some(Verdict::Accept));
}

/// Promise 7.4.
#[test]
fn a_rule_for_the_other_kind_of_session_is_not_there() {
    assert_eq!(compiled("peerType: iBGP, action: Accept", EXTERNAL), []);
    assert_eq!(
        compiled("peerType: eBGP, action: Accept", EXTERNAL).len(),
        1
    );
    assert_eq!(
        compiled("peerType: iBGP, action: Accept", INTERNAL).len(),
        1
    );
}

const CLUSTER: &str = "\
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: open}, spec: {cidr: 10.1.0.0/16}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: secret}, spec: {cidr: 10.2.0.0/16, disableBGPExport: true}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: b}, spec: {cidr: 10.1.5.0/26, node: a, state: confirmed}}
---
{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {serviceClusterIPs: [{cidr: 10.96.0.0/12}], ipv4NormalRoutePriority: 2000, prefixAdvertisements: [{cidr: 10.1.0.0/16, communities: ['1:2']}]}}
";

fn origins(policy: &Policy) -> Vec<&str> {
    policy
        .rules()
        .iter()
        .map(|rule| rule.origin.as_str())
        .collect()
}

/// Promises 8.1, 8.5.
#[test]
fn export_rules_stand_in_calicos_order() {
    let plan = plan_with("exportV4: [{action: Accept, source: RemotePeers}]", CLUSTER);
    let policy = Audience::exporting(peer(&plan, INTERNAL)).policy(&plan);
    assert_eq!(
        origins(&policy),
        [
            "BGPFilter/f exportV4[0]",
            "IPPool/secret disableBGPExport",
            "interface *.cali towards internal peers",
            "interface *.calico towards internal peers",
            "interface tunl0 towards internal peers",
            "interface bpf*.cali",
            "BGPConfiguration/default prefixAdvertisements 10.1.0.0/16",
            "own block",
            "inside an own block, with a better priority than usual",
            "inside an own block",
            "IPPool/open",
            "advertised service",
        ]
    );
    assert_eq!(policy.default_verdict(), Verdict::Reject);
    let better = &policy.rules()[8];
    assert_eq!(
        better.conditions,
        [
            prefix("10.1.5.0/26", 26, 32),
            Condition::LocalPrefAbove(2_147_481_647)
        ]
    );
    assert_eq!(policy.rules()[6].verdict, None, "communities do not decide");
    let external = Audience::exporting(peer(&plan, EXTERNAL)).policy(&plan);
    assert!(
        !origins(&external)
            .iter()
            .any(|origin| origin.contains("internal"))
    );
}

/// Thousands of peers may have the policy.
#[test]
fn a_service_within_an_announced_range_changes_no_policy() {
    let with = |services: &str| {
        let plan = plan_with("", &(CLUSTER.to_owned() + "---\n" + services));
        let policy = Audience::exporting(peer(&plan, INTERNAL)).policy(&plan);
        (plan.originate.len(), policy)
    };
    let local = "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: d}, spec: {type: NodePort, clusterIP: 10.96.0.7, externalTrafficPolicy: Local}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s-1, namespace: d, labels: {kubernetes.io/service-name: s}}, addressType: IPv4, endpoints: [{addresses: [10.1.0.1], nodeName: a, conditions: {ready: true}}]}";
    let ((before, policy), (after, same)) = (with(""), with(local));
    assert_eq!((after, same), (before + 1, policy));
}

/// Promise 9.1.
#[test]
fn import_accepts_and_prefers_better_priorities() {
    let plan = plan_with(
        "importV4: [{action: Reject, cidr: 0.0.0.0/0, matchOperator: Equal}]",
        CLUSTER,
    );
    let policy = Audience::importing(peer(&plan, EXTERNAL)).policy(&plan);
    assert_eq!(
        origins(&policy),
        [
            "GRACEFUL_SHUTDOWN (RFC 8326)",
            "BGPFilter/f importV4[0]",
            "better priority than usual"
        ]
    );
    let shutdown = &policy.rules()[0];
    let community = Condition::Community(Community::GRACEFUL_SHUTDOWN);
    assert_eq!(shutdown.conditions, [community]);
    assert_eq!(shutdown.actions, [Action::SetLocalPref(0)]);
    let internal = Audience::importing(peer(&plan, INTERNAL)).policy(&plan);
    assert_eq!(
        origins(&internal),
        ["BGPFilter/f importV4[0]", "better priority than usual"]
    );
    assert_eq!(
        policy.rules()[2].conditions,
        [Condition::LocalPrefAbove(2_147_481_647)]
    );
    assert_eq!(policy.rules()[2].actions, [Action::SetPreference(200)]);
    assert_eq!(policy.default_verdict(), Verdict::Accept);
}

#[test]
fn peers_of_the_same_kind_share_a_policy() {
    let twin = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: e2}, spec: {peerIP: 192.0.2.9, asNumber: 65009, filters: [f]}}\n---\n";
    let plan = plan_with("exportV4: [{action: Accept}]", &(twin.to_owned() + CLUSTER));
    let policy = |name: &str| Audience::exporting(peer(&plan, name)).policy(&plan);
    assert_eq!(policy(EXTERNAL), policy("Global_192_0_2_9"));
    assert_ne!(policy(EXTERNAL), policy(INTERNAL));
}

#[test]
fn a_session_with_both_families_asks_for_the_family() {
    let both = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: both, annotations: {bgp-daemon.io/families: 'ipv4-unicast,ipv6-unicast'}}, spec: {peerIP: 192.0.2.9, asNumber: 65009, filters: [f]}}\n";
    let plan = plan_with(
        "importV4: [{action: Accept}], importV6: [{action: Reject}]",
        both,
    );
    let policy = Audience::importing(peer(&plan, "Global_192_0_2_9")).policy(&plan);
    assert_eq!(policy.rules()[1].conditions, [prefix("0.0.0.0/0", 0, 32)]);
    assert_eq!(policy.rules()[2].conditions, [prefix("::/0", 0, 128)]);
    assert_eq!(
        origins(&policy),
        [
            "GRACEFUL_SHUTDOWN (RFC 8326)",
            "BGPFilter/f importV4[0]",
            "BGPFilter/f importV6[0]",
            "better priority than usual",
            "better priority than usual"
        ]
    );
}
