//! Routes of peers and of the kernel: import, selection, export, and the kernel.

use bgp_core::rib::Input;
use bgp_core::wire::attribute::{Attributes, Community};

use super::scene::{HERE, ONE, Scene, TORS, TWO};
use super::{PeerVerdict, Stage, StepResult, says, why};
use crate::desired::local_kind::{DIRECT, KERNEL, WORKLOAD};
use crate::explain::{KernelFact, KernelState, Verdict};

use PeerVerdict::{Advertised, Withheld};
use StepResult::{Info, Pass, Stop};

const IMPORT: &str = "
{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {importV4: [
  {action: Reject, cidr: 10.1.66.0/24, matchOperator: Equal}]}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: vxlan}, spec: {cidr: 10.2.0.0/16, vxlanMode: Always}}
---
";

fn scene() -> Scene {
    Scene::new(&[HERE, TORS, IMPORT].concat())
}

fn from_kernel(kind: crate::desired::local_kind::LocalKind, prefix: &str, device: &str) -> Input {
    let mut route = kind.route(2_147_482_623, None, Some(device.into()));
    route.interface = Some(device.into());
    Input::announce(prefix.parse().expect("a prefix"), route)
}

#[test]
fn the_loser_is_named_with_the_step_that_decided() {
    let mut scene = scene();
    scene.learn(ONE, "10.1.70.0/24", &[65001]);
    scene.learn(TWO, "10.1.70.0/24", &[65002, 65009]);
    let answer = scene.ask("10.1.70.9");
    assert_eq!(answer.prefix.to_string(), "10.1.70.0/24");
    assert!(says(&answer, Stage::Decision, Pass, ONE, "best of 2"));
    assert!(says(
        &answer,
        Stage::Decision,
        Stop,
        TWO,
        "AS path length (2 against 1)"
    ));
    let admitted = (
        Advertised,
        Stage::Export,
        Some("IPPool/pods"),
        Some("IPPool/pods"),
    );
    assert_eq!(why(&answer, TWO), admitted);
    assert_eq!(
        why(&answer, ONE),
        admitted,
        "with additional paths it is told the other one"
    );
    // Of its own route it is not.
    scene.learn(ONE, "10.1.71.0/24", &[65001]);
    let answer = scene.ask("10.1.71.0/24");
    let own = (
        Withheld,
        Stage::Export,
        Some("BGPPeer/one"),
        Some("RFC 4271 9.1.3"),
    );
    assert_eq!(why(&answer, ONE), own);
    assert_eq!(answer.verdict, Verdict::PartlyAdvertised);
}

#[test]
fn what_an_import_filter_rejects_ends_there() {
    let mut scene = scene();
    scene.learn(ONE, "10.1.66.0/24", &[65001]);
    let answer = scene.ask("10.1.66.0/24");
    let rule = Some("BGPFilter/f importV4[0]");
    assert_eq!(
        why(&answer, TWO),
        (Withheld, Stage::Import, Some("BGPFilter/f"), rule)
    );
    assert!(says(&answer, Stage::Origin, Pass, ONE, "AS path 65001"));
    assert!(says(
        &answer,
        Stage::Import,
        Stop,
        "BGPFilter/f",
        "importV4[0]"
    ));
    // A second peer's route is used all the same.
    scene.learn(TWO, "10.1.66.0/24", &[65002]);
    let answer = scene.ask("10.1.66.0/24");
    assert_eq!(why(&answer, ONE).0, Advertised);
    assert!(says(
        &answer,
        Stage::Import,
        Stop,
        "BGPFilter/f",
        "importV4[0]"
    ));
}

#[test]
fn rules_of_bgp_are_named_by_their_rfc() {
    let mut scene = scene();
    scene.learn(ONE, "10.1.71.0/24", &[65001, 64512]);
    let answer = scene.ask("10.1.71.0/24");
    assert_eq!(
        why(&answer, TWO),
        (Withheld, Stage::Import, Some(ONE), Some("RFC 4271 9.1.2"))
    );
    let marked = |community| Attributes {
        as_path: bgp_core::wire::attribute::AsPath::sequence([bgp_core::types::Asn(65001)]),
        communities: vec![community],
        ..Attributes::default()
    };
    for (community, rule) in [
        (Community::NO_EXPORT, "NO_EXPORT"),
        (Community::NO_ADVERTISE, "NO_ADVERTISE"),
    ] {
        scene.learn_with(ONE, "10.1.72.0/24", &marked(community));
        let answer = scene.ask("10.1.72.0/24");
        assert_eq!(
            why(&answer, TWO),
            (Withheld, Stage::Export, Some("BGPPeer/two"), Some(rule))
        );
    }
}

