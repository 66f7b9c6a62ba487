//! Decodes an UPDATE, applying the rules of RFC 7606 and the attribute table.
//!
//! Order matters. First the three sections are framed, then each attribute within its section, then its value. Prefixes are
//! always read, even after a bad attribute, because routes that were not found cannot be withdrawn. Each error is recorded as a
//! [`Fault`], and the strongest action wins.

use bytes::Bytes;

use super::fault::Fault;
use super::notes::{MpReach, Notes, Opaque, Translated};
use super::sections::{Codes, Received, Sections, Span, read_family, read_mp_reach};
use crate::types::{AfiSafi, Asn, Family};
use crate::wire::attribute::ErrorAction::{Discard, Reset, Withdraw};
use crate::wire::attribute::{
    AsPathView, Spec, Wrong, carried_flags, code, flag, from_two_octet, merge, put_flags, spec,
    subcode,
};
use crate::wire::read::{Malformed, Reader};
use crate::wire::{Context, ErrorCode, HEADER_LEN, MessageError, NextHop, next_hop, nlri};

/// Faults recorded per UPDATE.
const MAX_FAULTS: usize = 32;

/// An error that ends the session. Boxed: an inline error would make the result of every step as large as the error.
pub(in crate::wire) type Fatal = Box<MessageError>;

/// Decodes a message.
pub(super) fn read(message: &Bytes, context: &Context) -> Result<Notes, Fatal> {
    // RFC 4271 §6.3, RFC 7606 §3 b: if the lengths contradict each other, nothing is reliable.
    let sections = Sections::split(message).map_err(|Malformed| {
        let expected = "lengths that fit the message";
        fatal(subcode::ATTRIBUTE_LIST, HEADER_LEN, expected)
    })?;
    let mut notes = Notes::none(context.add_path_receive);
    let mut decoder = Decoder {
        message,
        context,
        notes: &mut notes,
        seen: Codes::default(),
        next_hop: None,
        as4_path: &[],
        as4_aggregator: None,
        announces: false,
        withdraw: None,
    };
    decoder.attributes(sections.attributes)?;
    decoder.fields(&sections)?;
    decoder.mandatory_attributes()?;
    if !context.four_octet_as {
        decoder.translate();
    }
    decoder.finish(&sections)?;
    Ok(notes)
}

struct Decoder<'a> {
    message: &'a Bytes,
    context: &'a Context,
    notes: &'a mut Notes,
    seen: Codes,
    next_hop: Option<Received<'a>>,
    as4_path: &'a [u8],
    as4_aggregator: Option<&'a [u8]>,
    /// Some route is announced, possibly of an unused family.
    announces: bool,
    /// The first fault that withdraws routes, as the NOTIFICATION to send if there are no routes.
    withdraw: Option<Fatal>,
}

impl<'a> Decoder<'a> {
    fn attributes(&mut self, list: Span) -> Result<(), Fatal> {
        let mut reader = Reader::between(list.start(), list.end(), self.message);
        while !reader.is_empty() {
            let start = reader.position();
            match Received::read(&mut reader) {
                Ok(attribute) => self.attribute(attribute)?,
                Err(Malformed) => return self.cut_attribute(Span::new(start, list.end())),
            }
        }
        Ok(())
    }

    /// The last attribute exceeds the section (RFC 7606 §4). The NLRI field is found by the length of the section; routes in a
    /// multiprotocol attribute are lost, which ends the session.
    fn cut_attribute(&mut self, whole: Span) -> Result<(), Fatal> {
        let attribute = Received::cut(whole, self.message);
        self.seen.insert(attribute.code);
        let action = match attribute.code {
            code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => Reset,
            _ => Withdraw,
        };
        let expected = "an attribute that ends within the list";
        self.fault(
            attribute,
            Wrong::new(expected, action, subcode::ATTRIBUTE_LIST),
        )
    }

