//! A RIB with peers and any operations, compared with a naive model.
//!
//! The input is settings of the RIB, then a sequence of operations: an octet with the operation in its lower half and the peer in
//! its upper half, then the operation's arguments. At every rest, each peer that reads holds exactly the routes that the model
//! predicts (`model`, `outcome`), was never sent an unnecessary update (`neighbour`), and forwarding knows the best routes.
//! Attributes, policies and prefixes are few (`material`), so that they interact.

mod material;
mod model;
mod neighbour;
mod outcome;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::rib::{
    ForwardRoute, Input, KeepStale, LocalRoute, Output, PeerUp, Preserved, Resolution, Rib,
    RibConfig,
};
use bgp_core::types::{Family, PathId, PeerId, PerFamily, Prefix, RouterId};
use bgp_core::wire::update::{encode_reachable, encode_unreachable};
use bgp_core::wire::{
    AttributeView, Attributes, Context, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN, Message,
    NextHop, RefreshKind,
};
use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::choices::{Choices, time_zero};
use material::{PEERS, identifier_of, neighbour_config, next_hop, peer_config, prefixes};
use model::Facts;
use neighbour::{Neighbour, messages};

/// A sequence of operations on one RIB.
pub fn rib_operations(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut life = Life::new(choices.octet());
    for _ in 0..MAX_OPERATIONS {
        if choices.is_empty() {
            break;
        }
        life.act(&mut choices);
    }
    for neighbour in &mut life.neighbours {
        neighbour.slow = false;
    }
    life.rest();
}

/// The RIB, its peers, and the model.
struct Life {
    rib: Rib,
    facts: Facts,
    neighbours: Vec<Neighbour>,
    forwarded: BTreeMap<IpNet, ForwardRoute>,
    now: Instant,
    flooded: bool,
}

impl Life {
    fn new(settings: u8) -> Self {
        let own_id = RouterId(material::OWN_ADDRESS);
        let mut config = RibConfig::new(own_id);
        config.cluster_id = (settings & 1 == 1).then_some(RouterId::from_bits(0x0909_0909));
        config.resolve_next_hops = settings & 2 == 2;
        config.use_unresolved = settings & 4 == 4;
        config.forwarding = true;
        let now = time_zero();
        let mut life = Self {
            rib: Rib::new(config.clone(), now, settings.into()),
            facts: Facts::new(config),
            neighbours: Vec::new(),
            forwarded: BTreeMap::new(),
            now,
            flooded: false,
        };
        for peer in 0..PEERS {
            life.neighbours.push(Neighbour::default());
            life.configure(peer, neighbour_config(peer));
        }
        life
    }

    fn handle(&mut self, input: Input) {
        self.rib.handle(self.now, input);
    }

    fn act(&mut self, choices: &mut Choices<'_>) {
        let operation = choices.octet();
        let peer = usize::from(operation >> 4) % PEERS;
        let up = self.facts.peers[peer].up.is_some();
        match operation & 15 {
            0 if !up => self.up(peer, choices.octet()),
            1 if up => self.down(peer, choices.octet()),
            2..=4 if up => self.announce(peer, choices),
            5 if up => self.withdraw(peer, choices),
            6 => self.originate(choices),
            7 => self.forget(choices),
            8 => {
                let config = peer_config(peer, choices.octet());
                self.configure(peer, config);
            }
            9 if up => self.refresh(peer, choices.octet()),
            10 if up => self.end_of_rib(peer, choices.flag()),
            11 => self.pass(choices.octet()),
            12 => self.neighbours[peer].slow = choices.flag(),
            13 => self.resolve(choices),
            // Rarely, because it takes long.
            14 if choices.octet() % 16 == 1 => self.flood(),
            14 => self.remove(peer),
            15 if choices.flag() => {
                self.poll(choices.octet().into());
            }
            15 => self.rest(),
            _ => {}
        }
    }

