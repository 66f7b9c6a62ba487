//! Own blocks: which peers are sent them, and which object is the first obstacle.

use super::scene::{HERE, ONE, Scene, TORS, TWO};
use super::{PeerVerdict, Stage, StepResult, peer, says, why};
use crate::explain::{KernelState, Verdict, text};

use PeerVerdict::{Advertised, Withheld};
use StepResult::{Change, Info, Pass, Stop};

pub(super) const NO_FILTER: &str =
    "{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {}}\n---\n";
const FILTER: &str = "
{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {exportV4: [
  {action: Accept, cidr: 10.9.0.0/16, matchOperator: In},
  {action: Reject, cidr: 10.1.5.0/24, matchOperator: In}]}}
---
";

pub(super) fn scene(documents: &str) -> Scene {
    Scene::new(&[HERE, TORS, documents].concat())
}

#[test]
fn a_block_that_a_filter_rejects_is_told_to_the_others() {
    let answer = scene(FILTER).ask("10.1.5.0/26");
    assert_eq!(answer.verdict, Verdict::PartlyAdvertised);
    let rule = Some("BGPFilter/f exportV4[1]");
    let rejected = (Withheld, Stage::Export, Some("BGPFilter/f"), rule);
    assert_eq!(why(&answer, ONE), rejected);
    let because = &peer(&answer, ONE).because.text;
    assert!(
        because.contains("10.1.5.0/24") && because.contains("Accept"),
        "{because}"
    );
    let block = Some("BlockAffinity/a-5");
    let admitted = (Advertised, Stage::Export, block, Some("own block"));
    assert_eq!(why(&answer, TWO), admitted);
    let told = peer(&answer, TWO);
    let attributes = told.attributes.as_ref().expect("what it is told");
    assert_eq!(
        (attributes.as_path.as_str(), attributes.next_hop.as_deref()),
        ("64512", Some("192.0.2.2"))
    );
    assert_eq!(told.sent_at.as_deref(), Some("2026-01-02T00:00:00Z"));
    assert!(says(
        &answer,
        Stage::Resource,
        Pass,
        "BlockAffinity/a-5",
        "10.1.5.0/26"
    ));
    assert!(says(
        &answer,
        Stage::Resource,
        Info,
        "IPPool/pods",
        "10.1.0.0/16"
    ));
    assert!(says(
        &answer,
        Stage::Origin,
        Pass,
        "BlockAffinity/a-5",
        "originates"
    ));
    assert!(says(
        &answer,
        Stage::Export,
        Stop,
        "BGPFilter/f",
        "exportV4[1]"
    ));
    let stages: Vec<Stage> = answer.steps.iter().map(|step| step.stage).collect();
    assert!(stages.is_sorted(), "{stages:?}");
}

#[test]
fn an_address_is_looked_up_and_its_workload_named() {
    let ipam = "{apiVersion: projectcalico.org/v3, kind: IPAMBlock, metadata: {name: b}, spec: {cidr: 10.1.5.0/26, affinity: 'host:a', allocations: [null, 0], unallocated: [], attributes: [{handle_id: h, secondary: {pod: web-1, namespace: shop, node: a}}]}}\n---\n";
    let answer = scene(&[NO_FILTER, ipam].concat()).ask("10.1.5.1");
    assert_eq!(
        (answer.prefix.to_string().as_str(), answer.verdict),
        ("10.1.5.0/26", Verdict::Advertised)
    );
    assert!(
        answer
            .steps
            .iter()
            .any(|step| step.text.contains("pod shop/web-1 on node a"))
    );
    // As a prefix it is another thing.
    let answer = scene(NO_FILTER).ask("10.1.5.1/32");
    assert_eq!(answer.verdict, Verdict::NotAdvertised);
    let (verdict, stage, object, _) = why(&answer, ONE);
    assert_eq!(
        (verdict, stage, object),
        (Withheld, Stage::Origin, Some("BlockAffinity/a-5"))
    );
}

