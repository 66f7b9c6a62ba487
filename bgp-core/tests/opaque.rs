//! Families that are not routed here, handed over as octets (RFC 4760): on the wire, and between two speakers.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::policy::Policy;
use bgp_core::rib::{LocalRoute, OpaqueError, PeerConfig, RibConfig};
use bgp_core::session::{ConnId, Direction, SessionConfig, Stop};
use bgp_core::speaker::{NeighbourConfig, Output, SansIoSpeaker};
use bgp_core::types::{AfiSafi, Asn, PeerId, RouterId};
use bgp_core::wire::attribute::{AsPath, AttributeView, UnknownAttribute};
use bgp_core::wire::update::{TooLong, encode_opaque};
use bgp_core::wire::{Attributes, Context, Message, OpaqueRoutes, Update, frame};
use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

const EVPN: AfiSafi = AfiSafi { afi: 25, safi: 70 };
const LABELED: AfiSafi = AfiSafi { afi: 1, safi: 4 };

fn context(opaque_families: bool) -> Context {
    Context {
        four_octet_as: true,
        opaque_families,
        ..Context::default()
    }
}

fn attributes() -> Attributes {
    Attributes {
        as_path: AsPath::sequence([Asn(65001)]),
        unknown: vec![
            UnknownAttribute::new(241, true, [1])
                .expect("as it should be")
                .with_partial(),
        ],
        ..Attributes::default()
    }
}

fn encoded(context: &Context, routes: OpaqueRoutes<'_>) -> Result<BytesMut, TooLong> {
    let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
    attributes().encode_canonical(&mut canonical);
    let view = AttributeView::new(&canonical);
    encode_opaque(context, view, routes, &mut octets).map(|()| octets)
}

fn read(context: &Context, octets: &mut BytesMut) -> Update {
    let frame = frame::take(octets, context.max_receive_len)
        .expect("as it should be")
        .expect("as it should be");
    match Message::decode(frame, context).expect("as it should be") {
        Message::Update(update) => update,
        other => panic!("not an UPDATE: {other:?}"),
    }
}

fn family() -> impl Strategy<Value = AfiSafi> {
    let code = (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| AfiSafi { afi, safi });
    let routed = |it: &AfiSafi| it.safi == 1 && (1..=2).contains(&it.afi);
    prop_oneof![Just(EVPN), Just(LABELED), code].prop_filter("is not routed", move |it| !routed(it))
}

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=most)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        family in family(),
        next_hop in octets(300),
        nlri in octets(5_000),
        reach: bool,
        four_octet_as: bool,
    ) {
        let routes = match reach {
            true => OpaqueRoutes::Reachable { family, next_hop: &next_hop, nlri: &nlri },
            false => OpaqueRoutes::Unreachable { family, nlri: &nlri },
        };
        let context = Context { four_octet_as, ..context(true) };
        let fits = nlri.len() < 3_500 && (!reach || next_hop.len() <= 255);
        let too_long = nlri.len() > 4_096 || (reach && next_hop.len() > 255);
        match encoded(&context, routes) {
            Err(TooLong) => prop_assert!(!fits),
            Ok(mut octets) => {
                prop_assert!(!too_long && octets.len() <= 4_096);
                let update = read(&context, &mut octets);
                prop_assert!(octets.is_empty() && update.faults().is_empty());
                prop_assert!(update.opaque().eq([routes]), "{}", update);
                prop_assert_eq!(update.unreachable().count() + update.reachable().count(), 0);
                prop_assert_eq!(update.end_of_rib(), None);
                let expected = if reach { attributes() } else { Attributes::default() };
                prop_assert_eq!(update.attributes(), expected);
            }
        }
    }

    /// With any attributes: no panic, and without the families nothing is handed over.
    #[test]
    fn whatever_comes(code in 14_u8..=15, value in octets(60), others in octets(30), opaque: bool) {
        let mut body = BytesMut::new();
        body.put_u16(0);
        body.put_u16((3 + value.len() + others.len()) as u16);
        body.put_slice(&[0x80, code, value.len() as u8]);
        body.put_slice(&value);
        body.put_slice(&others);
        let mut message = BytesMut::from(&[0xff; 16][..]);
        message.put_u16((19 + body.len()) as u16);
        message.put_u8(2);
        message.put_slice(&body);
        let context = context(opaque);
        let frame = frame::take(&mut message, 4_096).unwrap().unwrap();
        if let Ok(Message::Update(update)) = Message::decode(frame, &context) {
            prop_assert!(opaque || update.opaque().next().is_none());
            prop_assert!(!update.to_string().is_empty());
            for routes in update.opaque() {
                let family = [&value[..2], &value[2..3]].concat();
                let AfiSafi { afi, safi } = routes.family();
                prop_assert_eq!(family, [&afi.to_be_bytes()[..], &[safi]].concat());
            }
        }
    }
}

/// RFC 7606 §3 d: routes without mandatory attributes are treated as withdrawn, whatever they are.
#[test]
fn routes_without_attributes_are_withdrawn() {
    let routes = OpaqueRoutes::Reachable {
        family: EVPN,
        next_hop: &[192, 0, 2, 1],
        nlri: b"abc",
    };
    let mut octets = BytesMut::new();
    encode_opaque(&context(true), AttributeView::new(&[]), routes, &mut octets).unwrap();
    let update = read(&context(true), &mut octets.clone());
    let (family, nlri) = (EVPN, &b"abc"[..]);
    assert!(
        update
            .opaque()
            .eq([OpaqueRoutes::Unreachable { family, nlri }])
    );
    // RFC 4760 §8: routes of a family that was not negotiated are ignored.
    let mut octets = encoded(&context(false), routes).unwrap();
    let update = read(&context(false), &mut octets);
    assert_eq!((update.opaque().count(), update.faults().len()), (0, 1));
}

