//! Counts for metrics: changes of a session's state, and NOTIFICATIONs by their meaning.
//!
//! Kept as short lists: a session goes through few of the possible changes, and sees few of the possible codes.

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
#[non_exhaustive]
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
#[non_exhaustive]
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
        let known = self.transitions.iter_mut();
        match known
            .into_iter()
            .find(|known| (known.from, known.to) == (from, to))
        {
            Some(known) => known.count += 1,
            None => self.transitions.push(Transitions { from, to, count: 1 }),
        }
    }

    pub(super) fn notification(&mut self, sent: bool, notification: &Notification) {
        let code = Some((notification.code, notification.subcode));
        if self.count(sent, code) {
            return;
        }
        let code = code.filter(|_| self.notifications.len() < MAX_CODES);
        if !self.count(sent, code) {
            self.notifications.push(Notifications {
                sent,
                code,
                count: 1,
            });
        }
    }

    /// Counts one more of a kind that is known.
    fn count(&mut self, sent: bool, code: Option<(ErrorCode, u8)>) -> bool {
        let known = self.notifications.iter_mut();
        let known = known
            .into_iter()
            .find(|known| (known.sent, known.code) == (sent, code));
        known.map(|known| known.count += 1).is_some()
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
