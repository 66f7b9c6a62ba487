//! OPEN (RFC 4271 §4.2) with its optional parameters, plain and extended (RFC 9072).
//!
//! Checks follow the order of RFC 4271 §6.2, so that the first of several errors is reported: version, AS number, hold time,
//! identifier, form of the parameters. The checks of the configured AS number and of our own identifier are made for a session,
//! which knows its `ExpectedPeer`, and skipped otherwise.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::read::{Malformed, Reader};
use super::{Capability, ErrorCode, HEADER_LEN, MAX_MESSAGE_LEN, MessageError, MessageType, write};
use crate::types::{Asn, RouterId};

/// The first message of both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Open {
    /// The sender's full AS number: from capability 65 if present, otherwise from the two-octet field. Encoding writes
    /// [`Asn::TRANS`] to the short field if the number does not fit (RFC 6793 §9), and then adds capability 65 unless it is in
    /// the list.
    pub asn: Asn,
    /// Proposed hold time in seconds: 0, or at least 3.
    pub hold_time: u16,
    /// BGP identifier; never zero after decoding (RFC 6286 §2.1).
    pub router_id: RouterId,
    /// Capabilities in the order of the message, from all optional parameters.
    pub capabilities: Vec<Capability>,
}

/// The expected sender of an OPEN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpectedPeer {
    /// The configured AS number.
    pub(crate) asn: Asn,
    /// An identifier that the peer must not have: ours, within the same AS (RFC 6286 §2.2).
    pub(crate) taken_identifier: Option<RouterId>,
}

/// The only version.
const VERSION: u8 = 4;
/// Optional parameter with capabilities (RFC 5492 §4).
const CAPABILITIES: u8 = 2;
/// Instead of a parameter type: parameters have two-octet lengths (RFC 9072 §2).
const EXTENDED: u8 = 255;
/// Offsets of the fields of an OPEN, including the header.
const AS_AT: usize = HEADER_LEN + 1;
const HOLD_TIME_AT: usize = HEADER_LEN + 3;
const IDENTIFIER_AT: usize = HEADER_LEN + 5;
const PARAMETERS_AT: usize = HEADER_LEN + 9;

mod subcode {
    pub(super) const UNSPECIFIC: u8 = 0;
    pub(super) const VERSION: u8 = 1;
    pub(super) const PEER_AS: u8 = 2;
    pub(super) const IDENTIFIER: u8 = 3;
    pub(super) const OPTIONAL_PARAMETER: u8 = 4;
    pub(super) const HOLD_TIME: u8 = 6;
}

impl Open {
    /// Decodes an OPEN; `expected` is the sender, if known.
    pub(crate) fn decode(
        message: &Bytes,
        expected: Option<ExpectedPeer>,
    ) -> Result<Self, MessageError> {
        let mut reader = Reader::new(&message[HEADER_LEN..]);
        let too_short = |Malformed| malformed(HEADER_LEN, "at least 10 octets in an OPEN");
        if reader.u8().map_err(too_short)? != VERSION {
            let error = error(subcode::VERSION, HEADER_LEN, "version 4");
            return Err(error.with_data(&u16::from(VERSION).to_be_bytes()));
        }
        let short_as = Asn(reader.u16().map_err(too_short)?.into());
        let hold_time = reader.u16().map_err(too_short)?;
        let router_id = RouterId(reader.ipv4().map_err(too_short)?);
        // The full AS number is in the last part, whose own errors are reported last.
        let parameters = decode_parameters(reader.rest());
        check_as(short_as, &parameters, expected)?;
        check_hold_time(hold_time)?;
        check_identifier(router_id, expected)?;
        let capabilities = parameters?;
        Ok(Self {
            asn: full_as(&capabilities).unwrap_or(short_as),
            hold_time,
            router_id,
            capabilities,
        })
    }

    /// The fields of an OPEN without checks, for diagnosis; malformed capabilities are left out. `None` if it is too short.
    pub(crate) fn glance(message: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(message.get(HEADER_LEN..)?);
        let _version = reader.u8().ok()?;
        let short_as = Asn(reader.u16().ok()?.into());
        let hold_time = reader.u16().ok()?;
        let router_id = RouterId(reader.ipv4().ok()?);
        let capabilities = decode_parameters(reader.rest()).unwrap_or_default();
        Some(Self {
            asn: full_as(&capabilities).unwrap_or(short_as),
            hold_time,
            router_id,
            capabilities,
        })
    }

    /// Capabilities that would make the OPEN longer than 4096 octets are left out (RFC 8654 §4).
    pub(super) fn encode(&self, out: &mut BytesMut) {
        let capabilities = self.encode_capabilities();
        write::message(out, MessageType::OPEN, |out| {
            out.put_u8(VERSION);
            out.put_u16(u16::try_from(self.asn.0).unwrap_or(Asn::TRANS.0 as u16));
            out.put_u16(self.hold_time);
            out.put_u32(self.router_id.to_bits());
            encode_parameters(&capabilities, out);
        });
    }

    fn encode_capabilities(&self) -> BytesMut {
        // After the fixed part and the longer form of the parameters.
        const ROOM: usize = MAX_MESSAGE_LEN as usize - PARAMETERS_AT - 7;
        let mut octets = BytesMut::new();
        if !self.asn.is_two_octet() && full_as(&self.capabilities).is_none() {
            Capability::FourOctetAs(self.asn).encode(&mut octets);
        }
        for capability in &self.capabilities {
            let before = octets.len();
            capability.encode(&mut octets);
            if octets.len() > ROOM {
                octets.truncate(before);
            }
        }
        octets
    }
}

