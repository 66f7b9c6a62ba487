//! Policies, compared with a naive evaluator.

use std::fmt::Display;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::types::{Asn, PeerId};
use crate::wire::NextHop;
use crate::wire::attribute::{
    AsPath, AttributeView, Attributes, Community, ExtendedCommunity, LargeCommunity, Origin,
    UnknownAttribute,
};

/// A route taken apart, as a rule may change it.
#[derive(Clone, Debug, PartialEq)]
struct Naive {
    attributes: Attributes,
    next_hop: Option<NextHop>,
    preference: Option<u32>,
}

fn naive_holds(condition: &Condition, view: &RouteView<'_>, route: &Naive) -> bool {
    let attributes = &route.attributes;
    let asns: Vec<Asn> = attributes.as_path.view().asns().collect();
    let one_of =
        |texts: Vec<String>, pattern: &Pattern| texts.iter().any(|it| pattern.is_match(it));
    match condition {
        Condition::Prefix(set) => set.members().iter().any(|it| it.contains(view.prefix)),
        Condition::NextHop(set) => route.next_hop.is_some_and(|next_hop| {
            let host = IpNet::from(next_hop.address());
            set.members().iter().any(|it| it.contains(host))
        }),
        Condition::Peer(wanted) => view.peer.is_some_and(|peer| wanted.contains(peer)),
        Condition::LearnedFrom(wanted) => view.learned_from.is_some_and(|it| wanted.contains(it)),
        Condition::Source(source) => view.source == *source,
        Condition::Interface(pattern) => glob_matches(pattern, view.interface.unwrap_or("")),
        Condition::Origin(origin) => attributes.origin == *origin,
        Condition::AsPath(pattern) => pattern.is_match(&attributes.as_path.to_string()),
        Condition::AsPathPrefix(wanted) => asns.starts_with(wanted),
        Condition::OriginAs(wanted) => attributes.as_path.view().origin() == Some(*wanted),
        Condition::Community(wanted) => attributes.communities.contains(wanted),
        Condition::CommunityMatching(it) => one_of(texts(&attributes.communities), it),
        Condition::LargeCommunity(wanted) => attributes.large_communities.contains(wanted),
        Condition::LargeCommunityMatching(it) => one_of(texts(&attributes.large_communities), it),
        Condition::ExtCommunity(wanted) => attributes.ext_communities.contains(wanted),
        Condition::ExtCommunityMatching(it) => one_of(texts(&attributes.ext_communities), it),
        Condition::Med(value) => attributes.med == Some(*value),
        Condition::MedAbove(bound) => attributes.med > Some(*bound),
        Condition::LocalPref(value) => attributes.local_pref.or(view.local_pref) == Some(*value),
        Condition::LocalPrefAbove(bound) => {
            attributes.local_pref.or(view.local_pref) > Some(*bound)
        }
        Condition::Attribute(code) => match code {
            4 => attributes.med.is_some(),
            8 => !attributes.communities.is_empty(),
            code => attributes.unknown.iter().any(|it| it.code() == *code),
        },
        Condition::Any(all) => all.iter().any(|it| naive_holds(it, view, route)),
        Condition::Not(it) => !naive_holds(it, view, route),
    }
}

fn texts<T: Display>(items: &[T]) -> Vec<String> {
    items.iter().map(T::to_string).collect()
}

fn without<T: Clone + Display>(items: &[T], pattern: &Pattern) -> Vec<T> {
    let kept = items.iter().filter(|it| !pattern.is_match(&it.to_string()));
    kept.cloned().collect()
}

fn with<T: Clone + PartialEq>(items: &[T], new: T) -> Vec<T> {
    let more = (!items.contains(&new)).then_some(new);
    items.iter().cloned().chain(more).collect()
}

