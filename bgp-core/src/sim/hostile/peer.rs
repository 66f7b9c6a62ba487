//! The peers of the hostile simulation, honest ones first, and our configuration for each.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;

use crate::policy::Policy;
use crate::rib::PeerConfig;
use crate::session::SessionConfig;
use crate::speaker::NeighbourConfig;
use crate::types::{Asn, PeerId, PerFamily, RouterId};
use crate::wire::{AddPathDirection, Context};

/// Number of honest peers.
pub(super) const HONEST: usize = 3;
/// Prefixes that a hostile peer may announce.
pub(super) const MAX_PREFIXES: u32 = 500;
/// Our address and identifier.
pub(super) const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
/// Our AS.
pub(super) const OWN_AS: Asn = Asn(64512);

pub(super) fn is_hostile(peer: usize) -> bool {
    peer >= HONEST
}

pub(super) fn id(peer: usize) -> PeerId {
    PeerId(peer as u32)
}

pub(super) fn as_of(peer: usize) -> Asn {
    Asn(65001 + peer as u32)
}

pub(super) fn address(peer: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + peer as u32)
}

/// A prefix among those of one owner.
pub(super) fn net(owner: usize, number: u32) -> Ipv4Net {
    let bits = ((owner as u32) << 24) + number * 256;
    Ipv4Net::new_assert(bits.into(), 24)
}

/// The peer's side of its session.
pub(super) fn context_of(peer: usize) -> Context {
    let add_path = PerFamily {
        ipv4: is_hostile(peer),
        ipv6: false,
    };
    Context {
        four_octet_as: true,
        enhanced_refresh: true,
        external: true,
        add_path_send: add_path,
        add_path_receive: add_path,
        ..Context::default()
    }
}

pub(super) fn config_of(peer: usize) -> NeighbourConfig {
    let remote = address(peer).into();
    let session = SessionConfig {
        passive: true,
        hold_time: Duration::ZERO,
        add_path: is_hostile(peer).then_some(AddPathDirection::Both),
        ..SessionConfig::new(OWN_AS, RouterId(OWN), remote, as_of(peer))
    };
    let policy = Arc::new(Policy::ACCEPT);
    let routes = PeerConfig {
        import: Arc::clone(&policy),
        export: policy,
        max_prefixes: PerFamily {
            ipv4: is_hostile(peer).then_some(MAX_PREFIXES),
            ipv6: None,
        },
        ..PeerConfig::new(OWN_AS, remote, as_of(peer))
    };
    NeighbourConfig::new(session, routes)
}