/// RFC 4271 §6.2: the AS number must be the configured one. Zero is invalid (RFC 7607 §2), and 23456 only represents another
/// number (RFC 6793 §9), which is unknown if the parameters are malformed.
fn check_as(
    short: Asn,
    parameters: &Result<Vec<Capability>, MessageError>,
    expected: Option<ExpectedPeer>,
) -> Result<(), MessageError> {
    let asn = match parameters {
        Ok(capabilities) => full_as(capabilities).unwrap_or(short),
        Err(_) if short == Asn::TRANS => return Ok(()),
        Err(_) => short,
    };
    match expected {
        Some(peer) if asn != peer.asn || asn == Asn(0) || asn == Asn::TRANS => {
            Err(error(subcode::PEER_AS, AS_AT, "the configured AS number"))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_hold_time(hold_time: u16) -> Result<(), MessageError> {
    if matches!(hold_time, 1 | 2) {
        let reason = "a hold time of zero, or of 3 seconds at least";
        return Err(error(subcode::HOLD_TIME, HOLD_TIME_AT, reason));
    }
    Ok(())
}

/// RFC 6286 §2.1 and §2.2.
fn check_identifier(
    identifier: RouterId,
    expected: Option<ExpectedPeer>,
) -> Result<(), MessageError> {
    let reason = if identifier.to_bits() == 0 {
        "a BGP identifier that is not zero"
    } else if expected.and_then(|peer| peer.taken_identifier) == Some(identifier) {
        "a BGP identifier that is not our own"
    } else {
        return Ok(());
    };
    Err(error(subcode::IDENTIFIER, IDENTIFIER_AT, reason))
}

fn full_as(capabilities: &[Capability]) -> Option<Asn> {
    capabilities.iter().find_map(|capability| {
        if let Capability::FourOctetAs(asn) = capability {
            Some(*asn)
        } else {
            None
        }
    })
}

/// Decodes the length of the optional parameters and the rest of the message.
fn decode_parameters(octets: &[u8]) -> Result<Vec<Capability>, MessageError> {
    let malformed_block =
        |Malformed| malformed(PARAMETERS_AT, "parameters that end with the message");
    let mut reader = Reader::new(octets);
    let len = reader.u8().map_err(malformed_block)?;
    let mut block = reader;
    // RFC 9072 §2: the one-octet length then only says that there are parameters.
    let extended = len != 0 && block.u8() == Ok(EXTENDED);
    let parameters = if extended {
        block.take_len16()
    } else {
        block = reader;
        block.take(len.into())
    };
    let parameters = parameters.map_err(malformed_block)?;
    let start = PARAMETERS_AT + block.position() - parameters.len();
    block.finish().map_err(malformed_block)?;
    decode_list(parameters, extended, start)
}

fn decode_list(
    parameters: &[u8],
    extended: bool,
    start: usize,
) -> Result<Vec<Capability>, MessageError> {
    let mut capabilities = Vec::new();
    let mut reader = Reader::new(parameters);
    while !reader.is_empty() {
        let at = start + reader.position();
        let (kind, value) = parameter(&mut reader, extended)
            .map_err(|Malformed| malformed(at, "a parameter within its block"))?;
        if kind != CAPABILITIES {
            let reason = "an optional parameter of type 2";
            return Err(error(subcode::OPTIONAL_PARAMETER, at, reason));
        }
        Capability::decode_all(value, &mut capabilities)
            .map_err(|Malformed| malformed(at, "well-formed capabilities"))?;
    }
    Ok(capabilities)
}

fn parameter<'a>(reader: &mut Reader<'a>, extended: bool) -> Result<(u8, &'a [u8]), Malformed> {
    let kind = reader.u8()?;
    let value = if extended {
        reader.take_len16()?
    } else {
        reader.take_len8()?
    };
    Ok((kind, value))
}

/// One parameter with all capabilities, or none; in extended form only if too long for the plain one (RFC 9072 §2).
fn encode_parameters(capabilities: &[u8], out: &mut BytesMut) {
    if capabilities.is_empty() {
        out.put_u8(0);
    } else if capabilities.len() + 2 <= u8::MAX.into() {
        write::len8(out, |out| {
            out.put_u8(CAPABILITIES);
            write::len8(out, |out| out.put_slice(capabilities));
        });
    } else {
        out.put_bytes(EXTENDED, 2);
        write::len16(out, |out| {
            out.put_u8(CAPABILITIES);
            write::len16(out, |out| out.put_slice(capabilities));
        });
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            asn,
            hold_time,
            router_id,
            capabilities,
        } = self;
        write!(
            f,
            "OPEN AS {asn} identifier {router_id} hold time {hold_time} s"
        )?;
        for (place, capability) in capabilities.iter().enumerate() {
            f.write_str(if place == 0 { "; " } else { ", " })?;
            capability.fmt(f)?;
        }
        Ok(())
    }
}

fn error(subcode: u8, offset: usize, expected: &'static str) -> MessageError {
    MessageError::new(ErrorCode::OPEN, subcode, offset, expected)
}

/// RFC 4271 §6.2: "recognized but malformed" is subcode 0.
fn malformed(offset: usize, expected: &'static str) -> MessageError {
    error(subcode::UNSPECIFIC, offset, expected)
}
