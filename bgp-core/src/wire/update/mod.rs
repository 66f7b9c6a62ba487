//! UPDATE (RFC 4271 §4.3, RFC 4760), decoded with the error handling of RFC 7606.
//!
//! Decoding reads a message once and records the position of each part. An [`Update`] is this record and the message, which
//! shares the read buffer: drop it soon, rather than storing it. A valid UPDATE from a peer with four-octet AS numbers is decoded
//! without an allocation.
//!
//! `decode.rs` has the rules, `notes.rs` their result, `attribute/table.rs` the checks of each attribute, `usual.rs` a fast path
//! for common UPDATEs, `encode.rs` the encoder.

mod announce;
mod decode;
mod encode;
mod fault;
mod kept;
mod notes;
mod opaque;
mod sections;
mod usual;

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use self::decode::Fatal;
use self::kept::Piece;
use self::notes::{Notes, Opaque, Translated};
use self::sections::Span;
use super::attribute::{
    AsPath, AsPathView, RawAttribute, carried_flags, code, put, without_repetitions,
};
use super::{AttributeView, Attributes, Context, NextHop, Nlri};
use crate::types::{AfiSafi, Asn, Family, Prefix};

pub use encode::{TooLong, encode_end_of_rib, encode_reachable, encode_unreachable};
pub use fault::Fault;
pub use opaque::{OpaqueRoutes, encode_opaque};

pub(super) use usual::read_usual;

/// A received UPDATE. Errors in its attributes have been handled by RFC 7606: discarded attributes are gone, and routes that are
/// treated as withdrawn are in [`Update::unreachable`].
///
/// Owns one slice of the read buffer; everything else is read from it on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    bytes: Bytes,
    notes: Notes,
}

/// The parts of an UPDATE with announced routes.
#[derive(Clone, Copy)]
enum Part {
    Field,
    Attribute,
}

/// Routes that an UPDATE announces with one next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reachable<'a> {
    /// The next hop.
    pub next_hop: NextHop,
    /// The prefixes.
    pub nlri: Nlri<'a>,
}

impl Update {
    #[inline]
    pub(super) fn new(bytes: Bytes, notes: Notes) -> Self {
        Self { bytes, notes }
    }

    /// Decodes a message.
    ///
    /// # Errors
    ///
    /// The error that ends the session.
    pub(super) fn decode(message: Bytes, context: &Context) -> Result<Self, Fatal> {
        let notes = decode::read(&message, context)?;
        Ok(Self::new(message, notes))
    }

    /// An UPDATE that announces prefixes, to feed a [`Rib`](crate::rib::Rib) from a file or a test.
    ///
    /// ```
    /// use bgp_core::wire::{Attributes, NextHop, Update};
    /// use ipnet::Ipv4Net;
    ///
    /// let prefix: Ipv4Net = "198.51.100.0/24".parse()?;
    /// let next_hop = NextHop::V4([192, 0, 2, 1].into());
    /// let update = Update::announce(&Attributes::default(), next_hop, &[prefix])?;
    /// assert_eq!(update.reachable().count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The routes do not fit into one message of 65535 octets.
    pub fn announce<P: Prefix>(
        attributes: &Attributes,
        next_hop: NextHop,
        prefixes: &[P],
    ) -> Result<Self, TooLong> {
        let message = announce::message(attributes, next_hop, prefixes)?;
        Self::decode(message, &announce::CONTEXT).map_err(|_| TooLong)
    }

