//! Watches paths by BFD, and says each second how many are up: `watch_paths MILLISECONDS OWN-ADDRESS PEER-ADDRESS ...`, with a pair of
//! addresses for each path. There is no BGP: the sessions wait for peers that never connect.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bgp_core::bfd::State;
use bgp_core::types::{Asn, RouterId};
use bgp_speaker::{BfdSpec, PeerSpec, Speaker, SpeakerConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let interval = arguments.next().ok_or("an interval in milliseconds")?;
    let interval = Duration::from_millis(interval.parse()?);
    let addresses = arguments.map(|address| address.parse::<IpAddr>());
    let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
    let speaker = Speaker::start(SpeakerConfig::new(Asn(65001), RouterId::from_bits(1)), None);
    for pair in addresses.chunks_exact(2) {
        let (own, peer) = (pair[0], pair[1]);
        let mut spec = PeerSpec::new(SocketAddr::new(peer, 179), Asn(65002));
        spec.source = Some(own);
        spec.passive = true;
        spec.bfd = Some(BfdSpec::new(interval, 3));
        let name = format!("{own} to {peer}");
        speaker.configure_peer(&name, spec).await?;
    }
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let meters = speaker.meters().into_iter();
        let paths = meters.filter_map(|(_, meter)| meter.bfd);
        let (mut up, mut failures) = (0, 0);
        for path in paths {
            up += usize::from(path.state() == State::Up);
            failures += path.failures;
        }
        #[expect(clippy::print_stdout, reason = "that is what it is for")]
        {
            println!("{up} paths are up, {failures} failures so far");
        }
    }
}