fn naive_perform(action: &Action, view: &RouteView<'_>, route: &mut Naive) {
    let it = &mut route.attributes;
    match action {
        Action::AddCommunity(new) => it.communities = with(&it.communities, *new),
        Action::RemoveCommunity(old) => it.communities.retain(|it| it != old),
        Action::RemoveCommunities(pattern) => it.communities = without(&it.communities, pattern),
        Action::SetCommunities(all) => it.communities = all.clone(),
        Action::AddLargeCommunity(new) => it.large_communities = with(&it.large_communities, *new),
        Action::RemoveLargeCommunity(old) => it.large_communities.retain(|it| it != old),
        Action::RemoveLargeCommunities(pattern) => {
            it.large_communities = without(&it.large_communities, pattern);
        }
        Action::SetLargeCommunities(all) => it.large_communities = all.clone(),
        Action::AddExtCommunity(new) => it.ext_communities = with(&it.ext_communities, *new),
        Action::RemoveExtCommunity(old) => it.ext_communities.retain(|it| it != old),
        Action::RemoveExtCommunities(pattern) => {
            it.ext_communities = without(&it.ext_communities, pattern);
        }
        Action::SetExtCommunities(all) => it.ext_communities = all.clone(),
        Action::SetNextHop(choice) => {
            let chosen = match choice {
                NextHopChoice::Address(next_hop) => Some(*next_hop),
                NextHopChoice::Own => view.own_next_hop,
                NextHopChoice::Peer => view.peer.map(|peer| peer.address.into()),
                NextHopChoice::Unchanged => view.next_hop,
            };
            route.next_hop = chosen.or(route.next_hop);
        }
        Action::SetOrigin(origin) => it.origin = *origin,
        Action::PrependAsPath(asns) => {
            // Paths of these tests are one sequence.
            let rest: Vec<Asn> = it.as_path.view().asns().collect();
            it.as_path = AsPath::sequence(asns.iter().copied().chain(rest));
        }
        Action::ReplaceAs { from, to } => {
            let asns = it.as_path.view().asns();
            let replaced = asns.map(|asn| if asn == *from { *to } else { asn });
            it.as_path = AsPath::sequence(replaced.collect::<Vec<_>>());
        }
        Action::SetLocalPref(value) => it.local_pref = Some(*value),
        Action::SetMed(value) => it.med = Some(*value),
        Action::AddMed(more) => it.med = Some(it.med.unwrap_or(0).saturating_add(*more)),
        Action::SubtractMed(less) => it.med = Some(it.med.unwrap_or(0).saturating_sub(*less)),
        Action::SetAttribute(new) => {
            let others = it.unknown.iter().filter(|it| it.code() != new.code());
            it.unknown = others.cloned().chain([new.clone()]).collect();
            it.unknown.sort_by_key(UnknownAttribute::code);
        }
        Action::RemoveAttribute(old) => it.unknown.retain(|it| it.code() != *old),
        Action::SetPreference(value) => route.preference = Some(*value),
    }
}

/// What a policy makes of a route, or `None`; and the rule that decided.
fn naive(policy: &Policy, view: &RouteView<'_>) -> (Option<Naive>, Option<usize>) {
    let mut route = Naive {
        attributes: view.attributes.to_attributes(),
        next_hop: view.next_hop,
        preference: None,
    };
    let path: Vec<Asn> = route.attributes.as_path.view().asns().collect();
    route.attributes.as_path = AsPath::sequence(view.own_as.into_iter().chain(path));
    for (place, rule) in policy.rules().iter().enumerate() {
        let holds = |it: &Condition| naive_holds(it, view, &route);
        if rule.conditions.iter().all(holds) {
            for action in &rule.actions {
                naive_perform(action, view, &mut route);
            }
            if let Some(verdict) = rule.verdict {
                return ((verdict == Verdict::Accept).then_some(route), Some(place));
            }
        }
    }
    let accepted = policy.default_verdict() == Verdict::Accept;
    (accepted.then_some(route), None)
}

/// The same of the policy itself, its changes put into the route.
fn real(policy: &Policy, view: RouteView<'_>) -> (Option<Naive>, Option<usize>) {
    let explanation = policy.explain(view);
    let Decision::Accept(changes) = explanation.decision else {
        return (None, explanation.rule);
    };
    let unchanged = || {
        let mut attributes = view.attributes.to_attributes();
        if let Some(own_as) = view.own_as {
            attributes.as_path.leave_as(own_as);
        }
        attributes
    };
    let route = Naive {
        attributes: changes.attributes.map_or_else(unchanged, |it| *it),
        next_hop: changes.next_hop.or(view.next_hop),
        preference: changes.preference,
    };
    (Some(route), explanation.rule)
}

fn small() -> impl Strategy<Value = u32> + Clone {
    0_u32..4
}

fn asn() -> impl Strategy<Value = Asn> + Clone {
    (1_u32..4).prop_map(Asn)
}

fn community() -> impl Strategy<Value = Community> + Clone {
    (small(), small()).prop_map(|(high, low)| Community(high << 16 | low))
}

