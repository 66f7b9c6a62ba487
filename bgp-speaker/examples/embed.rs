//! A speaker in an agent of your own: peers with 127.0.0.1:1790, announces a prefix, prints what happens to the session.

use std::error::Error;
use std::sync::Arc;

use bgp_core::policy::Policy;
use bgp_core::rib::LocalRoute;
use bgp_core::types::{Asn, RouterId};
use bgp_speaker::{PeerSpec, Speaker, SpeakerConfig};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn Error>> {
    let router_id = RouterId("192.0.2.1".parse()?);
    let speaker = Speaker::start(SpeakerConfig::new(Asn(65001), router_id), None);
    let mut events = speaker.events();

    // An eBGP session exchanges nothing until its policies say so (RFC 8212).
    let accept = Arc::new(Policy::ACCEPT);
    let peer = PeerSpec::new("127.0.0.1:1790".parse()?, Asn(65002))
        .with_policies(Arc::clone(&accept), accept);
    speaker.configure_peer("tor", peer).await?;
    speaker
        .routes()
        .announce("198.51.100.0/24".parse()?, LocalRoute::default())
        .await?;

    while let Ok(event) = events.recv().await {
        println!("{event}");
    }
    Ok(())
}
