//! Sessions that are good, and whose routes cost much, again and again.

use std::io;
use std::net::Shutdown;

use bgp_core::types::Family;
use bgp_core::wire::{AddPathDirection, RefreshKind, RouteRefresh};

use super::*;

/// A session of the hostile peer. What the node sends is read and thrown away.
struct Session {
    stream: TcpStream,
    reader: Option<JoinHandle<()>>,
}

impl Session {
    fn open(target: SocketAddr) -> Option<Self> {
        let mut stream = connect(target)?;
        let family = Family::Ipv4Unicast.afi_safi();
        let open = Message::Open(Open {
            asn: Asn(MALLORY_AS),
            hold_time: 90,
            router_id: RouterId(Ipv4Addr::new(10, 0, 0, 66)),
            capabilities: vec![
                Capability::FourOctetAs(Asn(MALLORY_AS)),
                Capability::Multiprotocol(family),
                Capability::RouteRefresh,
                Capability::AddPath(vec![(family, AddPathDirection::Both)]),
            ],
        });
        stream
            .write_all(&octets(&[open, Message::Keepalive]))
            .ok()?;
        const KEEPALIVE: u8 = 4;
        while next_message(&mut stream)? != KEEPALIVE {}
        stream.set_read_timeout(None).ok()?;
        let mut input = stream.try_clone().ok()?;
        let reader = std::thread::spawn(move || {
            let mut scrap = vec![0; 1 << 16];
            while matches!(input.read(&mut scrap), Ok(1..)) {}
        });
        Some(Self {
            stream,
            reader: Some(reader),
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The node may have closed it.
        self.stream.shutdown(Shutdown::Both).ok();
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

/// A hostile peer sends what `words` makes of the number of the round, in a session that it opens again when it has ended; the
/// honest ones do not notice.
fn send(annotations: &[(&str, &str)], mut words: impl FnMut(u32) -> Vec<u8> + Send + 'static) {
    let Some(mut siege) = Siege::lay_with(annotations, &[]) else {
        return;
    };
    let target = siege.target();
    let (mut session, mut round) = (None, 0);
    let flood = Flood::start(&siege.mallory, move || {
        round += 1;
        let words = words(round);
        if session.is_none() {
            session = Session::open(target);
        }
        let sent = |session: &mut Session| -> io::Result<()> { session.stream.write_all(&words) };
        if session
            .as_mut()
            .is_none_or(|session| sent(session).is_err())
        {
            session = None;
        }
    });
    flood.wait(50);
    for _ in 0..3 {
        siege.withstand();
    }
    drop(flood);
}

/// An UPDATE that announces these prefixes, each written with its path identifier.
fn update(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let length = |octets: &[u8]| u16::try_from(octets.len()).expect("it fits").to_be_bytes();
    let body = [&[0, 0], &length(attributes)[..], attributes, nlri].concat();
    let header = [
        &[0xff; 16],
        &length(&[&[0; 19], &body[..]].concat())[..],
        &[2],
    ]
    .concat();
    [header, body].concat()
}

/// ORIGIN, AS_PATH, NEXT_HOP.
fn attributes(next_hop: [u8; 4]) -> Vec<u8> {
    let path = [&[0x40, 2, 6, 2, 1], &MALLORY_AS.to_be_bytes()[..]].concat();
    [&[0x40, 1, 1, 0], &path[..], &[0x40, 3, 4], &next_hop].concat()
}

/// The path `id` of prefix `number`.
fn nlri(id: u32, number: u32) -> Vec<u8> {
    let [_, a, b, c] = number.to_be_bytes();
    [&id.to_be_bytes()[..], &[24, 20 + a, b, c]].concat()
}

const ON_LINK: [u8; 4] = [10, 0, 0, 66];

#[test]
fn many_paths_of_one_prefix() {
    send(&[], |round| {
        let ids = round * 400..round * 400 + 400;
        update(
            &attributes(ON_LINK),
            &ids.flat_map(|id| nlri(id, 1)).collect::<Vec<_>>(),
        )
    });
}

#[test]
fn ever_new_next_hops_of_one_prefix() {
    send(&[], |round| {
        let one = |number: u32| {
            let [_, a, b, c] = number.to_be_bytes();
            update(&attributes([30 + a, b, c, 1]), &nlri(1, 1))
        };
        (round * 100..round * 100 + 100).flat_map(one).collect()
    });
}

#[test]
fn requests_for_all_routes_again_and_again() {
    let refresh = Message::RouteRefresh(RouteRefresh {
        family: Family::Ipv4Unicast.afi_safi(),
        kind: RefreshKind::REQUEST,
    });
    let asked = octets(&vec![refresh; 500]);
    send(&[], move |round| match round {
        1..20 => {
            let numbers = round * 400..round * 400 + 400;
            update(
                &attributes(ON_LINK),
                &numbers
                    .flat_map(|number| nlri(1, number))
                    .collect::<Vec<_>>(),
            )
        }
        _ => asked.clone(),
    });
}

#[test]
fn a_set_of_attributes_for_each_prefix() {
    send(&[], |round| {
        let one = |number: u32| {
            let community = [&[0xc0, 8, 4], &number.to_be_bytes()[..]].concat();
            // Few prefixes, so that the kernel is not what is measured.
            update(
                &[attributes(ON_LINK), community].concat(),
                &nlri(1, number % 500),
            )
        };
        (round * 100..round * 100 + 100).flat_map(one).collect()
    });
}

#[test]
fn prefixes_that_come_and_go() {
    let withdrawn = |number: u32| {
        let nlri = nlri(1, number);
        let body = [&[0, 8], &nlri[..], &[0, 0]].concat();
        [&[0xff; 16], &[0, 31, 2][..], &body].concat()
    };
    send(&[], move |round| {
        let number = round % 100;
        [
            update(&attributes(ON_LINK), &nlri(1, number)),
            withdrawn(number),
        ]
        .concat()
        .repeat(100)
    });
}

#[test]
fn more_prefixes_than_allowed() {
    send(&[("max-prefixes", "100")], |round| {
        let numbers = round * 90..round * 90 + 90;
        update(
            &attributes(ON_LINK),
            &numbers
                .flat_map(|number| nlri(1, number))
                .collect::<Vec<_>>(),
        )
    });
}
