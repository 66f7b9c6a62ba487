//! Route origin validation (RFC 6811) as a hook: a table of a million entries validates the routes of a peer, and when an entry
//! changes, the routes are evaluated again. `cargo run --example origin_validation`
#![expect(clippy::disallowed_methods, reason = "the time of the start")]

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use bgp_core::policy::{Answer, Hook, Policy, RouteView, Rule, Verdict};
use bgp_core::rib::{Input, PeerConfig, PeerUp, Rib, RibConfig};
use bgp_core::types::{Asn, PeerId, PerFamily, RouterId};
use bgp_core::wire::attribute::AsPath;
use bgp_core::wire::{Attributes, Context, NextHop, Update};
use ipnet::{IpNet, Ipv4Net};

/// For each net, the ASes that may originate prefixes inside it, and the longest allowed prefix length.
struct Validation(RwLock<HashMap<IpNet, Vec<(Asn, u8)>>>);

impl Hook for Validation {
    fn decide(&self, route: &RouteView<'_>) -> Answer {
        let (prefix, origin) = (route.prefix, route.attributes.as_path().origin());
        let table = self.0.read().expect("nobody panics with it");
        let nets = std::iter::successors(Some(prefix), IpNet::supernet);
        let lists: Vec<_> = nets.filter_map(|net| table.get(&net)).collect();
        let valid = |it: &(Asn, u8)| Some(it.0) == origin && prefix.prefix_len() <= it.1;
        match lists.is_empty() || lists.into_iter().flatten().any(valid) {
            true => Answer::Next,
            false => Answer::Reject("its origin is invalid".into()),
        }
    }
}

pub(crate) fn main() {
    let net = |number: u32| Ipv4Net::new_assert((number << 8).into(), 24);
    let entry = |number| (net(number).into(), vec![(Asn(number % 100), 24)]);
    let table = (1..=1_000_000).map(entry).collect();
    let hook = Arc::new(Validation(RwLock::new(table)));
    let import = Policy::new([Rule::new("RPKI").ask(Arc::clone(&hook))], Verdict::Accept);

    let (now, peer) = (Instant::now(), PeerId(0));
    let mut rib = Rib::new(RibConfig::new(RouterId::from_bits(1)), now, 0);
    let mut config = PeerConfig::new(Asn(64512), [192, 0, 2, 1].into(), Asn(65001));
    config.import = Arc::new(import);
    let (config, preserved) = (Arc::new(config), PerFamily::default());
    let up = PeerUp::new(RouterId::from_bits(2), Context::default());
    rib.handle(now, Input::Configure { peer, config });
    rib.handle(
        now,
        Input::Up {
            peer,
            up,
            preserved,
        },
    );

    let as_path = AsPath::sequence([Asn(65001), Asn(77)]);
    let attributes = Attributes {
        as_path,
        ..Attributes::default()
    };
    let nets = [777, 888, 2_000_000].map(net); // Valid, invalid, not found.
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    let update = Update::announce(&attributes, next_hop, &nets).expect("it fits");
    rib.handle(now, Input::Update { peer, update });
    let used = |rib: &mut Rib| {
        while rib.poll_output().is_some() {}
        nets.map(|net| rib.best(net.into()).is_some())
    };
    assert_eq!(used(&mut rib), [true, false, true]);

    let mut table = hook.0.write().expect("nobody panics with it");
    table.insert(nets[1].into(), vec![(Asn(77), 24)]);
    drop(table);
    rib.handle(now, Input::Reevaluate(peer)); // With sessions: `Speaker::reevaluate`.
    assert_eq!(used(&mut rib), [true, true, true]);
}
