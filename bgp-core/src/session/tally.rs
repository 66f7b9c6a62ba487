//! Counters for metrics: state changes of a session, and NOTIFICATIONs by code.
//!
//! Stored as short lists: a session uses few of the possible state changes and codes.

use std::ops::AddAssign;

use super::ids::State;
use crate::wire::{ErrorCode, Notification};

/// NOTIFICATION codes that are counted separately; all further ones are counted together, because the peer chooses the codes.
const MAX_CODES: usize = 32;

/// Counters since the creation of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// State changes, in order of first occurrence.
    pub transitions: Vec<Transitions>,
    /// NOTIFICATIONs, in order of first occurrence.
    pub notifications: Vec<Notifications>,
}

/// How often a session went from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transitions {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// The count.
    pub count: u64,
}

/// How often a NOTIFICATION was sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notifications {
    /// We sent it; otherwise the peer did.
    pub sent: bool,
    /// Error code and subcode (RFC 4271 §4.5). `None` counts all codes beyond the limit.
    pub code: Option<(ErrorCode, u8)>,
    /// The count.
    pub count: u64,
}

impl Tally {
    pub(super) fn transition(&mut self, from: State, to: State) {
        self.add_transitions(Transitions { from, to, count: 1 });
    }

    fn add_transitions(&mut self, more: Transitions) {
        let mut known = self.transitions.iter_mut();
        match known.find(|known| (known.from, known.to) == (more.from, more.to)) {
            Some(known) => known.count += more.count,
            None => self.transitions.push(more),
        }
    }

    pub(super) fn notification(&mut self, sent: bool, notification: &Notification) {
        let code = Some((notification.code, notification.subcode));
        self.add_notifications(Notifications {
            sent,
            code,
            count: 1,
        });
    }

    fn add_notifications(&mut self, more: Notifications) {
        let full = self.notifications.len() >= MAX_CODES;
        let same = |known: &&mut Notifications| (known.sent, known.code) == (more.sent, more.code);
        if let Some(known) = self.notifications.iter_mut().find(same) {
            known.count += more.count;
        } else if full && more.code.is_some() {
            self.add_notifications(Notifications { code: None, ..more });
        } else {
            self.notifications.push(more);
        }
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, more: &Self) {
        for transitions in &more.transitions {
            self.add_transitions(*transitions);
        }
        for notifications in &more.notifications {
            self.add_notifications(*notifications);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_a_peer_makes_up_take_no_room() {
        let mut tally = Tally::default();
        for subcode in 0..=u8::MAX {
            for code in [ErrorCode::CEASE, ErrorCode(77)] {
                tally.notification(false, &Notification::new(code, subcode));
            }
        }
        tally.notification(true, &Notification::new(ErrorCode::CEASE, 200));
        assert!(tally.notifications.len() <= MAX_CODES + 2);
        let all: u64 = tally.notifications.iter().map(|some| some.count).sum();
        assert_eq!(all, 513);
    }
}
