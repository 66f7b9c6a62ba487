//! Settings beyond Calico's API: annotations `bgp-daemon.io/*` of a BGPPeer (for that peering) or of a BGPConfiguration (for all
//! sessions of its nodes). Those of the peering win.

use std::time::Duration;

use bgp_core::session::config::RoleConfig;
use bgp_core::types::Family;
use bgp_core::types::Role;
use bgp_core::wire::AddPathDirection;
use serde::{Serialize, Serializer};

use super::bfd::{BfdTimers, PlannedBfd};
use crate::resources::{Kind, Metadata, Problem, ResourceSet, did_you_mean, parse_duration};
pub(crate) use value::PREFIX;
pub(super) use value::field_of;
use value::read;
pub use whom::AsRanges;
pub(crate) use whom::Whom;

/// The settings in annotations; `None` if not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    hold_time: Option<Duration>,
    connect_retry_time: Option<Duration>,
    passive: Option<bool>,
    families: Option<Vec<Family>>,
    add_path: Option<Option<AddPathDirection>>,
    extended_messages: Option<bool>,
    extended_next_hop: Option<bool>,
    graceful_restart_notification: Option<bool>,
    role: Option<RoleConfig>,
    max_prefixes: Option<u32>,
    long_lived_stale_time: Option<Option<Duration>>,
    on_stop: Option<OnStop>,
    require_password: Option<bool>,
    bfd: Option<Option<BfdTimers>>,
    bfd_strict: Option<bool>,
    next_hop_length: Option<u8>,
    whom: Whom,
}

/// Settings of one session, with defaults for those that are not set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerOptions {
    /// Hold time to propose: zero, or 3 s to 65535 s. In JSON seconds.
    #[serde(serialize_with = "seconds")]
    pub hold_time: Duration,
    /// Interval between tries to connect. In JSON seconds.
    #[serde(serialize_with = "seconds")]
    pub connect_retry_time: Duration,
    /// Families to offer, sorted.
    pub families: Vec<Family>,
    /// Additional paths to offer (RFC 7911).
    pub add_path: Option<AddPathDirection>,
    /// Offer long messages (RFC 8654).
    pub extended_messages: bool,
    /// Offer IPv6 next hops for IPv4 routes (RFC 8950).
    pub extended_next_hop: bool,
    /// Offer graceful restart for NOTIFICATIONs and expired hold timers too (the N bit of RFC 8538). Omitted from JSON if not
    /// set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub graceful_restart_notification: bool,
    /// Over link-local addresses, send a global address in front of the link-local next hop (RFC 2545 §3). Omitted from JSON if
    /// not set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub global_next_hop: bool,
    /// Our role (RFC 9234).
    pub role: Option<RoleConfig>,
    /// How many prefixes of each family the peer may announce; more end the session with Cease 6/1 (RFC 4486 §4).
    pub max_prefixes: Option<u32>,
    /// How long routes of a lost peer are kept after its restart time (RFC 9494). In JSON seconds.
    #[serde(serialize_with = "optional_seconds")]
    pub long_lived_stale_time: Option<Duration>,
    /// How the path to the peer is watched by BFD (RFC 5882).
    pub bfd: Option<PlannedBfd>,
    /// What happens to the session when the speaker stops. Omitted from JSON if `auto`.
    #[serde(skip_serializing_if = "OnStop::is_auto")]
    pub on_stop: OnStop,
}

/// How a session ends when the speaker stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnStop {
    /// Nothing: a peer with graceful restart keeps our routes until the speaker is back (RFC 4724).
    Keep,
    /// The end of the session, so that the peer withdraws our routes at once.
    Withdraw,
    /// `Withdraw` if the node is leaving, otherwise `Keep`.
    #[default]
    Auto,
}

