//! Graceful restart of one session (RFC 4724, RFC 8538), and long-lived graceful restart (RFC 9494): the capabilities offered,
//! the result of their negotiation, and which routes survive the end of a session.
//!
//! The RIB decides how long stale routes stay and when they are removed.

use std::time::{Duration, Instant};

use super::config::SessionConfig;
use super::down::DownReason;
use super::negotiated::{LongLived, Negotiated, PeerRestart, per_family};
use crate::types::{Family, PerFamily};
use crate::wire::{Capability, GracefulRestartFamily, LongLivedFamily};

/// Our capability 64 (RFC 4724 §3). `restarting`: no session with this peer has come up since the process was started.
pub(super) fn offer(config: &SessionConfig, restarting: bool) -> Option<Capability> {
    let own = config.graceful_restart?;
    let restarting = restarting && own.restarting;
    let families = config.families.iter().map(|family| GracefulRestartFamily {
        family: family.afi_safi(),
        forwarding_preserved: restarting,
    });
    Some(Capability::GracefulRestart {
        restarting,
        notification: own.notification,
        restart_time: own.restart_time.min(MAX_RESTART_TIME),
        families: families.collect(),
    })
}

/// Our capability 71 (RFC 9494 §3.1), which requires capability 64. A stale time of zero offers awareness only.
pub(super) fn offer_long_lived(config: &SessionConfig, restarting: bool) -> Option<Capability> {
    let own = config.graceful_restart?;
    let stale_time = config.long_lived_stale_time?.as_secs();
    let stale_time = u32::try_from(stale_time).unwrap_or(u32::MAX);
    let families = config.families.iter().map(|family| LongLivedFamily {
        family: family.afi_safi(),
        forwarding_preserved: restarting && own.restarting,
        stale_time: stale_time.min(MAX_STALE_TIME),
    });
    let families = families.filter(|family| family.stale_time > 0).collect();
    Some(Capability::LongLivedGracefulRestart(families))
}

/// The effect of the peer's capability 64; of several, the last one counts (RFC 4724 §3).
pub(super) fn peer_restart(
    config: &SessionConfig,
    peer: &[Capability],
    negotiated: PerFamily<bool>,
) -> Option<PeerRestart> {
    let own = config.graceful_restart?;
    peer.iter().rev().find_map(|capability| {
        let Capability::GracefulRestart {
            restarting,
            notification,
            restart_time,
            families,
        } = capability
        else {
            return None;
        };
        let preserved = |family: Family| {
            let mut listed = families.iter().rev();
            listed
                .find(|entry| entry.family == family.afi_safi())
                .map(|entry| entry.forwarding_preserved)
        };
        Some(PeerRestart {
            restarting: *restarting,
            notification: own.notification && *notification,
            restart_time: Duration::from_secs((*restart_time).into()),
            families: per_family(negotiated, preserved),
        })
    })
}

/// The effect of the peer's capability 71: none if we only offered awareness, or without capability 64 from both sides (RFC 9494
/// §3.1).
pub(super) fn long_lived(
    config: &SessionConfig,
    peer: &[Capability],
    negotiated: PerFamily<bool>,
) -> PerFamily<Option<LongLived>> {
    let takes_part = config
        .long_lived_stale_time
        .is_some_and(|time| !time.is_zero());
    if !takes_part || peer_restart(config, peer, negotiated).is_none() {
        return PerFamily::default();
    }
    let offered = peer.iter().rev().find_map(|capability| {
        if let Capability::LongLivedGracefulRestart(families) = capability {
            Some(families.as_slice())
        } else {
            None
        }
    });
    per_family(negotiated, |family| {
        let mut listed = offered.unwrap_or_default().iter().rev();
        let entry = listed.find(|entry| entry.family == family.afi_safi())?;
        Some(LongLived {
            forwarding_preserved: entry.forwarding_preserved,
            stale_time: Duration::from_secs(entry.stale_time.into()),
        })
    })
}

/// The families for which the peer will send End-of-RIB: all, if it sent capability 64 (RFC 4724 §2).
pub(super) fn unfinished(negotiated: &Negotiated) -> PerFamily<bool> {
    let mut offered = negotiated.received_open.capabilities.iter();
    let promised =
        offered.any(|capability| matches!(capability, Capability::GracefulRestart { .. }));
    per_family(negotiated.context.families, |_| promised)
}

/// The families whose routes survive an end of the session for this reason.
pub(super) fn keep_stale(negotiated: &Negotiated, reason: &DownReason) -> PerFamily<bool> {
    let Some(peer) = negotiated.graceful_restart else {
        return PerFamily::default();
    };
    if !survives(reason, peer.notification) {
        return PerFamily::default();
    }
    // RFC 9494 §4.2: a family in capability 71 alone has a restart time of zero.
    per_family(negotiated.context.families, |family| {
        peer.families[family].is_some() || negotiated.long_lived[family].is_some()
    })
}

/// Whether routes survive: TCP was lost (RFC 4724 §4.2), or the session ended with a NOTIFICATION other than Hard Reset and both
/// sides set the N bit (RFC 8538 §4).
fn survives(reason: &DownReason, notification_bit: bool) -> bool {
    match reason {
        DownReason::Closed(_) | DownReason::Left | DownReason::Replaced => true,
        DownReason::Sent(sent) | DownReason::Received(sent) => {
            notification_bit && !sent.is_hard_reset()
        }
        DownReason::SendHoldTimer => notification_bit,
    }
}

/// Whether a session that came up at `since` ends because the peer's other connection was being opened at that time. It looks
/// like a restart of the peer, but no peer restarts that fast: routes that were stale before belong to the same restart (RFC 4724
/// §4.2 removes them after a second one).
pub(super) fn is_late_collision(reason: &DownReason, now: Instant, since: Instant) -> bool {
    *reason == DownReason::Replaced && now.saturating_duration_since(since) < LATE_COLLISION
}

/// A connection that arrives within this time after the start of a session was opened before.
const LATE_COLLISION: Duration = Duration::from_secs(1);
/// Limit of the 12-bit field (RFC 4724 §3).
const MAX_RESTART_TIME: u16 = 0x0fff;
/// Limit of the 24-bit field (RFC 9494 §3.1).
const MAX_STALE_TIME: u32 = 0x00ff_ffff;
