//! Routes to announce: made ahead of time, the same for the same seed, encoded by the product's own codec.
//!
//! A table looks like a small Internet: mostly /24, AS paths of 3 to 6 numbers, up to four communities, 1 to 20 prefixes
//! with the same attributes, in no order. Each prefix has a *slot*, a number that can be read from its address, so that
//! the receiving side keeps a bit for each and no map.

use std::net::Ipv4Addr;
use std::ops::Range;

use bgp_core::types::{Asn, PathId};
use bgp_core::wire::attribute::{AsPath, Community, Origin};
use bgp_core::wire::update::{encode_reachable, encode_unreachable};
use bgp_core::wire::{AttributeView, Attributes, Context, NextHop};
use bytes::{Bytes, BytesMut};
use ipnet::Ipv4Net;

use crate::random::Random;

/// The address of slot 0.
const BASE: u32 = u32::from_be_bytes([20, 0, 0, 0]);
/// Everything is drawn from this.
const SEED: u64 = 0x6267_702d_6265_6e63;
/// Most prefixes with the same attributes.
const MAX_BUNDLE: u32 = 20;

/// How prefixes and slots belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Slots of 256 addresses: /24, and some /20 to /23 where the address allows it.
    Internet,
    /// Slots of 64 addresses: /26, the blocks of Calico.
    Blocks,
}

impl Layout {
    fn shift(self) -> u32 {
        match self {
            Self::Internet => 8,
            Self::Blocks => 6,
        }
    }

    /// The prefix of a slot.
    pub fn prefix(self, slot: u32) -> Ipv4Net {
        let address = Ipv4Addr::from_bits(BASE + (slot << self.shift()));
        let len = match self {
            Self::Internet => internet_prefix_len(slot),
            Self::Blocks => 26,
        };
        Ipv4Net::new(address, len).expect("lengths are below 33")
    }

    /// The slot of an address; one that no table has if the address lies before all.
    pub fn slot(self, address: u32) -> u32 {
        address.wrapping_sub(BASE) >> self.shift()
    }
}

fn internet_prefix_len(slot: u32) -> u8 {
    let percent = Random::new(SEED ^ u64::from(slot)).below(100);
    match (slot.trailing_zeros(), percent) {
        (4.., 0..20) => 20,
        (2.., 0..30) => 22,
        (1.., 0..40) => 23,
        _ => 24,
    }
}

/// Who announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its place among the senders.
    pub index: u32,
    /// Its AS; `None` inside the AS of the router.
    pub asn: Option<Asn>,
    /// Its address: the next hop.
    pub address: Ipv4Addr,
}

/// Prefixes with the same attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bundle {
    slots: Range<u32>,
    /// AS path after the sender's own number.
    tail: Vec<Asn>,
    communities: Vec<Community>,
    med: Option<u32>,
}

/// A table of routes that any number of senders can announce.
#[derive(Clone, Debug)]
pub struct Table {
    bundles: Vec<Bundle>,
    slots: Range<u32>,
}

impl Table {
    /// The table with these slots. `version` changes the attributes and leaves the prefixes as they are.
    pub fn internet(slots: Range<u32>, version: u32) -> Self {
        let mut cuts = Random::new(SEED);
        let mut draw = Random::new(SEED ^ (u64::from(version) << 32 | u64::from(slots.start)));
        let mut bundles = Vec::new();
        let mut at = slots.start;
        while at < slots.end {
            // The smaller of two: small bundles are more usual.
            let len = 1 + cuts.below(MAX_BUNDLE).min(cuts.below(MAX_BUNDLE));
            let end = slots.end.min(at + len);
            bundles.push(Bundle::draw(at..end, &mut draw));
            at = end;
        }
        cuts.shuffle(&mut bundles);
        Self { bundles, slots }
    }

    /// The UPDATEs by which `sender` announces the table.
    pub fn announce(&self, sender: Sender) -> Bytes {
        self.encode(sender, |_| false)
    }

    /// The same, with an AS path that is one longer wherever another sender of `senders` has the best path: see
    /// `best_sender`.
    pub fn compete(&self, sender: Sender, senders: u32) -> Bytes {
        self.encode(sender, |bundle| {
            best_sender_of(bundle, senders) != sender.index
        })
    }

