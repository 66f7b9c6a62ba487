//! Stops that the owner of a session asks for, and what the peer is told (RFC 4486 §4, RFC 8538 §3.1, RFC 9003 §2).

use std::time::Duration;

use super::down::ErrorClass;
use crate::types::Family;
use crate::wire::Notification;
use crate::wire::notification::cease;

/// Why a session is stopped by its owner; decides the NOTIFICATION (RFC 4486 §4, RFC 8538 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The operator shut it down, with an optional text for the peer (RFC 9003): Cease 6/2. Idle until started again.
    Shutdown(Option<String>),
    /// As [`Stop::Shutdown`], but a peer with which RFC 8538 was agreed on may keep our routes for the restart time.
    SoftShutdown(Option<String>),
    /// The operator resets it; it starts again by itself: Cease 6/4.
    Reset(Option<String>),
    /// The peer is no longer configured: Cease 6/3. Idle until started again.
    Deconfigured,
    /// Its configuration changed such that it must start anew, as a new session: Cease 6/6. Idle until started again.
    ConfigChange,
    /// More prefixes than allowed: Cease 6/1; idle for the given time.
    MaxPrefixes {
        /// Which family.
        family: Family,
        /// How many were allowed.
        limit: u32,
        /// How long to stay Idle; more than the clock can hold is until started again.
        idle: Duration,
    },
    /// It holds most of what this speaker may hold in all: Cease 6/8; idle for the given time.
    OutOfResources {
        /// How long to stay Idle; more than the clock can hold is until started again.
        idle: Duration,
    },
    /// This process restarts and its routes stay in the kernel. A peer that keeps our routes meanwhile is left without a
    /// NOTIFICATION (RFC 4724 §4); any other one drops them in either case, and is told as by [`Stop::Shutdown`]. Idle until
    /// started again.
    Restart,
    /// BFD found the path dead: Cease 6/10 (RFC 9384). Starts again by itself after a stay in Idle.
    BfdDown,
}

/// What our routes at a peer outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlives {
    /// Nothing: no graceful restart was agreed on.
    Nothing,
    /// The loss of TCP (RFC 4724 §4.2). So, too, before the peer's OPEN is there: it may hold routes of an earlier session.
    Loss,
    /// A NOTIFICATION too, if it is no hard reset: both sides set the N bit (RFC 8538 §2).
    Notification,
}

impl Stop {
    /// What the peer is told, if anything.
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
            Self::BfdDown => Notification::cease(cease::BFD_DOWN),
        };
        let hard_reset = routes == Outlives::Notification && self.ends_for_good();
        Some(if hard_reset {
            plain.into_hard_reset()
        } else {
            plain
        })
    }

    /// What operators read afterwards. A stop that they asked for themselves is no error.
    pub(super) fn error(&self) -> Option<(ErrorClass, &'static str)> {
        match self {
            Self::MaxPrefixes { .. } => {
                Some((ErrorClass::AutomaticShutdown, "Route limit exceeded"))
            }
            Self::OutOfResources { .. } => {
                Some((ErrorClass::AutomaticShutdown, "Out of resources"))
            }
            Self::BfdDown => Some((ErrorClass::Local, "BFD session down")),
            Self::Shutdown(_)
            | Self::SoftShutdown(_)
            | Self::Reset(_)
            | Self::Deconfigured
            | Self::ConfigChange
            | Self::Restart => None,
        }
    }

    /// Whether the peer must not keep our routes, come what may (RFC 8538 §3.1).
    fn ends_for_good(&self) -> bool {
        match self {
            Self::Shutdown(_)
            | Self::Deconfigured
            | Self::MaxPrefixes { .. }
            | Self::OutOfResources { .. } => true,
            Self::SoftShutdown(_)
            | Self::Reset(_)
            | Self::ConfigChange
            | Self::Restart
            | Self::BfdDown => false,
        }
    }
}

fn with_text(subcode: u8, text: Option<&str>) -> Notification {
    text.filter(|text| !text.is_empty()).map_or_else(
        || Notification::cease(subcode),
        |text| Notification::shutdown(subcode, text),
    )
}

/// Family and bound (RFC 4486 §4).
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
        assert_eq!(told(Stop::BfdDown).unwrap().subcode, 10);
        assert_eq!(told(Stop::Restart), None);
    }
}