const PEER: PeerId = PeerId(0);
const CONN: ConnId = ConnId(1);

/// Two speakers of one AS and a wire between them.
struct Pair {
    speakers: [SansIoSpeaker; 2],
    now: Instant,
    received: Vec<(usize, Update)>,
    /// The second takes nothing.
    stuck: bool,
}

fn address(me: usize) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 1 + me as u8)
}

impl Pair {
    fn up(families: [&[AfiSafi]; 2]) -> Self {
        #[expect(clippy::disallowed_methods, reason = "time zero of a virtual clock")]
        let now = Instant::now();
        let speakers = [0, 1].map(|me| {
            let (id, asn) = (RouterId(address(me)), Asn(65001));
            let peer = address(1 - me).into();
            let mut session = SessionConfig::new(asn, id, peer, asn);
            session.passive = me == 1;
            session.opaque_families = families[me].to_vec();
            let mut routes = PeerConfig::new(asn, peer, asn);
            routes.import = Arc::new(Policy::ACCEPT);
            let mut speaker = SansIoSpeaker::new(RibConfig::new(id), now, me as u64);
            speaker.configure(now, PEER, NeighbourConfig::new(session, routes));
            speaker.handle_timeout(now);
            speaker
        });
        let mut pair = Self {
            speakers,
            now,
            received: Vec::new(),
            stuck: false,
        };
        pair.settle();
        pair
    }

    fn settle(&mut self) {
        let Self { speakers, now, .. } = self;
        while let Some((me, output)) = (0..2).find_map(|me| Some((me, speakers[me].poll_output()?)))
        {
            match output {
                Output::Connect(_) => {
                    for (at, direction) in
                        [(me, Direction::Outgoing), (1 - me, Direction::Incoming)]
                    {
                        speakers[at].handle_connected(
                            *now,
                            PEER,
                            CONN,
                            direction,
                            address(at).into(),
                        );
                    }
                }
                Output::Transmit { bytes, .. } => {
                    let mut octets = BytesMut::from(&bytes[..]);
                    speakers[1 - me].handle_bytes(*now, PEER, CONN, &mut octets);
                    if !self.stuck {
                        speakers[me].handle_written(*now, PEER, CONN, bytes.len(), false);
                    }
                }
                Output::Opaque(_, update) => self.received.push((me, update)),
                _ => {}
            }
        }
    }

    fn send(&mut self, routes: OpaqueRoutes<'_>) -> Result<(), OpaqueError> {
        let sent = self.speakers[0].send_opaque(self.now, PEER, &attributes(), routes);
        self.settle();
        sent
    }
}

#[test]
fn routes_of_a_family_that_both_named_reach_the_other_owner() {
    let mut pair = Pair::up([&[EVPN, LABELED], &[EVPN]]);
    let routes = OpaqueRoutes::Reachable {
        family: EVPN,
        next_hop: &[192, 0, 2, 1],
        nlri: b"a route",
    };
    assert_eq!(pair.send(routes), Ok(()));
    let (_, received) = pair.received.pop().expect("it came");
    assert!(received.opaque().eq([routes]));
    assert_eq!(received.attributes(), attributes());

    let gone = OpaqueRoutes::Unreachable {
        family: EVPN,
        nlri: b"a route",
    };
    assert_eq!(pair.send(gone), Ok(()));
    assert!(pair.received.pop().expect("it came").1.opaque().eq([gone]));

    let other = OpaqueRoutes::Unreachable {
        family: LABELED,
        nlri: b"x",
    };
    assert_eq!(pair.send(other), Err(OpaqueError::NotNegotiated));
    // Ordinary routes go their way beside them.
    let prefix = "198.51.100.0/24".parse().unwrap();
    pair.speakers[0].announce(pair.now, prefix, LocalRoute::default());
    pair.settle();
    assert!(pair.speakers[1].rib().best(prefix).is_some());
    assert_eq!(pair.received.len(), 0);

    pair.speakers[0].stop(pair.now, PEER, Stop::Shutdown(None));
    pair.settle();
    assert_eq!(pair.send(routes), Err(OpaqueError::NotNegotiated));
}

#[test]
fn nobody_gets_octets_of_families_that_it_did_not_name() {
    for families in [[&[EVPN][..], &[]], [&[], &[EVPN]], [&[], &[]]] {
        let mut pair = Pair::up(families);
        let gone = OpaqueRoutes::Unreachable {
            family: EVPN,
            nlri: b"x",
        };
        assert_eq!(pair.send(gone), Err(OpaqueError::NotNegotiated));
        assert_eq!(pair.received.len(), 0);
    }
}

#[test]
fn what_a_peer_does_not_take_is_refused_in_the_end() {
    let mut pair = Pair::up([&[EVPN], &[EVPN]]);
    pair.stuck = true;
    let nlri = [7; 3_000];
    let gone = OpaqueRoutes::Unreachable {
        family: EVPN,
        nlri: &nlri,
    };
    let sent = (0..1_000).take_while(|_| pair.send(gone).is_ok()).count();
    assert!((300..400).contains(&sent), "{sent} of 3000 octets each");
    assert_eq!(pair.send(gone), Err(OpaqueError::Full));
    let long = OpaqueRoutes::Unreachable {
        family: EVPN,
        nlri: &[7; 5_000],
    };
    let mut pair = Pair::up([&[EVPN], &[EVPN]]);
    assert_eq!(pair.send(long), Err(OpaqueError::TooLong));
}
