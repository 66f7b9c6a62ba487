//! Capabilities of an OPEN (RFC 5492).
//!
//! Input and output are the values of Capabilities parameters. An unknown or malformed capability is kept as
//! [`Capability::Unknown`], because no capability may harm a session (RFC 5492 §3). The exception is an AS number of the wrong
//! length, without which nothing after the OPEN can be decoded. The session decides on the effects of capabilities.

mod code;
mod extra;

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use self::code::MAX_VALUE_LEN;
pub use self::extra::{ExtraCapability, InvalidCapability};
use super::read::{Malformed, Reader};
use super::write;
use crate::types::{AfiSafi, Asn};

/// Directions of additional paths (RFC 7911 §4), from the view of the advertising speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum AddPathDirection {
    /// Can receive them: 1.
    Receive,
    /// Can send them: 2.
    Send,
    /// Can do both: 3.
    Both,
}

/// A family in the graceful restart capability (RFC 4724 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GracefulRestartFamily {
    /// The family.
    pub family: AfiSafi,
    /// F bit: forwarding state was preserved during the restart.
    pub forwarding_preserved: bool,
}

/// A family in the long-lived graceful restart capability (RFC 9494 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LongLivedFamily {
    /// The family.
    pub family: AfiSafi,
    /// F bit: forwarding state was preserved during the restart.
    pub forwarding_preserved: bool,
    /// Seconds that stale routes may be kept; 24 bits.
    pub stale_time: u32,
}

/// A capability. Unknown ones are kept as received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case", rename_all_fields = "snake_case")
)]
#[non_exhaustive]
pub enum Capability {
    /// 1: supports this family (RFC 4760 §8).
    Multiprotocol(AfiSafi),
    /// 2: supports ROUTE-REFRESH (RFC 2918 §2).
    RouteRefresh,
    /// 5: NLRI families, each with the AFI of its next hop (RFC 8950 §4).
    ExtendedNextHop(Vec<(AfiSafi, u16)>),
    /// 6: messages up to 65535 octets (RFC 8654 §3).
    ExtendedMessage,
    /// 9: BGP role code: 0 provider, 1 RS, 2 RS-client, 3 customer, 4 peer (RFC 9234 §4.1).
    Role(u8),
    /// 64: RFC 4724 §3, with the N bit of RFC 8538 §2.
    GracefulRestart {
        /// R bit: the speaker has just restarted.
        restarting: bool,
        /// N bit: routes also survive a NOTIFICATION.
        notification: bool,
        /// Expected time of the restart, seconds; 12 bits.
        restart_time: u16,
        /// The families whose routes are kept meanwhile.
        families: Vec<GracefulRestartFamily>,
    },
    /// 65: the full AS number of the speaker (RFC 6793 §3).
    FourOctetAs(Asn),
    /// 69: RFC 7911 §4.
    AddPath(Vec<(AfiSafi, AddPathDirection)>),
    /// 70: supports markers of a refresh (RFC 7313 §3.1).
    EnhancedRouteRefresh,
    /// 71: RFC 9494 §3.1; an empty list advertises awareness only.
    LongLivedGracefulRestart(Vec<LongLivedFamily>),
    /// 73: host and domain name, together at most 253 octets.
    Fqdn {
        /// Host name.
        host: String,
        /// Domain name; may be empty.
        domain: String,
    },
    /// 75: name and version of the software; at most 254 octets.
    SoftwareVersion(String),
    /// Any other capability.
    Unknown {
        /// The code.
        code: u8,
        /// The value; at most 255 octets.
        #[cfg_attr(feature = "serde", serde(serialize_with = "super::text::serialize"))]
        value: Bytes,
    },
}

impl From<ExtraCapability> for Capability {
    fn from(extra: ExtraCapability) -> Self {
        let (code, value) = extra.into_parts();
        Self::Unknown { code, value }
    }
}

/// R and N bits before the restart time (RFC 4724 §3, RFC 8538 §2); 12 bits of time.
const RESTARTING: u16 = 0x8000;
const NOTIFICATION: u16 = 0x4000;
const RESTART_TIME: u16 = 0x0fff;
/// F bit of a family (RFC 4724 §3, RFC 9494 §3.1).
const FORWARDING_PRESERVED: u8 = 0x80;

