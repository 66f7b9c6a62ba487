//! Sessions that are down, or not negotiated for the family; pending decisions; peers by their names.

use bgp_core::rib::Input;
use std::time::{Duration, Instant};

use super::scene::{HERE, ONE, Scene, TORS, TWO};
use super::{PeerVerdict, Stage, StepResult, peer, says, why};
use crate::explain::{QuestionError, Target, Verdict, peers, text};

use PeerVerdict::{Advertised, NotNegotiated, SessionDown, Withheld};
use StepResult::{Pass, Stop};

const FILTER: &str = "
{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {exportV4: [{action: Reject, cidr: 10.1.5.0/24, matchOperator: In}]}}
---
";
const NO_FILTER: &str =
    "{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: f}, spec: {}}\n---\n";

#[test]
fn a_session_that_is_down_is_the_reason_and_what_comes_after_is_told_too() {
    let mut scene = Scene::new(&[HERE, TORS, FILTER].concat());
    scene.down(ONE, "Active; Socket: Connection refused");
    scene.down(TWO, "Idle");
    let answer = scene.ask("10.1.5.0/26");
    assert_eq!(answer.verdict, Verdict::NotAdvertised);
    let down = (SessionDown, Stage::Session, Some("BGPPeer/one"), None);
    assert_eq!(why(&answer, ONE), down);
    let because = &peer(&answer, ONE).because.text;
    assert!(because.contains("Connection refused"), "{because}");
    assert!(because.contains("BGPFilter/f exportV4[0]"), "{because}");
    assert!(says(
        &answer,
        Stage::Export,
        Stop,
        "BGPFilter/f",
        "exportV4[0]"
    ));
    assert!(says(
        &answer,
        Stage::Export,
        Pass,
        "BlockAffinity/a-5",
        "own blocks"
    ));
    assert!(says(&answer, Stage::Session, Stop, "BGPPeer/two", "Idle"));
    assert!(peer(&answer, TWO).attributes.is_none() && peer(&answer, TWO).sent_at.is_none());
}

#[test]
fn who_switched_a_session_off_is_said() {
    let mut scene = Scene::new(&[HERE, TORS, NO_FILTER].concat());
    scene.down(ONE, "Idle");
    scene.sessions.get_mut(ONE).expect("a session").disabled = true;
    let answer = scene.ask("10.1.5.0/26");
    let (verdict, stage, _, rule) = why(&answer, ONE);
    assert_eq!(
        (verdict, stage, rule),
        (SessionDown, Stage::Session, Some("disabled"))
    );
    assert_eq!(answer.verdict, Verdict::PartlyAdvertised);
    // Nothing to tell comes before that.
    assert_eq!(why(&scene.ask("10.1.77.0/24"), ONE).0, Withheld);
}

#[test]
fn a_family_that_the_peer_does_not_offer_is_not_negotiated() {
    let mut scene = Scene::new(&[HERE, TORS, NO_FILTER].concat());
    scene.down(ONE, "Established");
    scene.sessions.get_mut(ONE).expect("a session").up = true;
    let answer = scene.ask("10.1.5.0/26");
    assert_eq!(
        why(&answer, ONE),
        (
            NotNegotiated,
            Stage::Session,
            Some("BGPPeer/one"),
            Some("RFC 4760 8")
        )
    );
    assert_eq!(answer.verdict, Verdict::PartlyAdvertised);
}

/// Sessions for the other family do not make a prefix less advertised.
#[test]
fn a_session_of_the_other_family_does_not_count() {
    let here = HERE.replace(
        "ipv4Address: 192.0.2.2/24",
        "ipv4Address: 192.0.2.2/24, ipv6Address: 'fd00::2/64'",
    );
    let six = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: six}, spec: {peerIP: 'fd00::9', asNumber: 65001}}\n---\n";
    let scene = Scene::new(&[here.as_str(), TORS, NO_FILTER, six].concat());
    let answer = scene.ask("10.1.5.0/26");
    assert_eq!(answer.verdict, Verdict::Advertised);
    let rule = Some("bgp-daemon.io/families");
    assert_eq!(
        why(&answer, "Global_fd00__9"),
        (NotNegotiated, Stage::Session, Some("BGPPeer/six"), rule)
    );
    let text = text(&answer);
    assert!(
        text.contains("1 more do not carry the family") && !text.contains("Global_fd00__9"),
        "{text}"
    );
}

