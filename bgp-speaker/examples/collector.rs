//! A route collector: accepts every peer from a range of addresses, and writes their messages as MRT (RFC 6396).
//! `collector ADDRESS:PORT RANGE FILE`, for example `collector 0.0.0.0:1790 10.0.0.0/8 updates.mrt`.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::SystemTime;

use bgp_core::types::{Asn, RouterId};
use bgp_speaker::dynamic::{Admission, Candidate, DynamicPeers, PeerRange};
use bgp_speaker::tap::{Flow, MessageEvent, Subscriber};
use bgp_speaker::{Environment, PeerSpec, Speaker, SpeakerConfig};
use bytes::BufMut;
use ipnet::IpNet;

/// Hands records to the thread that writes them: a subscriber must not wait for a disk.
struct Collector(SyncSender<Vec<u8>>);

impl Subscriber for Collector {
    fn message(&self, message: &MessageEvent<'_>) {
        if message.flow == Flow::Received && self.0.try_send(record(message)).is_err() {
            tracing::warn!("the disk is too slow: a message is lost");
        }
    }
}

/// BGP4MP_MESSAGE_AS4, or BGP4MP_MESSAGE where AS numbers have two octets (RFC 6396 §4.4).
fn record(message: &MessageEvent<'_>) -> Vec<u8> {
    let wide = (message.negotiated).is_none_or(|agreed| agreed.context.four_octet_as);
    let mut body = Vec::new();
    for Asn(asn) in [message.peer.peer_as, message.peer.local_as] {
        body.put_slice(&asn.to_be_bytes()[if wide { 0 } else { 2 }..]);
    }
    body.put_u32(if message.remote.is_ipv4() { 1 } else { 2 }); // Interface 0, and the family.
    for address in [message.remote.ip(), message.local.ip()] {
        match address {
            IpAddr::V4(v4) => body.put_slice(&v4.octets()),
            IpAddr::V6(v6) => body.put_slice(&v6.octets()),
        }
    }
    body.put_slice(message.octets);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let kind = 16 << 16 | if wide { 4 } else { 1 };
    let header = [now.as_secs() as u32, kind, body.len() as u32].map(u32::to_be_bytes);
    [header.concat(), body].concat()
}

/// Starts a collector; returns it with the address that it listens on.
pub async fn collect(at: SocketAddr, range: IpNet, mut file: Out) -> Collecting {
    let (sender, records) = sync_channel::<Vec<u8>>(4096);
    std::thread::spawn(move || records.iter().try_for_each(|one| file.write_all(&one)));
    let id = RouterId("192.0.2.1".parse()?);
    let environment = Environment::default().with_subscriber(Arc::new(Collector(sender)));
    let speaker = Speaker::start_in(SpeakerConfig::new(LOCAL_AS, id), environment);
    let spec = |peer: &Candidate| PeerSpec::new(peer.remote, peer.peer_as());
    let peers = DynamicPeers::new(move |peer| Admission::accept(spec(peer)));
    let peers = peers.with_range(range, PeerRange::default());
    speaker.accept_dynamic_peers(peers).await?;
    let local = speaker.listen(vec![at]).await?[0];
    Ok((speaker, local))
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, at, range, file] = &arguments[..] else {
        return Err("collector ADDRESS:PORT RANGE FILE".into());
    };
    let (at, file) = (at.parse()?, Box::new(File::create(file)?));
    let (speaker, _) = collect(at, range.parse()?, file).await?;
    Err(speaker.closed().await.into())
}

/// The AS of the collector.
pub const LOCAL_AS: Asn = Asn(64512);
type Out = Box<dyn Write + Send>;
type Fallible<T> = Result<T, Box<dyn Error>>;
type Collecting = Fallible<(Speaker, SocketAddr)>;
