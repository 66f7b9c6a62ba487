//! Announces the addresses of services to a router, as MetalLB does. Each line of input is the complete list of wanted addresses;
//! the router is sent the difference to the line before.
//!
//! `cargo run --example announcer [ADDRESS:PORT]` connects to a router, by default at 127.0.0.1:1790, where the example
//! `best_routes` listens. Then type `198.51.100.1 198.51.100.2`, and `198.51.100.2` to withdraw the first one.

use std::error::Error;
use std::io::BufRead;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bgp_core::policy::Policy;
use bgp_core::rib::{LocalRoute, Synced};
use bgp_core::types::{Asn, RouterId};
use bgp_speaker::{PeerSpec, Routes, Shutdown, Speaker, SpeakerConfig};

/// Identifies the owner of the routes; another owner would use another number.
const SERVICES: u32 = 1;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn Error>> {
    let router = std::env::args().nth(1);
    let speaker = start(router.as_deref().unwrap_or("127.0.0.1:1790").parse()?).await?;
    let (lines, mut typed) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        let mut read = std::io::stdin().lock().lines().map_while(Result::ok);
        read.try_for_each(|line| lines.blocking_send(line).map_err(drop))
    });
    while let Some(line) = typed.recv().await {
        match announce(&speaker.routes(), &line).await {
            Ok(synced) => println!("{synced:?}"),
            Err(error) => println!("{error}"),
        }
    }
    speaker.shutdown(Shutdown::Cease(None)).await;
    Ok(())
}

/// A speaker in AS 65001 that connects to a router in AS 65002.
pub(crate) async fn start(router: SocketAddr) -> Result<Speaker, Box<dyn Error>> {
    let router_id = RouterId("192.0.2.1".parse()?);
    let speaker = Speaker::start(SpeakerConfig::new(Asn(65001), router_id), None);
    // The router is sent everything, and nothing is accepted from it.
    let (import, export) = (Arc::new(Policy::REJECT), Arc::new(Policy::ACCEPT));
    let peer = PeerSpec::new(router, Asn(65002)).with_policies(import, export);
    speaker.configure_peer("router", peer).await?;
    Ok(speaker)
}

/// Announces exactly these addresses.
pub(crate) async fn announce(routes: &Routes, list: &str) -> Result<Synced, Box<dyn Error>> {
    let addresses = list.split_whitespace().map(str::parse::<IpAddr>);
    let addresses: Vec<IpAddr> = addresses.collect::<Result<_, _>>()?;
    let wanted = addresses
        .into_iter()
        .map(|address| (address.into(), LocalRoute::default()));
    Ok(routes.sync(SERVICES, wanted).await?)
}
