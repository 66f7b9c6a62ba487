//! Policies run again for one route, to tell which rules changed it and which one decided. Nothing is remembered for this: whoever
//! asks pays.

use std::borrow::Cow;

use ipnet::IpNet;

use super::export::{GroupKey, source_of};
use super::family::FamilyRib;
use super::import::explain;
use super::path::{Path, RouteSource};
use super::peer::Peer;
use super::reason::Withheld;
use super::settings::PeerUp;
use super::shared::Shared;
use super::tables::Tables;
use crate::policy::{Decision, Explanation, Policy};
use crate::types::{PeerId, Prefix};
use crate::wire::Context;

/// What a policy says of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyTrace {
    /// Whether the route is used.
    pub accepted: bool,
    /// [`Rule::origin`](crate::policy::Rule::origin) of the rule that decided; `None`: none did, and the default of the policy counts.
    pub rule: Option<String>,
    /// The origins of the rules that changed the route, in order.
    pub changed_by: Vec<String>,
    /// Why a [`Hook`](crate::policy::Hook) rejected the route, if one did.
    pub reason: Option<Cow<'static, str>>,
}

/// Whether a peer may be told a route, and what its export policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportTrace {
    /// The session is up and carries the family. Otherwise the rest is what would be if it did, as far as that is known.
    pub in_session: bool,
    /// Why the route is kept from the peer, if the reason is not in its size, in what is on its way to the peer, or in the peer being the
    /// route's source or next hop.
    pub withheld: Option<Withheld>,
    /// What the export policy says; `None` if the policy is not asked, because a rule of BGP or the owner of the route decides.
    pub policy: Option<PolicyTrace>,
}

impl PolicyTrace {
    fn new(policy: &Policy, explanation: &Explanation) -> Self {
        let origin = |place: &usize| policy.rules().get(*place).map(|rule| rule.origin.clone());
        Self {
            accepted: matches!(explanation.decision, Decision::Accept(_)),
            rule: explanation.rule.as_ref().and_then(origin),
            changed_by: explanation.changed_by.iter().filter_map(origin).collect(),
            reason: explanation.reason.clone(),
        }
    }
}

/// What the import policy of a path's peer says of the path; `None` for a local route, and where a loop or the like decides before.
pub(super) fn import(tables: &Tables, prefix: IpNet, source: RouteSource) -> Option<PolicyTrace> {
    let Tables { shared, ipv4, ipv6 } = tables;
    match prefix {
        IpNet::V4(prefix) => of_import(ipv4, shared, prefix.trunc(), source),
        IpNet::V6(prefix) => of_import(ipv6, shared, prefix.trunc(), source),
    }
}

/// What a peer is, or would be, told of a path.
pub(super) fn export(
    tables: &Tables,
    prefix: IpNet,
    source: RouteSource,
    to: PeerId,
) -> Option<ExportTrace> {
    let Tables { shared, ipv4, ipv6 } = tables;
    match prefix {
        IpNet::V4(prefix) => of_export(ipv4, shared, prefix.trunc(), source, to),
        IpNet::V6(prefix) => of_export(ipv6, shared, prefix.trunc(), source, to),
    }
}

fn of_import<P: Prefix>(
    family: &FamilyRib<P>,
    shared: &Shared,
    prefix: P,
    source: RouteSource,
) -> Option<PolicyTrace> {
    let path = find(family, prefix, source)?;
    let config = &shared.peers.find(path.peer)?.config;
    let explanation = explain(shared, config, path, prefix.into())?;
    Some(PolicyTrace::new(&config.import, &explanation))
}

fn of_export<P: Prefix>(
    family: &FamilyRib<P>,
    shared: &Shared,
    prefix: P,
    source: RouteSource,
    to: PeerId,
) -> Option<ExportTrace> {
    let path = find(family, prefix, source)?;
    let peer = shared.peers.find(to)?;
    let key = match GroupKey::of(to, peer, P::FAMILY) {
        Some(key) => key,
        None => GroupKey::with_session(to, peer, P::FAMILY, &usual_session(peer)),
    };
    let address = peer.config.address;
    let key = key.named(shared.locals.name(address).then_some(address));
    let (withheld, explanation) = why_not(&key, shared, path, prefix.into());
    Some(ExportTrace {
        in_session: peer.speaks(P::FAMILY).is_some(),
        withheld,
        policy: explanation.map(|explanation| PolicyTrace::new(&key.policy, &explanation)),
    })
}

/// Why a path is kept from the members of a group, if the reason is not in its size; and what the policy says, if the policy is asked.
pub(super) fn why_not(
    key: &GroupKey,
    shared: &Shared,
    path: &Path,
    prefix: IpNet,
) -> (Option<Withheld>, Option<Explanation>) {
    let Some(path) = &key.variant(shared, path, prefix) else {
        return (Some(Withheld::Owner), None);
    };
    if let Some(forbidden) = key.forbids(shared, path) {
        return (Some(forbidden), None);
    }
    let route = key.view(shared, path, prefix, source_of(shared, path));
    let explanation = key.policy.explain(route);
    let withheld = match &explanation.decision {
        Decision::Reject => Some(Withheld::Policy),
        Decision::Accept(changes) => {
            let of_route = shared.store.next_hop(path.attrs);
            let own_choice = changes.next_hop.is_some();
            let told = key.next_hop(changes.next_hop.or(of_route), own_choice);
            told.is_none().then_some(Withheld::NoNextHop)
        }
    };
    (withheld, Some(explanation))
}

/// A session as the last one was, or as one that agrees on everything.
fn usual_session(peer: &Peer) -> PeerUp {
    PeerUp {
        own_next_hop: peer.own_next_hop,
        long_lived_aware: true,
        ..PeerUp::new(peer.peer_id, Context::default())
    }
}

fn find<P: Prefix>(family: &FamilyRib<P>, prefix: P, source: RouteSource) -> Option<&Path> {
    let at = family.paths.table.find(prefix)?;
    let mut paths = family.paths.table[at].paths.as_slice().iter();
    paths.find(|path| path.source() == source)
}
