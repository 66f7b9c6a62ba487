//! Counts for metrics: changes of a session's state, and NOTIFICATIONs by their meaning.
//!
//! Kept as short lists: a session goes through few of the possible changes, and sees few of the possible codes.

use std::ops::AddAssign;

use super::ids::State;
use crate::wire::{ErrorCode, Notification};

/// NOTIFICATIONs with other codes than the first so many are counted together: a peer chooses the codes.
const MAX_CODES: usize = 32;

/// What happened to a session since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Changes of state, in the order in which each came first.
    pub transitions: Vec<Transitions>,
    /// NOTIFICATIONs, in the order in which each came first.
    pub notifications: Vec<Notifications>,
}

/// How often a session went from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transitions {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// How often.
    pub count: u64,
}

/// How often a NOTIFICATION was sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notifications {
    /// We sent it; otherwise the peer did.
    pub sent: bool,
    /// Error code and subcode (RFC 4271 §4.5). `None`: one of those that came after more codes than are told apart.
    pub code: Option<(ErrorCode, u8)>,
    /// How often.
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
