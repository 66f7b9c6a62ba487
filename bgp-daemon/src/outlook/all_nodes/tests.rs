//! The summary of all nodes: the same as node by node, and for work that grows as the cluster does.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::desired::tests::resources::{set, story};
use crate::outlook::{Count, Risk};
use crate::resources::parse;

fn quietly(old: &ResourceSet, new: &ResourceSet) -> Summary {
    all_nodes(old, new, &Environment::default(), &|_, _| ())
}

/// The slow way: every node with every other one.
fn one_by_one(old: &ResourceSet, new: &ResourceSet) -> Totals {
    let mut totals = Totals::default();
    let cluster = Cluster::new(old, new, &Environment::default());
    for name in cluster.names() {
        let plans = [old, new].map(|set| plan(set, name, &Environment::default()));
        totals += Totals::of(&Change::between(&plans[0], &plans[1]), |_| 1);
    }
    totals
}

/// Without what is counted otherwise: a problem of the cluster is one problem, not one of each node.
fn comparable(mut totals: Totals) -> Totals {
    totals.problems = 0;
    totals.nodes = Count::default();
    totals
}

fn mesh(nodes: usize, configuration: &str) -> ResourceSet {
    let mut text = format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {{name: default}}, spec: {{{configuration}}}}}\n---\n\
         {{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {{name: pool}}, spec: {{cidr: 10.64.0.0/10}}}}\n"
    );
    for i in 0..nodes {
        let (high, low) = (i / 250, i % 250 + 1);
        let _ = write!(
            text,
            "---\n{{apiVersion: projectcalico.org/v3, kind: Node, metadata: {{name: n{i}, labels: {{kubernetes.io/hostname: n{i}}}}}, spec: {{bgp: {{ipv4Address: 10.9.{high}.{low}/16}}}}}}\n\
             ---\n{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: b{i}}}, spec: {{cidr: 10.64.{high}.{low}/32, node: n{i}, state: confirmed}}}}\n\
             ---\n{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: c{i}}}, spec: {{cidr: 10.65.{high}.{low}/31, node: n{i}, state: confirmed}}}}\n"
        );
    }
    ResourceSet::from_documents(parse("cluster.yaml", &text).documents).set
}

#[test]
fn a_mesh_that_is_switched_off_cuts_every_node_off() {
    let (old, new) = (mesh(20, ""), mesh(20, "nodeToNodeMeshEnabled: false"));
    let summary = quietly(&old, &new);
    let totals = summary.totals;
    assert_eq!(
        (totals.removed.found, totals.removed.of),
        (20 * 19, 20 * 19)
    );
    assert_eq!(totals.withdrawn.found, 20 * 19);
    let [first, second, ..] = &summary.risks[..] else {
        panic!("{:?}", summary.risks)
    };
    assert_eq!(first.risk, Risk::NodeCutOff);
    assert_eq!(first.times.nodes, 20);
    assert_eq!(second.risk, Risk::SessionRemoved);
    assert_eq!(second.text, "sessions of node-to-node mesh end");
    assert_eq!(
        (second.times.times, second.times.nodes, &*second.times.node),
        (20 * 19, 20, "n0")
    );
    assert!(summary.risks.is_sorted_by_key(|line| line.risk));
    assert!(quietly(&old, &old).is_empty());
}

#[test]
fn a_node_that_joins_is_a_session_of_every_other_one() {
    let summary = quietly(&mesh(20, ""), &mesh(21, ""));
    assert_eq!(summary.nodes.added, ["n20"]);
    assert_eq!(summary.nodes.changed, 20);
    assert_eq!(summary.totals.added.found, 2 * 20);
    assert_eq!(summary.totals.removed.found, 0);
    assert_eq!(summary.problems, []);
}

/// Eight times the nodes are eight times the work, not sixty-four times.
#[test]
fn the_work_grows_as_the_cluster_does() {
    let looked_at = |nodes| {
        let old = mesh(nodes, "");
        let new = mesh(
            nodes,
            "asNumber: 64999, serviceClusterIPs: [{cidr: 10.96.0.0/12}]",
        );
        let summary = quietly(&old, &new);
        assert_eq!(summary.totals.restarted.found, nodes * (nodes - 1));
        summary.looked_at
    };
    let (few, many) = (looked_at(50), looked_at(400));
    assert!(many <= 8 * few + few / 10, "{few} and {many}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A node that represents others represents them in everything that is counted.
    #[test]
    fn the_sum_is_that_of_all_nodes_one_by_one((before, edits) in story()) {
        let mut after = before.clone();
        after.extend(edits.into_iter().flatten());
        let [old, new] = [&before, &after].map(set);
        let summed = quietly(&old, &new).totals;
        prop_assert_eq!(comparable(summed), comparable(one_by_one(&old, &new)));
    }
}
