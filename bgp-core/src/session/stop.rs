//! The owner's reasons to stop a session, and the resulting NOTIFICATION (RFC 4486 §4, RFC 8538 §3.1, RFC 9003 §2).

use std::time::Duration;

use super::down::ErrorClass;
use crate::types::Family;
use crate::wire::Notification;
use crate::wire::notification::cease;

/// Why the owner stops a session; determines the NOTIFICATION (RFC 4486 §4, RFC 8538 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// Administrative shutdown, with an optional text for the peer (RFC 9003): Cease 6/2. Idle until started again.
    Shutdown(Option<String>),
    /// As [`Stop::Shutdown`], but a peer that negotiated RFC 8538 may keep our routes for the restart time.
    SoftShutdown(Option<String>),
    /// Administrative reset: Cease 6/4. The session restarts by itself.
    Reset(Option<String>),
    /// The peer was removed from the configuration: Cease 6/3. Idle until started again.
    Deconfigured,
    /// A change of the configuration requires a new session: Cease 6/6. Idle until started again.
    ConfigChange,
    /// The prefix limit was exceeded: Cease 6/1. Idle for the given time.
    MaxPrefixes {
        /// The family.
        family: Family,
        /// The limit.
        limit: u32,
        /// Time in Idle; a time beyond the range of the clock means until started again.
        idle: Duration,
    },
    /// The memory limit was reached, and this peer uses most of it: Cease 6/8. Idle for the given time.
    OutOfResources {
        /// Time in Idle; a time beyond the range of the clock means until started again.
        idle: Duration,
    },
    /// This process restarts and its routes stay in the kernel. If the peer will keep our routes, the connection is closed
    /// without a NOTIFICATION (RFC 4724 §4); any other peer drops them in either case, and is sent the same as for
    /// [`Stop::Shutdown`]. Idle until started again.
    Restart,
    /// BFD detected that the path is down: Cease 6/10 (RFC 9384). The session restarts by itself after a time in Idle.
    BfdDown,
    /// As [`Stop::BfdDown`], and the session is not to come up before BFD does: Idle until started again.
    BfdRequired,
}

/// Which ends of a session our routes survive at the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlives {
    /// None: graceful restart was not negotiated.
    Nothing,
    /// The loss of TCP (RFC 4724 §4.2). Also assumed before the peer's OPEN, as it may hold routes of an earlier session.
    Loss,
    /// Also a NOTIFICATION other than Hard Reset: both sides set the N bit (RFC 8538 §2).
    Notification,
}

impl Stop {
    /// The NOTIFICATION to send, if any.
    pub(super) fn notification(&self, routes: Outlives) -> Option<Notification> {
        let plain = match self {
            Self::Shutdown(text) | Self::SoftShutdown(text) => {
                with_text(cease::ADMIN_SHUTDOWN, text.as_deref())
            }
            Self::Reset(text) => with_text(cease::ADMIN_RESET, text.as_deref()),
            Self::Deconfigured => Notification::cease(cease::PEER_DECONFIGURED),
            Self::ConfigChange => Notification::cease(cease::OTHER_CONFIG_CHANGE),
            Self::MaxPrefixes { family, limit, .. } => {
                Notification::cease(cease::MAX_PREFIXES).with_data(prefix_bound(*family, *limit))
            }
            Self::OutOfResources { .. } => Notification::cease(cease::OUT_OF_RESOURCES),
            Self::Restart if routes == Outlives::Nothing => {
                Notification::cease(cease::ADMIN_SHUTDOWN)
            }
            Self::Restart => return None,
            Self::BfdDown | Self::BfdRequired => Notification::cease(cease::BFD_DOWN),
        };
        let hard_reset = routes == Outlives::Notification && self.ends_for_good();
        Some(if hard_reset {
            plain.into_hard_reset()
        } else {
            plain
        })
    }