#[test]
fn a_pool_without_export_keeps_its_blocks() {
    let here = HERE.replace("ipipMode: Never", "ipipMode: Never, disableBGPExport: true");
    let scene = Scene::new(&[here.as_str(), TORS, NO_FILTER].concat());
    let answer = scene.ask("10.1.5.0/26");
    assert_eq!(answer.verdict, Verdict::NotAdvertised);
    let rule = Some("IPPool/pods disableBGPExport");
    for name in [ONE, TWO] {
        let (verdict, stage, object, said) = why(&answer, name);
        assert_eq!(
            (verdict, stage, object, said),
            (Withheld, Stage::Export, Some("IPPool/pods"), rule)
        );
    }
    // No block has it; the pool is the first obstacle.
    let answer = scene.ask("10.1.77.1");
    let said = why(&answer, ONE);
    assert_eq!(
        said,
        (
            Withheld,
            Stage::Resource,
            Some("IPPool/pods"),
            Some("disableBGPExport")
        )
    );
    assert_eq!(answer.prefix.to_string(), "10.1.77.1/32");
}

#[test]
fn blocks_that_are_not_this_nodes_are_named_with_the_reason() {
    let affinity = |name: &str, spec: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n---\n"
        )
    };
    let documents = [
        NO_FILTER.to_owned(),
        affinity("b-7", "node: b, state: confirmed, cidr: 10.1.7.0/26"),
        affinity("a-8", "node: a, state: pending, cidr: 10.1.8.0/26"),
        affinity("a-9", "node: a, state: confirmed, deleted: 'true', cidr: 10.1.9.0/26"),
        affinity("v-10", "node: lb, type: virtual, state: confirmed, cidr: 10.1.10.0/26"),
        affinity("a-11", "node: a, state: pendingDeletion, cidr: 10.1.11.0/26"),
        "{apiVersion: projectcalico.org/v3, kind: IPAMBlock, metadata: {name: i-12}, spec: {cidr: 10.1.12.0/26, affinity: 'host:a', allocations: [], unallocated: [], attributes: []}}".to_owned(),
    ];
    let scene = scene(&documents.concat());
    for (asked, object, rule, word) in [
        ("10.1.7.1", "BlockAffinity/b-7", "spec.node", "node b's"),
        ("10.1.8.0/26", "BlockAffinity/a-8", "spec.state", "pending"),
        ("10.1.9.0/26", "BlockAffinity/a-9", "spec.deleted", "void"),
        ("10.1.10.9", "BlockAffinity/v-10", "spec.type", "virtual"),
        (
            "10.1.12.9",
            "IPAMBlock/i-12",
            "spec.affinity",
            "no BlockAffinity",
        ),
    ] {
        let answer = scene.ask(asked);
        assert_eq!(answer.verdict, Verdict::NotAdvertised, "{asked}");
        assert_eq!(
            why(&answer, ONE),
            (Withheld, Stage::Resource, Some(object), Some(rule))
        );
        let because = answer.because.expect("a reason").text;
        assert!(because.contains(word), "{because}");
    }
    assert_eq!(scene.ask("10.1.11.1").verdict, Verdict::Advertised);
}

#[test]
fn what_communities_add_is_a_change() {
    let here = HERE.replace(
        "asNumber: 64512",
        "asNumber: 64512, prefixAdvertisements: [{cidr: 10.1.0.0/16, communities: ['64512:7']}]",
    );
    let answer = Scene::new(&[here.as_str(), TORS, NO_FILTER].concat()).ask("10.1.5.0/26");
    assert!(says(
        &answer,
        Stage::Export,
        Change,
        "BGPConfiguration/default",
        "prefixAdvertisements 10.1.0.0/16 adds 64512:7"
    ));
    let attributes = peer(&answer, TWO)
        .attributes
        .as_ref()
        .expect("what it is told");
    assert_eq!(attributes.communities, ["64512:7"]);
}

