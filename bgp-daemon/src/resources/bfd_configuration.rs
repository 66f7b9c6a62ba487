//! BFDConfiguration of Calico Enterprise: the times of BFD for the interfaces of nodes.

use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bgp_filter::is_interface_pattern;
use super::check::Check;
use super::fault::Fault;
use super::metadata::Object;
use super::scalar;
use super::selector::Selector;
use super::value_schema;

/// The times of BFD sessions, by interface.
pub type BfdConfiguration = Object<BfdConfigurationSpec>;

/// The spec of a [`BfdConfiguration`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BfdConfigurationSpec {
    /// Selects the nodes; all of them if absent.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Selector>")]
    pub node_selector: Option<Selector>,
    /// The times of sessions through some interfaces.
    pub interfaces: Vec<BfdInterface>,
}

/// The times of sessions through some interfaces.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BfdInterface {
    /// The name of an interface, its beginning and `*`, or `*` for all.
    pub match_pattern: String,
    /// The peer may send as often as this, 10 ms to 60 s; default 10 ms.
    #[serde(default, deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Duration>")]
    pub minimum_recv_interval: Option<Duration>,
    /// We would like to send as often as this, 10 ms to 60 s; default 100 ms.
    #[serde(default, deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Duration>")]
    pub minimum_send_interval: Option<Duration>,
    /// Interval between packets while the peer is not heard, 1 s to 60 s; default 60 s.
    #[serde(default, deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Duration>")]
    pub idle_send_interval: Option<Duration>,
    /// Lost packets in a row before the path is dead, 1 to 255; default 5.
    #[serde(default)]
    pub multiplier: Option<u8>,
}

impl BfdInterface {
    /// How well the pattern matches an interface: the number of its own characters, more for a full name; `None` if it does not.
    pub fn matches(&self, interface: &str) -> Option<usize> {
        match self.match_pattern.strip_suffix('*') {
            Some(start) => interface.starts_with(start).then_some(start.len()),
            None => (self.match_pattern == interface).then_some(usize::MAX),
        }
    }

    /// Whether the pattern matches every interface.
    pub fn is_for_all(&self) -> bool {
        self.match_pattern == "*"
    }
}

impl Check for BfdConfigurationSpec {
    fn check(&self, faults: &mut Vec<Fault>) {
        for (at, interface) in self.interfaces.iter().enumerate() {
            let mut error = |field: &str, reason: &str| {
                faults.push(Fault::error(
                    &format!("spec.interfaces[{at}].{field}"),
                    reason,
                ));
            };
            let pattern = &interface.match_pattern;
            let start = pattern.strip_suffix('*').unwrap_or(pattern);
            if start.contains('*') || !is_interface_pattern(pattern) {
                error("matchPattern", WRONG_PATTERN);
            }
            for (field, time, range, reason) in [
                (
                    "minimumRecvInterval",
                    interface.minimum_recv_interval,
                    INTERVAL,
                    WRONG_INTERVAL,
                ),
                (
                    "minimumSendInterval",
                    interface.minimum_send_interval,
                    INTERVAL,
                    WRONG_INTERVAL,
                ),
                (
                    "idleSendInterval",
                    interface.idle_send_interval,
                    IDLE,
                    WRONG_IDLE,
                ),
            ] {
                if time.is_some_and(|time| !range.contains(&time)) {
                    error(field, reason);
                }
            }
            if interface.multiplier == Some(0) {
                error("multiplier", "expected 1 to 255, found 0");
            }
        }
    }
}

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const IDLE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const WRONG_PATTERN: &str =
    "expected the name of an interface, its beginning and * such as eth*, or *";
const WRONG_INTERVAL: &str = "expected 10ms to 60s";
const WRONG_IDLE: &str = "expected 1s to 60s";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_of_a_name_the_better() {
        let interface = |pattern: &str| BfdInterface {
            match_pattern: pattern.into(),
            minimum_recv_interval: None,
            minimum_send_interval: None,
            idle_send_interval: None,
            multiplier: None,
        };
        let fits = |pattern| interface(pattern).matches("eth0");
        assert!(fits("*") < fits("eth*") && fits("eth*") < fits("eth0*"));
        assert!(fits("eth0*") < fits("eth0"));
        assert_eq!((fits("eth"), fits("ens*")), (None, None));
    }
}
