//! The values at the border of [`crate::kernel`]: routes to install, learned routes, and reasons for refusal.
//!
//! Plain data without netlink types and without IO. The speaker makes [`RouteChange`]s from its best paths, and gets
//! [`ForeignRoute`]s of other programs and [`InstallError`]s.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// One change to the set of routes that the speaker wants in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteChange {
    /// Destination; host bits are ignored.
    pub prefix: IpNet,
    /// The wanted route, replacing any earlier one for this prefix; `None` removes it.
    pub route: Option<KernelRoute>,
}

/// A route in a kernel table, without its destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KernelRoute {
    /// Linux metric (RTA_PRIORITY); smaller is better. `None` sends no metric: the kernel then uses 0 for IPv4 and 1024 for IPv6.
    pub metric: Option<u32>,
    /// What happens to a packet for the destination.
    pub kind: RouteKind,
}

/// What the kernel does with a packet that matches the route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// Dropped silently.
    Blackhole,
    /// Dropped; the sender gets ICMP "host unreachable".
    Unreachable,
    /// Dropped; the sender gets ICMP "administratively prohibited".
    Prohibit,
    /// Forwarded over one next hop, or spread over several (ECMP).
    Unicast {
        /// At least one. The order does not matter, and duplicates count once.
        next_hops: Vec<Hop>,
    },
}

/// One next hop of a unicast route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// The gateway; `None` if the destination is on the link. May be IPv6 for an IPv4 route (RFC 8950).
    pub gateway: Option<IpAddr>,
    /// The outgoing interface; `None` leaves the choice to the kernel, which then also considers BGP's own routes.
    pub device: Option<Device>,
    /// The gateway counts as directly reachable through `device`, even if no address of the interface covers it.
    pub onlink: bool,
    /// Share of the traffic among several hops, 1 to 255; 0 counts as 1.
    pub weight: u8,
}

/// An interface, the `dev` of a next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// By interface index.
    Index(u32),
    /// By name, looked up when the route is installed, and again when an interface of this name appears.
    Name(Arc<str>),
}

/// A route of another program or the administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRoute {
    /// Linux metric; smaller is better.
    pub metric: u32,
    /// The owner: `RTPROT_*` of `linux/rtnetlink.h`, for example 3 boot, 4 static, 80 Felix.
    pub protocol: u8,
    /// What the kernel does with a packet that matches the route.
    pub kind: ForeignKind,
}

/// As [`RouteKind`], with the interface of each next hop by index and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignKind {
    /// Dropped silently.
    Blackhole,
    /// Dropped with ICMP "host unreachable".
    Unreachable,
    /// Dropped with ICMP "administratively prohibited".
    Prohibit,
    /// Forwarded.
    Unicast(Vec<ForeignHop>),
}

/// One next hop of a [`ForeignRoute`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignHop {
    /// The gateway; `None` if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Interface index.
    pub index: u32,
    /// Interface name; empty while the interface is not known.
    pub interface: Arc<str>,
}

/// Why a wanted route is not in the kernel. The route is tried again when routes or interfaces change, and from time to time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// A route of another owner has the same destination and metric; that route stays.
    #[error("a route of {} with the same destination and metric is in the way", Owner(*.protocol))]
    Occupied {
        /// Protocol number of that route, if known.
        protocol: Option<u8>,
    },
    /// The interface does not exist.
    #[error("there is no interface {name}")]
    NoInterface {
        /// Its name.
        name: Arc<str>,
    },
    /// The kernel refused the route.
    #[error("{}", KernelWords(*.errno, .detail))]
    Refused {
        /// The system's error number, for example 101, ENETUNREACH.
        errno: i32,
        /// The kernel's explanation, if it gave one.
        detail: Option<String>,
    },
}

impl KernelRoute {
    /// A route that drops its packets silently, without a metric.
    pub fn blackhole() -> Self {
        Self {
            metric: None,
            kind: RouteKind::Blackhole,
        }
    }

    /// A route that answers its packets with "host unreachable", without a metric.
    pub fn unreachable() -> Self {
        Self {
            metric: None,
            kind: RouteKind::Unreachable,
        }
    }

    /// A unicast route over these next hops, without a metric.
    pub fn via(next_hops: Vec<Hop>) -> Self {
        Self {
            metric: None,
            kind: RouteKind::Unicast { next_hops },
        }
    }