    /// The error shown to operators; `None` for a stop that they requested themselves.
    pub(super) fn error(&self) -> Option<(ErrorClass, &'static str)> {
        match self {
            Self::MaxPrefixes { .. } => {
                Some((ErrorClass::AutomaticShutdown, "Route limit exceeded"))
            }
            Self::OutOfResources { .. } => {
                Some((ErrorClass::AutomaticShutdown, "Out of resources"))
            }
            Self::BfdDown | Self::BfdRequired => Some((ErrorClass::Local, "BFD session down")),
            Self::Shutdown(_)
            | Self::SoftShutdown(_)
            | Self::Reset(_)
            | Self::Deconfigured
            | Self::ConfigChange
            | Self::Restart => None,
        }
    }

    /// Whether the peer must drop our routes in any case (RFC 8538 §3.1).
    fn ends_for_good(&self) -> bool {
        match self {
            Self::Shutdown(_)
            | Self::Deconfigured
            | Self::MaxPrefixes { .. }
            | Self::OutOfResources { .. }
            // Packets to stale routes would go nowhere.
            | Self::BfdDown
            | Self::BfdRequired => true,
            Self::SoftShutdown(_) | Self::Reset(_) | Self::ConfigChange | Self::Restart => false,
        }
    }
}

fn with_text(subcode: u8, text: Option<&str>) -> Notification {
    text.filter(|text| !text.is_empty()).map_or_else(
        || Notification::cease(subcode),
        |text| Notification::shutdown(subcode, text),
    )
}

/// Encodes family and limit (RFC 4486 §4).
fn prefix_bound(family: Family, limit: u32) -> Vec<u8> {
    let code = family.afi_safi();
    let mut data = code.afi.to_be_bytes().to_vec();
    data.push(code.safi);
    data.extend_from_slice(&limit.to_be_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R4486-4-01, R8538-3.1-01
    #[test]
    fn a_prefix_bound_stands_in_the_notification_also_when_wrapped() {
        let stop = Stop::MaxPrefixes {
            family: Family::Ipv6Unicast,
            limit: 1000,
            idle: Duration::ZERO,
        };
        let plain = stop.notification(Outlives::Loss).unwrap();
        assert_eq!((plain.code.0, plain.subcode), (6, 1));
        assert_eq!(plain.data, [0, 2, 1, 0, 0, 3, 232].as_slice());
        let hard = stop.notification(Outlives::Notification).unwrap();
        assert_eq!((hard.code.0, hard.subcode), (6, 9));
        assert_eq!(hard.data, [6, 1, 0, 2, 1, 0, 0, 3, 232].as_slice());
    }

    /// R9003-2-01
    #[test]
    fn a_long_shutdown_text_is_cut_between_characters() {
        let stop = Stop::Shutdown(Some("ü".repeat(200)));
        let data = stop.notification(Outlives::Loss).unwrap().data;
        assert_eq!(data[0], 254);
        assert_eq!(data.len(), 255);
        assert_eq!(&data[1..], "ü".repeat(127).as_bytes());
    }

    #[test]
    fn what_comes_back_soon_is_never_a_hard_reset() {
        let told = |stop: Stop| stop.notification(Outlives::Notification);
        let reset = told(Stop::Reset(None)).unwrap();
        assert_eq!((reset.subcode, reset.data.len()), (4, 0));
        assert_eq!(told(Stop::ConfigChange).unwrap().subcode, 6);
        assert_eq!(told(Stop::Restart), None);
    }

    /// R9384-3-02
    #[test]
    fn a_dead_path_is_a_hard_reset() {
        for stop in [Stop::BfdDown, Stop::BfdRequired] {
            let plain = stop.notification(Outlives::Loss).unwrap();
            assert_eq!((plain.code.0, plain.subcode, plain.data.len()), (6, 10, 0));
            let hard = stop.notification(Outlives::Notification).unwrap();
            assert_eq!((hard.subcode, &hard.data[..]), (9, &[6, 10][..]));
        }
    }
}
