//! The report of a change: hand-written for what people read, and for any two clusters it leads from one to the other.

use bgp_speaker::PeerSpec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::desired::tests::plan_of;
use crate::desired::tests::resources::story;
use crate::plan::{Environment, plan};
use crate::resources::{ResourceSet, parse};

const CLUSTER: [&str; 6] = [
    "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 192.0.2.2/24}}}",
    "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: b}, spec: {bgp: {ipv4Address: 192.0.2.9/24}}}",
    "{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pool}, spec: {cidr: 10.1.0.0/16, ipipMode: Always}}",
    "{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: a-1}, spec: {cidr: 10.1.1.0/26, node: a, state: confirmed}}",
    "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65001}}",
    "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {programClusterRoutes: Enabled}}",
];

fn plan_with(documents: &[&str]) -> Plan {
    let parsed = parse("cluster.yaml", &documents.join("\n---\n"));
    let set = ResourceSet::from_documents(parsed.documents).set;
    plan(&set, "a", &Environment::default())
}

/// What another text in the place of a document of the cluster does; an empty one takes the document away.
fn replaced(place: usize, document: &str) -> Value {
    let mut documents = CLUSTER.to_vec();
    documents[place] = document;
    documents.retain(|document| !document.is_empty());
    let change = Change::between(&plan_with(&CLUSTER), &plan_with(&documents));
    serde_json::to_value(change).expect("JSON")
}

#[test]
fn a_peer_that_is_gone_is_told_nothing_any_more() {
    let change = replaced(4, "");
    assert_eq!(change["sessions"]["removed"], json!(["Global_192_0_2_1"]));
    let attributes = json!({"origin": "IGP", "asPath": "64512", "nextHop": "192.0.2.2"});
    let withdrawn = json!([{
        "peer": "Global_192_0_2_1", "prefix": "10.1.1.0/26", "change": "withdrawn",
        "was": attributes, "becomes": null,
    }]);
    assert_eq!(change["routes"], withdrawn);
    assert_eq!(change["kernel"], json!([]));
}

#[test]
fn a_session_that_starts_anew_says_which_settings_are_the_reason() {
    let change = replaced(
        4,
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65002, keepaliveTime: 10s}}",
    );
    let restarted = json!([{"peer": "Global_192_0_2_1", "because": ["peerAS", "keepaliveTime"]}]);
    assert_eq!(change["sessions"]["restarted"], restarted);
    assert_eq!(change["routes"], json!([]), "the same as before");
}

#[test]
fn another_router_id_starts_every_session_anew() {
    let change = replaced(
        0,
        "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 192.0.2.4/24}}}",
    );
    let restarted = change["sessions"]["restarted"].as_array().expect("a list");
    let names: Vec<_> = restarted.iter().map(|it| &it["peer"]).collect();
    assert_eq!(names, ["Global_192_0_2_1", "Mesh_192_0_2_9"]);
    for session in restarted {
        assert_eq!(session["because"], json!(["routerID", "sourceAddress"]));
    }
    let router_id = json!({"field": "routerID", "was": "192.0.2.2", "becomes": "192.0.2.4"});
    assert_eq!(change["settings"][0], router_id);
    assert_eq!(change["routes"][0]["change"], "changed");
    assert_eq!(change["routes"][0]["becomes"]["nextHop"], "192.0.2.4");
}

#[test]
fn the_kernel_s_part_names_routes_and_pools() {
    let change = replaced(3, "");
    let gone = json!([{"prefix": "10.1.1.0/26", "subject": "route", "change": "removed", "was": "blackhole", "becomes": null}]);
    assert_eq!(change["kernel"], gone);
    let change = replaced(
        2,
        "{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pool}, spec: {cidr: 10.1.0.0/16, vxlanMode: Always}}",
    );
    let of_pool = &change["kernel"][0];
    assert_eq!(of_pool["subject"], "learned-routes");
    assert_eq!(of_pool["becomes"], "left to Felix");
}

