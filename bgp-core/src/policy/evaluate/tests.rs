use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::*;
use crate::policy::{Hook, PeerMatch, PeerView, PrefixMatch, PrefixSet, Rule, Source};
use crate::types::PeerId;
use crate::wire::attribute::{
    AsPath, Community, ExtendedCommunity, LargeCommunity, Origin, UnknownAttribute,
};

fn canonical(attributes: &Attributes) -> Vec<u8> {
    let mut octets = Vec::new();
    attributes.encode_canonical(&mut octets);
    octets
}

fn rule(conditions: Vec<Condition>, actions: Vec<Action>, verdict: Option<Verdict>) -> Rule {
    Rule {
        origin: "test".into(),
        conditions,
        actions,
        verdict,
        ..Rule::default()
    }
}

fn decide(rules: Vec<Rule>, attributes: &Attributes) -> Decision {
    let octets = canonical(attributes);
    decide_on(route(&octets), rules)
}

fn route(octets: &[u8]) -> RouteView<'_> {
    let attributes = AttributeView::new(octets);
    RouteView {
        interface: Some("vxlan.calico"),
        ..RouteView::new("10.1.0.0/16".parse().unwrap(), attributes)
    }
}

fn decide_on(route: RouteView<'_>, rules: Vec<Rule>) -> Decision {
    Policy::new(rules, Verdict::Reject).evaluate(route)
}

const PLAIN: Decision = Decision::Accept(Changes {
    attributes: None,
    preference: None,
    next_hop: None,
    med: false,
});

/// The changes to a route that is accepted.
fn changes(decision: Decision) -> Changes {
    match decision {
        Decision::Accept(changes) => changes,
        Decision::Reject => panic!("rejected"),
    }
}

/// Promise 7.1.
#[test]
fn the_first_rule_that_decides_ends_the_evaluation() {
    let within = |net: &str| {
        Condition::Prefix(
            [PrefixMatch::within(net.parse().unwrap())]
                .into_iter()
                .collect(),
        )
    };
    let accept_ten = rule(vec![within("10.0.0.0/8")], vec![], Some(Verdict::Accept));
    let reject_all = rule(vec![], vec![], Some(Verdict::Reject));
    let attributes = Attributes::default();
    assert_eq!(
        decide(vec![accept_ten.clone(), reject_all.clone()], &attributes),
        PLAIN
    );
    assert_eq!(
        decide(vec![reject_all, accept_ten], &attributes),
        Decision::Reject
    );
    assert_eq!(decide(vec![], &attributes), Decision::Reject);
}

/// Promise 7.5.
#[test]
fn later_rules_see_what_earlier_ones_changed() {
    let mark = rule(
        vec![],
        vec![
            Action::AddCommunity(Community(7)),
            Action::SetLocalPref(300),
        ],
        None,
    );
    let conditions = vec![
        Condition::Community(Community(7)),
        Condition::LocalPrefAbove(299),
        Condition::LocalPref(300),
    ];
    let raise = rule(
        conditions,
        vec![Action::SetPreference(200)],
        Some(Verdict::Accept),
    );
    let changes = changes(decide(vec![mark, raise], &Attributes::default()));
    assert_eq!(changes.preference, Some(200));
    let edited = changes.attributes.unwrap();
    assert_eq!(
        (edited.local_pref, edited.communities),
        (Some(300), vec![Community(7)])
    );
}

/// Promise 7.5.
#[test]
fn prepending_puts_the_list_in_front_in_its_order() {
    let attributes = Attributes {
        as_path: AsPath::sequence([Asn(3)]),
        ..Attributes::default()
    };
    let prepend = rule(
        vec![],
        vec![Action::PrependAsPath(vec![Asn(1), Asn(2)])],
        None,
    );
    let accept = rule(
        vec![Condition::AsPathPrefix(vec![Asn(1), Asn(2), Asn(3)])],
        vec![],
        Some(Verdict::Accept),
    );
    assert_ne!(decide(vec![prepend, accept], &attributes), Decision::Reject);
}