    #[inline]
    fn attribute(&mut self, attribute: Received<'a>) -> Result<(), Fatal> {
        if !self.seen.insert(attribute.code) {
            return self.repeated(attribute);
        }
        match spec(attribute.code) {
            Some(spec) => self.known(spec, attribute),
            None => self.unknown(attribute),
        }
    }

    /// RFC 7606 §3 g.
    #[cold]
    fn repeated(&mut self, attribute: Received<'a>) -> Result<(), Fatal> {
        let action = match attribute.code {
            code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => Reset,
            _ => Discard,
        };
        self.fault(
            attribute,
            Wrong::new("it only once", action, subcode::ATTRIBUTE_LIST),
        )
    }

    /// RFC 4271 §5, §6.3, §9.
    fn unknown(&mut self, attribute: Received<'a>) -> Result<(), Fatal> {
        if attribute.flags & flag::OPTIONAL == 0 {
            let expected = "a well-known attribute that is known";
            return self.fault(
                attribute,
                Wrong::new(expected, Reset, subcode::UNKNOWN_WELL_KNOWN),
            );
        }
        if attribute.flags & flag::TRANSITIVE != 0 {
            let flags = carried_flags(attribute.code, attribute.flags);
            let canonical = attribute.flags == put_flags(flags, attribute.value.len());
            self.keep(attribute, canonical);
        }
        Ok(())
    }

    fn known(&mut self, spec: &Spec, attribute: Received<'a>) -> Result<(), Fatal> {
        let Received {
            flags, code, value, ..
        } = attribute;
        if let Err(wrong) = spec.check(flags, value, self.context) {
            return self.fault(attribute, wrong);
        }
        match code {
            code::MP_REACH_NLRI => return self.mp_reach(attribute),
            code::MP_UNREACH_NLRI => return self.mp_unreach(attribute),
            code::NEXT_HOP => self.next_hop = Some(attribute),
            code::AS4_PATH => self.as4_path = value,
            code::AS4_AGGREGATOR => self.as4_aggregator = Some(value),
            _ => self.keep(attribute, spec.is_canonical(flags, value, self.context)),
        }
        Ok(())
    }

    /// Records an attribute that is passed on. `canonical`: it can be copied unchanged.
    fn keep(&mut self, attribute: Received<'a>, canonical: bool) {
        let Received { code, whole, .. } = attribute;
        self.notes.kept.insert(code, whole, canonical, self.message);
    }

    /// RFC 4760 §3.
    fn mp_reach(&mut self, attribute: Received<'a>) -> Result<(), Fatal> {
        let mut reader = Reader::new(attribute.value);
        let Ok((family, next_hop)) = read_mp_reach(&mut reader) else {
            let expected = "a next hop within the attribute";
            return self.fault(attribute, Wrong::new(expected, Reset, subcode::OPTIONAL));
        };
        let nlri = attribute.value_from(reader.position());
        self.announces |= !nlri.is_empty();
        let Some(family) = self.used(family) else {
            if !self.context.opaque_families {
                return self.fault(attribute, UNUSED_FAMILY);
            }
            let next_hop = Span::new(nlri.start() - 1 - next_hop.len(), nlri.start() - 1);
            self.opaque().reach = Some((family, next_hop, nlri));
            return Ok(());
        };
        self.check_mp_nlri(family, nlri, attribute)?;
        let next_hop = match NextHop::decode(family, next_hop, self.context) {
            Ok(_) => Span::new(nlri.start() - 1 - next_hop.len(), nlri.start() - 1),
            Err(next_hop::Fault::Length) => {
                let expected = "a next hop length that the family can have";
                return self.fault(attribute, Wrong::new(expected, Reset, subcode::OPTIONAL));
            }
            Err(next_hop::Fault::Unusable) => {
                let expected = "a next hop that is a host";
                self.fault(attribute, Wrong::new(expected, Withdraw, subcode::OPTIONAL))?;
                Span::default()
            }
        };
        self.notes.mp_reach = Some(MpReach {
            family,
            next_hop,
            nlri,
        });
        Ok(())
    }