#[test]
fn a_peer_that_cannot_be_spoken_to_says_why() {
    let mut scene = Scene::new(&[HERE, TORS, NO_FILTER].concat());
    scene.down(ONE, "Idle");
    scene.sessions.remove(ONE);
    let reason = "hold_time: below three seconds".to_owned();
    scene.unspeakable.insert(ONE.to_owned(), reason);
    let answer = scene.ask("10.1.5.0/26");
    let (verdict, stage, ..) = why(&answer, ONE);
    assert_eq!((verdict, stage), (SessionDown, Stage::Session));
    let because = &peer(&answer, ONE).because.text;
    assert!(because.contains("below three seconds"), "{because}");
}

#[test]
fn after_a_restart_decisions_wait() {
    let mut scene = Scene::new(&[HERE, TORS, NO_FILTER].concat());
    let later = Instant::now() + Duration::from_secs(600);
    let waits = Input::Defer {
        expected: vec![(scene.sessions[ONE].id, bgp_core::types::Family::Ipv4Unicast)],
        up_by: later,
        until: later,
    };
    scene.input(waits);
    scene.recovering = true;
    scene.learn(ONE, "10.1.70.0/24", &[65001]);
    let answer = scene.ask("10.1.70.0/24");
    let (verdict, stage, _, rule) = why(&answer, TWO);
    assert_eq!(
        (verdict, stage, rule),
        (Withheld, Stage::Decision, Some("RFC 4724 4.1"))
    );
}

#[test]
fn peers_are_named_by_session_address_or_resource() {
    let scene = Scene::new(&[HERE, TORS, NO_FILTER].concat());
    let named = |name| {
        peers(&scene.plan, &scene.set, Some(name)).map(|peers| {
            peers
                .iter()
                .map(|peer| peer.name.clone())
                .collect::<Vec<_>>()
        })
    };
    for name in [ONE, "192.0.2.101", "one", "BGPPeer/one", " one "] {
        assert_eq!(named(name), Ok(vec![ONE.to_owned()]), "{name}");
    }
    for (name, meant) in [
        ("Global_192_0_2_10", Some(ONE)),
        ("192.0.2.103", Some("192.0.2.10")),
        ("elsewhere", None),
    ] {
        let error = named(name).expect_err("no such peer").to_string();
        assert!(
            error.starts_with(&format!("there is no peer {name}")),
            "{error}"
        );
        match meant {
            Some(meant) => assert!(error.contains(&format!("did you mean {meant}")), "{error}"),
            None => assert!(!error.contains("did you mean"), "{error}"),
        }
    }
    assert_eq!(scene.ask_of("10.1.5.0/26", "two").peers.len(), 1);
    assert_eq!(why(&scene.ask_of("10.1.5.0/26", "two"), TWO).0, Advertised);
    // One that is another node's.
    let elsewhere = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: far}, spec: {node: b, peerIP: 192.0.2.177, asNumber: 65003}}\n---\n";
    let far = Scene::new(&[HERE, TORS, NO_FILTER, elsewhere].concat());
    for name in ["far", "BGPPeer/far", "192.0.2.177"] {
        let error = peers(&far.plan, &far.set, Some(name)).expect_err("no session");
        let error = error.to_string();
        assert!(error.contains("on node a: BGPPeer/far"), "{error}");
    }
    let nobody = Scene::new(HERE);
    let error = peers(&nobody.plan, &nobody.set, Some("x")).expect_err("there are none");
    assert!(
        error.to_string().ends_with("node a has no peers"),
        "{error}"
    );
}

#[test]
fn a_question_that_is_none_says_what_was_expected() {
    for (text, words) in [
        (
            "10.1.5.3/26",
            "the prefix is 10.1.5.0/26, the address 10.1.5.3",
        ),
        ("fd00::1/64", "the prefix is fd00::/64"),
        ("10.1.5.0/33", "expected a prefix"),
        ("10.1.5", "expected a prefix"),
        ("", "expected a prefix"),
        ("web", "found \"web\""),
        ("10.1.5.0 /26", "expected a prefix"),
    ] {
        let error = text.parse::<Target>().expect_err(text);
        assert!(error.to_string().contains(words), "{error}");
        assert!(!matches!(error, QuestionError::NoPeer { .. }));
    }
}