fn large() -> impl Strategy<Value = LargeCommunity> + Clone {
    (small(), small()).prop_map(|(global, local1)| LargeCommunity {
        global,
        local1,
        local2: 7,
    })
}

fn extended() -> impl Strategy<Value = ExtendedCommunity> + Clone {
    (small(), small()).prop_map(|(asn, value)| {
        ExtendedCommunity(2 << 48 | u64::from(asn) << 32 | u64::from(value))
    })
}

fn some<T: std::fmt::Debug>(item: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(item, 0..4)
}

fn pattern() -> impl Strategy<Value = Pattern> {
    const TEXTS: [&str; 9] = [
        "_1_", "^1_", "_2$", "^$", "(1|3)", "1.*2", "^rt:1:", ":[12]$", "^1:2:",
    ];
    select(&TEXTS[..]).prop_map(|text| text.parse().expect("a pattern"))
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (0_u8..4, select(&[8_u8, 15, 16, 24, 32][..])).prop_map(|(second, len)| {
        IpNet::new([10, second, 0, 0].into(), len)
            .expect("short")
            .trunc()
    })
}

fn prefix_set() -> impl Strategy<Value = PrefixSet> {
    let member = (prefix(), 0_u8..33, 0_u8..33)
        .prop_map(|(net, ge, le)| PrefixMatch::within(net).ge(ge).le(le));
    some(member).prop_map(PrefixSet::from_iter)
}

fn next_hop() -> impl Strategy<Value = NextHop> {
    (0_u8..4).prop_map(|second| NextHop::V4([10, second, 0, 0].into()))
}

fn peer() -> impl Strategy<Value = PeerView> {
    (0_u32..3, 0_u8..4, asn()).prop_map(|(id, second, asn)| PeerView {
        id: PeerId(id),
        address: [10, second, 0, 0].into(),
        asn,
    })
}

fn peer_match() -> impl Strategy<Value = PeerMatch> {
    prop_oneof![
        (0_u32..3).prop_map(|id| PeerMatch::Id(PeerId(id))),
        (0_u8..4).prop_map(|second| PeerMatch::Address([10, second, 0, 0].into())),
        prefix_set().prop_map(PeerMatch::AddressIn),
        asn().prop_map(PeerMatch::Asn),
    ]
}

fn origin() -> impl Strategy<Value = Origin> + Clone {
    select(&[Origin::Igp, Origin::Egp, Origin::Incomplete][..])
}

fn source() -> impl Strategy<Value = Source> {
    select(
        &[
            Source::Local,
            Source::External,
            Source::Internal,
            Source::Client,
        ][..],
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        prefix_set().prop_map(Condition::Prefix),
        prefix_set().prop_map(Condition::Prefix),
        prefix_set().prop_map(Condition::NextHop),
        peer_match().prop_map(Condition::Peer),
        peer_match().prop_map(Condition::LearnedFrom),
        source().prop_map(Condition::Source),
        select(&["*", "eth0", ""][..]).prop_map(|name| Condition::Interface(name.into())),
        origin().prop_map(Condition::Origin),
        pattern().prop_map(Condition::AsPath),
        some(asn()).prop_map(Condition::AsPathPrefix),
        asn().prop_map(Condition::OriginAs),
        community().prop_map(Condition::Community),
        pattern().prop_map(Condition::CommunityMatching),
        large().prop_map(Condition::LargeCommunity),
        pattern().prop_map(Condition::LargeCommunityMatching),
        extended().prop_map(Condition::ExtCommunity),
        pattern().prop_map(Condition::ExtCommunityMatching),
        small().prop_map(Condition::Med),
        small().prop_map(Condition::MedAbove),
        small().prop_map(Condition::LocalPref),
        small().prop_map(Condition::LocalPrefAbove),
        select(&[4_u8, 8, 200, 201][..]).prop_map(Condition::Attribute),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            some(inner.clone()).prop_map(Condition::Any),
            inner.prop_map(|condition| !condition),
        ]
    })
}

