//! Which intervals are told to the peer, and which count until it has confirmed them: Poll Sequences (RFC 5880 §6.5, §6.8.3).

use std::time::Instant;

use super::interval::Interval;

/// The two intervals that a side states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// It would like to send as often as this.
    pub(super) min_tx: Interval,
    /// It can take packets as often as this.
    pub(super) min_rx: Interval,
}

/// Our intervals, on their way from those of now to those that the owner wants.
#[derive(Clone, Debug)]
pub(super) struct Negotiation {
    pub(super) wanted: Timing,
    pub(super) announced: Timing,
    pub(super) in_use: Timing,
    /// Since when the announced intervals wait for the peer's answer.
    pub(super) polling_since: Option<Instant>,
    /// Until then, answers to the last Poll Sequence can be on their way.
    pub(super) answers_until: Option<Instant>,
}

impl Negotiation {
    pub(super) fn new(wanted: Timing) -> Self {
        Self {
            wanted,
            announced: wanted,
            in_use: wanted,
            polling_since: None,
            answers_until: None,
        }
    }

    /// What packets say.
    pub(super) fn announced(&self) -> Timing {
        self.announced
    }

    /// What counts for the next packet and for the detection time.
    pub(super) fn in_use(&self) -> Timing {
        self.in_use
    }

    /// Whether packets have the Poll bit.
    pub(super) fn is_polling(&self) -> bool {
        self.polling_since.is_some()
    }

    /// Whether the peer knows what is wanted.
    pub(super) fn is_confirmed(&self) -> bool {
        !self.is_polling() && self.announced == self.wanted
    }

    /// Other intervals from now on. Those of a session that is not up count at once: no failure can come of them.
    pub(super) fn want(&mut self, now: Instant, wanted: Timing, is_up: bool) {
        if is_up {
            self.wanted = wanted;
            self.poll(now);
        } else {
            *self = Self::new(wanted);
        }
    }

    /// The peer has answered with the Final bit.
    ///
    /// Each packet of the Poll Sequence gets such an answer, and an answer does not say to which packet. The last one comes as long
    /// after its packet as this one, at most: another Poll Sequence waits for that, and would be confirmed too early otherwise.
    pub(super) fn confirm(&mut self, now: Instant) {
        if let Some(since) = self.polling_since.take() {
            self.in_use = self.announced;
            self.answers_until = now.checked_add(now.saturating_duration_since(since));
            self.poll(now);
        }
    }

    /// Begins a Poll Sequence if there is news; a second one waits for the end of the first, so that an answer says to what.
    ///
    /// RFC 5880 §6.8.3: we send less often, and demand packets more often, only when the peer knows. The opposite hurts nobody.
    fn poll(&mut self, now: Instant) {
        let must_wait = self.is_polling() || self.answers_until.is_some_and(|until| now < until);
        if must_wait || self.announced == self.wanted {
            return;
        }
        self.polling_since = Some(now);
        self.announced = self.wanted;
        self.in_use.min_tx = self.in_use.min_tx.min(self.announced.min_tx);
        self.in_use.min_rx = self.in_use.min_rx.max(self.announced.min_rx);
    }
}