impl OnStop {
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// The names of the annotations of a BGPPeer or BGPConfiguration.
const NAMES: [&str; 16] = [
    "add-path",
    "bfd",
    "bfd-strict",
    "connect-retry-time",
    "extended-messages",
    "extended-next-hop",
    "families",
    "graceful-restart-notification",
    "hold-time",
    "long-lived-stale-time",
    "max-prefixes",
    "next-hop-length",
    "on-stop",
    "passive",
    "require-password",
    "role",
];
/// The annotation of a Node that drains the node.
pub const DRAIN: &str = "bgp-daemon.io/drain";
/// The hold time of the replaced speaker.
const HOLD_TIME: Duration = Duration::from_secs(240);
const CONNECT_RETRY_TIME: Duration = Duration::from_secs(5);
/// The stale time is a field of 24 bits (RFC 9494 §3.1).
const MAX_STALE_TIME: Duration = Duration::from_secs((1 << 24) - 1);

impl Annotations {
    /// Reads the annotations of an object. An unknown one or one with a bad value is ignored and reported as a problem.
    pub(crate) fn read(metadata: &Metadata, object: &str, problems: &mut Vec<Problem>) -> Self {
        let mut read = Self::default();
        for (key, value) in &metadata.annotations {
            let Some(name) = key.strip_prefix(PREFIX) else {
                if let Some(meant) = meant_by(key) {
                    let reason = format!("has no effect (did you mean {PREFIX}{meant}?)");
                    let problem = Problem::warning(object, reason);
                    problems.push(problem.at_field(format!("metadata.annotations.{key}")));
                }
                continue;
            };
            if let Err(reason) = read.set(name, value.trim()) {
                let problem = Problem::error(object, reason);
                problems.push(problem.at_field(format!("metadata.annotations.{key}")));
            }
        }
        read
    }

    /// Reports annotations on objects of kinds where they have no meaning.
    pub(super) fn find_misplaced(resources: &ResourceSet, problems: &mut Vec<Problem>) {
        const NOT_HERE: &str = "has no effect here: only a BGPPeer or a BGPConfiguration has it";
        for (key, resource) in resources.iter() {
            let is_written_by_people = matches!(
                key.kind,
                Kind::BgpFilter
                    | Kind::BfdConfiguration
                    | Kind::IpPool
                    | Kind::Node
                    | Kind::KubernetesNode
            );
            if !is_written_by_people {
                continue;
            }
            let ours = resource.metadata().annotations.keys();
            let is_node = matches!(key.kind, Kind::Node | Kind::KubernetesNode);
            let is_known = |name: &str| is_node && name == DRAIN;
            let ours = ours.filter(|name| name.starts_with(PREFIX) && !is_known(name));
            for name in ours {
                let problem = Problem::warning(key, NOT_HERE);
                problems.push(problem.at_field(format!("metadata.annotations.{name}")));
            }
        }
    }

    /// These settings, and `others` where these are not set.
    pub(crate) fn or(self, others: Self) -> Self {
        Self {
            hold_time: self.hold_time.or(others.hold_time),
            connect_retry_time: self.connect_retry_time.or(others.connect_retry_time),
            passive: self.passive.or(others.passive),
            families: self.families.or(others.families),
            add_path: self.add_path.or(others.add_path),
            extended_messages: self.extended_messages.or(others.extended_messages),
            extended_next_hop: self.extended_next_hop.or(others.extended_next_hop),
            graceful_restart_notification: self
                .graceful_restart_notification
                .or(others.graceful_restart_notification),
            role: self.role.or(others.role),
            max_prefixes: self.max_prefixes.or(others.max_prefixes),
            long_lived_stale_time: self.long_lived_stale_time.or(others.long_lived_stale_time),
            on_stop: self.on_stop.or(others.on_stop),
            require_password: self.require_password.or(others.require_password),
            bfd: self.bfd.or(others.bfd),
            bfd_strict: self.bfd_strict.or(others.bfd_strict),
            next_hop_length: self.next_hop_length.or(others.next_hop_length),
            whom: self.whom,
        }
    }

    /// Whom the peering is with, if that is no address.
    pub(crate) fn whom(&self) -> &Whom {
        &self.whom
    }

    pub(super) fn whom_mut(&mut self) -> &mut Whom {
        &mut self.whom
    }

    /// Whether to wait for the peer, if set.
    pub(crate) fn passive(&self) -> Option<bool> {
        self.passive
    }