    /// The same route with a metric.
    pub fn with_metric(self, metric: u32) -> Self {
        Self {
            metric: Some(metric),
            ..self
        }
    }

    /// The metric that the kernel stores for this route: it has no "none", and turns 0 into 1024 for IPv6.
    pub(crate) fn effective_metric(&self, prefix: &IpNet) -> u32 {
        match (prefix, self.metric.unwrap_or(0)) {
            (IpNet::V6(_), 0) => IPV6_DEFAULT_METRIC,
            (_, metric) => metric,
        }
    }

    /// Next hops; none for the kinds that drop.
    pub(crate) fn hops(&self) -> &[Hop] {
        match &self.kind {
            RouteKind::Unicast { next_hops } => next_hops,
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit => &[],
        }
    }

    /// The canonical form: hops sorted, each gateway and device once, a single hop with weight 1.
    pub(crate) fn canonical(mut self) -> Self {
        if let RouteKind::Unicast { next_hops } = &mut self.kind {
            next_hops.sort();
            next_hops.dedup_by(|a, b| (a.gateway, &a.device) == (b.gateway, &b.device));
            let single = next_hops.len() == 1;
            for hop in next_hops {
                hop.weight = if single { 1 } else { hop.weight.max(1) };
            }
        }
        self
    }
}

impl Hop {
    /// A next hop through `gateway`; the kernel chooses the interface.
    pub fn gateway(gateway: IpAddr) -> Self {
        Self {
            gateway: Some(gateway),
            device: None,
            onlink: false,
            weight: 1,
        }
    }

    /// A next hop on the link of `device`.
    pub fn device(device: Device) -> Self {
        Self {
            gateway: None,
            device: Some(device),
            onlink: false,
            weight: 1,
        }
    }

    /// The same hop through this interface.
    pub fn dev(self, device: Device) -> Self {
        Self {
            device: Some(device),
            ..self
        }
    }

    /// The same hop, with the gateway treated as directly reachable.
    pub fn onlink(self) -> Self {
        Self {
            onlink: true,
            ..self
        }
    }
}

impl Device {
    /// By name.
    pub fn name(name: &str) -> Self {
        Self::Name(name.into())
    }
}

/// `RTPROT_*` in words, for messages.
struct Owner(Option<u8>);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(protocol) => write!(f, "protocol {protocol}"),
            None => f.write_str("another program"),
        }
    }
}

/// The text of an error number, with the kernel's explanation in brackets.
struct KernelWords<'a>(i32, &'a Option<String>);

impl fmt::Display for KernelWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = io::Error::from_raw_os_error(self.0).to_string();
        f.write_str(text.split(" (os error ").next().unwrap_or(&text))?;
        match self.1 {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

/// IP6_RT_PRIO_USER of the kernel.
const IPV6_DEFAULT_METRIC: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_none_is_zero_for_ipv4_and_1024_for_ipv6() {
        let (v4, v6) = (
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        );
        let route = KernelRoute::blackhole();
        assert_eq!(route.effective_metric(&v4), 0);
        assert_eq!(route.effective_metric(&v6), 1024);
        assert_eq!(route.clone().with_metric(0).effective_metric(&v6), 1024);
        assert_eq!(route.with_metric(7).effective_metric(&v6), 7);
    }

    #[test]
    fn canonical_form_sorts_and_removes_repeated_hops() {
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|a| Hop::gateway(a.parse().unwrap()));
        let heavy = Hop {
            weight: 0,
            ..a.clone()
        };
        let route = KernelRoute::via(vec![b.clone(), heavy, b.clone()]).canonical();
        assert_eq!(route, KernelRoute::via(vec![a.clone(), b]));
        let single = KernelRoute::via(vec![Hop {
            weight: 9,
            ..a.clone()
        }])
        .canonical();
        assert_eq!(single, KernelRoute::via(vec![a]));
    }

    #[test]
    fn refusals_read_as_sentences() {
        let refused = InstallError::Refused {
            errno: 101,
            detail: Some("Nexthop has invalid gateway".into()),
        };
        assert_eq!(
            refused.to_string(),
            "Network is unreachable (Nexthop has invalid gateway)"
        );
        let occupied = InstallError::Occupied { protocol: Some(4) };
        assert_eq!(
            occupied.to_string(),
            "a route of protocol 4 with the same destination and metric is in the way"
        );
    }
}
