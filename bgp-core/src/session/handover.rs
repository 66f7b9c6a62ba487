//! An Established session as a value, which another process continues: with the same OPENs, timers and counters, and without a
//! message to the peer.
//!
//! What both sides agreed on follows from the two OPENs alone, so the successor negotiates again, with its own settings. If these
//! lead to another result, the session cannot go on ([`NotContinued`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::config::SessionConfig;
use super::connection::{Connection, Progress};
use super::dial::Dial;
use super::fsm::Fsm;
use super::ids::{ConnId, Direction, State};
use super::negotiate::{at_rest, negotiate, own_open};
use super::negotiated::Negotiated;
use super::status::{Counters, MessageCounts, OpenRecord};
use super::stop::{Outlives, Stop};
use super::tally::{Notifications, Tally, Transitions};
use super::timers::{Timer, Timers};
use crate::handover::{Malformed, Reader, Writer};
use crate::types::PerFamily;
use crate::wire::{Capability, Context, ErrorCode, Message, Open, frame};

/// An Established session. Times are durations: clocks of two processes have no instant in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handover {
    /// Who opened the connection.
    pub direction: Direction,
    /// Since TCP came up.
    pub connected: Duration,
    /// Since the session came up.
    pub up: Duration,
    /// The OPEN that we sent.
    pub sent_open: Open,
    /// The OPEN that the peer sent.
    pub received_open: Open,
    /// Families whose first End-of-RIB is missing.
    pub unfinished: PerFamily<bool>,
    /// Until the hold timer expires.
    pub hold: Option<Duration>,
    /// Until the next KEEPALIVE.
    pub keepalive: Option<Duration>,
    /// Until the send hold timer expires.
    pub send_hold: Option<Duration>,
    /// Counters since the creation of the session.
    pub counters: Counters,
    /// More detailed counters.
    pub tally: Tally,
}

/// The settings of the successor ask for another session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotContinued;

impl std::fmt::Display for NotContinued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the settings ask for another session")
    }
}

impl std::error::Error for NotContinued {}

/// See [`Session::hand_over`](super::Session::hand_over).
pub(super) fn hand_over(fsm: &Fsm, now: Instant) -> Option<Handover> {
    let connection = fsm.connections.iter().find(|c| c.is_established())?;
    let Progress::Established {
        negotiated,
        since,
        unfinished,
    } = &connection.progress
    else {
        return None;
    };
    let unread = fsm.unread_since;
    let unread = unread.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    let left = |timer| {
        let deadline = connection.timers.deadline(timer);
        deadline.map(|deadline| deadline.saturating_duration_since(now))
    };
    Some(Handover {
        direction: connection.direction,
        connected: now.saturating_duration_since(connection.since),
        up: now.saturating_duration_since(*since),
        sent_open: connection.sent_open.clone(),
        received_open: negotiated.received_open.clone(),
        unfinished: *unfinished,
        hold: left(Timer::Hold).map(|left| left.saturating_add(unread)),
        keepalive: left(Timer::Keepalive),
        send_hold: left(Timer::SendHold),
        counters: fsm.record.counters,
        tally: fsm.record.tally.clone(),
    })
}

/// See [`Session::take_over`](super::Session::take_over).
pub(super) fn take_over(
    config: Arc<SessionConfig>,
    seed: u64,
    now: Instant,
    id: ConnId,
    session: &Handover,
) -> Result<Fsm, NotContinued> {
    let negotiated = session.negotiated(&config)?;
    let mut fsm = Fsm::new(config, seed);
    fsm.came_up();
    fsm.stop_dialling(Dial::Done);
    let mut timers = Timers::default();
    let left = [
        (Timer::Hold, session.hold),
        (Timer::Keepalive, session.keepalive),
        (Timer::SendHold, session.send_hold),
    ];
    for (timer, left) in left {
        if let Some(left) = left {
            timers.arm(timer, now, left);
        }
    }
    let before = |time| now.checked_sub(time).unwrap_or(now);
    fsm.record.state = State::Established;
    fsm.record.since = Some(before(session.up));
    fsm.record.counters = session.counters;
    fsm.record.tally = session.tally.clone();
    let open = negotiated.received_open.clone();
    fsm.record.last_open = Some(OpenRecord::new(open, before(session.up)));
    fsm.connections.push(Connection {
        id,
        direction: session.direction,
        since: before(session.connected),
        during_session: false,
        sent_open: session.sent_open.clone(),
        progress: Progress::Established {
            negotiated,
            since: before(session.up),
            unfinished: session.unfinished,
        },
        timers,
    });
    Ok(fsm)
}

impl Handover {
    /// The negotiated properties, under these settings.
    ///
    /// # Errors
    ///
    /// See [`NotContinued`].
    pub fn negotiated(&self, config: &SessionConfig) -> Result<Arc<Negotiated>, NotContinued> {
        let wanted = own_open(config, false);
        let (sent, received) = (&self.sent_open, &self.received_open);
        let agreed = |open: &Open| -> Vec<Capability> {
            let matters = open
                .capabilities
                .iter()
                .filter(|own| matters(own, received));
            matters.map(without_restart).collect()
        };
        let is_same = (wanted.asn, wanted.router_id, wanted.hold_time)
            == (sent.asn, sent.router_id, sent.hold_time)
            && received.asn == config.peer_as
            && agreed(&wanted) == agreed(sent);
        if !is_same {
            return Err(NotContinued);
        }
        negotiate(config, sent, received.clone()).map_err(|_| NotContinued)
    }