    /// The families to offer, if set.
    pub(super) fn families(&self) -> Option<Vec<Family>> {
        self.families.clone()
    }

    /// Whether to watch the path to the peer by BFD, if they say.
    pub(super) fn bfd(&self) -> Option<Option<BfdTimers>> {
        self.bfd
    }

    /// Whether a session waits for BFD.
    pub(super) fn bfd_strict(&self) -> bool {
        self.bfd_strict.unwrap_or(false)
    }

    /// Whether a session is kept down if its password is not available.
    pub(super) fn require_password(&self) -> bool {
        self.require_password.unwrap_or(false)
    }

    /// The settings of a session whose peer has an address of `family`.
    pub(crate) fn options(&self, family: Family) -> PeerOptions {
        PeerOptions {
            hold_time: self.hold_time.unwrap_or(HOLD_TIME),
            connect_retry_time: self.connect_retry_time.unwrap_or(CONNECT_RETRY_TIME),
            families: self.families.clone().unwrap_or_else(|| vec![family]),
            add_path: self.add_path.unwrap_or(Some(AddPathDirection::Both)),
            extended_messages: self.extended_messages.unwrap_or(false),
            extended_next_hop: self.extended_next_hop.unwrap_or(false),
            graceful_restart_notification: self.graceful_restart_notification.unwrap_or(false),
            global_next_hop: self.next_hop_length == Some(32),
            role: self.role,
            max_prefixes: self.max_prefixes,
            long_lived_stale_time: self.long_lived_stale_time.flatten(),
            bfd: None,
            on_stop: self.on_stop.unwrap_or_default(),
        }
    }

    /// The settings of a session with the router on a link, over link-local addresses: with both families (RFC 8950).
    pub(crate) fn options_on_link(&self) -> PeerOptions {
        let mut options = self.options(Family::Ipv6Unicast);
        options.families = self
            .families
            .clone()
            .unwrap_or_else(|| Family::ALL.to_vec());
        options.extended_next_hop = self.extended_next_hop.unwrap_or(true);
        options
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "hold-time" => {
                let what = "0, or 3s to 65535s in whole seconds";
                self.hold_time = read(value, hold_time, what)?;
            }
            "connect-retry-time" => {
                self.connect_retry_time = read(value, retry_time, "a duration such as 5s")?;
            }
            "passive" => self.passive = read(value, truth, TRUTH)?,
            "families" => {
                self.families = read(value, families, FAMILIES)?;
            }
            "add-path" => self.add_path = read(value, add_path, ADD_PATH)?,
            "extended-messages" => self.extended_messages = read(value, truth, TRUTH)?,
            "extended-next-hop" => self.extended_next_hop = read(value, truth, TRUTH)?,
            "graceful-restart-notification" => {
                self.graceful_restart_notification = read(value, truth, TRUTH)?;
            }
            "role" => {
                self.role = read(value, role, ROLES)?;
            }
            "max-prefixes" => {
                let number = |value: &str| value.parse().ok();
                self.max_prefixes = read(value, number, "a number up to 4294967295")?;
            }
            "long-lived-stale-time" => {
                let what = "off, or a duration up to 16777215s";
                self.long_lived_stale_time = read(value, stale_time, what)?;
            }
            "next-hop-length" => self.next_hop_length = read(value, next_hop_length, "16 or 32")?,
            "on-stop" => self.on_stop = read(value, on_stop, ON_STOP)?,
            "require-password" => self.require_password = read(value, truth, TRUTH)?,
            "bfd" => self.bfd = read(value, bfd, BFD)?,
            "bfd-strict" => self.bfd_strict = read(value, truth, TRUTH)?,
            _ => {
                let unknown = || {
                    let known = NAMES.into_iter().chain(Whom::NAMES);
                    Err(format!("unknown annotation{}", did_you_mean(name, known)))
                };
                return self.whom.set(name, value).unwrap_or_else(unknown);
            }
        }
        Ok(())
    }
}

/// The names of all annotations: those of a BGPPeer or a BGPConfiguration, and those of a BGPPeer alone.
#[cfg(test)]
pub(crate) fn names() -> [Vec<&'static str>; 2] {
    [NAMES.into(), Whom::NAMES.into()]
}

