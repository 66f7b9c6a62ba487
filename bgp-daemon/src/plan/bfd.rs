//! How the paths to peers are watched by BFD (RFC 5882).

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::resources::{BfdInterface, FailureDetectionMode, parse_duration};

/// How the path to a peer is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedBfd {
    /// The peer may send as often as this. In JSON seconds.
    #[serde(serialize_with = "seconds")]
    pub min_rx: Duration,
    /// We would like to send as often as this. In JSON seconds.
    #[serde(serialize_with = "seconds")]
    pub min_tx: Duration,
    /// Interval between packets while the peer is not heard. In JSON seconds.
    #[serde(serialize_with = "seconds")]
    pub idle_tx: Duration,
    /// Lost packets in a row before the path is dead.
    pub multiplier: u8,
    /// The peer is not on a network of this node (RFC 5883).
    pub multihop: bool,
    /// The BGP session waits for BFD.
    pub strict: bool,
}

/// Intervals and multiplier of a BFD session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BfdTimers {
    min_rx: Duration,
    min_tx: Duration,
    idle_tx: Duration,
    multiplier: u8,
}

impl BfdTimers {
    /// As FRR and MetalLB have them.
    pub(super) const DEFAULT: Self = Self {
        min_rx: Duration::from_millis(300),
        min_tx: Duration::from_millis(300),
        idle_tx: Duration::from_secs(1),
        multiplier: 3,
    };

    /// As Calico Enterprise has them for what a BFDConfiguration does not say.
    pub(super) const CALICO: Self = Self {
        min_rx: Duration::from_millis(10),
        min_tx: Duration::from_millis(100),
        idle_tx: Duration::from_secs(60),
        multiplier: 5,
    };

    pub(super) fn of(interface: &BfdInterface) -> Self {
        let default = Self::CALICO;
        Self {
            min_rx: interface.minimum_recv_interval.unwrap_or(default.min_rx),
            min_tx: interface.minimum_send_interval.unwrap_or(default.min_tx),
            idle_tx: interface.idle_send_interval.unwrap_or(default.idle_tx),
            multiplier: interface.multiplier.unwrap_or(default.multiplier),
        }
    }

    /// Reads `rx/tx/multiplier`, as `300ms/300ms/3`.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(str::trim);
        let mut interval = || {
            let interval = parse_duration(parts.next()?).ok()?;
            (SHORTEST..=LONGEST).contains(&interval).then_some(interval)
        };
        let (min_rx, min_tx) = (interval()?, interval()?);
        let multiplier = parts.next()?.parse().ok().filter(|times| *times > 0)?;
        parts.next().is_none().then_some(Self {
            min_rx,
            min_tx,
            multiplier,
            ..Self::DEFAULT
        })
    }
}

/// How a path is watched, if at all. An annotation counts more than the field of Calico's API; `Some(None)` is one that says no.
pub(super) fn planned(
    annotation: Option<Option<BfdTimers>>,
    mode: Option<FailureDetectionMode>,
    is_connected: bool,
    strict: bool,
    of_interface: impl FnOnce() -> BfdTimers,
) -> Option<PlannedBfd> {
    let by_field = || {
        let wanted = mode == Some(FailureDetectionMode::BFDIfDirectlyConnected);
        (wanted && is_connected).then(of_interface)
    };
    let timers = annotation.unwrap_or_else(by_field)?;
    Some(PlannedBfd {
        min_rx: timers.min_rx,
        min_tx: timers.min_tx,
        idle_tx: timers.idle_tx,
        multiplier: timers.multiplier,
        multihop: !is_connected,
        strict,
    })
}

fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_read() {
        let timers = BfdTimers::from_text("50ms/1s/5").expect("timers");
        assert_eq!(timers.min_rx, Duration::from_millis(50));
        assert_eq!((timers.min_tx.as_secs(), timers.multiplier), (1, 5));
        for bad in [
            "",
            "300ms",
            "300ms/300ms",
            "300ms/300ms/0",
            "300ms/300ms/256",
            "9ms/300ms/3",
            "300/300/3",
            "300ms/61s/3",
            "300ms/300ms/3/1",
        ] {
            assert_eq!(BfdTimers::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_annotation_counts_more_than_the_field() {
        let mode = Some(FailureDetectionMode::BFDIfDirectlyConnected);
        let planned = |annotation, mode, is_connected, strict| {
            planned(annotation, mode, is_connected, strict, || BfdTimers::CALICO)
        };
        let by_field = planned(None, mode, true, false).expect("a watch");
        assert_eq!(
            (by_field.min_rx.as_millis(), by_field.min_tx.as_millis()),
            (10, 100)
        );
        assert_eq!((by_field.idle_tx.as_secs(), by_field.multiplier), (60, 5));
        assert_eq!(planned(None, mode, false, false), None);
        assert_eq!(
            planned(None, Some(FailureDetectionMode::None), true, false),
            None
        );
        assert_eq!(planned(Some(None), mode, true, false), None);
        let far = planned(Some(Some(BfdTimers::DEFAULT)), mode, false, true).expect("a watch");
        assert!(far.multihop && far.strict);
        assert_eq!(far.min_rx.as_millis(), 300);
    }
}
