//! A square of four ASes under virtual time: a link goes silent, the hold timers expire, and routes take the other way round.
//! `cargo run --features sim --example virtual_time`

use std::time::Duration;

use bgp_core::rib::LocalRoute;
use bgp_core::sim::Lab;
use bgp_core::types::Asn;
use ipnet::IpNet;

pub(crate) fn main() {
    let prefix: IpNet = "198.51.100.0/24".parse().expect("a prefix");
    let mut lab = Lab::new(42);
    let nodes = [65001, 65002, 65003, 65004].map(|asn| lab.add_speaker(Asn(asn)));
    let links = [0, 1, 2, 3].map(|at| lab.connect(nodes[at], nodes[(at + 1) % 4]));
    lab.announce(nodes[0], prefix, LocalRoute::default());

    let path = |lab: &Lab| {
        let best = lab.rib(nodes[1]).best(prefix);
        best.map(|route| route.attributes.as_path.to_string())
    };
    lab.run_for(Duration::from_secs(10));
    assert_eq!(path(&lab).as_deref(), Some("65001"));

    lab.cut(links[0]);
    lab.run_for(Duration::from_secs(60));
    assert_eq!(path(&lab).as_deref(), Some("65001"), "nobody has noticed");
    lab.run_for(Duration::from_secs(40));
    assert_eq!(path(&lab).as_deref(), Some("65003 65004 65001"));

    lab.mend(links[0]);
    lab.run_for(Duration::from_secs(120));
    assert_eq!(path(&lab).as_deref(), Some("65001"));
}