/// Promise 7.5.
#[test]
fn on_the_way_to_another_as_the_path_begins_with_ours() {
    let attributes = Attributes {
        as_path: AsPath::sequence([Asn(3)]),
        ..Attributes::default()
    };
    let begins_with = |asns: &[u32]| {
        let asns = asns.iter().copied().map(Asn).collect();
        let condition = Condition::AsPathPrefix(asns);
        rule(vec![condition], vec![], Some(Verdict::Accept))
    };
    let octets = canonical(&attributes);
    let route = RouteView {
        own_as: Some(Asn(64512)),
        ..route(&octets)
    };
    let decide = |rules| decide_on(route, rules);
    assert_eq!(decide(vec![begins_with(&[64512, 3])]), PLAIN);
    assert_eq!(decide(vec![begins_with(&[3])]), Decision::Reject);
    let prepend = rule(vec![], vec![Action::PrependAsPath(vec![Asn(1)])], None);
    let edited = changes(decide(vec![prepend, begins_with(&[1, 64512, 3])]))
        .attributes
        .unwrap();
    let expected = AsPath::sequence([Asn(1), Asn(64512), Asn(3)]);
    assert_eq!(edited.as_path, expected);
}

/// Promise 7.7.
#[test]
fn interface_patterns() {
    for (pattern, name, matches) in [
        ("*.calico", "vxlan.calico", true),
        ("*.cali", "vxlan.calico", false),
        ("vxlan*", "vxlan.calico", true),
        ("*", "", true),
        ("a*b*c", "axxbyyc", true),
        ("a*b*c", "acb", false),
        ("eth0", "eth01", false),
    ] {
        assert_eq!(glob_matches(pattern, name), matches, "{pattern} {name}");
    }
}

/// Promise 7.7.
#[test]
fn a_route_without_an_interface_has_the_empty_name() {
    let octets = canonical(&Attributes::default());
    let route = RouteView {
        interface: None,
        ..route(&octets)
    };
    for (pattern, decision) in [
        ("*", PLAIN),
        ("eth*", Decision::Reject),
        ("*.calico", Decision::Reject),
    ] {
        let condition = Condition::Interface(pattern.to_owned());
        let accept = rule(vec![condition], vec![], Some(Verdict::Accept));
        assert_eq!(decide_on(route, vec![accept]), decision, "{pattern}");
    }
}

const PEER: PeerView = PeerView {
    id: PeerId(3),
    address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3)),
    asn: Asn(65001),
};

