//! Runs policies again for one route, to find out which rules changed it and which one decided. Nothing is stored for this; the
//! caller pays the cost.

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

/// The result of a policy for a route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyTrace {
    /// Whether the policy accepts the route.
    pub accepted: bool,
    /// [`Rule::origin`](crate::policy::Rule::origin) of the rule that decided; `None` if the default of the policy decided.
    pub rule: Option<String>,
    /// The origins of the rules that changed the route, in order.
    pub changed_by: Vec<String>,
    /// The reason of the [`Hook`](crate::policy::Hook) that rejected the route.
    pub reason: Option<Cow<'static, str>>,
}

/// Whether a route may be advertised to a peer, and the result of its export policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportTrace {
    /// The session is up and uses the family. Otherwise the other fields are a forecast, as far as possible.
    pub in_session: bool,
    /// Why the route is withheld. Not considered are its size, the octets in flight, and whether the peer is its source or next
    /// hop.
    pub withheld: Option<Withheld>,
    /// The result of the export policy; `None` if a rule of BGP or the owner of the route decides first.
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

/// The result of the import policy of a path's peer; `None` for a local route, and if a loop or another rule decides first.
pub(super) fn import(tables: &Tables, prefix: IpNet, source: RouteSource) -> Option<PolicyTrace> {
    let Tables { shared, ipv4, ipv6 } = tables;
    match prefix {
        IpNet::V4(prefix) => of_import(ipv4, shared, prefix.trunc(), source),
        IpNet::V6(prefix) => of_import(ipv6, shared, prefix.trunc(), source),
    }
}

/// Whether a peer is, or would be, sent a path.
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

/// Why a path is withheld from the members of a group, regardless of its size; and the result of the policy, if it is evaluated.
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

/// The last session, or one that negotiates everything.
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
