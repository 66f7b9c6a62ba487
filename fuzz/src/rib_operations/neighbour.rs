//! A peer of the RIB: decodes and stores what it is sent, and asserts that nothing is sent twice.

use std::collections::BTreeMap;

use bgp_core::types::{Family, PathId, PerFamily};
use bgp_core::wire::{Attributes, Context, Message, NextHop, Update, frame};
use bytes::{Bytes, BytesMut};
use ipnet::IpNet;

/// What a peer is sent for a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) attributes: Attributes,
    pub(super) next_hop: NextHop,
}

#[derive(Default)]
pub(super) struct Neighbour {
    up: bool,
    /// Does not read.
    pub(super) slow: bool,
    /// Its encoding of messages.
    pub(super) context: Context,
    /// Messages in flight to it.
    pub(super) waiting: Vec<Bytes>,
    held: BTreeMap<(IpNet, PathId), Told>,
    ends_of_rib: PerFamily<usize>,
    /// It has requested known routes again.
    pub(super) repeats: bool,
}

impl Neighbour {
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// `of_rib`: the RIB's encoding of messages.
    pub(super) fn come_up(&mut self, of_rib: Context) {
        let context = Context {
            add_path_send: of_rib.add_path_receive,
            add_path_receive: of_rib.add_path_send,
            max_receive_len: of_rib.max_send_len,
            max_send_len: of_rib.max_receive_len,
            ..of_rib
        };
        *self = Self {
            up: true,
            slow: self.slow,
            context,
            ..Self::default()
        };
    }

    pub(super) fn go_down(&mut self) {
        *self = Self {
            slow: self.slow,
            ..Self::default()
        };
    }

    /// Reads the messages in flight, unless it is slow; returns the number of octets.
    pub(super) fn take(&mut self) -> usize {
        if self.slow {
            return 0;
        }
        let mut taken = 0;
        for octets in std::mem::take(&mut self.waiting) {
            taken += octets.len();
            // Messages of an ended session are not delivered.
            if self.up {
                self.read(&octets);
            }
        }
        taken
    }

    fn read(&mut self, octets: &Bytes) {
        for message in messages(BytesMut::from(&octets[..]), &self.context) {
            match message {
                Message::Update(update) => self.update(&update),
                Message::RouteRefresh(_) => assert!(self.context.enhanced_refresh),
                other => panic!("the RIB sent {other:?}"),
            }
        }
    }

    fn update(&mut self, update: &Update) {
        assert_eq!(update.faults(), []);
        if let Some(family) = update.end_of_rib() {
            self.ends_of_rib[family] += 1;
        }
        for (path_id, prefix) in update.unreachable().flat_map(|nlri| nlri.nets()) {
            let held = self.held.remove(&(prefix, path_id));
            assert!(held.is_some(), "{prefix} was withdrawn and not held");
        }
        for reachable in update.reachable() {
            for (path_id, prefix) in reachable.nlri.nets() {
                let told = Told {
                    attributes: update.attributes(),
                    next_hop: reachable.next_hop,
                };
                let old = self.held.insert((prefix, path_id), told.clone());
                assert!(
                    self.repeats || old.as_ref() != Some(&told),
                    "{prefix} was told again: {told:?}"
                );
            }
        }
    }

    /// Asserts that it holds exactly these routes, whatever the path identifiers, and received End-of-RIB.
    pub(super) fn check(&mut self, mut wanted: Vec<(IpNet, Told)>, peer: usize) {
        self.repeats = false;
        for ((prefix, path_id), told) in &self.held {
            let place = wanted
                .iter()
                .position(|(net, is)| net == prefix && is == told);
            let Some(place) = place else {
                panic!("peer {peer} holds {prefix} {path_id:?} {told:#?}, wanted are {wanted:#?}");
            };
            wanted.swap_remove(place);
        }
        assert!(wanted.is_empty(), "peer {peer} misses {wanted:#?}");
        for family in Family::ALL {
            let spoken = usize::from(self.context.families[family]);
            assert_eq!(self.ends_of_rib[family], spoken, "{family} of peer {peer}");
        }
    }
}

/// The messages in these octets, all complete and valid.
pub(super) fn messages(mut octets: BytesMut, context: &Context) -> Vec<Message> {
    let mut messages = Vec::new();
    while let Some(frame) = frame::take(&mut octets, context.max_receive_len).expect("a header") {
        messages.push(Message::decode(frame, context).expect("a good message"));
    }
    assert!(octets.is_empty(), "a message was cut");
    messages
}