fn action() -> impl Strategy<Value = Action> {
    let choice = prop_oneof![
        next_hop().prop_map(NextHopChoice::Address),
        select(
            &[
                NextHopChoice::Own,
                NextHopChoice::Peer,
                NextHopChoice::Unchanged
            ][..]
        ),
    ];
    prop_oneof![
        community().prop_map(Action::AddCommunity),
        community().prop_map(Action::RemoveCommunity),
        pattern().prop_map(Action::RemoveCommunities),
        some(community()).prop_map(Action::SetCommunities),
        large().prop_map(Action::AddLargeCommunity),
        large().prop_map(Action::RemoveLargeCommunity),
        pattern().prop_map(Action::RemoveLargeCommunities),
        some(large()).prop_map(Action::SetLargeCommunities),
        extended().prop_map(Action::AddExtCommunity),
        extended().prop_map(Action::RemoveExtCommunity),
        pattern().prop_map(Action::RemoveExtCommunities),
        some(extended()).prop_map(Action::SetExtCommunities),
        choice.prop_map(Action::SetNextHop),
        origin().prop_map(Action::SetOrigin),
        some(asn()).prop_map(Action::PrependAsPath),
        (asn(), asn()).prop_map(|(from, to)| Action::ReplaceAs { from, to }),
        small().prop_map(Action::SetLocalPref),
        small().prop_map(Action::SetMed),
        small().prop_map(Action::AddMed),
        small().prop_map(Action::SubtractMed),
        own_attribute().prop_map(Action::SetAttribute),
        select(&[4_u8, 200, 201][..]).prop_map(Action::RemoveAttribute),
        small().prop_map(Action::SetPreference),
    ]
}

fn option_of_own() -> impl Strategy<Value = Vec<UnknownAttribute>> {
    prop::collection::vec(own_attribute(), 0..2)
}

fn own_attribute() -> impl Strategy<Value = UnknownAttribute> {
    let new = |(code, value)| UnknownAttribute::new(code, true, [value]).expect("not known");
    (select(&[200_u8, 201][..]), any::<u8>()).prop_map(new)
}

fn policy() -> impl Strategy<Value = Policy> {
    let verdict = || select(&[Verdict::Accept, Verdict::Reject][..]);
    // Most rules hold and decide nothing, so that later ones see what earlier ones left.
    let condition = (condition(), any::<bool>());
    let condition = condition.prop_map(|(it, not)| if not { !it } else { it });
    let conditions = prop::collection::vec(condition, 0..2);
    let rule = (
        conditions,
        some(action()),
        prop::option::weighted(0.1, verdict()),
    );
    let rule = rule.prop_map(|(conditions, actions, verdict)| Rule {
        conditions,
        actions,
        verdict,
        ..Rule::default()
    });
    let rules = prop::collection::vec(rule, 0..10);
    (rules, verdict()).prop_map(|(rules, default)| Policy::new(rules, default))
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let option = |value| prop::option::of(value);
    let numbers = (origin(), option(small()), option(small()), some(asn()));
    let lists = (
        some(community()),
        some(large()),
        some(extended()),
        option_of_own(),
    );
    (numbers, lists).prop_map(|((origin, med, local_pref, path), lists)| Attributes {
        origin,
        med,
        local_pref,
        as_path: AsPath::sequence(path),
        communities: lists.0,
        large_communities: lists.1,
        ext_communities: lists.2,
        unknown: lists.3,
        ..Attributes::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_policy_decides_as_it_is_read(
        policy in policy(),
        attributes in attributes(),
        prefixes in prop::collection::vec(prefix(), 1..4),
        peers in (prop::option::of(peer()), prop::option::of(peer())),
        source in source(),
        next_hops in (prop::option::of(next_hop()), prop::option::of(next_hop())),
        own_as in prop::option::of(asn()),
    ) {
        let mut octets = Vec::new();
        attributes.encode_canonical(&mut octets);
        let mut outcomes = Outcomes::default();
        let mut decisions = Vec::new();
        for prefix in prefixes {
            let view = RouteView {
                peer: peers.0,
                learned_from: peers.1,
                source,
                next_hop: next_hops.0,
                own_next_hop: next_hops.1,
                interface: Some("eth0"),
                own_as,
                ..RouteView::new(prefix, AttributeView::new(&octets))
            };
            prop_assert_eq!(real(&policy, view), naive(&policy, &view), "{}", prefix);
            // What is remembered of earlier prefixes is what would be decided for this one.
            let (decision, asked) = policy.evaluate_asking(view);
            if let Some(known) = outcomes.find(prefix) {
                let known: usize = known;
                prop_assert_eq!(&decisions[known], &decision, "{}", prefix);
            } else {
                outcomes.note(&asked, decisions.len());
                decisions.push(decision);
                prop_assert_eq!(outcomes.find(prefix), Some(decisions.len() - 1));
            }
        }
    }
}