impl Capability {
    /// Whether the code is unknown here.
    pub fn is_unknown(&self) -> bool {
        !code::KNOWN.contains(&self.code())
    }

    /// The code in the registry.
    pub fn code(&self) -> u8 {
        match self {
            Self::Multiprotocol(_) => code::MULTIPROTOCOL,
            Self::RouteRefresh => code::ROUTE_REFRESH,
            Self::ExtendedNextHop(_) => code::EXTENDED_NEXT_HOP,
            Self::ExtendedMessage => code::EXTENDED_MESSAGE,
            Self::Role(_) => code::ROLE,
            Self::GracefulRestart { .. } => code::GRACEFUL_RESTART,
            Self::FourOctetAs(_) => code::FOUR_OCTET_AS,
            Self::AddPath(_) => code::ADD_PATH,
            Self::EnhancedRouteRefresh => code::ENHANCED_ROUTE_REFRESH,
            Self::LongLivedGracefulRestart(_) => code::LONG_LIVED_GRACEFUL_RESTART,
            Self::Fqdn { .. } => code::FQDN,
            Self::SoftwareVersion(_) => code::SOFTWARE_VERSION,
            Self::Unknown { code, .. } => *code,
        }
    }

    /// Decodes the capabilities in the value of one parameter.
    ///
    /// # Errors
    ///
    /// A capability exceeds the parameter, or an AS number does not have four octets.
    pub(super) fn decode_all(parameter: &[u8], into: &mut Vec<Self>) -> Result<(), Malformed> {
        let mut reader = Reader::new(parameter);
        while !reader.is_empty() {
            let code = reader.u8()?;
            let value = reader.take_len8()?;
            into.push(Self::decode(code, value)?);
        }
        Ok(())
    }

    fn decode(code: u8, value: &[u8]) -> Result<Self, Malformed> {
        match Self::decode_known(code, value) {
            Ok(known) => Ok(known),
            // The one vital value (RFC 6793 §4.1).
            Err(Malformed) if code == code::FOUR_OCTET_AS => Err(Malformed),
            Err(Malformed) => Ok(Self::Unknown {
                code,
                value: Bytes::copy_from_slice(value),
            }),
        }
    }

    fn decode_known(code: u8, value: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let capability = match code {
            code::MULTIPROTOCOL => Self::Multiprotocol(multiprotocol(&mut reader)?),
            code::ROUTE_REFRESH => Self::RouteRefresh,
            code::EXTENDED_NEXT_HOP => Self::ExtendedNextHop(list(&mut reader, next_hop_tuple)?),
            code::EXTENDED_MESSAGE => Self::ExtendedMessage,
            code::ROLE => Self::Role(reader.u8()?),
            code::GRACEFUL_RESTART => graceful_restart(&mut reader)?,
            code::FOUR_OCTET_AS => Self::FourOctetAs(Asn(reader.u32()?)),
            code::ADD_PATH => Self::AddPath(list(&mut reader, add_path_tuple)?),
            code::ENHANCED_ROUTE_REFRESH => Self::EnhancedRouteRefresh,
            code::LONG_LIVED_GRACEFUL_RESTART => {
                Self::LongLivedGracefulRestart(list(&mut reader, long_lived_family)?)
            }
            code::FQDN => Self::Fqdn {
                host: text(&mut reader)?,
                domain: text(&mut reader)?,
            },
            code::SOFTWARE_VERSION => Self::SoftwareVersion(text(&mut reader)?),
            _ => return Err(Malformed),
        };
        reader.finish()?;
        Ok(capability)
    }