/// The annotation that was probably meant: same name without the prefix, or nearly the same prefix.
fn meant_by(key: &str) -> Option<&'static str> {
    let (domain, name) = key.rsplit_once('/').unwrap_or_default();
    let name = if domain.is_empty() { key } else { name };
    let ours = PREFIX.trim_end_matches('/');
    let is_near = domain.is_empty() || !did_you_mean(domain, [ours]).is_empty();
    let mut known = NAMES.into_iter().chain(Whom::NAMES);
    known.find(|known| *known == name && is_near)
}

const TRUTH: &str = "true or false";
const ROLES: &str = "provider, rs-server, rs-client, customer or peer, with -strict or without";
const ADD_PATH: &str = "off, receive, send or both";
const FAMILIES: &str = "ipv4-unicast, ipv6-unicast or both with a comma";
const BFD: &str = "off, on, or rx/tx/multiplier as 300ms/300ms/3, with 10ms to 60s and 1 to 255";
const ON_STOP: &str = "keep, withdraw or auto";

fn bfd(value: &str) -> Option<Option<BfdTimers>> {
    match value {
        "off" => Some(None),
        "on" => Some(Some(BfdTimers::DEFAULT)),
        _ => BfdTimers::from_text(value).map(Some),
    }
}

fn next_hop_length(value: &str) -> Option<u8> {
    value
        .parse()
        .ok()
        .filter(|length| matches!(length, 16 | 32))
}

fn on_stop(value: &str) -> Option<OnStop> {
    Some(match value {
        "keep" => OnStop::Keep,
        "withdraw" => OnStop::Withdraw,
        "auto" => OnStop::Auto,
        _ => return None,
    })
}

fn retry_time(value: &str) -> Option<Duration> {
    parse_duration(value).ok().filter(|time| !time.is_zero())
}

fn truth(value: &str) -> Option<bool> {
    value.parse().ok()
}

/// RFC 4271 §4.2: zero or at least three seconds, in a field of 16 bits.
fn hold_time(value: &str) -> Option<Duration> {
    let time = parse_duration(value).ok()?;
    let allowed = time.subsec_nanos() == 0 && matches!(time.as_secs(), 0 | 3..=65535);
    allowed.then_some(time)
}

fn families(value: &str) -> Option<Vec<Family>> {
    let named = |name: &str| {
        Family::ALL
            .into_iter()
            .find(|family| family.to_string() == name)
    };
    let mut families: Vec<_> = value
        .split(',')
        .map(|name| named(name.trim()))
        .collect::<Option<_>>()?;
    families.sort();
    families.dedup();
    Some(families)
}

fn add_path(value: &str) -> Option<Option<AddPathDirection>> {
    Some(match value {
        "off" => None,
        "receive" => Some(AddPathDirection::Receive),
        "send" => Some(AddPathDirection::Send),
        "both" => Some(AddPathDirection::Both),
        _ => return None,
    })
}

fn role(value: &str) -> Option<RoleConfig> {
    let (name, strict) = match value.strip_suffix("-strict") {
        Some(name) => (name, true),
        None => (value, false),
    };
    let role = match name {
        "provider" => Role::Provider,
        "rs-server" => Role::RsServer,
        "rs-client" => Role::RsClient,
        "customer" => Role::Customer,
        "peer" => Role::Peer,
        _ => return None,
    };
    Some(RoleConfig::new(role).with_strict(strict))
}

fn stale_time(value: &str) -> Option<Option<Duration>> {
    if value == "off" {
        return Some(None);
    }
    let time = parse_duration(value).ok()?;
    (time <= MAX_STALE_TIME).then_some(Some(time).filter(|time| !time.is_zero()))
}

fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    match time.subsec_nanos() {
        0 => to.serialize_u64(time.as_secs()),
        _ => to.serialize_f64(time.as_secs_f64()),
    }
}

fn optional_seconds<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => seconds(time, to),
        None => to.serialize_none(),
    }
}

mod value;
mod whom;

#[cfg(test)]
mod tests;