    fn configure(&mut self, peer: usize, config: bgp_core::rib::PeerConfig) {
        let config = Arc::new(config);
        let old = std::mem::replace(&mut self.facts.peers[peer].config, Arc::clone(&config));
        if old.peer_as != config.peer_as {
            // That is another session.
            self.down(peer, 0);
        }
        let peer = id(peer);
        self.handle(Input::Configure { peer, config });
    }

    fn up(&mut self, peer: usize, how: u8) {
        let bit = |at: u8| how >> at & 1 == 1;
        // If unresolved routes are not used, it is undefined whether they are sent as additional paths.
        let add_path = bit(0) && self.facts.uses_all();
        let context = Context {
            four_octet_as: true,
            families: PerFamily {
                ipv4: !bit(1),
                ipv6: bit(2),
            },
            add_path_send: PerFamily {
                ipv4: add_path,
                ipv6: add_path,
            },
            add_path_receive: PerFamily {
                ipv4: bit(0),
                ipv6: bit(0),
            },
            enhanced_refresh: bit(3),
            max_send_len: if bit(6) {
                MAX_EXTENDED_MESSAGE_LEN
            } else {
                MAX_MESSAGE_LEN
            },
            max_receive_len: MAX_EXTENDED_MESSAGE_LEN,
            external: !self.facts.peers[peer].config.kind.is_internal(),
            ..Context::default()
        };
        let peer_id = identifier_of(peer, bit(5));
        // A peer that comes back with another identifier is another router.
        let keep = bit(4) && peer_id == self.facts.peers[peer].identifier;
        let kept = Preserved {
            restart: keep,
            long_lived: keep,
        };
        let preserved = PerFamily {
            ipv4: if bit(1) { Preserved::default() } else { kept },
            ipv6: if bit(2) { kept } else { Preserved::default() },
        };
        let mut up = PeerUp::new(peer_id, context);
        up.own_next_hop = material::own_next_hops();
        up.sends_end_of_rib = true;
        up.long_lived_aware = bit(7);
        self.facts.up(self.now, peer, up.clone(), preserved);
        self.neighbours[peer].come_up(context);
        self.handle(Input::Up {
            peer: id(peer),
            up,
            preserved,
        });
    }

    fn down(&mut self, peer: usize, how: u8) {
        let keep = (how > 0).then(|| KeepStale {
            restart_time: Duration::from_secs((how & 0x3f).into()),
            long_lived: Duration::from_secs(u64::from(how >> 7) * 100),
            // A peer with last-resort routes comes back before it can be lost again.
            again: how & 0x40 != 0 && !self.facts.is_last_resort(peer),
        });
        self.facts.down(self.now, peer, keep);
        self.neighbours[peer].go_down();
        let keep_stale = PerFamily {
            ipv4: keep,
            ipv6: keep,
        };
        self.handle(Input::Down {
            peer: id(peer),
            keep_stale,
        });
    }

    /// One UPDATE with a few prefixes that are adjacent in the list.
    fn announce(&mut self, peer: usize, choices: &mut Choices<'_>) {
        let attributes = material::attributes(choices);
        let chosen = prefixes(choices);
        let path_id = self.path_id(peer, choices);
        let family = Family::of(chosen[0].addr());
        let next_hop = next_hop(family, choices);
        let context = self.neighbours[peer].context;
        let mut octets = BytesMut::new();
        match family {
            Family::Ipv4Unicast => encode::<Ipv4Net>(
                &context,
                &attributes,
                next_hop,
                chosen,
                path_id,
                &mut octets,
            ),
            Family::Ipv6Unicast => encode::<Ipv6Net>(
                &context,
                &attributes,
                next_hop,
                chosen,
                path_id,
                &mut octets,
            ),
        }
        self.receive(peer, octets);
    }

