use super::*;
use crate::policy::{PrefixMatch, Rule};
use crate::types::Asn;
use crate::wire::attribute::{AsPath, Community};

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
    }
}

fn decide(rules: Vec<Rule>, attributes: &Attributes) -> Decision {
    let octets = canonical(attributes);
    decide_on(route(&octets), rules)
}

fn route(octets: &[u8]) -> RouteView<'_> {
    let attributes = AttributeView::new(octets);
    RouteView {
        prefix: "10.1.0.0/16".parse().unwrap(),
        attributes,
        local_pref: attributes.to_attributes().local_pref,
        source: Source::Peer,
        interface: Some("vxlan.calico"),
        own_as: None,
    }
}

fn decide_on(route: RouteView<'_>, rules: Vec<Rule>) -> Decision {
    Policy {
        rules,
        default: Verdict::Reject,
    }
    .evaluate(route)
}

const PLAIN: Decision = Decision::Accept {
    attributes: None,
    preference: None,
};

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
    let Decision::Accept {
        attributes: Some(edited),
        preference,
    } = decide(vec![mark, raise], &Attributes::default())
    else {
        panic!("rejected or unchanged");
    };
    assert_eq!(preference, Some(200));
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
    assert!(matches!(
        decide(vec![prepend, accept], &attributes),
        Decision::Accept { .. }
    ));
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
    let Decision::Accept {
        attributes: Some(edited),
        ..
    } = decide(vec![prepend, begins_with(&[1, 64512, 3])])
    else {
        panic!("rejected or unchanged");
    };
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
