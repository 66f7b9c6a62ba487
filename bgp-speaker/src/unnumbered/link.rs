//! One link: when to send, and which routers there are. Pure.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use super::message::{Message, ROUTER_LIFETIME};

/// Routers that are remembered on a link; further ones are ignored.
pub const MAX_ROUTERS: usize = 8;
/// Interval between advertisements.
const INTERVAL: Duration = Duration::from_secs(5);
/// No two advertisements are closer than this (RFC 4861 §6.2.6 has 3 s, for links with many hosts).
const SHORTEST: Duration = Duration::from_secs(1);
/// Solicitations after the start, and the interval between them (RFC 4861 §10).
const SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);

/// How long a router counts that another process has found, unless it is heard.
const EXPECTED: Duration = Duration::from_secs(60);

/// The routers on a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Index of the interface.
    pub index: u32,
    /// Link-local addresses of the routers, sorted.
    pub routers: Vec<Ipv6Addr>,
}

/// A link that is up.
#[derive(Debug)]
pub(super) struct Link {
    index: u32,
    /// Routers, and how long each says it is one.
    routers: BTreeMap<Ipv6Addr, Instant>,
    advertise_at: Instant,
    last: Option<Instant>,
    solicit_at: Option<Instant>,
    solicitations: u8,
    /// Routers are only expected: they are asked whether they are there.
    is_unsure: bool,
}

impl Link {
    pub(super) fn new(index: u32, now: Instant) -> Self {
        Self {
            index,
            routers: BTreeMap::new(),
            advertise_at: now,
            last: None,
            solicit_at: Some(now),
            solicitations: SOLICITATIONS,
            is_unsure: false,
        }
    }

    /// A link on which another process has found these routers.
    pub(super) fn expecting(index: u32, now: Instant, routers: &[Ipv6Addr]) -> Self {
        let routers = routers.iter().take(MAX_ROUTERS);
        Self {
            routers: routers.map(|router| (*router, now + EXPECTED)).collect(),
            is_unsure: true,
            ..Self::new(index, now)
        }
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    pub(super) fn found(&self) -> Found {
        Found {
            index: self.index,
            routers: self.routers.keys().copied().collect(),
        }
    }

    /// Takes in a message.
    pub(super) fn hear(&mut self, now: Instant, from: Ipv6Addr, message: Message) {
        match message {
            // The sender may not have an address yet.
            Message::Solicitation => {
                let earliest = self.last.map_or(now, |last| last + SHORTEST);
                self.advertise_at = self.advertise_at.min(earliest.max(now));
            }
            Message::Advertisement { .. } if !from.is_unicast_link_local() => {}
            Message::Advertisement { lifetime } if lifetime.is_zero() => {
                self.routers.remove(&from);
            }
            Message::Advertisement { lifetime } => {
                if self.routers.len() < MAX_ROUTERS || self.routers.contains_key(&from) {
                    self.routers.insert(from, now + lifetime);
                }
            }
        }
    }

    /// What to send now. Routers whose lifetime is over are forgotten.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Message> {
        self.routers.retain(|_, until| *until > now);
        let mut due = Vec::new();
        if self.advertise_at <= now {
            self.last = Some(now);
            self.advertise_at = now + INTERVAL;
            due.push(Message::Advertisement {
                lifetime: ROUTER_LIFETIME,
            });
        }
        if self.solicit_at.is_some_and(|at| at <= now) {
            let found = !self.routers.is_empty() && !std::mem::take(&mut self.is_unsure);
            self.solicitations = if found { 0 } else { self.solicitations - 1 };
            self.solicit_at = (self.solicitations > 0).then_some(now + SOLICITATION_INTERVAL);
            if !found {
                due.push(Message::Solicitation);
            }
        }
        due
    }

    /// When [`due`](Self::due) has something to do.
    pub(super) fn deadline(&self) -> Instant {
        let expiry = self.routers.values().min().copied();
        let others = expiry.into_iter().chain(self.solicit_at);
        others.fold(self.advertise_at, Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVES: Message = Message::Advertisement {
        lifetime: ROUTER_LIFETIME,
    };
    const ENDS: Message = Message::Advertisement {
        lifetime: Duration::ZERO,
    };

    fn router(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
    }

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn advertises_at_once_then_in_intervals_and_when_asked() {
        let start = Instant::now();
        let mut link = Link::new(7, start);
        assert_eq!(link.due(start), [LIVES, Message::Solicitation]);
        assert!(link.due(start).is_empty());
        assert_eq!(link.deadline(), after(start, 4000));
        // Asked often, it answers once a second.
        for _ in 0..5 {
            link.hear(
                after(start, 200),
                Ipv6Addr::UNSPECIFIED,
                Message::Solicitation,
            );
        }
        assert_eq!(link.deadline(), after(start, 1000));
        assert_eq!(link.due(after(start, 1000)), [LIVES]);
        assert_eq!(link.due(after(start, 4000)), [Message::Solicitation]);
        assert_eq!(link.due(after(start, 6000)), [LIVES]);
        assert_eq!(link.due(after(start, 8000)), [Message::Solicitation]);
        assert_eq!(
            link.deadline(),
            after(start, 11_000),
            "three solicitations were enough"
        );
    }

    #[test]
    fn an_expected_router_is_asked_and_goes_if_it_says_nothing() {
        let start = Instant::now();
        let mut link = Link::expecting(7, start, &[router(1), router(2)]);
        assert_eq!(link.found().routers, [router(1), router(2)]);
        assert_eq!(link.due(start), [LIVES, Message::Solicitation]);
        link.hear(after(start, 100), router(2), LIVES);
        link.due(after(start, 60_000));
        assert_eq!(link.found().routers, [router(2)]);
    }

    #[test]
    fn routers_come_and_go() {
        let start = Instant::now();
        let mut link = Link::new(7, start);
        link.hear(start, router(1), LIVES);
        link.hear(start, "2001:db8::1".parse().unwrap(), LIVES);
        let brief = Message::Advertisement {
            lifetime: Duration::from_secs(2),
        };
        link.hear(start, router(2), brief);
        assert_eq!(
            link.found(),
            Found {
                index: 7,
                routers: vec![router(1), router(2)]
            }
        );
        assert_eq!(
            link.due(start),
            [LIVES],
            "a router is known: nobody is asked"
        );
        assert_eq!(link.deadline(), after(start, 2000));
        link.due(after(start, 2000));
        assert_eq!(link.found().routers, [router(1)]);
        link.hear(start, router(1), ENDS);
        assert!(link.found().routers.is_empty());
        for last in 1..=100 {
            link.hear(start, router(last), LIVES);
        }
        assert_eq!(link.found().routers.len(), MAX_ROUTERS);
    }
}
