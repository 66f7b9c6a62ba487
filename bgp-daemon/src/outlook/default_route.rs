//! Whether a default route passes. A plan rarely originates one, but the kernel and peers have one, and a rule that accepts
//! everything accepts it too.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp_core::policy::{Decision, Direction, Policy, RouteView, Source};
use bgp_core::types::Family;
use bgp_core::wire::attribute::{AttributeView, Attributes};
use bgp_speaker::{Desired, PeerSpec};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

/// A session in which a default route starts or stops to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DefaultRouteChange {
    /// The session.
    pub peer: Arc<str>,
    /// `0.0.0.0/0` or `::/0`.
    pub prefix: IpNet,
    /// The direction of the route.
    pub direction: RouteDirection,
    /// Whether it passes after the change; before, it was the opposite.
    pub passes: bool,
}

/// The direction of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteDirection {
    /// From the peer to us.
    Import,
    /// From us to the peer.
    Export,
}

/// The default route of a family.
pub(super) fn default_route(family: Family) -> IpNet {
    match family {
        Family::Ipv4Unicast => Ipv4Net::default().into(),
        Family::Ipv6Unicast => Ipv6Net::default().into(),
    }
}

/// Compares the sessions before and after. For a new session only exports count: importing routes is its purpose.
pub(super) fn changes(old: &Desired, new: &Desired) -> Vec<DefaultRouteChange> {
    let mut check = DefaultRouteCheck::default();
    let mut changes = Vec::new();
    for (name, spec) in &new.peers {
        let was = old.peers.get(name);
        for family in &spec.families {
            for direction in [RouteDirection::Import, RouteDirection::Export] {
                let before = match (was, direction) {
                    (Some(was), _) => check.passes(was, *family, direction),
                    (None, RouteDirection::Export) => false,
                    (None, RouteDirection::Import) => continue,
                };
                let passes = check.passes(spec, *family, direction);
                if before != passes {
                    changes.push(DefaultRouteChange {
                        peer: Arc::clone(name),
                        prefix: default_route(*family),
                        direction,
                        passes,
                    });
                }
            }
        }
    }
    changes
}

/// Evaluates each policy once.
#[derive(Default)]
struct DefaultRouteCheck {
    known: BTreeMap<(*const Policy, Family, RouteDirection), bool>,
}

impl DefaultRouteCheck {
    fn passes(&mut self, peer: &PeerSpec, family: Family, way: RouteDirection) -> bool {
        if !peer.families.contains(&family) {
            return false;
        }
        let policy = match way {
            RouteDirection::Import => &peer.import,
            RouteDirection::Export => &peer.export,
        };
        let Some(policy) = policy else {
            return peer.local_as == Some(peer.peer_as);
        };
        let key = (Arc::as_ptr(policy), family, way);
        *self
            .known
            .entry(key)
            .or_insert_with(|| lets_through(policy, family, way))
    }
}

/// Whether a policy accepts a default route without communities: one of a router or, for export, also a local one.
fn lets_through(policy: &Policy, family: Family, way: RouteDirection) -> bool {
    let mut octets = Vec::new();
    Attributes::default().encode_canonical(&mut octets);
    let sources: &[Source] = match way {
        RouteDirection::Import => &[Source::External, Source::Internal],
        RouteDirection::Export => &[Source::Local, Source::External, Source::Internal],
    };
    sources.iter().any(|source| {
        let mut route = RouteView::new(default_route(family), AttributeView::new(&octets));
        route.source = *source;
        route.direction = match way {
            RouteDirection::Import => Direction::Import,
            RouteDirection::Export => Direction::Export,
        };
        matches!(policy.evaluate(route), Decision::Accept(_))
    })
}

/// Whether a prefix is a default route.
pub(super) fn is_default(prefix: IpNet) -> bool {
    prefix.prefix_len() == 0
}
