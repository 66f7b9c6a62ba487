//! Best routes in the kernel: peers with one router, and writes the routes that the router announces into a kernel table.
//!
//! `install_routes ROUTER:PORT TABLE`, for example `install_routes 192.0.2.1:179 100`, with CAP_NET_ADMIN. The routes stay in the
//! table when the program ends; its next start finds them there.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bgp_core::policy::Policy;
use bgp_core::types::{Asn, RouterId};
use bgp_speaker::forwarding::{Forwarding, ForwardingPlan, Mailbox};
use bgp_speaker::kernel::KernelConfig;
use bgp_speaker::{Environment, Namespace, PeerSpec, Speaker, SpeakerConfig};

/// Starts a speaker that writes routes, in `namespace` if there is one. The routes stay in the kernel when the last handle on
/// forwarding is dropped.
pub async fn install(
    router: SocketAddr,
    table: u32,
    namespace: Option<Namespace>,
) -> Result<(Speaker, Forwarding), Box<dyn Error>> {
    let mut config = SpeakerConfig::new(Asn(65002), RouterId("192.0.2.2".parse()?));
    // Ask which routes go into the kernel, and whether the kernel reaches their next hops.
    (config.rib.forwarding, config.rib.resolve_next_hops) = (true, true);
    let mailbox = Arc::new(Mailbox::default());
    let mut environment = Environment::default().with_forwarding(mailbox.sink());
    environment.namespace = namespace;
    let speaker = Speaker::start_in(config, environment);

    let kernel = KernelConfig {
        table,
        ..KernelConfig::default()
    };
    let (forwarding, prepared, _) = Forwarding::prepare(&speaker, mailbox, kernel)?;
    prepared.start(&speaker);
    forwarding.follow(ForwardingPlan::default()).await?;

    let peer = PeerSpec::new(router, Asn(65001));
    let peer = peer.with_policies(Arc::new(Policy::ACCEPT), Arc::new(Policy::REJECT));
    speaker.configure_peer("router", peer).await?;
    Ok((speaker, forwarding))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, router, table] = &arguments[..] else {
        return Err("install_routes ROUTER:PORT TABLE".into());
    };
    let (speaker, _forwarding) = install(router.parse()?, table.parse()?, None).await?;
    Err(speaker.closed().await.into())
}
