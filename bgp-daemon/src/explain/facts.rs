//! The RIB's data about a prefix, from its own views and traces.

use std::collections::BTreeMap;

use bgp_core::rib::{
    Cursor, ExportTrace, PolicyTrace, Query, Rib, Route, RouteSource, Selection, Standing, View,
    ViewedRoute,
};
use bgp_core::types::{Family, PeerId, family_of};
use ipnet::IpNet;

use super::question::Target;
use crate::plan::Plan;
use crate::plan::trace::{Claim, ClaimKind, ClaimStanding, Claims};

/// More routes of one prefix than there can be.
const ALL: usize = usize::MAX;

/// The prefix of an answer, and its routes.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The prefix.
    pub prefix: IpNet,
    /// Its routes, the best one first.
    pub routes: Vec<RouteFact>,
    /// The routes, as forwarding sees them.
    pub paths: Vec<Route>,
    /// The longest other prefix that contains it and has a route.
    pub covered_by: Option<IpNet>,
    /// A longer prefix that contains the address, and is covered by an own block.
    pub inner: Option<IpNet>,
}

/// A route of the prefix.
#[derive(Clone, Debug)]
pub struct RouteFact {
    /// The route in the decision process.
    pub route: ViewedRoute,
    /// The result of the import policy.
    pub import: Option<PolicyTrace>,
}

/// The RIB's treatment of the prefix towards a peer.
#[derive(Clone, Debug, Default)]
pub struct PeerFact {
    /// The advertised route.
    pub told: Option<ViewedRoute>,
    /// Why the best route is not advertised.
    pub standing: Option<Standing>,
    /// The result of the rules for the advertised route, or otherwise the best one.
    pub trace: Option<ExportTrace>,
}

impl Subject {
    /// Determines the prefix of a question.
    pub fn find(rib: &Rib, target: Target, claims: &Claims, plan: &Plan) -> Self {
        match target {
            Target::Prefix(prefix) => Self::of(rib, prefix),
            Target::Address(_) => of_address(rib, target.net(), claims, plan),
        }
    }

    fn of(rib: &Rib, prefix: IpNet) -> Self {
        let routes = ask(rib, View::Best, Selection::Exactly(prefix), prefix);
        let fact = |route: ViewedRoute| RouteFact {
            import: rib.trace_import(prefix, route.source),
            route,
        };
        let mut routes: Vec<RouteFact> = routes.into_iter().map(fact).collect();
        routes.sort_by_key(|fact| fact.route.standing != Standing::Best);
        Self {
            prefix,
            routes,
            paths: rib.paths(prefix),
            covered_by: prefix
                .supernet()
                .and_then(|above| longest_match(rib, above)),
            inner: None,
        }
    }

    /// The best route.
    pub fn best(&self) -> Option<&ViewedRoute> {
        let best = self.routes.first().map(|fact| &fact.route);
        best.filter(|route| route.standing == Standing::Best)
    }
}

impl PeerFact {
    /// The RIB's treatment of the prefix towards some peers.
    pub fn of_each(rib: &Rib, subject: &Subject, peers: &[PeerId]) -> BTreeMap<PeerId, Self> {
        let facts = peers
            .iter()
            .map(|peer| (*peer, Self::of(rib, subject, *peer)));
        facts.collect()
    }

    fn of(rib: &Rib, subject: &Subject, peer: PeerId) -> Self {
        let prefix = subject.prefix;
        let query = Query::about(View::Told, prefix)
            .of_peer(peer)
            .with_left_out();
        let routes = rib.ask(&query, Cursor::START, ALL).routes;
        let best = subject.best().map(|route| route.source);
        let told = routes.iter().find(|route| route.standing == Standing::Told);
        let of_best = routes.iter().find(|route| Some(route.source) == best);
        let source: Option<RouteSource> = told.map(|route| route.source).or(best);
        Self {
            standing: of_best
                .or_else(|| routes.first())
                .map(|route| route.standing),
            trace: source.and_then(|source| rib.trace_export(prefix, source, peer)),
            told: told.cloned(),
        }
    }
}

/// The prefix of an address: the longest match among routes, or that of an object that should have a longer one.
fn of_address(rib: &Rib, host: IpNet, claims: &Claims, plan: &Plan) -> Subject {
    let matched = longest_match(rib, host);
    let claimed = claims.covering.iter().find(|claim| !stands_aside(claim));
    let claimed = claimed.map(|claim| match claim.kind {
        // A pool itself is not announced, so the address stands alone.
        ClaimKind::Pool => (claim.prefix.prefix_len(), host),
        ClaimKind::Service | ClaimKind::Range | ClaimKind::Block | ClaimKind::Node => {
            (claim.prefix.prefix_len(), claim.prefix)
        }
    });
    match (matched, claimed) {
        (Some(matched), Some((len, prefix))) if len > matched.prefix_len() => {
            Subject::of(rib, prefix)
        }
        (Some(matched), _) => behind_block(rib, matched, plan),
        (None, Some((_, prefix))) => Subject::of(rib, prefix),
        (None, None) => Subject::of(rib, host),
    }
}

/// Whether another prefix is announced instead of the claimed one.
fn stands_aside(claim: &Claim) -> bool {
    matches!(claim.standing, ClaimStanding::Within(_))
}

/// An own block is announced instead of the routes inside, unless they have a better priority than usual.
fn behind_block(rib: &Rib, matched: IpNet, plan: &Plan) -> Subject {
    let subject = Subject::of(rib, matched);
    let usual = plan.kernel[family_of(matched)].normal_priority.local_pref();
    let best = subject.best();
    let is_usual = best.is_some_and(|best| best.attributes.local_pref.is_none_or(|it| it <= usual));
    let mut blocks = plan.aggregated.iter().map(|block| block.prefix);
    let block = blocks.find(|block| *block != matched && block.contains(&matched));
    match block
        .filter(|_| is_usual)
        .map(|block| Subject::of(rib, block))
    {
        Some(of_block) if !of_block.routes.is_empty() => Subject {
            inner: Some(matched),
            ..of_block
        },
        _ => subject,
    }
}

fn longest_match(rib: &Rib, net: IpNet) -> Option<IpNet> {
    let found = ask(rib, View::Best, Selection::LongestMatch(net), net);
    found.first().map(|route| route.prefix)
}

fn ask(rib: &Rib, view: View, selection: Selection, net: IpNet) -> Vec<ViewedRoute> {
    let query = Query::new(view, Family::of(net.addr())).select(selection);
    rib.ask(&query.with_left_out(), Cursor::START, ALL).routes
}