    /// Routes of families that are not routed here; the session knows which of them were negotiated.
    #[cold]
    fn opaque(&mut self) -> &mut Opaque {
        &mut self.notes.rare.get_or_insert_default().opaque
    }

    /// RFC 4760 §4.
    fn mp_unreach(&mut self, attribute: Received<'a>) -> Result<(), Fatal> {
        let mut reader = Reader::new(attribute.value);
        let named = read_family(&mut reader).unwrap_or(AfiSafi { afi: 0, safi: 0 });
        let nlri = attribute.value_from(reader.position());
        match self.used(named) {
            Some(family) => {
                self.check_mp_nlri(family, nlri, attribute)?;
                self.notes.mp_unreach = Some((family, nlri));
                Ok(())
            }
            None if self.context.opaque_families => {
                self.opaque().unreach = Some((named, nlri));
                Ok(())
            }
            // The End-of-RIB marker of an unused family.
            None if nlri.is_empty() => Ok(()),
            None => self.fault(attribute, UNUSED_FAMILY),
        }
    }

    /// RFC 4760 §7, RFC 7606 §5.3.
    fn check_mp_nlri(
        &mut self,
        family: Family,
        nlri: Span,
        attribute: Received<'a>,
    ) -> Result<(), Fatal> {
        let path_ids = self.context.add_path_receive[family];
        if nlri::check(family, path_ids, nlri.of(self.message)).is_err() {
            let expected = "whole prefixes of the family";
            return self.fault(attribute, Wrong::new(expected, Reset, subcode::OPTIONAL));
        }
        Ok(())
    }

    /// The fields of withdrawn routes and NLRI, and NEXT_HOP for the latter.
    fn fields(&mut self, sections: &Sections) -> Result<(), Fatal> {
        self.announces |= !sections.nlri.is_empty();
        if !self.context.families.ipv4 {
            return Ok(());
        }
        self.check_field(sections.withdrawn)?;
        self.check_field(sections.nlri)?;
        self.notes.withdrawn = sections.withdrawn;
        self.notes.nlri = sections.nlri;
        // RFC 4760 §3: without an NLRI field NEXT_HOP is ignored.
        let Some(attribute) = self.next_hop.filter(|_| !sections.nlri.is_empty()) else {
            return Ok(());
        };
        let address = Reader::new(attribute.value).ipv4().ok();
        self.notes.next_hop = address.filter(|address| NextHop::V4(*address).usable().is_some());
        if self.notes.next_hop.is_none() {
            let wrong = Wrong::new("the address of a host", Withdraw, subcode::NEXT_HOP);
            return self.fault(attribute, wrong);
        }
        Ok(())
    }

    /// RFC 7606 §5.3.
    fn check_field(&self, field: Span) -> Result<(), Fatal> {
        let path_ids = self.context.add_path_receive.ipv4;
        nlri::check(Family::Ipv4Unicast, path_ids, field.of(self.message))
            .map_err(|at| fatal(subcode::NETWORK, field.start() + at, "a whole IPv4 prefix"))
    }

    /// RFC 7606 §3 d: required for every announced route.
    fn mandatory_attributes(&mut self) -> Result<(), Fatal> {
        let in_field = !self.notes.nlri.is_empty();
        let in_attribute = self
            .notes
            .mp_reach
            .is_some_and(|reach| !reach.nlri.is_empty());
        let opaque = self.notes.opaque().reach;
        let in_attribute = in_attribute || opaque.is_some_and(|(.., nlri)| !nlri.is_empty());
        let mandatory = [
            (code::ORIGIN, in_field || in_attribute),
            (code::AS_PATH, in_field || in_attribute),
            (code::NEXT_HOP, in_field),
        ];
        for (code, needed) in mandatory {
            if needed && !self.seen.contains(code) {
                let subcode = subcode::MISSING_WELL_KNOWN;
                let wrong = Wrong::new("a mandatory attribute", Withdraw, subcode);
                self.fault(Received::missing(code), wrong)?;
            }
        }
        Ok(())
    }