    /// The message as received, including the header.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The announced routes: the NLRI field and MP_REACH_NLRI, at most one of each, never empty.
    pub fn reachable(&self) -> impl Iterator<Item = Reachable<'_>> {
        // The values are only built on demand, because they are large.
        [Part::Field, Part::Attribute]
            .into_iter()
            .filter_map(|part| self.reachable_by(part))
    }

    #[inline]
    fn reachable_by(&self, part: Part) -> Option<Reachable<'_>> {
        let (next_hop, nlri) = match part {
            Part::Field => {
                let next_hop = NextHop::V4(self.notes.next_hop?);
                (next_hop, self.list(Family::Ipv4Unicast, self.notes.nlri))
            }
            Part::Attribute => {
                let reach = self.notes.mp_reach?;
                let next_hop = NextHop::from_octets(reach.next_hop.of(&self.bytes))?;
                (next_hop, self.list(reach.family, reach.nlri))
            }
        };
        let is_announced = !self.notes.treat_as_withdraw && !nlri.is_empty();
        is_announced.then_some(Reachable { next_hop, nlri })
    }

    /// The withdrawn routes, from either field or by RFC 7606; never empty lists. A prefix that is also in [`Self::reachable`] is
    /// announced (RFC 4271 §4.3), so handle these first.
    pub fn unreachable(&self) -> impl Iterator<Item = Nlri<'_>> {
        let withdrawn = self.list(Family::Ipv4Unicast, self.notes.withdrawn);
        let mp_unreach = self
            .notes
            .mp_unreach
            .map(|(family, span)| self.list(family, span));
        let nlri = self.list(Family::Ipv4Unicast, self.notes.nlri);
        let mp_reach = self
            .notes
            .mp_reach
            .map(|reach| self.list(reach.family, reach.nlri));
        let announced = [Some(nlri), mp_reach]
            .into_iter()
            .filter(|_| self.notes.treat_as_withdraw);
        [Some(withdrawn), mp_unreach]
            .into_iter()
            .chain(announced)
            .flatten()
            .filter(|nlri| !nlri.is_empty())
    }

    /// Routes of families that are passed on as octets, withdrawals first: see [`OpaqueRoutes`].
    pub fn opaque(&self) -> impl Iterator<Item = OpaqueRoutes<'_>> {
        let Opaque { reach, unreach } = self.notes.opaque();
        let unreach = unreach.map(|(family, nlri)| OpaqueRoutes::Unreachable {
            family,
            nlri: nlri.of(&self.bytes),
        });
        let reach = reach.map(|(family, next_hop, nlri)| {
            let (next_hop, nlri) = (next_hop.of(&self.bytes), nlri.of(&self.bytes));
            match self.notes.treat_as_withdraw {
                true => OpaqueRoutes::Unreachable { family, nlri },
                false => OpaqueRoutes::Reachable {
                    family,
                    next_hop,
                    nlri,
                },
            }
        });
        unreach.into_iter().chain(reach)
    }

    /// Whether the UPDATE has opaque routes.
    pub(crate) fn has_opaque(&self) -> bool {
        self.notes.rare.is_some() && self.notes.opaque() != Opaque::default()
    }

    /// Drops routes of families that were not negotiated.
    pub(crate) fn keep_opaque(&mut self, families: &[AfiSafi]) {
        if let Some(rare) = self.notes.rare.as_deref_mut() {
            let Opaque { reach, unreach } = &mut rare.opaque;
            reach.take_if(|(it, ..)| !families.contains(it));
            unreach.take_if(|(it, _)| !families.contains(it));
        }
    }

    /// The family, if this is an End-of-RIB marker (RFC 4724 §2).
    pub fn end_of_rib(&self) -> Option<Family> {
        self.notes.end_of_rib
    }

    /// Faults in the UPDATE, a few dozen at most; further ones are handled, but not recorded.
    pub fn faults(&self) -> &[Fault] {
        let rare = self.notes.rare.as_deref();
        rare.map_or(&[], |rare| &rare.faults)
    }

    /// Whether the announced routes are treated as withdrawn because of a fault (RFC 7606 §2).
    pub fn is_treated_as_withdraw(&self) -> bool {
        self.notes.treat_as_withdraw
    }

    /// Whether an AS is in the received AS_PATH or AS4_PATH. On sessions with two-octet AS numbers, the path in the attributes is
    /// merged from both and may lack some ASes; a loop can show in any of the three.
    pub fn received_path_contains(&self, asn: Asn) -> bool {
        let contains = |path: &AsPath| path.view().occurrences(asn) > 0;
        match self.translated() {
            Some(translated) => translated.received.iter().any(contains),
            None => self.as_path().occurrences(asn) > 0,
        }
    }

    /// Appends the attributes of the announced routes, opaque or not, in canonical form: see [`AttributeView`].
    pub fn canonical_attributes(&self, out: &mut Vec<u8>) {
        out.reserve(self.bytes.len());
        for &piece in self.notes.kept.pieces() {
            if piece.is_canonical() {
                out.extend_from_slice(piece.view(&self.bytes).octets());
            } else {
                self.put_canonical(piece, out);
            }
        }
    }

    fn put_canonical(&self, piece: Piece, out: &mut Vec<u8>) {
        for RawAttribute { code, flags, value } in piece.view(&self.bytes).iter() {
            let flags = carried_flags(code, flags);
            match (code, self.translated()) {
                (code::AS_PATH | code::AGGREGATOR, Some(translated)) => {
                    put(flags, code, translated.value(code), out);
                }
                (code::LARGE_COMMUNITY, _) => put(flags, code, &without_repetitions(value), out),
                _ => put(flags, code, value, out),
            }
        }
    }

    /// The attributes of the announced routes.
    pub fn attributes(&self) -> Attributes {
        let mut canonical = Vec::new();
        self.canonical_attributes(&mut canonical);
        AttributeView::new(&canonical).to_attributes()
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.bytes);
    }

    fn list(&self, family: Family, span: Span) -> Nlri<'_> {
        Nlri::new(family, self.notes.path_ids[family], span.of(&self.bytes))
    }

    fn translated(&self) -> Option<&Translated> {
        self.notes.rare.as_deref()?.translated.as_ref()
    }

    /// The path on a session with four-octet AS numbers.
    fn as_path(&self) -> AsPathView<'_> {
        let octets = self.notes.kept.find(code::AS_PATH, &self.bytes);
        octets.map(AsPathView::new).unwrap_or_default()
    }
}

/// `UPDATE`, then the withdrawn routes, then the announced routes with their attributes.
impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UPDATE")?;
        if let Some(family) = self.notes.end_of_rib {
            return write!(f, " end of RIB {family}");
        }
        let mut separator = " ";
        for nlri in self.unreachable() {
            write!(f, "{separator}withdraw {nlri}")?;
            separator = "; ";
        }
        for Reachable { next_hop, nlri } in self.reachable() {
            write!(f, "{separator}announce {nlri} via {next_hop}")?;
            separator = "; ";
        }
        for routes in self.opaque() {
            let (what, octets) = match routes {
                OpaqueRoutes::Reachable { nlri, .. } => ("announce", nlri.len()),
                OpaqueRoutes::Unreachable { nlri, .. } => ("withdraw", nlri.len()),
            };
            write!(
                f,
                "{separator}{what} {octets} octets of {}",
                routes.family()
            )?;
            separator = "; ";
        }
        let is_reach = |routes| matches!(routes, OpaqueRoutes::Reachable { .. });
        if self.reachable().next().is_some() || self.opaque().any(is_reach) {
            write!(f, "; {}", self.attributes())?;
        }
        self.faults()
            .iter()
            .try_for_each(|fault| write!(f, "; {fault}"))
    }
}
