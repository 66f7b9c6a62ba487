//! Framing: netlink messages in a datagram, attributes in a message, both ways.
//!
//! Reading never fails: an iterator ends at the first length that does not fit, and a read outside a slice returns `None`.

use std::net::IpAddr;

/// One message of a datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// `RTM_*` or `NLMSG_*`.
    pub(crate) kind: u16,
    /// `NLM_F_*`.
    pub(crate) flags: u16,
    /// Number of the request that this message answers.
    pub(crate) sequence: u32,
    /// Port of the socket whose request caused this message; 0 is the kernel itself.
    pub(crate) port: u32,
    /// The octets after the header.
    pub(crate) payload: &'a [u8],
}

/// The messages of one datagram.
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = read_u32(self.0, 0)? as usize;
        let message = Message {
            kind: read_u16(self.0, 4)?,
            flags: read_u16(self.0, 6)?,
            sequence: read_u32(self.0, 8)?,
            port: read_u32(self.0, 12)?,
            payload: self.0.get(HEADER..length)?,
        };
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes of a message or of a nested attribute: kind without flag bits, and value.
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(read_u16(self.0, 0)?);
        let kind = read_u16(self.0, 2)? & ATTRIBUTE_KIND;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// Native-endian number at an offset.
pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Native-endian number at an offset.
pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// An address by its length: 4 or 16 octets.
pub(crate) fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Appends messages to a buffer that is sent as one datagram.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

/// Position of a length field, to be filled in when its content is complete.
#[derive(Debug)]
#[must_use]
pub(crate) struct Open(usize);

impl Writer {
    /// Clears the content, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The octets written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Starts a message; end it with [`Self::end_message`].
    pub(crate) fn begin_message(&mut self, kind: u16, flags: u16, sequence: u32) -> Open {
        let open = Open(self.bytes.len());
        self.put(&0_u32.to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self.put(&flags.to_ne_bytes());
        self.put(&sequence.to_ne_bytes());
        self.put(&0_u32.to_ne_bytes());
        open
    }

    /// Completes a message.
    pub(crate) fn end_message(&mut self, Open(start): Open) {
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    /// Raw octets: fixed headers.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An attribute whose value is made of these parts.
    pub(crate) fn attribute(&mut self, kind: u16, parts: &[&[u8]]) {
        let open = self.begin_attribute(kind);
        parts.iter().for_each(|part| self.put(part));
        self.end_attribute(open);
    }

    /// A number as attribute.
    pub(crate) fn attribute_u32(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &[&value.to_ne_bytes()]);
    }

    /// Starts an attribute that holds others.
    pub(crate) fn begin_attribute(&mut self, kind: u16) -> Open {
        let open = Open(self.bytes.len());
        self.put(&0_u16.to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        open
    }

    /// Starts a record that begins with its own 16-bit length, as `struct rtnexthop`.
    pub(crate) fn begin_record(&mut self) -> Open {
        let open = Open(self.bytes.len());
        self.put(&0_u16.to_ne_bytes());
        open
    }

    /// Completes an attribute or record.
    pub(crate) fn end_attribute(&mut self, Open(start): Open) {
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(align(self.bytes.len()), 0);
    }
}

/// Octets of an address.
pub(crate) fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// Every netlink structure is aligned to four octets.
pub(crate) fn align(length: usize) -> usize {
    length.div_ceil(4) * 4
}

/// Size of `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;
/// The kind of an attribute without its NESTED and BYTEORDER flags.
const ATTRIBUTE_KIND: u16 = 0x3fff;

/// `NLMSG_*`.
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;
pub(crate) const NLMSG_OVERRUN: u16 = 4;
/// `NLM_F_*`.
pub(crate) const REQUEST: u16 = 0x001;
pub(crate) const ACK: u16 = 0x004;
pub(crate) const DUMP_INTERRUPTED: u16 = 0x010;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_CAPPED` and `NLM_F_ACK_TLVS`, on an answer.
pub(crate) const CAPPED: u16 = 0x100;
pub(crate) const ACK_TLVS: u16 = 0x200;
/// `RTM_*`.
pub(crate) const NEWLINK: u16 = 16;
pub(crate) const DELLINK: u16 = 17;
pub(crate) const GETLINK: u16 = 18;
pub(crate) const NEWADDR: u16 = 20;
pub(crate) const DELADDR: u16 = 21;
pub(crate) const GETADDR: u16 = 22;
pub(crate) const NEWROUTE: u16 = 24;
pub(crate) const DELROUTE: u16 = 25;
pub(crate) const GETROUTE: u16 = 26;
pub(crate) const GETNEIGH: u16 = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::default();
        for sequence in [7, 8] {
            let message = writer.begin_message(NEWROUTE, REQUEST, sequence);
            writer.attribute(1, &[&[1, 2], &[3]]);
            let nested = writer.begin_attribute(9 | 0x8000);
            writer.attribute_u32(4, 0x0102_0304);
            writer.end_attribute(nested);
            writer.end_message(message);
        }
        let messages: Vec<Message<'_>> = Messages(writer.bytes()).collect();
        assert_eq!(
            messages
                .iter()
                .map(|m| (m.kind, m.flags, m.sequence))
                .collect::<Vec<_>>(),
            [(24, 1, 7), (24, 1, 8)]
        );
        let attributes: Vec<_> = Attributes(messages[1].payload).collect();
        assert_eq!(attributes[0], (1, &[1, 2, 3][..]));
        assert_eq!(attributes[1].0, 9);
        let inner: Vec<_> = Attributes(attributes[1].1).collect();
        assert_eq!(inner, [(4, &0x0102_0304_u32.to_ne_bytes()[..])]);
    }

    proptest! {
        #[test]
        fn any_octets_end_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for message in Messages(&bytes) {
                prop_assert!(Attributes(message.payload).count() <= bytes.len());
            }
            prop_assert!(Attributes(&bytes).count() <= bytes.len());
        }
    }
}
