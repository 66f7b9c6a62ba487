//! Follows the best routes of a speaker that waits for a peer on this host: prints all routes, then each change.
//!
//! `cargo run --example best_routes [ADDRESS:PORT]` listens, by default on 127.0.0.1:1790. The example `announcer` connects
//! there.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bgp_core::policy::Policy;
use bgp_core::rib::{View, ViewedRoute};
use bgp_core::types::{Asn, RouterId};
use bgp_speaker::{Filter, PeerSpec, Routes, Speaker, SpeakerConfig, Watched};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = std::env::args().nth(1);
    let listen = listen.as_deref().unwrap_or("127.0.0.1:1790").parse()?;
    let (speaker, _) = start(listen).await?;
    follow(&speaker.routes(), |line| println!("{line}")).await
}

/// A speaker in AS 65002 that waits for a peer in AS 65001 on its own address. Returns the speaker and the address that it
/// listens on.
pub(crate) async fn start(listen: SocketAddr) -> Result<(Speaker, SocketAddr), Box<dyn Error>> {
    let router_id = RouterId("192.0.2.2".parse()?);
    let speaker = Speaker::start(SpeakerConfig::new(Asn(65002), router_id), None);
    // An eBGP session exchanges nothing until its policies say so (RFC 8212).
    let accept = Arc::new(Policy::ACCEPT);
    let mut peer = PeerSpec::new(SocketAddr::new(listen.ip(), 179), Asn(65001))
        .with_policies(Arc::clone(&accept), accept);
    peer.passive = true;
    speaker.configure_peer("announcer", peer).await?;
    let local = speaker.listen(vec![listen]).await?;
    Ok((speaker, *local.first().ok_or("no such address")?))
}

/// Prints best routes until the speaker ends.
pub(crate) async fn follow(
    routes: &Routes,
    mut print: impl FnMut(String),
) -> Result<(), Box<dyn Error>> {
    let mut watch = routes.watch(Filter::of([View::Best])).await?;
    while let Some(watched) = watch.next().await {
        match watched {
            Watched::Route { route, .. } => print(format!("there is {}", text(&route))),
            Watched::SnapshotEnd => print("that is all for now".into()),
            Watched::Change(change) => match (change.old, change.new) {
                (Some(old), Some(new)) => print(format!("{} became {}", text(&old), text(&new))),
                (None, Some(new)) => print(format!("new is {}", text(&new))),
                (Some(old), None) => print(format!("gone is {}", text(&old))),
                (None, None) => {}
            },
            // The changes that follow lead to the current state: nothing to do.
            Watched::Lagged(count) => print(format!("too slow for {count} changes")),
            _ => {}
        }
    }
    Ok(())
}

fn text(route: &ViewedRoute) -> String {
    let next_hop = route
        .next_hop
        .map_or_else(|| "here".into(), |it| it.to_string());
    let path = &route.attributes.as_path;
    format!("{} via {next_hop} path [{path}]", route.prefix)
}
