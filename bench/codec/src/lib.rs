//! A stream of UPDATEs as a neighbour in another AS with a full table sends it: the input of the codec benchmark.
//!
//! Everything is drawn from a seed, so that every run and every codec sees the same octets. The distribution follows Internet
//! tables: mostly /24, paths of three to six, a few communities, and few prefixes per set of attributes.

use std::net::Ipv4Addr;

use bgp_core::types::{Asn, PathId, PerFamily, RouterId};
use bgp_core::wire::attribute::{
    Aggregator, AsPath, Attributes, Community, LargeCommunity, Origin,
};
use bgp_core::wire::update::encode_reachable;
use bgp_core::wire::{AttributeView, Context, NextHop};
use bytes::BytesMut;
use ipnet::Ipv4Net;

/// The seed of every benchmark.
pub const SEED: u64 = 4271;

/// Next hop of every route.
pub const NEXT_HOP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Routes that share their attributes: one UPDATE.
#[derive(Clone, Debug)]
pub struct Group {
    /// The shared attributes.
    pub attributes: Attributes,
    /// The attributes in canonical form.
    pub canonical: Vec<u8>,
    /// The prefixes.
    pub routes: Vec<(PathId, Ipv4Net)>,
}

/// The session: another AS, four-octet AS numbers, both families.
pub fn context() -> Context {
    Context {
        four_octet_as: true,
        families: PerFamily {
            ipv4: true,
            ipv6: true,
        },
        external: true,
        ..Context::default()
    }
}

/// A table of this many groups.
pub fn table(seed: u64, groups: usize) -> Vec<Group> {
    let mut random = Random(seed);
    (0..groups).map(|_| group(&mut random)).collect()
}

/// One UPDATE for each group.
pub fn stream(table: &[Group]) -> BytesMut {
    let mut out = BytesMut::new();
    for group in table {
        let view = AttributeView::new(&group.canonical);
        let next_hop = NextHop::V4(NEXT_HOP);
        let result = encode_reachable(&context(), view, next_hop, &group.routes, &mut out);
        result.expect("a group fits a message");
    }
    out
}

fn group(random: &mut Random) -> Group {
    let attributes = attributes(random);
    let mut canonical = Vec::new();
    attributes.encode_canonical(&mut canonical);
    // 1 to 20, half of them with three or less.
    let count = 1 + random.below(20).min(random.below(20)).min(random.below(20));
    let routes = (0..count).map(|_| (PathId(0), prefix(random))).collect();
    Group {
        attributes,
        canonical,
        routes,
    }
}

fn attributes(random: &mut Random) -> Attributes {
    let path: Vec<Asn> = (0..3 + random.below(4)).map(|_| asn(random)).collect();
    let aggregated = random.below(20) == 0;
    let communities = random.below(6);
    let large_communities = if random.below(8) == 0 { 2 } else { 0 };
    Attributes {
        origin: [Origin::Igp, Origin::Incomplete][usize::from(random.below(8) == 0)],
        med: (random.below(3) == 0).then(|| random.below(200)),
        aggregator: aggregated.then(|| Aggregator {
            asn: path[path.len() - 1],
            router_id: RouterId::from_bits(random.bits()),
        }),
        atomic_aggregate: aggregated,
        communities: (0..communities)
            .map(|_| Community(path[0].0 << 16 | random.below(5000)))
            .collect(),
        large_communities: (0..large_communities)
            .map(|at| LargeCommunity {
                global: path[0].0,
                local1: at,
                local2: random.below(1000),
            })
            .collect(),
        as_path: AsPath::sequence(path),
        ..Attributes::default()
    }
}

/// One in five has four octets.
fn asn(random: &mut Random) -> Asn {
    match random.below(5) {
        0 => Asn(196_608 + random.below(80_000)),
        _ => Asn(1 + random.below(64_000)),
    }
}

/// Three in five are /24, most others between /16 and /23.
fn prefix(random: &mut Random) -> Ipv4Net {
    let len = match random.below(20) {
        0 => 8 + random.below(8),
        1..8 => 16 + random.below(8),
        _ => 24,
    };
    // Between 1.0.0.0 and 99.255.255.255, where every address is a host's.
    let address = (1 + random.below(99)) << 24 | random.below(1 << 24);
    Ipv4Net::new_assert(address.into(), len as u8).trunc()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 32) as u32
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.bits() % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the distribution that the benchmark documents.
    #[test]
    fn shape_of_the_table() {
        let table = table(SEED, 10_000);
        let prefixes: Vec<_> = table.iter().flat_map(|group| &group.routes).collect();
        let of_24 = prefixes.iter().filter(|(_, net)| net.prefix_len() == 24);
        assert!(of_24.count() * 2 > prefixes.len());
        assert!(
            table
                .iter()
                .all(|group| (1..=20).contains(&group.routes.len()))
        );
        let path_lens = table
            .iter()
            .map(|g| g.attributes.as_path.view().route_len());
        assert!(path_lens.clone().all(|len| (3..=6).contains(&len)));
        println!(
            "{} prefixes, {} octets",
            prefixes.len(),
            stream(&table).len()
        );
    }
}
