//! Queries: which routes were received, accepted, selected and sent, and why.

use std::sync::Arc;

use super::world::{OWN_AS, World, address_of, id, local, net, rib_config, route};
use crate::policy::{Action, Policy, Rule, Verdict};
use crate::rib::{
    Cursor, DecisionStep, PeerKind, Query, RouteSource, Selection, Standing, Unusable, View,
    ViewedRoute, Withheld,
};
use crate::types::{Family, PathId, Role};
use crate::wire::attribute::{Attributes, Community};

use PeerKind::{Client, External, Internal};

const PREFIX: &str = "10.1.0.0/16";

/// All answers, page by page.
pub(super) fn ask_all(world: &World, query: &Query) -> Vec<ViewedRoute> {
    let (mut routes, mut from) = (Vec::new(), Some(Cursor::START));
    while let Some(cursor) = from {
        let page = world.rib.ask(query, cursor, 3);
        routes.extend(page.routes);
        from = page.next;
    }
    routes
}

fn all(view: View) -> Query {
    Query::new(view, Family::Ipv4Unicast)
}

fn prefixes(world: &World, query: &Query) -> Vec<String> {
    let mut prefixes: Vec<String> = ask_all(world, query)
        .iter()
        .map(|route| route.prefix.to_string())
        .collect();
    prefixes.sort();
    prefixes
}

/// Why a peer is sent the route of another, or not.
fn told(world: &World, from: usize, to: usize) -> Standing {
    let query = Query::about(View::Told, net(PREFIX)).of_peer(id(to));
    let routes = ask_all(world, &query.with_left_out());
    let found = routes.iter().find(|route| route.peer() == Some(id(from)));
    found.expect("the route is there").standing
}

#[test]
fn what_a_policy_edits_or_rejects_is_still_there_as_it_was_received() {
    let mut world = World::up(rib_config(), &[External, External]);
    let mark = Community(77);
    world.configure(0, |config| {
        let rule = Rule::new("mark").then(Action::AddCommunity(mark));
        config.import = Arc::new(Policy::new([rule], Verdict::Accept));
    });
    world.configure(1, |config| config.import = Arc::new(Policy::REJECT));
    for peer in [0, 1] {
        world.announce(peer, PREFIX, &route(&[1]));
    }
    world.drain();
    let received = ask_all(&world, &all(View::Received));
    let seen = |route: &ViewedRoute| (route.peer(), route.standing);
    let rejected = (Some(id(1)), Standing::Unusable(Unusable::Policy));
    let best = (Some(id(0)), Standing::Best);
    assert_eq!(
        received.iter().map(seen).collect::<Vec<_>>(),
        [best, rejected]
    );
    assert!(
        received
            .iter()
            .all(|it| it.attributes.communities.is_empty())
    );
    let accepted = ask_all(&world, &all(View::Accepted));
    assert_eq!(accepted.iter().map(seen).collect::<Vec<_>>(), [best]);
    assert_eq!(accepted[0].attributes.communities, [mark]);
    let left_out = ask_all(&world, &all(View::Accepted).with_left_out());
    assert_eq!(
        left_out.iter().map(seen).collect::<Vec<_>>(),
        [best, rejected]
    );
}

#[test]
fn local_routes_are_among_the_best_and_nowhere_else() {
    let mut world = World::up(rib_config(), &[External]);
    world.originate(PREFIX, local(7));
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    let best = ask_all(&world, &all(View::Best));
    assert_eq!(best[0].source, RouteSource::Local(7));
    let against = RouteSource::Local(7);
    let lost = Standing::Lost {
        step: DecisionStep::Preference,
        against,
    };
    for view in [View::Received, View::Accepted] {
        let routes = ask_all(&world, &all(view));
        assert_eq!((routes.len(), routes[0].standing), (1, lost));
    }
}

#[test]
fn pages_are_short_and_together_are_everything_once() {
    let mut world = World::up(rib_config(), &[External, External]);
    let all_prefixes: Vec<String> = (0..40).map(|n| format!("10.{n}.0.0/16")).collect();
    for prefix in &all_prefixes {
        world.announce(0, prefix, &route(&[1]));
    }
    world.announce(1, "10.39.0.0/16", &route(&[1]));
    world.drain();
    let mut sorted = all_prefixes.clone();
    sorted.sort();
    assert_eq!(prefixes(&world, &all(View::Best)), sorted);
    // Even a question that finds nothing holds up the RIB for no more than a page.
    let rare = all(View::Received).of_peer(id(1));
    let first = world.rib.ask(&rare, Cursor::START, 100);
    assert!(first.routes.is_empty() && first.next.is_some());
    assert_eq!(prefixes(&world, &rare), ["10.39.0.0/16"]);
}

#[test]
fn prefixes_are_selected_alone_by_the_longest_match_or_with_all_within() {
    let mut world = World::up(rib_config(), &[External]);
    for prefix in ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.128.0/17"] {
        world.announce(0, prefix, &route(&[1]));
    }
    world.announce(0, "10.1.2.0/24", &route(&[1, OWN_AS.0]));
    world.drain();
    let of = |view, selection| prefixes(&world, &all(view).select(selection));
    let host = net("10.1.2.3/32");
    let exactly = |text| of(View::Best, Selection::Exactly(net(text)));
    assert_eq!(exactly("10.1.0.0/16"), ["10.1.0.0/16"]);
    assert!(exactly("10.1.0.0/17").is_empty());
    assert_eq!(of(View::Best, Selection::LongestMatch(host)), [PREFIX]);
    let received = of(View::Received, Selection::LongestMatch(host));
    assert_eq!(received, ["10.1.2.0/24"]);
    let far = net("192.0.2.1/32");
    assert_eq!(of(View::Best, Selection::LongestMatch(far)), ["0.0.0.0/0"]);
    let within = of(View::Best, Selection::Within(net("10.1.0.0/16")));
    assert_eq!(within, ["10.1.0.0/16", "10.1.128.0/17"]);
}