    /// Merges the paths of a peer with two-octet AS numbers (RFC 6793 §4.2.3).
    fn translate(&mut self) {
        let kept = |code| self.notes.kept.find(code, self.message);
        let (as_path, aggregator) = (kept(code::AS_PATH), kept(code::AGGREGATOR));
        if as_path.is_none() && aggregator.is_none() {
            return;
        }
        let as_path = from_two_octet(as_path.unwrap_or_default());
        let as4_path = AsPathView::new(self.as4_path).to_owned();
        let trans = (Asn::TRANS.0 as u16).to_be_bytes();
        let (merged, aggregator) = match (aggregator, self.as4_aggregator) {
            // An AS that does not know AS4_AGGREGATOR aggregated afterwards: both AS4 attributes are obsolete.
            (Some(short), Some(_)) if !short.starts_with(&trans) => (as_path.clone(), widen(short)),
            (Some(_), Some(full)) => (merge(&as_path, &as4_path), full.to_vec()),
            (Some(short), None) => (merge(&as_path, &as4_path), widen(short)),
            (None, _) => (merge(&as_path, &as4_path), Vec::new()),
        };
        self.notes.rare.get_or_insert_default().translated = Some(Translated {
            as_path: merged,
            aggregator,
            received: [as_path, as4_path],
        });
    }

    fn finish(self, sections: &Sections) -> Result<(), Fatal> {
        match self.withdraw {
            // RFC 7606 §5.2: an error without routes to withdraw.
            Some(error) if !self.announces => return Err(error),
            withdraw => self.notes.treat_as_withdraw = withdraw.is_some(),
        }
        if sections.withdrawn.is_empty() && sections.nlri.is_empty() {
            let ipv4 = self.context.families.ipv4.then_some(Family::Ipv4Unicast);
            self.notes.end_of_rib = match self.notes.mp_unreach {
                None if sections.attributes.is_empty() => ipv4,
                Some((family, nlri)) if nlri.is_empty() => {
                    self.seen.is_only(code::MP_UNREACH_NLRI).then_some(family)
                }
                None | Some(_) => None,
            };
        }
        Ok(())
    }

    /// The family, if it is used on this session.
    fn used(&self, family: AfiSafi) -> Option<Family> {
        Family::from_afi_safi(family).filter(|family| self.context.families[*family])
    }

    /// Records a fault of an attribute, or returns the error that ends the session.
    #[cold]
    fn fault(&mut self, attribute: Received<'a>, wrong: Wrong) -> Result<(), Fatal> {
        let Wrong {
            expected,
            action,
            subcode,
        } = wrong;
        let (message, whole) = (self.message, attribute.whole);
        let fatal = || {
            let error = *fatal(subcode, whole.start(), expected);
            Box::new(error.with_data(whole.of(message)))
        };
        match action {
            Reset => return Err(fatal()),
            Withdraw => {
                self.withdraw.get_or_insert_with(fatal);
            }
            Discard => {}
        }
        let faults = &mut self.notes.rare.get_or_insert_default().faults;
        if faults.len() < MAX_FAULTS {
            faults.push(Fault {
                code: attribute.code,
                offset: whole.start(),
                octets: message.slice(whole.range()),
                expected,
                action,
            });
        }
        Ok(())
    }
}

/// RFC 4760 §8: routes of the family are ignored, and the session stays up.
const UNUSED_FAMILY: Wrong = Wrong::new("a family that was negotiated", Discard, 0);

/// Converts an AGGREGATOR of six octets to eight, with a four-octet number.
fn widen(short: &[u8]) -> Vec<u8> {
    [&[0, 0], short].concat()
}

#[cold]
fn fatal(subcode: u8, offset: usize, expected: &'static str) -> Fatal {
    Box::new(MessageError::new(
        ErrorCode::UPDATE,
        subcode,
        offset,
        expected,
    ))
}
