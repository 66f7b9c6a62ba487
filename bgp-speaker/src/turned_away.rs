//! Connections that were closed without a word: from where, how often, and why. For those who ask why a session does not come up.
//!
//! Whoever connects can fill it, so it remembers few addresses: for a further one goes the stranger, otherwise the peer, that has
//! not come for the longest.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tracing::debug;

use crate::listener::Refusal;
use crate::timer::now;

/// Addresses that are remembered.
const ADDRESSES: usize = 64;

/// Connections from one address that were closed without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TurnedAway {
    /// Where they came from.
    pub from: IpAddr,
    /// Why the last one was.
    pub why: Why,
    /// How many there were.
    pub count: u64,
    /// When the last one came.
    pub at: Instant,
}

impl TurnedAway {
    /// So many connections from this address, the last one closed for this reason.
    pub fn new(from: IpAddr, why: Why, count: u64, at: Instant) -> Self {
        Self {
            from,
            why,
            count,
            at,
        }
    }
}

/// Why a connection was closed without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// No neighbour has the address.
    Stranger,
    /// It came with this TTL, from further away than TTL security allows (RFC 5082 §3).
    TooFar(u8),
    /// The neighbour's TCP MD5 key is not on the listening sockets.
    NoKey,
    /// The neighbour connects too often.
    TooOften,
    /// The neighbour is too busy for another connection.
    Busy,
    /// The system says this.
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

/// All of them. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Register(Arc<watch::Sender<BTreeMap<IpAddr, TurnedAway>>>);

impl Register {
    /// One more.
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

    /// All that are remembered, by address.
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