#[test]
fn a_default_route_that_may_pass_is_told() {
    let open = [
        "{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: all}, spec: {exportV4: [{action: Accept}], importV4: [{action: Reject, cidr: 0.0.0.0/0, matchOperator: Equal}]}}",
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65001, filters: [all]}}",
    ];
    let change = replaced(4, &open.join("\n---\n"));
    let passes = |direction, passes| json!({"peer": "Global_192_0_2_1", "prefix": "0.0.0.0/0", "direction": direction, "passes": passes});
    let expected = json!([passes("import", false), passes("export", true)]);
    assert_eq!(change["defaultRoutes"], expected);
    let policies = json!([{"peer": "Global_192_0_2_1", "because": ["import", "export"]}]);
    assert_eq!(change["sessions"]["changed"], policies);
}

#[test]
fn only_problems_that_are_new_are_told_wherever_they_are_written() {
    let bad = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65001, filters: [missing]}}";
    let change = replaced(4, bad);
    assert_eq!(change["problems"][0]["object"], "BGPPeer/tor");
    let mut documents = CLUSTER.to_vec();
    documents[4] = bad;
    let old = plan_with(&documents);
    let mut new = plan_with(&documents);
    for problem in &mut new.problems {
        let file = "elsewhere".to_owned();
        let (line, column) = (7, 1);
        problem.location = Some(crate::resources::Location { file, line, column });
    }
    assert!(Change::between(&old, &new).is_empty());
}

/// The names that people see are none of Rust's.
#[test]
fn every_setting_has_a_name_that_people_know() {
    let spec = PeerSpec::new(
        "192.0.2.1:179".parse().expect("an address"),
        bgp_core::types::Asn(1),
    );
    let text = format!("{spec:?}");
    let fields: BTreeSet<&'static str> = text
        .trim_start_matches("PeerSpec { ")
        .split(", ")
        .filter_map(|field| field.split_once(": "))
        .map(|(name, _)| &*name.to_owned().leak())
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect();
    assert!(fields.contains("own_next_hop"), "{fields:?}");
    for field in fields {
        let name = field_name(field, &spec, &spec);
        assert!(!name.contains('_'), "{name}");
    }
}

fn told_by(plan: &Plan) -> BTreeMap<(Arc<str>, IpNet), Arc<WireAttributes>> {
    let forecast = Forecast::new(plan, &mut Pool::default());
    let peers = forecast.peers();
    let all = peers.flat_map(|peer| {
        let routes = told(forecast.towards(peer).expect("a peer"));
        routes.map(move |(prefix, attributes)| ((Arc::clone(peer), prefix), Arc::clone(attributes)))
    });
    all.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A plan compared with itself gives no lines; compared with another, the lines lead from the old state to the new one.
    #[test]
    fn a_change_leads_from_what_was_to_what_is((before, edits) in story()) {
        let mut after = before.clone();
        after.extend(edits.into_iter().flatten());
        let [old, new] = [&before, &after].map(plan_of);
        prop_assert!(Change::between(&old, &old).is_empty());
        let change = Change::between(&old, &new);

        let mut told = told_by(&old);
        for route in &change.routes {
            let key = (Arc::clone(&route.peer), route.prefix);
            let was = match &route.becomes {
                Some(becomes) => told.insert(key, Arc::clone(becomes)),
                None => told.remove(&key),
            };
            prop_assert_eq!(&was, &route.was);
            prop_assert_ne!(&route.was, &route.becomes);
        }
        prop_assert_eq!(told, told_by(&new));

        let mut names: BTreeSet<Arc<str>> = change.before.told.keys().cloned().collect();
        for gone in &change.sessions.removed {
            prop_assert!(names.remove(gone));
        }
        for session in change.sessions.restarted.iter().chain(&change.sessions.changed) {
            prop_assert!(names.contains(&session.peer) && !session.because.is_empty());
        }
        for added in &change.sessions.added {
            prop_assert!(names.insert(Arc::clone(added)));
        }
        let after = Forecast::new(&new, &mut Pool::default());
        prop_assert_eq!(names, after.peers().cloned().collect());
    }
}
