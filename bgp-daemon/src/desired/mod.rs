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

use bgp_core::policy::Policy;
use bgp_core::rib::LocalRoute;
use bgp_core::types::family_of;
use bgp_core::wire::attribute::Community;
use bgp_speaker::pool::Pool;
use bgp_speaker::{ConfigError, Desired, SpeakerConfig};
use ipnet::IpNet;

use crate::plan::{Drain, Plan, RouteOrigin};
use local_kind::{HOST_ROUTE, STATIC};
use settings::Policies;

/// The desired state of a plan, and the peers that cannot be configured, with the reasons.
pub(crate) fn of(
    plan: &Plan,
    speaker: &SpeakerConfig,
    policies: &mut Pool<Policy>,
) -> (Desired, BTreeMap<String, String>) {
    let mut policies = Policies::new(plan, policies);
    let mut unspeakable = BTreeMap::new();
    let mut desired = Desired::default();
    // As in the replaced system: a peer of the mesh may also be that of a BGPPeer.
    desired.shared_addresses = true;
    desired.cluster_id = plan.cluster_id;
    desired.routes = local_routes(plan);
    // Peers that came from a range are there already.
    for peer in plan.peers.iter().filter(|peer| peer.range.is_none()) {
        match settings::of_peer(plan, peer, &mut policies) {
            Ok(spec) => drop(desired.peers.insert(peer.name.as_str().into(), spec)),
            Err(error) => drop(unspeakable.insert(peer.name.clone(), error.to_string())),
        }
    }
    for error in desired.validate(speaker).err().unwrap_or_default() {
        let ConfigError {
            peer: Some(peer),
            field,
            reason,
            ..
        } = error
        else {
            continue;
        };
        desired.peers.remove(&peer);
        unspeakable.insert(peer.to_string(), format!("{field}: {reason}"));
    }
    (desired, unspeakable)
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