    fn withdraw(&mut self, peer: usize, choices: &mut Choices<'_>) {
        let chosen = prefixes(choices);
        let path_id = self.path_id(peer, choices);
        let context = self.neighbours[peer].context;
        let mut octets = BytesMut::new();
        encode_unreachable(&context, &routes::<Ipv4Net>(chosen, path_id), &mut octets);
        encode_unreachable(&context, &routes::<Ipv6Net>(chosen, path_id), &mut octets);
        self.receive(peer, octets);
    }

    fn path_id(&self, peer: usize, choices: &mut Choices<'_>) -> PathId {
        let number = u32::from(choices.flag());
        let context = self.neighbours[peer].context;
        PathId(number * u32::from(context.add_path_send.ipv4))
    }

    fn receive(&mut self, peer: usize, octets: BytesMut) {
        let up = self.facts.peers[peer].up.as_ref();
        let context = up.expect("only such peers speak").context;
        for message in messages(octets, &context) {
            let Message::Update(update) = message else {
                panic!("{message:?} is no UPDATE");
            };
            self.facts.learn(peer, &update);
            self.handle(Input::Update {
                peer: id(peer),
                update,
            });
        }
    }

    fn originate(&mut self, choices: &mut Choices<'_>) {
        let attributes = material::attributes(choices);
        let mut route = LocalRoute::default();
        route.id = u32::from(choices.flag());
        route.attributes = attributes;
        route.preference = choices.pick(&[200, 100, 50]);
        let prefix = prefixes(choices)[0];
        self.announce_local(prefix, route);
    }

    fn announce_local(&mut self, prefix: IpNet, route: LocalRoute) {
        self.facts.local.insert((prefix, route.id), route.clone());
        self.handle(Input::announce(prefix, route));
    }

    fn forget(&mut self, choices: &mut Choices<'_>) {
        let id = u32::from(choices.flag());
        let prefix = prefixes(choices)[0];
        self.facts.local.remove(&(prefix, id));
        self.handle(Input::Withdraw { prefix, id });
    }

    fn refresh(&mut self, peer: usize, how: u8) {
        let family = Family::ALL[usize::from(how & 1)];
        let kinds = [RefreshKind::REQUEST, RefreshKind::BEGIN, RefreshKind::END];
        let kind = kinds[usize::from(how >> 1) % kinds.len()];
        // Such a peer has not sent End-of-RIB yet, and markers have no meaning before (RFC 7313 §4).
        if kind == RefreshKind::BEGIN && self.facts.is_last_resort(peer) {
            return;
        }
        self.facts.refresh(self.now, peer, family, kind);
        self.neighbours[peer].repeats |= kind == RefreshKind::REQUEST;
        self.handle(Input::Refresh {
            peer: id(peer),
            family,
            kind,
        });
    }

    fn end_of_rib(&mut self, peer: usize, second: bool) {
        let family = Family::ALL[usize::from(second)];
        self.facts.sweep(peer, family);
        self.handle(Input::EndOfRib {
            peer: id(peer),
            family,
        });
    }

    fn pass(&mut self, secs: u8) {
        self.now += Duration::from_secs(secs.into());
        self.facts.expire(self.now);
        self.rib.handle_timeout(self.now);
    }

    fn resolve(&mut self, choices: &mut Choices<'_>) {
        let family = Family::ALL[choices.below(2)];
        let address: IpAddr = next_hop(family, choices).address();
        let metric = choices.pick(&[Some(1), Some(2), None]);
        let resolution = match metric {
            Some(metric) => Resolution::Reachable {
                metric,
                interface: None,
            },
            None => Resolution::Unreachable,
        };
        // The RIB asks for addresses that it has seen, and ignores other answers.
        if self.facts.asks_for(address) {
            self.facts.ways.insert(address, metric);
            self.handle(Input::NextHop {
                address,
                resolution,
            });
        }
    }

