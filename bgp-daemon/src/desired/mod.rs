//! Converts a plan to the desired state of its speaker. Pure. The speaker itself takes the steps from one state to the next
//! ([`bgp_speaker::Desired`]); tests do that with speakers under virtual time.
//!
//! | module         | content                                         |
//! |----------------|-------------------------------------------------|
//! | `admission`    | peers from ranges                               |
//! | `settings`     | a peer of the plan to the settings of a session |
//! | `kernel_rules` | the plan's rules for the kernel                 |
//! | `local_kind`   | the kinds of local routes                       |

pub(crate) mod admission;
pub(crate) mod kernel_rules;
pub(crate) mod local_kind;
pub(crate) mod settings;

use std::collections::BTreeMap;
use std::iter;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::policy::Policy;
use bgp_core::rib::LocalRoute;
use bgp_core::types::{PerFamily, family_of};
use bgp_core::wire::attribute::Community;
use bgp_speaker::pool::Pool;
use bgp_speaker::{ConfigError, Desired, PeerSpec, SpeakerConfig};
use ipnet::IpNet;

use crate::plan::{Drain, Peer, Plan, RouteOrigin};
use local_kind::{HOST_ROUTE, STATIC};
use settings::Policies;

/// What was made of the peers of the last plan.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    addresses: PerFamily<Option<IpAddr>>,
    /// In the order of the plan.
    peers: Vec<Made>,
}

/// The settings made of a peer of a plan, or why they are unusable.
#[derive(Debug)]
struct Made {
    peer: Arc<Peer>,
    policies: [Arc<Policy>; 2],
    name: Arc<str>,
    spec: Result<Arc<PeerSpec>, String>,
}

/// The desired state of a plan, and the peers that cannot be configured, with the reasons. Peers whose settings are those of the last
/// plan are the same objects as there.
pub(crate) fn of(
    plan: &Plan,
    speaker: &SpeakerConfig,
    policies: &mut Pool<Policy>,
    earlier: &mut Earlier,
) -> (Desired, BTreeMap<String, String>) {
    let mut policies = Policies::new(plan, policies);
    let has_moved = std::mem::replace(&mut earlier.addresses, plan.addresses) != plan.addresses;
    let mut last = std::mem::take(&mut earlier.peers).into_iter().peekable();
    let made = &mut earlier.peers;
    made.reserve_exact(plan.peers.len());
    // Peers that came from a range are there already.
    for peer in plan.peers.iter().filter(|peer| peer.range.is_none()) {
        let policies = policies.of_peer(peer);
        // Both are in the order of names.
        let mut up_to_this = iter::from_fn(|| last.next_if(|made| made.peer.name <= peer.name));
        let known = up_to_this.find(|made| Arc::ptr_eq(&made.peer, peer));
        let is_same = |made: &Made| {
            let mut pairs = made.policies.iter().zip(&policies);
            !has_moved && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
        };
        made.push(match known {
            Some(made) if is_same(&made) => made,
            known => Made::new(plan, peer, policies, speaker, known.map(|made| made.name)),
        });
    }
    let mut unspeakable = BTreeMap::new();
    let mut desired = Desired::default();
    // As in the replaced system: a peer of the mesh may also be that of a BGPPeer.
    desired.shared_addresses = true;
    desired.cluster_id = plan.cluster_id;
    desired.routes = local_routes(plan);
    let peers = made.iter().filter_map(|made| match &made.spec {
        Ok(spec) => Some((Arc::clone(&made.name), Arc::clone(spec))),
        Err(reason) => {
            unspeakable.insert(made.name.to_string(), reason.clone());
            None
        }
    });
    desired.peers = peers.collect();
    (desired, unspeakable)
}

impl Made {
    fn new(
        plan: &Plan,
        peer: &Arc<Peer>,
        policies: [Arc<Policy>; 2],
        speaker: &SpeakerConfig,
        name: Option<Arc<str>>,
    ) -> Self {
        let spec = settings::with_policies(plan, peer, policies.clone());
        let spec = spec.map_err(|error| error.to_string());
        let spec = spec.and_then(|spec| match spec.validate(speaker) {
            Ok(()) => Ok(Arc::new(spec)),
            Err(ConfigError { field, reason, .. }) => Err(format!("{field}: {reason}")),
        });
        Self {
            peer: Arc::clone(peer),
            policies,
            name: name.unwrap_or_else(|| peer.name.as_str().into()),
            spec,
        }
    }
}

fn local_routes(plan: &Plan) -> BTreeMap<(IpNet, u32), LocalRoute> {
    let local_pref = |prefix: IpNet| plan.kernel[family_of(prefix)].normal_priority.local_pref();
    let own = plan.originate.iter().map(|route| {
        let mut local = STATIC.route(local_pref(route.prefix), None, None);
        let is_service = route.origin == RouteOrigin::Service;
        if is_service && plan.drain == Some(Drain::GracefulShutdown) {
            // RFC 8326 §4.2; towards another AS only the community is left.
            local.attributes.local_pref = Some(0);
            local.attributes.communities = vec![Community::GRACEFUL_SHUTDOWN];
        }
        ((route.prefix, STATIC.id), local)
    });
    let hosts = plan.reachable_by.iter().map(|route| {
        let local = HOST_ROUTE.route(local_pref(route.prefix), Some(route.via.into()), None);
        ((route.prefix, HOST_ROUTE.id), local)
    });
    own.chain(hosts).collect()
}

#[cfg(test)]
mod measure;
#[cfg(test)]
pub(crate) mod tests;