fn pattern(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn hosts(net: &str) -> PrefixSet {
    [PrefixMatch::within(net.parse().unwrap())]
        .into_iter()
        .collect()
}

/// Each of these holds for one route, and none for another.
#[test]
fn every_condition() {
    let attributes = Attributes {
        origin: Origin::Egp,
        as_path: "65001 {7 8} 65002".parse().unwrap(),
        med: Some(50),
        local_pref: Some(200),
        communities: vec!["65000:100".parse().unwrap()],
        large_communities: vec!["65000:1:2".parse().unwrap()],
        ext_communities: vec!["rt:65000:7".parse().unwrap()],
        ..Attributes::default()
    };
    let [octets, other] = [&attributes, &Attributes::default()].map(canonical);
    let full = RouteView {
        peer: Some(PEER),
        learned_from: Some(PEER),
        source: Source::Client,
        next_hop: Some(NextHop::V4(Ipv4Addr::new(192, 0, 2, 9))),
        ..route(&octets)
    };
    let plain = RouteView {
        interface: None,
        ..RouteView::new("11.0.0.0/8".parse().unwrap(), AttributeView::new(&other))
    };
    let conditions = [
        Condition::Prefix(hosts("10.0.0.0/8")),
        Condition::NextHop(hosts("192.0.2.9/32")),
        Condition::NextHop(hosts("192.0.2.0/28")),
        Condition::Peer(PeerMatch::Id(PEER.id)),
        Condition::Peer(PeerMatch::Address(PEER.address)),
        Condition::LearnedFrom(PeerMatch::AddressIn(hosts("192.0.2.0/30"))),
        Condition::LearnedFrom(PeerMatch::Asn(PEER.asn)),
        Condition::Source(Source::Client),
        Condition::Interface("vxlan*".into()),
        Condition::Origin(Origin::Egp),
        Condition::AsPath(pattern("^65001_.*_8_")),
        Condition::AsPathPrefix(vec![Asn(65001), Asn(7)]),
        Condition::OriginAs(Asn(65002)),
        Condition::Community("65000:100".parse().unwrap()),
        Condition::CommunityMatching(pattern("^65000:1..$")),
        Condition::LargeCommunity("65000:1:2".parse().unwrap()),
        Condition::LargeCommunityMatching(pattern("_2$")),
        Condition::ExtCommunity("rt:65000:7".parse().unwrap()),
        Condition::ExtCommunityMatching(pattern("^rt:65000:")),
        Condition::Med(50),
        Condition::MedAbove(49),
        Condition::LocalPref(200),
        Condition::LocalPrefAbove(199),
        Condition::Attribute(4),
        Condition::Any(vec![Condition::Med(7), Condition::OriginAs(Asn(65002))]),
        !Condition::Any(vec![Condition::Med(51), !Condition::Med(50)]),
    ];
    for condition in conditions {
        // Asked of a route as it came, and of one that an earlier rule has changed.
        for actions in [vec![], vec![Action::AddCommunity(Community(1))]] {
            let rules = || {
                let accept = Rule::new("test").when(condition.clone()).accept();
                vec![rule(vec![], actions.clone(), None), accept]
            };
            let holds = |route| decide_on(route, rules()) != Decision::Reject;
            assert!(holds(full), "{condition:?}");
            assert!(!holds(plain), "{condition:?}");
        }
    }
}

/// The attributes that an action makes of these, as text.
fn performed(action: &Action) -> (Changes, String) {
    let before = Attributes {
        as_path: "1 2 {2 3}".parse().unwrap(),
        med: Some(50),
        communities: vec![community("0:1"), community("65000:100")],
        large_communities: vec![large("1:1:1")],
        ext_communities: vec![extended("rt:1:1"), extended("rt:2:2")],
        unknown: vec![UnknownAttribute::new(242, true, [9]).unwrap()],
        ..Attributes::default()
    };
    let accept = rule(vec![], vec![action.clone()], Some(Verdict::Accept));
    let changes = changes(decide(vec![accept], &before));
    let text = format!("{},", changes.attributes.as_ref().unwrap());
    (changes, text)
}

fn community(text: &str) -> Community {
    text.parse().unwrap()
}

fn large(text: &str) -> LargeCommunity {
    text.parse().unwrap()
}

fn extended(text: &str) -> ExtendedCommunity {
    text.parse().unwrap()
}

#[test]
fn every_action_on_communities() {
    use Action::*;
    let none = ", ";
    for (action, expected) in [
        (AddCommunity(community("0:1")), "communities 0:1 65000:100,"),
        (
            AddCommunity(community("0:2")),
            "communities 0:1 65000:100 0:2,",
        ),
        (RemoveCommunity(community("0:1")), "communities 65000:100,"),
        (RemoveCommunities(pattern("^65000:")), "communities 0:1,"),
        (SetCommunities(vec![community("9:9")]), "communities 9:9,"),
        (
            AddLargeCommunity(large("2:2:2")),
            "large-communities 1:1:1 2:2:2,",
        ),
        (
            SetLargeCommunities(vec![large("3:3:3")]),
            "large-communities 3:3:3,",
        ),
        (RemoveLargeCommunity(large("1:1:1")), none),
        (RemoveLargeCommunities(pattern(".")), none),
        (SetLargeCommunities(Vec::new()), none),
        (
            AddExtCommunity(extended("soo:3:3")),
            "ext-communities rt:1:1 rt:2:2 soo:3:3,",
        ),
        (
            RemoveExtCommunity(extended("rt:1:1")),
            "ext-communities rt:2:2,",
        ),
        (
            RemoveExtCommunities(pattern("^rt:2:")),
            "ext-communities rt:1:1,",
        ),
        (
            SetExtCommunities(vec![extended("rt:4:4")]),
            "ext-communities rt:4:4,",
        ),
    ] {
        let (changes, text) = performed(&action);
        assert!(text.contains(expected), "{action:?}: {text}");
        let large_left = text.contains("large-communities");
        assert_eq!(large_left, expected != none, "{action:?}: {text}");
        assert!(!changes.med);
    }
}

#[test]
fn every_action_on_other_attributes() {
    use Action::*;
    let (from, to) = (Asn(2), Asn(7));
    let own = UnknownAttribute::new(241, true, [7]).unwrap();
    for (action, expected) in [
        (SetOrigin(Origin::Incomplete), "origin incomplete,"),
        (
            PrependAsPath(vec![Asn(8), Asn(9)]),
            "as-path [8 9 1 2 {2 3}],",
        ),
        (ReplaceAs { from, to }, "as-path [1 7 {7 3}],"),
        (SetLocalPref(7), "local-pref 7,"),
        (SetMed(7), "med 7,"),
        (SetMed(50), "med 50,"),
        (AddMed(7), "med 57,"),
        (AddMed(u32::MAX), "med 4294967295,"),
        (SubtractMed(7), "med 43,"),
        (SubtractMed(70), "med 0,"),
        (SetAttribute(own), "attribute 241 flags c0 07,"),
        (RemoveAttribute(242), "large-communities 1:1:1,"),
    ] {
        let (changes, text) = performed(&action);
        assert!(text.contains(expected), "{action:?}: {text}");
        assert_eq!(changes.med, expected.starts_with("med"), "{action:?}");
        let removed = matches!(action, RemoveAttribute(_));
        assert_eq!(text.contains("attribute 242"), !removed, "{text}");
    }
}

#[test]
fn next_hops_that_a_policy_chooses() {
    let octets = canonical(&Attributes::default());
    let [own, of_route, other] = [1, 2, 4].map(|host| NextHop::V4([192, 0, 2, host].into()));
    let route = RouteView {
        peer: Some(PEER),
        next_hop: Some(of_route),
        own_next_hop: Some(own),
        ..route(&octets)
    };
    for (choice, expected) in [
        (NextHopChoice::Address(other), other),
        (NextHopChoice::Own, own),
        (NextHopChoice::Peer, NextHop::from(PEER.address)),
        (NextHopChoice::Unchanged, of_route),
    ] {
        let set = Rule::new("set").then(Action::SetNextHop(choice));
        let host = IpNet::from(expected.address());
        let seen = Condition::NextHop([PrefixMatch::exact(host)].into_iter().collect());
        let rules = vec![set, Rule::new("see").when(seen).accept()];
        let changes = changes(decide_on(route, rules));
        assert_eq!(
            (changes.next_hop, changes.attributes),
            (Some(expected), None)
        );
    }
}

/// The path that the peer would be told is the one that is looked at.
#[test]
fn patterns_see_our_own_as_on_the_way_to_another_as() {
    let attributes = |path: &str| Attributes {
        as_path: path.parse().unwrap(),
        ..Attributes::default()
    };
    for (path, wanted) in [("3", "^64512 3$"), ("", "^64512$"), ("(9) 3", "^64512 3$")] {
        let octets = canonical(&attributes(path));
        let route = RouteView {
            own_as: Some(Asn(64512)),
            ..route(&octets)
        };
        let accept = |condition| rule(vec![condition], vec![], Some(Verdict::Accept));
        let by_pattern = accept(Condition::AsPath(pattern(wanted)));
        assert_eq!(decide_on(route, vec![by_pattern]), PLAIN, "{path}");
        let origin = if path.is_empty() { 64512 } else { 3 };
        let by_origin = accept(Condition::OriginAs(Asn(origin)));
        assert_eq!(decide_on(route, vec![by_origin]), PLAIN, "{path}");
    }
}

/// Answers as it was told.
struct Says(Answer);

impl Hook for Says {
    fn decide(&self, _: &RouteView<'_>) -> Answer {
        self.0.clone()
    }
}

fn says(answer: Answer) -> Rule {
    Rule::new("hook").ask(Arc::new(Says(answer)))
}

#[test]
fn a_hook_decides_before_its_rule_and_edits_for_later_ones() {
    let attributes = Attributes::default();
    let reject = says(Answer::Reject("so it is".into())).accept();
    let octets = canonical(&attributes);
    let explanation = Policy::new([reject], Verdict::Accept).explain(route(&octets));
    assert_eq!(explanation.decision, Decision::Reject);
    assert_eq!(
        (explanation.rule, explanation.reason.as_deref()),
        (Some(0), Some("so it is"))
    );

    assert_eq!(
        decide(vec![says(Answer::Accept).reject()], &attributes),
        PLAIN
    );
    assert_eq!(
        decide(vec![says(Answer::Next).accept()], &attributes),
        PLAIN
    );
    assert_eq!(
        decide(vec![says(Answer::Next)], &attributes),
        Decision::Reject
    );

    let edit = says(Answer::Edit(vec![Action::SetMed(5)])).then(Action::AddMed(1));
    let seen = Rule::new("seen").when(Condition::Med(6)).accept();
    let changes = changes(decide(vec![edit, seen], &attributes));
    assert_eq!(changes.attributes.unwrap().med, Some(6));

    let unasked = says(Answer::Accept).when(Condition::Med(1));
    assert_eq!(decide(vec![unasked], &attributes), Decision::Reject);
}

/// Tells the path, MED and LOCAL_PREF that it sees.
struct Tells;

impl Hook for Tells {
    fn decide(&self, route: &RouteView<'_>) -> Answer {
        let (path, med) = (route.attributes.as_path(), route.attributes.med());
        Answer::Reject(format!("{:?} [{path}] {med:?} {:?}", route.own_as, route.local_pref).into())
    }
}

#[test]
fn a_hook_sees_what_earlier_rules_left() {
    let octets = canonical(&Attributes {
        as_path: AsPath::sequence([Asn(3)]),
        ..Attributes::default()
    });
    let route = RouteView {
        own_as: Some(Asn(64512)),
        ..route(&octets)
    };
    let reason = |rules: Vec<Rule>| Policy::new(rules, Verdict::Accept).explain(route).reason;
    let tells = || Rule::new("tells").ask(Arc::new(Tells));
    assert_eq!(
        reason(vec![tells()]).unwrap(),
        "Some(Asn(64512)) [3] None None"
    );
    let edits = Rule::new("edits")
        .then(Action::SetMed(7))
        .then(Action::SetLocalPref(9));
    assert_eq!(
        reason(vec![edits, tells()]).unwrap(),
        "None [64512 3] Some(7) Some(9)"
    );
}

#[test]
fn policies_are_equal_while_their_hooks_are_the_same_object() {
    let policy =
        |hook: &Arc<Says>| Policy::new([Rule::new("a").ask(Arc::clone(hook))], Verdict::Accept);
    let [one, two] = [(), ()].map(|()| Arc::new(Says(Answer::Accept)));
    assert_eq!(policy(&one), policy(&one));
    assert_ne!(policy(&one), policy(&two));
}
