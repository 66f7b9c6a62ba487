//! The forecast: hand-written for each kind of peer, and for any cluster no peer is sent the routes of another node.

use std::fmt::Write as _;

use bgp_core::rib::Withheld;
use proptest::prelude::*;

use super::*;
use crate::desired::tests::plan_of;
use crate::desired::tests::resources::story;
use crate::plan::{Environment, plan};
use crate::resources::{ResourceSet, parse};

/// Node `a` with two blocks, a service range, and additional objects.
fn plan_with(documents: &str) -> Plan {
    let cluster = "
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 192.0.2.2/24, ipv6Address: '2001:db8::2/64'}}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pool}, spec: {cidr: 10.1.0.0/16}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: a-1}, spec: {cidr: 10.1.1.0/26, node: a, state: confirmed}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: a-2}, spec: {cidr: 10.2.2.0/26, node: a, state: confirmed}}
---
{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {serviceClusterIPs: [{cidr: 10.96.0.0/12}], communities: [{name: c, value: '64512:7'}], prefixAdvertisements: [{cidr: 10.96.0.0/12, communities: [c]}]}}
";
    let parsed = parse("cluster.yaml", &format!("{cluster}{documents}"));
    let set = ResourceSet::from_documents(parsed.documents).set;
    plan(&set, "a", &Environment::default())
}

fn forecast(plan: &Plan) -> Forecast {
    Forecast::new(plan, &mut Pool::default())
}

fn prospect<'a>(forecast: &'a Forecast, peer: &str, prefix: &str) -> &'a Prospect {
    let told = forecast.towards(peer).expect("a peer");
    &told[&prefix.parse().expect("a prefix")]
}

#[test]
fn each_kind_of_peer_has_its_attributes() {
    let plan = plan_with(
        "---
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: b}, spec: {bgp: {ipv4Address: 192.0.2.3/24}}}
---
{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: no-services}, spec: {exportV4: [{action: Reject, cidr: 10.96.0.0/12, matchOperator: In}]}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65001, localASNumber: 65100}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: other}, spec: {peerIP: 192.0.2.9, asNumber: 65001, filters: [no-services]}}
",
    );
    let forecast = forecast(&plan);
    let text = |peer, prefix| {
        let attributes = prospect(&forecast, peer, prefix).attributes();
        attributes.expect("told").to_string()
    };
    let services = "10.96.0.0/12";
    assert_eq!(
        text("Global_192_0_2_1", services),
        "next-hop 192.0.2.2, as-path 65100, communities 64512:7"
    );
    assert_eq!(
        text("Mesh_192_0_2_3", services),
        "next-hop 192.0.2.2, as-path empty, local-pref 2147482623, communities 64512:7"
    );
    assert_eq!(
        text("Global_192_0_2_9", "10.1.1.0/26"),
        "next-hop 192.0.2.2, as-path 64512"
    );
    let rejected = Prospect::Withheld(Standing::Withheld(Withheld::Policy));
    assert_eq!(*prospect(&forecast, "Global_192_0_2_9", services), rejected);
    assert_eq!(forecast.towards("nobody"), None);
}

#[test]
fn a_gateway_is_not_told_of_routes_through_itself() {
    let plan = plan_with(
        "---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: far}, spec: {cidr: 198.51.100.0/24}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: far}, spec: {peerIP: 198.51.100.1, asNumber: 64512, reachableBy: 192.0.2.1, nextHopMode: Keep}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: gateway}, spec: {peerIP: 192.0.2.1, asNumber: 64512, nextHopMode: Keep}}
",
    );
    let forecast = forecast(&plan);
    let prospect = |peer| prospect(&forecast, peer, "198.51.100.1/32");
    let withheld = Prospect::Withheld(Standing::Withheld(Withheld::NextHop));
    assert_eq!(*prospect("Global_192_0_2_1"), withheld);
    let told = prospect("Global_198_51_100_1").attributes().expect("told");
    assert_eq!(told.next_hop.as_deref(), Some("192.0.2.1"));
}

#[test]
fn without_a_node_or_a_router_id_nobody_is_told_anything() {
    let mut plan = plan_with(
        "---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65001}}
",
    );
    assert_eq!(forecast(&plan).peers().count(), 1);
    plan.router_id = None;
    assert_eq!(forecast(&plan).peers().count(), 0);
}

/// Any number of peers that are alike costs as much as one.
#[test]
fn peers_that_are_alike_are_one_kind() {
    let nodes = (0..1000).fold(String::new(), |mut text, i| {
        let (high, low) = (i / 250, i % 250);
        let _ = write!(text, "---\n{{apiVersion: projectcalico.org/v3, kind: Node, metadata: {{name: n{i}}}, spec: {{bgp: {{ipv4Address: 10.9.{high}.{low}/16}}}}}}\n");
        text
    });
    let plan = plan_with(&nodes);
    let forecast = forecast(&plan);
    assert_eq!((forecast.peers().count(), forecast.told.len()), (1000, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A node represented by another is sent what it would be sent alone.
    #[test]
    fn every_peer_is_told_what_it_would_be_told_alone((documents, _) in story()) {
        let plan = plan_of(&documents);
        let all = forecast(&plan);
        for peer in &plan.peers {
            let mut alone = plan.clone();
            alone.peers.retain(|other| other.name == peer.name);
            let told = forecast(&alone);
            prop_assert_eq!(all.towards(&peer.name), told.towards(&peer.name), "{}", peer.name);
        }
    }
}