    /// Changes a big local route until a peer that does not read has more in flight than the RIB sends ahead.
    fn flood(&mut self) {
        let behind = |neighbour: &Neighbour| neighbour.slow && neighbour.is_up();
        if self.flooded || !self.neighbours.iter().any(behind) {
            return;
        }
        self.flooded = true;
        for turn in 0..FLOOD_TURNS {
            let (prefix, route) = material::big_route(turn);
            self.announce_local(prefix, route);
            self.settle();
        }
    }

    fn remove(&mut self, peer: usize) {
        self.facts.remove(peer);
        self.neighbours[peer].go_down();
        self.handle(Input::Remove(id(peer)));
        self.configure(peer, neighbour_config(peer));
    }

    /// Takes so many outputs; false if there are fewer.
    fn poll(&mut self, outputs: usize) -> bool {
        for _ in 0..outputs {
            match self.rib.poll_output() {
                None => return false,
                Some(Output::Send { peer, messages }) => {
                    self.neighbours[peer.0 as usize].waiting.push(messages);
                }
                Some(Output::Forward {
                    prefix,
                    route: Some(route),
                }) => {
                    self.forwarded.insert(prefix, route);
                }
                Some(Output::Forward {
                    prefix,
                    route: None,
                }) => {
                    self.forwarded.remove(&prefix);
                }
                Some(Output::Resolve(address)) => self.facts.note_wanted(address),
                Some(Output::Forget(address)) => self.facts.note_forgotten(address),
                Some(Output::Unusable { .. } | Output::Changed(_) | Output::ToldAnew(_)) => {}
                Some(other) => panic!("{other:?}"),
            }
        }
        true
    }

    /// Delivers everything that can be delivered.
    fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            assert!(!self.poll(MAX_OUTPUTS), "outputs without end");
            let mut taken = false;
            for peer in 0..PEERS {
                let octets = self.neighbours[peer].take();
                taken |= octets > 0;
                self.handle(Input::Written {
                    peer: id(peer),
                    octets,
                });
            }
            if !taken {
                return;
            }
        }
        panic!("the RIB does not come to rest");
    }

    /// Settles, and compares with the model.
    fn rest(&mut self) {
        self.settle();
        for (peer, neighbour) in self.neighbours.iter_mut().enumerate() {
            if neighbour.is_up() && !neighbour.slow {
                neighbour.check(self.facts.adj_rib_out(peer), peer);
            }
        }
        for prefix in material::PREFIXES {
            self.facts
                .check_forwarded(prefix, self.forwarded.get(&prefix));
        }
        self.facts.check_counts(&self.rib);
    }
}

fn encode<P: Prefix>(
    context: &Context,
    attributes: &Attributes,
    next_hop: NextHop,
    prefixes: &[IpNet],
    path_id: PathId,
    octets: &mut BytesMut,
) {
    let mut canonical = Vec::new();
    attributes.encode_canonical(&mut canonical);
    let view = AttributeView::new(&canonical);
    let routes = routes::<P>(prefixes, path_id);
    encode_reachable(context, view, next_hop, &routes, octets).expect("a few prefixes fit");
}

/// The routes of the family.
fn routes<P: Prefix>(prefixes: &[IpNet], path_id: PathId) -> Vec<(PathId, P)> {
    let of_family = prefixes.iter().filter_map(|net| P::from_net(*net));
    of_family.map(|prefix| (path_id, prefix)).collect()
}

fn id(peer: usize) -> PeerId {
    PeerId(u32::try_from(peer).expect("peers are few"))
}

/// More would only repeat the same situations.
const MAX_OPERATIONS: usize = 256;
/// Outputs between two rests, at most.
const MAX_OUTPUTS: usize = 100_000;
/// Each round delivers what the previous one let the RIB send.
const MAX_ROUNDS: usize = 1000;
/// Changes of [`material::big_route`]: together more than the mebioctet that the RIB sends ahead.
const FLOOD_TURNS: u32 = 20;