    fn encode(&self, sender: Sender, is_longer: impl Fn(&Bundle) -> bool) -> Bytes {
        let mut out = BytesMut::new();
        for bundle in &self.bundles {
            bundle.encode(sender, is_longer(bundle), &mut out);
        }
        out.freeze()
    }

    /// Each bundle as one message, with its number of routes.
    pub fn messages(&self, sender: Sender) -> Vec<(Bytes, u32)> {
        let encoded = self.bundles.iter().map(|bundle| {
            let mut out = BytesMut::new();
            bundle.encode(sender, false, &mut out);
            (out.freeze(), bundle.slots.len() as u32)
        });
        encoded.collect()
    }

    /// The UPDATEs that take the table back.
    pub fn withdraw(&self) -> Bytes {
        let mut out = BytesMut::new();
        encode_unreachable(
            &context(),
            &routes(Layout::Internet, self.slots.clone()),
            &mut out,
        );
        out.freeze()
    }

    /// The sender with the best path, by slot from the table's first one.
    pub fn best_senders(&self, senders: u32) -> Vec<u8> {
        let mut best = vec![0; self.slots.len()];
        for bundle in &self.bundles {
            let range = (bundle.slots.start - self.slots.start) as usize..;
            best[range][..bundle.slots.len()].fill(best_sender_of(bundle, senders) as u8);
        }
        best
    }
}

fn best_sender_of(bundle: &Bundle, senders: u32) -> u32 {
    Random::new(SEED ^ u64::from(bundle.slots.start)).below(senders)
}

impl Bundle {
    fn draw(slots: Range<u32>, random: &mut Random) -> Self {
        let tail = (0..2 + random.below(4))
            .map(|_| Asn(1000 + random.below(60_000)))
            .collect();
        let communities = (0..random.below(5))
            .map(|_| Community(random.below(60_000) << 16 | random.below(1000)));
        let communities = communities.collect();
        let med = (random.below(4) == 0).then(|| random.below(200));
        Self {
            slots,
            tail,
            communities,
            med,
        }
    }

    fn encode(&self, sender: Sender, longer: bool, out: &mut BytesMut) {
        // Whoever has a longer path has its own number twice.
        let repeated = if longer { 2 } else { 1 };
        let own = sender
            .asn
            .into_iter()
            .flat_map(|asn| std::iter::repeat_n(asn, repeated));
        let attributes = Attributes {
            origin: Origin::Igp,
            as_path: AsPath::sequence(own.chain(self.tail.iter().copied())),
            med: self.med,
            communities: self.communities.clone(),
            ..Attributes::default()
        };
        put(
            &attributes,
            sender,
            &routes(Layout::Internet, self.slots.clone()),
            out,
        );
    }
}

/// What a node of a Calico cluster announces to its route reflector: blocks that all have the same attributes.
pub fn blocks(sender: Sender, slots: Range<u32>) -> Bytes {
    let attributes = Attributes {
        local_pref: Some(100),
        ..Attributes::default()
    };
    let mut out = BytesMut::new();
    put(
        &attributes,
        sender,
        &routes(Layout::Blocks, slots),
        &mut out,
    );
    out.freeze()
}

fn routes(layout: Layout, slots: Range<u32>) -> Vec<(PathId, Ipv4Net)> {
    slots
        .map(|slot| (PathId::default(), layout.prefix(slot)))
        .collect()
}

fn put(attributes: &Attributes, sender: Sender, routes: &[(PathId, Ipv4Net)], out: &mut BytesMut) {
    let mut canonical = Vec::new();
    attributes.encode_canonical(&mut canonical);
    let next_hop = NextHop::V4(sender.address);
    encode_reachable(
        &context(),
        AttributeView::new(&canonical),
        next_hop,
        routes,
        out,
    )
    .expect("a few attributes fit a message");
}

/// What every session of the benchmark agrees on.
fn context() -> Context {
    Context {
        four_octet_as: true,
        ..Context::default()
    }
}

#[cfg(test)]
mod tests;