#[test]
fn every_reason_not_to_tell_has_a_name() {
    let mut world = World::up(
        rib_config(),
        &[External, External, Internal, Internal, Client],
    );
    let withheld = |world: &World, from, to| match told(world, from, to) {
        Standing::Withheld(why) => Some(why),
        _ => None,
    };
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(told(&world, 0, 1), Standing::Told);
    assert_eq!(withheld(&world, 0, 0), Some(Withheld::Source));
    world.configure(1, |config| config.export = Arc::new(Policy::REJECT));
    world.drain();
    assert_eq!(withheld(&world, 0, 1), Some(Withheld::Policy));
    world.configure(1, |config| {
        config.export = Arc::new(Policy::ACCEPT);
        config.role = Some(Role::Customer);
    });
    let leaking = Attributes {
        otc: Some(crate::types::Asn(65000)),
        ..route(&[1])
    };
    world.announce(0, PREFIX, &leaking);
    world.drain();
    assert_eq!(withheld(&world, 0, 1), Some(Withheld::RouteLeak));
    world.announce_via(0, PREFIX, &route(&[1]), address_of(2));
    world.drain();
    assert_eq!(withheld(&world, 0, 2), Some(Withheld::NextHop));
    assert_eq!(told(&world, 0, 3), Standing::Told);
    let with = |community| Attributes {
        communities: vec![community],
        ..route(&[1])
    };
    for (community, why) in [
        (Community::NO_ADVERTISE, Withheld::NoAdvertise),
        (Community::NO_EXPORT, Withheld::NoExport),
        (Community::LLGR_STALE, Withheld::LongLivedStale),
    ] {
        world.announce(0, PREFIX, &with(community));
        world.drain();
        assert_eq!(withheld(&world, 0, 1), Some(why));
    }
    world.withdraw(0, PREFIX);
    world.announce(2, PREFIX, &route(&[]));
    world.drain();
    assert_eq!(withheld(&world, 2, 3), Some(Withheld::Internal));
    assert_eq!(told(&world, 2, 4), Standing::Told);
}

#[test]
fn what_is_too_long_is_named_too() {
    let mut world = World::up(rib_config(), &[External, External]);
    let long = Attributes {
        communities: (0..1_100).map(Community).collect(),
        ..route(&[1])
    };
    world.originate(
        PREFIX,
        crate::rib::LocalRoute {
            attributes: long,
            ..local(0)
        },
    );
    let query = Query::about(View::Told, net(PREFIX)).of_peer(id(1));
    let standing = |world: &World| ask_all(world, &query.clone().with_left_out())[0].standing;
    assert_eq!(standing(&world), Standing::Undecided);
    world.drain();
    assert_eq!(standing(&world), Standing::Withheld(Withheld::TooLong));
}

#[test]
fn a_peer_with_path_identifiers_is_told_all_that_may_be_used() {
    let mut world = World::new(rib_config(), &[External, External, External]);
    world.receivers[2].add_path = true;
    (0..3).for_each(|peer| world.peer_up(peer));
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(1, PREFIX, &route(&[1, 2]));
    world.drain();
    let query = Query::about(View::Told, net(PREFIX)).of_peer(id(2));
    let routes = ask_all(&world, &query);
    let held: Vec<PathId> = world.receivers[2].held.keys().map(|(_, id)| *id).collect();
    let mut asked: Vec<PathId> = routes.iter().map(|route| route.path_id).collect();
    asked.sort();
    assert_eq!(asked, held);
    assert_eq!(held.len(), 2);
    let within =
        Query::new(View::Told, Family::Ipv4Unicast).select(Selection::Within(net("10.0.0.0/8")));
    // Peers 0 and 1 are each sent one, and peer 2 both.
    let to = |route: &ViewedRoute| route.to.map(|peer| peer.0);
    let mut told: Vec<_> = ask_all(&world, &within).iter().map(to).collect();
    told.sort();
    assert_eq!(told, [Some(1), Some(2), Some(2)]);
}

#[test]
fn only_the_first_route_that_cannot_be_used_is_reported() {
    use crate::rib::Output;
    let mut world = World::up(rib_config(), &[External]);
    for prefix in ["10.1.0.0/16", "10.2.0.0/16"] {
        world.announce(0, prefix, &route(&[1, OWN_AS.0]));
    }
    world.drain();
    let report = |prefix: &str| Output::Unusable {
        peer: id(0),
        prefix: net(prefix),
        why: Unusable::AsLoop,
    };
    assert_eq!(world.other_outputs, [report("10.1.0.0/16")]);
    world.peer_down(0, None);
    world.peer_up(0);
    world.announce(0, "10.2.0.0/16", &route(&[1, OWN_AS.0]));
    world.drain();
    assert_eq!(world.other_outputs[1..], [report("10.2.0.0/16")]);
}
