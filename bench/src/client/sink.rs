//! The routes that a client has received: one bit for each prefix.
//!
//! Decodes UPDATEs of IPv4 prefixes in the classic fields (RFC 4271 §4.3), which is all that the sessions of the benchmark
//! negotiate. Attributes are skipped unless the sender of a path matters.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bgp_core::types::Asn;
use bgp_core::wire::HEADER_LEN;
use bgp_core::wire::attribute::code;

use bgp_bench::traffic::Layout;

/// The path that each slot must end with.
#[derive(Debug)]
pub(crate) struct BestPaths {
    /// The place of the sender with the best path, by slot.
    pub(crate) senders: Vec<u8>,
    /// AS of sender 0; the others follow.
    pub(crate) first_asn: Asn,
}

/// The prefixes that a client holds.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    layout: Layout,
    slots: u32,
    /// One bit for each slot that is held (and, where `best` is set, with the path that it must have).
    held: Vec<u64>,
    count: u32,
    /// The client's own prefixes, which do not count.
    own: Range<u32>,
    best: Option<Arc<BestPaths>>,
    announced: u64,
}

impl Sink {
    /// Looks at prefixes of slots `0..slots`.
    pub(crate) fn new(layout: Layout, slots: u32) -> Self {
        let held = vec![0; slots.div_ceil(64) as usize];
        Self {
            layout,
            slots,
            held,
            count: 0,
            own: 0..0,
            best: None,
            announced: 0,
        }
    }

    /// Leaves the client's own prefixes out.
    pub(crate) fn without(self, own: Range<u32>) -> Self {
        Self { own, ..self }
    }

    /// A prefix only counts with its best path.
    pub(crate) fn with_best_paths(self, best: Arc<BestPaths>) -> Self {
        Self {
            best: Some(best),
            ..self
        }
    }

    /// How many prefixes are held.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// How many times a prefix was announced.
    pub(crate) fn announced(&self) -> u64 {
        self.announced
    }

    /// Whether a slot is held.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        self.held[(slot / 64) as usize] & 1 << (slot % 64) != 0
    }

    /// Takes an UPDATE, header included.
    pub(crate) fn update(&mut self, message: &[u8]) -> io::Result<()> {
        let (withdrawn, rest) = field(&message[HEADER_LEN..])?;
        let (attributes, nlri) = field(rest)?;
        for_each_address(withdrawn, |address| self.set(address, |_| false))?;
        if nlri.is_empty() {
            return Ok(());
        }
        match self.best.clone() {
            None => for_each_address(nlri, |address| self.set(address, |_| true)),
            Some(best) => {
                let via = second_asn(attributes);
                let is_best = |slot: u32| {
                    let sender = u32::from(best.senders[slot as usize]);
                    via == Some(Asn(best.first_asn.0 + sender))
                };
                for_each_address(nlri, |address| self.set(address, is_best))
            }
        }
    }

    fn set(&mut self, address: u32, held: impl Fn(u32) -> bool) {
        let slot = self.layout.slot(address);
        if slot >= self.slots || self.own.contains(&slot) {
            return;
        }
        let (word, bit) = (&mut self.held[(slot / 64) as usize], 1 << (slot % 64));
        let was = *word & bit != 0;
        let is = held(slot);
        self.announced += u64::from(is);
        match (was, is) {
            (false, true) => {
                *word |= bit;
                self.count += 1;
            }
            (true, false) => {
                *word &= !bit;
                self.count -= 1;
            }
            _ => {}
        }
    }
}

/// A field with a length of two octets, and the rest.
fn field(octets: &[u8]) -> io::Result<(&[u8], &[u8])> {
    let (len, rest) = octets.split_first_chunk().ok_or_else(malformed)?;
    rest.split_at_checked(u16::from_be_bytes(*len).into())
        .ok_or_else(malformed)
}