    /// The NOTIFICATION with which a successor ends the session instead of continuing it; `None` if it says nothing.
    pub fn goodbye(&self, why: &Stop) -> Option<Bytes> {
        let restart = |open: &Open| {
            let mut offered = open.capabilities.iter().rev();
            offered.find_map(|capability| {
                if let Capability::GracefulRestart { notification, .. } = capability {
                    Some(*notification)
                } else {
                    None
                }
            })
        };
        let outlives = match (restart(&self.sent_open), restart(&self.received_open)) {
            (Some(true), Some(true)) => Outlives::Notification,
            (Some(_), Some(_)) => Outlives::Loss,
            _ => Outlives::Nothing,
        };
        let notification = why.notification(outlives)?;
        let mut octets = BytesMut::new();
        Message::Notification(notification).encode(&Context::default(), &mut octets);
        Some(octets.freeze())
    }

    /// Appends the octets.
    pub fn encode(&self, out: &mut Writer) {
        out.flag(self.direction == Direction::Incoming);
        out.duration(self.connected);
        out.duration(self.up);
        put_open(&self.sent_open, out);
        put_open(&self.received_open, out);
        out.families(self.unfinished);
        for left in [self.hold, self.keepalive, self.send_hold] {
            out.option(left, Writer::duration);
        }
        let Counters {
            received,
            sent,
            established,
            flaps,
        } = self.counters;
        let counts = [received, sent].into_iter().flat_map(|counts| {
            let MessageCounts {
                open,
                update,
                notification,
                keepalive,
                route_refresh,
            } = counts;
            [open, update, notification, keepalive, route_refresh]
        });
        counts
            .chain([established, flaps])
            .for_each(|count| out.u64(count));
        out.count(self.tally.transitions.len());
        for Transitions { from, to, count } in &self.tally.transitions {
            out.u8(*from as u8);
            out.u8(*to as u8);
            out.u64(*count);
        }
        out.count(self.tally.notifications.len());
        for Notifications { sent, code, count } in &self.tally.notifications {
            out.flag(*sent);
            out.option(*code, |out, (ErrorCode(code), subcode)| {
                out.u8(code);
                out.u8(subcode);
            });
            out.u64(*count);
        }
    }

    /// Reads what [`Handover::encode`] appended.
    ///
    /// # Errors
    ///
    /// The octets are of another form.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let direction = match input.flag()? {
            true => Direction::Incoming,
            false => Direction::Outgoing,
        };
        let (connected, up) = (input.duration()?, input.duration()?);
        let (sent_open, received_open) = (open(input)?, open(input)?);
        let unfinished = input.families()?;
        let [hold, keepalive, send_hold] = [(); 3].map(|()| input.option(Reader::duration));
        Ok(Self {
            direction,
            connected,
            up,
            sent_open,
            received_open: at_rest(received_open),
            unfinished,
            hold: hold?,
            keepalive: keepalive?,
            send_hold: send_hold?,
            counters: Counters {
                received: counts(input)?,
                sent: counts(input)?,
                established: input.u64()?,
                flaps: input.u64()?,
            },
            tally: tally(input)?,
        })
    }
}

/// Whether one of our capabilities has an effect on a session with this peer.
fn matters(own: &Capability, received: &Open) -> bool {
    let tells_only = matches!(
        own,
        Capability::SoftwareVersion(_) | Capability::Fqdn { .. }
    );
    let mut offered = received.capabilities.iter();
    !tells_only && offered.any(|other| other.code() == own.code())
}

/// Without the bits that say whether the process has just been restarted.
fn without_restart(own: &Capability) -> Capability {
    let mut own = own.clone();
    if let Capability::GracefulRestart {
        restarting,
        families,
        ..
    } = &mut own
    {
        *restarting = false;
        for family in families {
            family.forwarding_preserved = false;
        }
    } else if let Capability::LongLivedGracefulRestart(families) = &mut own {
        for family in families {
            family.forwarding_preserved = false;
        }
    }
    own
}

fn put_open(open: &Open, out: &mut Writer) {
    let mut octets = BytesMut::new();
    Message::Open(open.clone()).encode(&Context::default(), &mut octets);
    out.octets(&octets);
}

fn open(input: &mut Reader<'_>) -> Result<Open, Malformed> {
    let mut octets = BytesMut::from(input.octets()?);
    let context = Context::default();
    let frame = frame::take(&mut octets, context.max_receive_len);
    let frame = frame.ok().flatten().filter(|_| octets.is_empty());
    match Message::decode(frame.ok_or(Malformed)?, &context) {
        Ok(Message::Open(open)) => Ok(open),
        _ => Err(Malformed),
    }
}

fn counts(input: &mut Reader<'_>) -> Result<MessageCounts, Malformed> {
    Ok(MessageCounts {
        open: input.u64()?,
        update: input.u64()?,
        notification: input.u64()?,
        keepalive: input.u64()?,
        route_refresh: input.u64()?,
    })
}

fn tally(input: &mut Reader<'_>) -> Result<Tally, Malformed> {
    let mut tally = Tally::default();
    for _ in 0..input.count()? {
        let (from, to, count) = (state(input)?, state(input)?, input.u64()?);
        tally.transitions.push(Transitions { from, to, count });
    }
    for _ in 0..input.count()? {
        let sent = input.flag()?;
        let code = input.option(|input| Ok((ErrorCode(input.u8()?), input.u8()?)))?;
        let count = input.u64()?;
        tally
            .notifications
            .push(Notifications { sent, code, count });
    }
    Ok(tally)
}

fn state(input: &mut Reader<'_>) -> Result<State, Malformed> {
    let known = [
        State::Idle,
        State::Connect,
        State::Active,
        State::OpenSent,
        State::OpenConfirm,
        State::Established,
    ];
    let place = usize::from(input.u8()?);
    known.get(place).copied().ok_or(Malformed)
}

#[cfg(test)]
mod tests;