/// A filter rule that accepts a route may change it; and the answer names the object that gives the node its peer.
#[test]
fn what_a_filter_does_and_whom_a_peer_selects_is_said() {
    let tagging = "
{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {exportV4: [
  {action: Accept, cidr: 10.1.0.0/16, matchOperator: In, operations: [{addCommunity: {value: '64512:9'}}, {prependASPath: {prefix: [65010]}}]}]}}
---
";
    let tors = TORS.replace(
        "name: one}, spec: {",
        "name: one}, spec: {nodeSelector: all(), ",
    );
    let name = "Node_192_0_2_101";
    let answer = Scene::new(&[HERE, tors.as_str(), tagging].concat()).ask("10.1.5.0/26");
    let object = "BGPFilter/f";
    let words = "BGPFilter/f exportV4[0]: addCommunity 64512:9, prependASPath 65010";
    assert!(says(&answer, Stage::Export, Change, object, words));
    let rule = Some("BGPFilter/f exportV4[0]");
    assert_eq!(
        why(&answer, name),
        (Advertised, Stage::Export, Some(object), rule)
    );
    let told = peer(&answer, name)
        .attributes
        .as_ref()
        .expect("what it is told");
    assert_eq!(told.as_path, "65010 64512");
    assert!(says(
        &answer,
        Stage::Resource,
        Pass,
        "BGPPeer/one",
        "nodeSelector: all()"
    ));
    assert!(says(
        &answer,
        Stage::Resource,
        Pass,
        "BGPPeer/two",
        "every node"
    ));
}

#[test]
fn a_prefix_that_nobody_knows_has_neighbours() {
    let answer = scene(NO_FILTER).ask("10.3.0.0/24");
    assert_eq!(answer.verdict, Verdict::UnknownPrefix);
    let because = answer.because.as_ref().expect("a reason");
    assert!(!because.text.contains("services are not looked at"));
    let near: Vec<&str> = answer
        .nearest
        .iter()
        .map(|near| near.object.as_str())
        .collect();
    assert_eq!(near[..2], ["BlockAffinity/a-5", "IPPool/pods"]);
    assert_eq!(why(&answer, ONE).1, Stage::Origin);
    // What lies inside is nearest of all.
    let answer = scene(NO_FILTER).ask("10.0.0.0/8");
    assert_eq!(answer.verdict, Verdict::UnknownPrefix);
    assert_eq!(answer.nearest[0].object, "BlockAffinity/a-5");
    assert!(text(&answer).contains("near it: BlockAffinity/a-5 10.1.5.0/26"));
}

#[test]
fn addresses_of_nodes_are_not_announced() {
    let answer = scene(NO_FILTER).ask("192.0.2.2");
    let said = (Withheld, Stage::Resource, Some("Node/a"), Some("spec.bgp"));
    assert_eq!(why(&answer, ONE), said);
}

#[test]
fn nobody_to_tell_is_a_reason_too() {
    let answer = Scene::new(HERE).ask("10.1.5.0/26");
    assert_eq!(
        (answer.verdict, answer.peers.len()),
        (Verdict::NotAdvertised, 0)
    );
    assert_eq!(
        answer.because.map(|because| because.stage),
        Some(Stage::Session)
    );
    assert_eq!(answer.kernel.state, KernelState::NotWanted);
}

/// Whoever reads the JSON gets back what was written, in the words that are promised.
#[test]
fn the_answer_survives_json() {
    let answer = scene(FILTER).ask("10.1.5.0/26");
    let json = serde_json::to_value(&answer).expect("JSON");
    assert_eq!(json["verdict"], "partly-advertised");
    assert_eq!(
        json["peers"][0]["because"]["rule"],
        "BGPFilter/f exportV4[1]"
    );
    assert_eq!(json["peers"][0]["attributes"], serde_json::Value::Null);
    assert_eq!(json["peers"][1]["sentAt"], "2026-01-02T00:00:00Z");
    assert_eq!(json["kernel"]["state"], "not-wanted");
    assert_eq!(
        serde_json::from_value::<super::Explanation>(json).expect("an answer"),
        answer
    );
}
