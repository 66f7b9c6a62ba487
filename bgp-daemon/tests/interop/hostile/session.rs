//! The valid session of a peer with arbitrary routes, and the octets of its UPDATEs.

use std::net::Shutdown;
use std::ops::Range;

use bgp_core::types::Family;
use bgp_core::wire::AddPathDirection;

use super::*;

/// A session of a host with [`MALLORY_AS`]. What the node sends is read and thrown away.
pub(super) struct Session {
    stream: TcpStream,
    reader: Option<JoinHandle<()>>,
}

impl Session {
    /// Comes from the network namespace of the calling thread.
    pub(super) fn open(target: SocketAddr) -> Option<Self> {
        let mut stream = connect(target)?;
        let own = stream.local_addr().ok()?;
        stream
            .write_all(&octets(&[Self::hello(own)?, Message::Keepalive]))
            .ok()?;
        const KEEPALIVE: u8 = 4;
        while next_message(&mut stream)? != KEEPALIVE {}
        stream.set_read_timeout(None).ok()?;
        // Whoever is slow is waited for.
        stream.set_write_timeout(Some(SHORT)).ok()?;
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

    /// One of a host.
    pub(super) fn of(host: &Host, target: SocketAddr) -> Self {
        wait_until("a session", SHORT, || {
            let opened = host.ns.spawn(move || Self::open(target)).join();
            opened
                .expect("no panic")
                .ok_or_else(|| "no answer".to_owned())
        })
    }

    fn hello(own: SocketAddr) -> Option<Message> {
        let IpAddr::V4(own) = own.ip() else {
            return None;
        };
        let family = Family::Ipv4Unicast.afi_safi();
        Some(Message::Open(Open {
            asn: Asn(MALLORY_AS),
            hold_time: 90,
            router_id: RouterId(own),
            capabilities: vec![
                Capability::FourOctetAs(Asn(MALLORY_AS)),
                Capability::Multiprotocol(family),
                Capability::RouteRefresh,
                Capability::ExtendedMessage,
                Capability::AddPath(vec![(family, AddPathDirection::Both)]),
            ],
        }))
    }

    /// Ends it without a word.
    pub(super) fn close(&self) {
        // The node may have done so.
        self.stream.shutdown(Shutdown::Both).ok();
    }

    /// Whether it could be sent.
    pub(super) fn say(&mut self, words: &[u8]) -> bool {
        self.stream.write_all(words).is_ok()
    }
}

/// The hostile peer sends what `words` makes of the number of the round, in a session that it reopens when it has ended. Rounds
/// in which nothing was read do not count.
pub(super) fn speak(
    siege: &Siege,
    mut words: impl FnMut(u32) -> Vec<u8> + Send + 'static,
) -> Flood {
    let target = siege.target();
    let (mut session, mut round) = (None, 1);
    Flood::start_counting(&siege.mallory, move || {
        session = session.take().or_else(|| Session::open(target));
        let said = session
            .as_mut()
            .is_some_and(|session: &mut Session| session.say(&words(round)));
        match said {
            true => round += 1,
            false => session = None,
        }
        said
    })
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

/// An UPDATE that announces these prefixes, each written with its path identifier.
pub(super) fn update(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
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
pub(super) fn attributes(next_hop: [u8; 4]) -> Vec<u8> {
    let path = [&[0x40, 2, 6, 2, 1], &MALLORY_AS.to_be_bytes()[..]].concat();
    [&[0x40, 1, 1, 0], &path[..], &[0x40, 3, 4], &next_hop].concat()
}

/// COMMUNITIES with one.
pub(super) fn community(value: u32) -> Vec<u8> {
    [&[0xc0, 8, 4], &value.to_be_bytes()[..]].concat()
}

/// UPDATEs of at most so many prefixes each, which have numbers.
pub(super) fn announcements(attributes: &[u8], numbers: Range<u32>, at_once: usize) -> Vec<u8> {
    let numbers: Vec<u32> = numbers.collect();
    let of = |numbers: &[u32]| {
        let nlri: Vec<u8> = numbers.iter().flat_map(|number| nlri(1, *number)).collect();
        update(attributes, &nlri)
    };
    numbers.chunks(at_once).flat_map(of).collect()
}

/// The path `id` of prefix `number`.
pub(super) fn nlri(id: u32, number: u32) -> Vec<u8> {
    let [_, a, b, c] = number.to_be_bytes();
    [&id.to_be_bytes()[..], &[24, 20 + a, b, c]].concat()
}

pub(super) const ON_LINK: [u8; 4] = [10, 0, 0, 66];
