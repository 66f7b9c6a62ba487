//! Connections that were closed without a NOTIFICATION: source, count and reason. For diagnosis of sessions that do not come up.
//!
//! Anybody who connects adds an entry, so the list is short. When it is full, the entry that was idle for the longest is
//! replaced: that of an unknown address if there is one, otherwise that of a peer.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tracing::debug;

use crate::listener::Refusal;
use crate::timer::now;

/// Addresses in the list.
const ADDRESSES: usize = 64;

/// Rejected connections from one address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnedAway {
    /// The source address.
    pub from: IpAddr,
    /// Why the last connection was closed.
    pub why: Why,
    /// The number of connections.
    pub count: u64,
    /// When the last connection came.
    pub at: Instant,
}

impl TurnedAway {
    /// The record of `count` connections from an address; `why` is the reason for the last one.
    pub fn new(from: IpAddr, why: Why, count: u64, at: Instant) -> Self {
        Self {
            from,
            why,
            count,
            at,
        }
    }
}

/// Why a connection was closed without a NOTIFICATION.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// No neighbour has the address.
    Stranger,
    /// The connection came with this TTL, from further away than TTL security allows (RFC 5082 §3).
    TooFar(u8),
    /// The neighbour's TCP MD5 key is not on the listening sockets.
    NoKey,
    /// The neighbour connects too often.
    TooOften,
    /// The neighbour is too busy for another connection.
    Busy,
    /// The system reported this error.
    System(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger => f.write_str("from an address that is not configured"),
            Self::TooFar(ttl) => write!(f, "it came with TTL {ttl}"),
            Self::NoKey => f.write_str("there is no TCP MD5 password on the listening sockets"),
            Self::TooOften => f.write_str("connects too often"),
            Self::Busy => f.write_str("too busy for another connection"),
            Self::System(error) => f.write_str(error),
        }
    }
}

impl From<Refusal> for Why {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoKey => Self::NoKey,
            Refusal::TooFar(ttl) => Self::TooFar(ttl),
            Refusal::System(error) => Self::System(crate::connect::words(&error)),
        }
    }
}

/// The list. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Register(Arc<watch::Sender<BTreeMap<IpAddr, TurnedAway>>>);

impl Register {
    /// Adds a connection.
    pub(super) fn note(&self, peer: SocketAddr, why: Why) {
        debug!(%peer, "connection closed: {why}");
        let from = peer.ip().to_canonical();
        self.0.send_modify(|all| {
            if all.len() >= ADDRESSES && !all.contains_key(&from) {
                let oldest = all
                    .values()
                    .min_by_key(|one| (one.why != Why::Stranger, one.at));
                let oldest = oldest.map(|one| one.from);
                oldest.map(|oldest| all.remove(&oldest));
            }
            let count = all.get(&from).map_or(0, |before| before.count) + 1;
            let at = now();
            all.insert(
                from,
                TurnedAway {
                    from,
                    why,
                    count,
                    at,
                },
            );
        });
    }

    /// All entries, by address.
    pub(super) fn list(&self) -> Vec<TurnedAway> {
        self.0.borrow().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u32) -> SocketAddr {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + last);
        (address, 179).into()
    }

    #[tokio::test]
    async fn strangers_are_forgotten_before_peers() {
        let register = Register::default();
        register.note(from(0), Why::TooFar(64));
        for last in 1..200 {
            register.note(from(last), Why::Stranger);
        }
        register.note(from(0), Why::TooFar(63));
        let all = register.list();
        assert_eq!(all.len(), ADDRESSES);
        assert_eq!((all[0].count, &all[0].why), (2, &Why::TooFar(63)));
        assert_eq!(all.last().map(|one| one.from), Some(from(199).ip()));
    }
}
