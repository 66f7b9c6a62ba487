//! Policies evaluated with a trace: which rule changed a route, which one decided, and the same verdict as in the tables.

use std::sync::Arc;

use super::view::ask_all;
use super::world::{OWN_AS, World, id, local, net, rib_config, route};
use crate::policy::{Action, Condition, Policy, Rule, Verdict};
use crate::rib::{PeerKind, PolicyTrace, Query, RouteSource, Standing, View, Withheld};
use crate::types::PathId;
use crate::wire::attribute::{Attributes, Community};

use PeerKind::{External, Internal};

const PREFIX: &str = "10.1.0.0/16";

fn marking(verdict: Verdict) -> Policy {
    let mark = Rule::new("mark").then(Action::AddCommunity(Community(7)));
    let marked = Rule::new("marked").when(Condition::Community(Community(7)));
    let decide = match verdict {
        Verdict::Accept => marked.accept(),
        Verdict::Reject => marked.reject(),
    };
    Policy::new([Rule::new("no reader"), mark, decide], Verdict::Accept)
}

fn said(trace: &PolicyTrace) -> (bool, Option<&str>, Vec<&str>) {
    let changed_by = trace.changed_by.iter().map(String::as_str);
    (trace.accepted, trace.rule.as_deref(), changed_by.collect())
}

#[test]
fn the_rules_of_an_import_are_named_also_of_a_route_that_was_rejected() {
    let mut world = World::up(rib_config(), &[External]);
    let source = RouteSource::Peer(id(0), PathId(0));
    for verdict in [Verdict::Accept, Verdict::Reject] {
        world.configure(0, |config| config.import = Arc::new(marking(verdict)));
        world.announce(0, PREFIX, &route(&[1]));
        world.drain();
        let trace = world.rib.trace_import(net(PREFIX), source).expect("a path");
        let accepted = verdict == Verdict::Accept;
        assert_eq!(said(&trace), (accepted, Some("marked"), vec!["mark"]));
    }
    world.announce(0, PREFIX, &route(&[1, OWN_AS.0]));
    world.drain();
    assert_eq!(
        world.rib.trace_import(net(PREFIX), source),
        None,
        "a loop is found before the policy is asked"
    );
}

/// Every peer, up or down: the trace and the view of sent routes never contradict each other.
#[test]
fn a_trace_says_what_the_view_of_what_is_told_says() {
    let mut world = World::up(rib_config(), &[External, External, Internal]);
    world.configure(1, |config| {
        config.export = Arc::new(marking(Verdict::Reject))
    });
    world.originate(PREFIX, local(7));
    let source = RouteSource::Local(7);
    let trace = |world: &World, to| {
        let trace = world.rib.trace_export(net(PREFIX), source, id(to));
        trace.expect("a path and a peer")
    };
    for community in [None, Some(Community::NO_EXPORT)] {
        let mut route = local(7);
        route.attributes.communities = community.into_iter().collect();
        world.originate(PREFIX, route);
        world.drain();
        for to in 0..3 {
            let query = Query::about(View::Told, net(PREFIX)).of_peer(id(to));
            let told = ask_all(&world, &query.with_left_out())[0].standing;
            let trace = trace(&world, to);
            assert!(trace.in_session);
            let expected = match trace.withheld {
                Some(why) => Standing::Withheld(why),
                None => Standing::Told,
            };
            assert_eq!(told, expected, "{to} {community:?}");
        }
    }
    let by_bgp = trace(&world, 0);
    assert_eq!(
        (by_bgp.withheld, by_bgp.policy),
        (Some(Withheld::NoExport), None)
    );
    world.originate(
        PREFIX,
        crate::rib::LocalRoute {
            attributes: Attributes::default(),
            ..local(7)
        },
    );
    world.drain();
    (0..3).for_each(|peer| world.peer_down(peer, None));
    world.drain();
    let rejected = trace(&world, 1);
    assert!(!rejected.in_session);
    assert_eq!(rejected.withheld, Some(Withheld::Policy));
    let policy = rejected.policy.expect("the policy is asked");
    assert_eq!(said(&policy), (false, Some("marked"), vec!["mark"]));
    assert!(
        trace(&world, 2)
            .policy
            .is_some_and(|policy| policy.accepted)
    );
    assert_eq!(
        world.rib.trace_export(net("10.2.0.0/16"), source, id(0)),
        None
    );
}
