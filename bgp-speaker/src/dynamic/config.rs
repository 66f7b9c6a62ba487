//! From where peers are accepted, and by whose decision.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::types::Asn;
use bgp_core::wire::{ErrorCode, Notification, Open};
use ipnet::IpNet;

use crate::listener::PeerSecurity;
use crate::spec::PeerSpec;

/// Ranges from which unconfigured peers are accepted, and the function that decides on them.
///
/// | limit | default | what happens there |
/// | --- | --- | --- |
/// | connections that wait for their OPEN, one for each address | 64 | the oldest is closed without a word |
/// | the wait for an OPEN | 10 s | the connection is closed without a word |
/// | sessions of a range, and of all ranges | 1,000 each | a further peer is sent Cease 6/5, Connection Rejected |
///
/// # Example
///
/// Accept every router of 10.0.0.0/8 in AS 65002:
///
/// ```
/// use bgp_core::types::{Asn, RouterId};
/// use bgp_speaker::dynamic::{Admission, DynamicPeers, PeerRange};
/// use bgp_speaker::{PeerSpec, Speaker, SpeakerConfig};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = SpeakerConfig::new(Asn(65001), RouterId::from_bits(1));
/// let speaker = Speaker::start(config, None);
/// let peers = DynamicPeers::new(|candidate| match candidate.peer_as() {
///     Asn(65002) => Admission::accept(PeerSpec::new(candidate.remote, Asn(65002))),
///     _ => Admission::BAD_PEER_AS,
/// });
/// let peers = peers.with_range("10.0.0.0/8".parse()?, PeerRange::default());
/// speaker.accept_dynamic_peers(peers).await?;
/// # Ok(())
/// # }
/// ```
pub struct DynamicPeers {
    pub(super) ranges: BTreeMap<IpNet, PeerRange>,
    pub(super) admit: Admit,
    /// Limit of the sessions of all ranges together.
    pub max_sessions: usize,
    /// Limit of the connections that wait for their OPEN.
    pub max_waiting: usize,
    /// How long a connection may wait for its OPEN.
    pub open_timeout: Duration,
}

pub(super) type Admit = Box<dyn Fn(&Candidate) -> Admission + Send + Sync>;

/// A range of addresses from which peers may connect. Of overlapping ranges, the smallest applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRange {
    /// Requirements for connections from the range. With a TCP MD5 password the kernel drops unsigned segments from the whole
    /// range, including those of a configured peer or a smaller range without a password.
    pub security: PeerSecurity,
    /// Limit of the sessions of this range.
    pub max_sessions: usize,
}

impl Default for PeerRange {
    /// At most 1,000 sessions, without signature or TTL security.
    fn default() -> Self {
        Self {
            security: PeerSecurity::default(),
            max_sessions: 1000,
        }
    }
}

/// A connection that asks to become a peer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The peer's end of the connection. A link-local address has its interface as scope.
    pub remote: SocketAddr,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The range that holds the peer's address; `None` for a connection that the owner brought.
    pub range: Option<IpNet>,
    /// The peer's OPEN, already validated.
    pub open: Open,
}

impl Candidate {
    /// The peer's AS number, from the OPEN (RFC 6793).
    pub fn peer_as(&self) -> Asn {
        self.open.asn
    }

    pub(super) fn peer(&self) -> DynamicPeer {
        DynamicPeer {
            remote: self.remote,
            peer_as: self.peer_as(),
            range: self.range,
        }
    }
}

/// A dynamic peer of a speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DynamicPeer {
    /// The peer's end of its first connection.
    pub remote: SocketAddr,
    /// Its AS.
    pub peer_as: Asn,
    /// The range that holds its address; `None` if the owner brought its connection.
    pub range: Option<IpNet>,
}

/// Dynamic peers, by name.
pub type PeersByName = Arc<BTreeMap<Arc<str>, DynamicPeer>>;

/// The owner's decision on a candidate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Admission {
    /// Accept the peer.
    Accept {
        /// The peer's name; `None` uses its address, such as `10.0.0.7` or `fe80::1%2`. If the name is in use, the peer is
        /// refused with Cease 6/5.
        name: Option<String>,
        /// Settings of the peer. The peer is never dialled, and the security of its range applies. An unusable value is logged,
        /// and refuses the peer with Cease 6/5.
        spec: Box<PeerSpec>,
    },
    /// Refuse the peer: send this NOTIFICATION and close the connection.
    Refuse(Notification),
    /// Close the connection without a NOTIFICATION.
    Ignore,
}

impl Admission {
    /// Refuse a peer in the wrong AS: NOTIFICATION 2/2, Bad Peer AS (RFC 4271 §6.2).
    pub const BAD_PEER_AS: Self = Self::Refuse(Notification::new(ErrorCode::OPEN, 2));

    /// Accepts the peer, named after its address.
    pub fn accept(spec: PeerSpec) -> Self {
        Self::Accept {
            name: None,
            spec: Box::new(spec),
        }
    }
}

impl DynamicPeers {
    /// Creates a configuration without ranges. `admit` decides on each candidate. It is called by the task of the connection and
    /// must not block.
    pub fn new(admit: impl Fn(&Candidate) -> Admission + Send + Sync + 'static) -> Self {
        Self {
            ranges: BTreeMap::new(),
            admit: Box::new(admit),
            max_sessions: 1000,
            max_waiting: 64,
            open_timeout: Duration::from_secs(10),
        }
    }

    /// Adds a range.
    #[must_use]
    pub fn with_range(mut self, addresses: IpNet, range: PeerRange) -> Self {
        self.ranges.insert(addresses.trunc(), range);
        self
    }

    /// The smallest range that holds an address.
    pub(super) fn range_of(&self, address: IpAddr) -> Option<IpNet> {
        let ranges = self.ranges.keys().filter(|net| net.contains(&address));
        ranges.max_by_key(|net| net.prefix_len()).copied()
    }

    /// Requirements for connections from each range.
    pub(crate) fn securities(&self) -> BTreeMap<IpNet, PeerSecurity> {
        let ranges = self.ranges.iter();
        ranges
            .map(|(net, range)| (*net, range.security.clone()))
            .collect()
    }
}

impl fmt::Debug for DynamicPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicPeers")
            .field("ranges", &self.ranges)
            .field("max_sessions", &self.max_sessions)
            .field("max_waiting", &self.max_waiting)
            .field("open_timeout", &self.open_timeout)
            .finish_non_exhaustive()
    }
}
