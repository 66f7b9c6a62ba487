//! A pod as Calico wires it to its node: a veth pair whose host end is named `cali…`, a host route to the pod's
//! address on the node, and in the pod a default route through 169.254.1.1, for which the host end answers ARP.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::rc::Rc;

use super::host::Host;
use super::netns::Netns;

/// A pod with one address of each family.
pub(crate) struct Pod {
    pub(crate) ns: Netns,
    pub(crate) ipv4: Ipv4Addr,
    pub(crate) ipv6: Ipv6Addr,
}

/// Every host end has this hardware address, so that its link-local address is known.
const HOST_END: &str = "ee:ee:ee:ee:ee:ee";
const HOST_END_LINK_LOCAL: &str = "fe80::ecee:eeff:feee:eeee";

impl Pod {
    /// Makes the pod `name` on the node `host`, which must forward packets and have a default route (the kernel
    /// answers ARP by proxy only for what it could forward).
    pub(crate) fn on(host: &Host, name: &str, ipv4: Ipv4Addr, ipv6: Ipv6Addr) -> Self {
        let ns = Netns::create(name).unwrap_or_else(|error| panic!("{error}"));
        let device = format!("cali{name}");
        host.ns.link(&device, &ns, "eth0");
        configure_host_end(host, &device);
        // What Felix writes: protocol 80, the metric of a normal route.
        for address in [format!("{ipv4}/32"), format!("{ipv6}/128")] {
            host.ns.run(&format!(
                "ip route add {address} dev {device} proto 80 metric 1024"
            ));
        }
        ns.sysctl("net/ipv6/conf/eth0/accept_dad", "0");
        ns.run(&format!("ip addr add {ipv4}/32 dev eth0"));
        ns.run(&format!("ip addr add {ipv6}/128 dev eth0 nodad"));
        ns.run("ip link set eth0 up");
        ns.run("ip route add 169.254.1.1 dev eth0 scope link");
        ns.run("ip route add default via 169.254.1.1 dev eth0");
        ns.run(&format!(
            "ip -6 route add default via {HOST_END_LINK_LOCAL} dev eth0"
        ));
        Self { ns, ipv4, ipv6 }
    }

    /// The pod as a host that programs run on, with a directory of its own below `parent`.
    pub(crate) fn into_host(self, name: &str, parent: &Path) -> Rc<Host> {
        let directory = parent.join(name);
        fs::create_dir(&directory).expect("each pod of a node has a name of its own");
        Rc::new(Host {
            name: name.to_owned(),
            ns: self.ns,
            directory,
            ipv4: self.ipv4,
            ipv6: self.ipv6,
        })
    }
}

fn configure_host_end(host: &Host, device: &str) {
    host.ns
        .run(&format!("ip link set {device} address {HOST_END}"));
    host.ns
        .sysctl(&format!("net/ipv6/conf/{device}/accept_dad"), "0");
    host.ns
        .sysctl(&format!("net/ipv4/conf/{device}/proxy_arp"), "1");
    host.ns
        .sysctl(&format!("net/ipv4/neigh/{device}/proxy_delay"), "0");
    host.ns.run(&format!("ip link set {device} up"));
}