    /// Appends the capability with code and length. A value beyond 255 octets is truncated: the ends of lists and texts are left
    /// out.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.code());
        write::len8(out, |out| self.encode_value(out));
    }

    fn encode_value(&self, out: &mut BytesMut) {
        match self {
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {}
            Self::Multiprotocol(family) => {
                out.put_u16(family.afi);
                out.put_u8(0);
                out.put_u8(family.safi);
            }
            Self::ExtendedNextHop(tuples) => {
                for (family, next_hop_afi) in tuples.iter().take(MAX_VALUE_LEN / 6) {
                    out.put_u16(family.afi);
                    out.put_u16(family.safi.into());
                    out.put_u16(*next_hop_afi);
                }
            }
            Self::Role(role) => out.put_u8(*role),
            Self::GracefulRestart {
                restarting,
                notification,
                restart_time,
                families,
            } => {
                let flags = if *restarting { RESTARTING } else { 0 }
                    | if *notification { NOTIFICATION } else { 0 };
                out.put_u16(flags | restart_time & RESTART_TIME);
                for restart in families.iter().take((MAX_VALUE_LEN - 2) / 4) {
                    put_family(out, restart.family);
                    out.put_u8(forwarding_flags(restart.forwarding_preserved));
                }
            }
            Self::FourOctetAs(asn) => out.put_u32(asn.0),
            Self::AddPath(tuples) => {
                for (family, direction) in tuples.iter().take(MAX_VALUE_LEN / 4) {
                    put_family(out, *family);
                    out.put_u8(direction.octet());
                }
            }
            Self::LongLivedGracefulRestart(families) => {
                for long_lived in families.iter().take(MAX_VALUE_LEN / 7) {
                    put_family(out, long_lived.family);
                    out.put_u8(forwarding_flags(long_lived.forwarding_preserved));
                    out.put_uint(long_lived.stale_time.min(0x00ff_ffff).into(), 3);
                }
            }
            Self::Fqdn { host, domain } => {
                let host = write::cut(host, MAX_VALUE_LEN - 2);
                put_text(out, host, MAX_VALUE_LEN - 2);
                put_text(out, domain, MAX_VALUE_LEN - 2 - host.len());
            }
            Self::SoftwareVersion(version) => put_text(out, version, MAX_VALUE_LEN - 1),
            Self::Unknown { value, .. } => {
                out.put_slice(&value[..value.len().min(MAX_VALUE_LEN)]);
            }
        }
    }
}

impl AddPathDirection {
    /// Values other than 1, 2 and 3 must be ignored (RFC 7911 §4).
    fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Receive),
            2 => Some(Self::Send),
            3 => Some(Self::Both),
            _ => None,
        }
    }

    fn octet(self) -> u8 {
        match self {
            Self::Receive => 1,
            Self::Send => 2,
            Self::Both => 3,
        }
    }
}

/// Decodes tuples to the end; those for which `item` returns `None` are ignored.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    item: impl Fn(&mut Reader<'a>) -> Result<Option<T>, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut items = Vec::new();
    while !reader.is_empty() {
        items.extend(item(reader)?);
    }
    Ok(items)
}

fn multiprotocol(reader: &mut Reader<'_>) -> Result<AfiSafi, Malformed> {
    let afi = reader.u16()?;
    let _reserved = reader.u8()?;
    let safi = reader.u8()?;
    Ok(AfiSafi { afi, safi })
}

fn family(reader: &mut Reader<'_>) -> Result<AfiSafi, Malformed> {
    let afi = reader.u16()?;
    let safi = reader.u8()?;
    Ok(AfiSafi { afi, safi })
}

/// RFC 8950 §4 gives the SAFI two octets; numbers beyond one octet are ignored.
fn next_hop_tuple(reader: &mut Reader<'_>) -> Result<Option<(AfiSafi, u16)>, Malformed> {
    let afi = reader.u16()?;
    let safi = reader.u16()?;
    let next_hop_afi = reader.u16()?;
    Ok(u8::try_from(safi)
        .ok()
        .map(|safi| (AfiSafi { afi, safi }, next_hop_afi)))
}

fn graceful_restart(reader: &mut Reader<'_>) -> Result<Capability, Malformed> {
    let flags = reader.u16()?;
    let families = list(reader, |reader| {
        Ok(Some(GracefulRestartFamily {
            family: family(reader)?,
            forwarding_preserved: reader.u8()? & FORWARDING_PRESERVED != 0,
        }))
    })?;
    Ok(Capability::GracefulRestart {
        restarting: flags & RESTARTING != 0,
        notification: flags & NOTIFICATION != 0,
        restart_time: flags & RESTART_TIME,
        families,
    })
}