fn for_each_address(mut nlri: &[u8], mut then: impl FnMut(u32)) -> io::Result<()> {
    while let Some((len, rest)) = nlri.split_first() {
        let octets = len.div_ceil(8);
        if octets > 4 {
            return Err(malformed());
        }
        // Four octets at once, wherever there are so many: the sink must never be what is waited for.
        let address = match rest.first_chunk() {
            Some(four) => u32::from_be_bytes(*four),
            None => {
                let mut four = [0; 4];
                four[..rest.len()].copy_from_slice(rest);
                u32::from_be_bytes(four)
            }
        };
        nlri = rest.get(usize::from(octets)..).ok_or_else(malformed)?;
        let behind = u32::MAX.checked_shr(u32::from(octets) * 8).unwrap_or(0);
        then(address & !behind);
    }
    Ok(())
}

/// The number after the router's own one in an AS_PATH of four-octet numbers.
fn second_asn(mut attributes: &[u8]) -> Option<Asn> {
    const EXTENDED_LENGTH: u8 = 0x10;
    loop {
        let ([flags, code], rest) = attributes.split_first_chunk()?;
        let (len, rest) = if flags & EXTENDED_LENGTH == 0 {
            let (len, rest) = rest.split_first()?;
            (usize::from(*len), rest)
        } else {
            let (len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        };
        let (value, rest) = rest.split_at_checked(len)?;
        if *code == code::AS_PATH {
            // Segment type, number of ASes, the first one.
            let number = value.get(6..)?.first_chunk()?;
            return Some(Asn(u32::from_be_bytes(*number)));
        }
        attributes = rest;
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an UPDATE that cannot be read")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bgp_bench::traffic::{Sender, Table};
    use bgp_core::wire::{MAX_MESSAGE_LEN, frame};
    use bytes::{Bytes, BytesMut};

    use super::*;

    /// An UPDATE with 20.0.SLOT.0/24 by way of these ASes.
    fn update(slot: u8, asns: [u32; 2]) -> Vec<u8> {
        let mut path = vec![0x40, code::AS_PATH, 10, 2, 2];
        path.extend(asns.into_iter().flat_map(u32::to_be_bytes));
        let mut message = vec![0xff; 16];
        message.extend([
            0,
            (HEADER_LEN + 4 + path.len() + 4) as u8,
            2,
            0,
            0,
            0,
            path.len() as u8,
        ]);
        message.extend(path);
        message.extend([24, 20, 0, slot]);
        message
    }

    #[test]
    fn only_the_best_path_counts_where_there_is_one() {
        let best = BestPaths {
            senders: vec![0, 1],
            first_asn: Asn(64601),
        };
        let mut sink = Sink::new(Layout::Internet, 2).with_best_paths(Arc::new(best));
        for (slot, via, count) in [
            (1, 64601, 0),
            (1, 64602, 1),
            (0, 64602, 1),
            (0, 64601, 2),
            (1, 64601, 1),
        ] {
            sink.update(&update(slot, [64512, via])).unwrap();
            assert_eq!(sink.count(), count, "slot {slot} via {via}");
        }
    }

    #[test]
    fn a_table_comes_and_goes() {
        let table = Table::internet(0..2000, 0);
        let address = Ipv4Addr::new(198, 18, 1, 0);
        let sender = Sender {
            index: 0,
            asn: Some(Asn(64601)),
            address,
        };
        let mut sink = Sink::new(Layout::Internet, 2000).without(0..5);
        take(&mut sink, table.announce(sender));
        assert_eq!((sink.count(), sink.announced()), (1995, 1995));
        assert!(sink.holds(5) && !sink.holds(4));
        take(&mut sink, table.withdraw());
        assert_eq!(sink.count(), 0);
    }

    fn take(sink: &mut Sink, stream: Bytes) {
        let mut rest = BytesMut::from(&stream[..]);
        while let Some(frame) = frame::take(&mut rest, MAX_MESSAGE_LEN).unwrap() {
            sink.update(&frame.bytes).unwrap();
        }
    }

    #[test]
    fn other_prefixes_do_not_count() {
        let mut sink = Sink::new(Layout::Internet, 2);
        sink.update(&update(7, [64512, 64601])).unwrap();
        assert_eq!(sink.count(), 0);
    }

    #[test]
    fn a_message_that_is_cut_is_an_error() {
        let whole = update(0, [64512, 64601]);
        for len in HEADER_LEN..whole.len() - 4 {
            assert!(
                Sink::new(Layout::Internet, 1)
                    .update(&whole[..len])
                    .is_err(),
                "{len}"
            );
        }
    }
}