/// Between peers of our own AS, for which this node does not reflect.
#[test]
fn what_was_learned_inside_the_as_stays_with_its_peers() {
    let inside = TORS.replace("65001", "64512").replace("65002", "64512");
    let mut scene = Scene::new(&[HERE, inside.as_str(), IMPORT].concat());
    scene.learn(ONE, "10.1.70.0/24", &[]);
    let answer = scene.ask("10.1.70.0/24");
    let kept = (
        Withheld,
        Stage::Export,
        Some("BGPPeer/two"),
        Some("RFC 4271 9.2"),
    );
    assert_eq!(why(&answer, TWO), kept);
    let because = answer.because.expect("a reason").text;
    assert!(
        because.contains("itself") || because.contains(ONE),
        "{because}"
    );
}

/// In no pool, and no filter accepts it.
#[test]
fn what_no_rule_accepts_is_kept() {
    let mut scene = scene();
    scene.learn(ONE, "172.20.0.0/16", &[65001]);
    let answer = scene.ask("172.20.1.1");
    assert_eq!(
        why(&answer, TWO),
        (
            Withheld,
            Stage::Export,
            Some("BGPPeer/two"),
            Some("default")
        )
    );
    assert!(
        answer
            .because
            .is_some_and(|because| because.text.contains("IPPool"))
    );
}

#[test]
fn a_workloads_route_is_told_by_its_block() {
    let mut scene = scene();
    scene.input(from_kernel(WORKLOAD, "10.1.5.3/32", "cali1"));
    let answer = scene.ask("10.1.5.3");
    assert_eq!(
        (answer.prefix.to_string().as_str(), answer.verdict),
        ("10.1.5.0/26", Verdict::Advertised)
    );
    assert!(
        answer
            .steps
            .iter()
            .any(|step| step.text.contains("10.1.5.3/32 is a route here"))
    );
    let answer = scene.ask("10.1.5.3/32");
    let rule = Some("inside an own block");
    assert_eq!(
        why(&answer, ONE),
        (Withheld, Stage::Export, Some("BlockAffinity/a-5"), rule)
    );
    assert_eq!(answer.kernel.state, KernelState::NotWanted);
}

#[test]
fn routes_of_the_kernel_say_where_they_were_learned() {
    let mut scene = scene();
    scene.input(from_kernel(KERNEL, "10.1.90.0/24", "eth1"));
    scene.input(from_kernel(DIRECT, "192.0.2.0/24", "eth0"));
    scene.kernel = KernelFact::Known {
        installed: None,
        refused: None,
        foreign: Some("a route of Felix".to_owned()),
    };
    let answer = scene.ask("10.1.90.0/24");
    assert_eq!(answer.verdict, Verdict::Advertised);
    assert!(says(
        &answer,
        Stage::Origin,
        Pass,
        "kernel route",
        "a route of Felix"
    ));
    let answer = scene.ask("192.0.2.77");
    assert_eq!(answer.prefix.to_string(), "192.0.2.0/24");
    assert_eq!(why(&answer, ONE).3, Some("default"));
    assert!(
        says(
            &answer,
            Stage::Kernel,
            Info,
            "connected network",
            "connected"
        ) || answer.kernel.text.contains("connected")
    );
}

#[test]
fn the_kernel_has_a_route_refuses_it_or_leaves_it_to_felix() {
    let mut scene = scene();
    for prefix in ["10.1.80.0/24", "10.2.80.0/24", "203.0.113.9/32"] {
        scene.learn(ONE, prefix, &[65001]);
    }
    let known = |installed: Option<&str>, refused: Option<&str>| KernelFact::Known {
        installed: installed.map(str::to_owned),
        refused: refused.map(str::to_owned),
        foreign: None,
    };
    for (prefix, fact, state, words) in [
        (
            "10.1.80.0/24",
            known(Some("via 192.0.2.101 dev eth0"), None),
            KernelState::Installed,
            "via 192.0.2.101",
        ),
        (
            "10.1.80.0/24",
            known(None, Some("Invalid argument")),
            KernelState::Refused,
            "Invalid argument",
        ),
        (
            "10.2.80.0/24",
            known(None, None),
            KernelState::LeftToFelix,
            "IPPool/vxlan",
        ),
        (
            "203.0.113.9/32",
            known(None, None),
            KernelState::NotWanted,
            "kube-proxy",
        ),
        (
            "10.1.80.0/24",
            KernelFact::LeftAlone,
            KernelState::NotWanted,
            "--no-kernel",
        ),
        (
            "10.1.80.0/24",
            KernelFact::Foreseen,
            KernelState::Installed,
            "would be",
        ),
        (
            "10.1.81.0/24",
            known(None, None),
            KernelState::NotWanted,
            "no route",
        ),
    ] {
        scene.kernel = fact;
        let answer = scene.ask(prefix);
        assert_eq!(answer.kernel.state, state, "{prefix}");
        assert!(answer.kernel.text.contains(words), "{}", answer.kernel.text);
        let step = answer.steps.last().expect("a step");
        assert_eq!(
            (step.stage, &step.text),
            (Stage::Kernel, &answer.kernel.text)
        );
    }
}