fn add_path_tuple(
    reader: &mut Reader<'_>,
) -> Result<Option<(AfiSafi, AddPathDirection)>, Malformed> {
    let family = family(reader)?;
    let direction = AddPathDirection::from_octet(reader.u8()?);
    Ok(direction.map(|direction| (family, direction)))
}

fn long_lived_family(reader: &mut Reader<'_>) -> Result<Option<LongLivedFamily>, Malformed> {
    let family = family(reader)?;
    let flags_and_time = reader.u32()?.to_be_bytes();
    let [flags, time @ ..] = flags_and_time;
    Ok(Some(LongLivedFamily {
        family,
        forwarding_preserved: flags & FORWARDING_PRESERVED != 0,
        stale_time: u32::from_be_bytes([0, time[0], time[1], time[2]]),
    }))
}

fn text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let octets = reader.take_len8()?;
    let text = std::str::from_utf8(octets).map_err(|_| Malformed)?;
    Ok(text.to_owned())
}

fn put_family(out: &mut BytesMut, family: AfiSafi) {
    out.put_u16(family.afi);
    out.put_u8(family.safi);
}

fn forwarding_flags(preserved: bool) -> u8 {
    if preserved { FORWARDING_PRESERVED } else { 0 }
}

fn put_text(out: &mut BytesMut, text: &str, limit: usize) {
    write::len8(out, |out| out.put_slice(write::cut(text, limit).as_bytes()));
}

/// A short name and the value; text of the peer is escaped.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multiprotocol(family) => write!(f, "multiprotocol {family}"),
            Self::RouteRefresh => f.write_str("route-refresh"),
            Self::ExtendedNextHop(tuples) => {
                f.write_str("extended-next-hop")?;
                tuples
                    .iter()
                    .try_for_each(|(family, afi)| write!(f, " {family} via afi {afi}"))
            }
            Self::ExtendedMessage => f.write_str("extended-message"),
            Self::Role(role) => write!(f, "role {role}"),
            Self::GracefulRestart {
                restarting,
                notification,
                restart_time,
                families,
            } => {
                write!(f, "graceful-restart {restart_time} s")?;
                f.write_str(if *restarting { " restarting" } else { "" })?;
                f.write_str(if *notification { " notification" } else { "" })?;
                families.iter().try_for_each(|restart| {
                    write!(f, " {}", restart.family)?;
                    f.write_str(preserved(restart.forwarding_preserved))
                })
            }
            Self::FourOctetAs(asn) => write!(f, "four-octet-as {asn}"),
            Self::AddPath(tuples) => {
                f.write_str("add-path")?;
                tuples
                    .iter()
                    .try_for_each(|(family, direction)| write!(f, " {family} {direction}"))
            }
            Self::EnhancedRouteRefresh => f.write_str("enhanced-route-refresh"),
            Self::LongLivedGracefulRestart(families) => {
                f.write_str("long-lived-graceful-restart")?;
                families.iter().try_for_each(|long_lived| {
                    write!(f, " {} {} s", long_lived.family, long_lived.stale_time)?;
                    f.write_str(preserved(long_lived.forwarding_preserved))
                })
            }
            Self::Fqdn { host, domain } => {
                write!(f, "fqdn {}", host.escape_debug())?;
                let dot = if domain.is_empty() { "" } else { "." };
                write!(f, "{dot}{}", domain.escape_debug())
            }
            Self::SoftwareVersion(version) => {
                write!(f, "software-version {}", version.escape_debug())
            }
            Self::Unknown { code, value } => {
                write!(f, "capability {code}")?;
                let space = if value.is_empty() { "" } else { " " };
                write!(f, "{space}{}", super::text::Hex(value))
            }
        }
    }
}

fn preserved(flag: bool) -> &'static str {
    if flag { " preserved" } else { "" }
}

impl fmt::Display for AddPathDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive",
            Self::Send => "send",
            Self::Both => "both",
        })
    }
}
