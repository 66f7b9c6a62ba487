//! Rules for the sessions of the mesh and of BGPPeers alike: names, which side is passive, times.

use std::net::IpAddr;
use std::time::Duration;

use super::model::PeerType;
use crate::resources::Problem;

/// Of two nodes, the one with the smaller address as text is passive. Both nodes must agree, also if the other runs the replaced
/// speaker, so addresses are compared as text: `10.0.0.10` is smaller than `10.0.0.9`.
pub(super) fn is_passive_towards(own: IpAddr, peer: IpAddr) -> bool {
    own.to_string() < peer.to_string()
}

/// `Mesh_10_0_0_1`, `Global_fd00__1_port_50`: the session names of `calicoctl node status`. A link-local address is followed by
/// its link: `Node_fe80__1_dev_eth1`.
pub(super) fn session_name(
    kind: PeerType,
    address: IpAddr,
    link: Option<&str>,
    port: Option<u16>,
) -> String {
    let prefix = match kind {
        PeerType::Mesh => "Mesh",
        PeerType::Node => "Node",
        PeerType::Global => "Global",
        PeerType::Local => "Local_Workload",
    };
    let address = address.to_string().replace(['.', ':'], "_");
    let link = link.map(|link| format!("_dev_{}", in_name(link)));
    let port = port.map(|port| format!("_port_{port}"));
    let (link, port) = (link.unwrap_or_default(), port.unwrap_or_default());
    format!("{prefix}_{address}{link}{port}")
}

/// A link in the name of a session, which has letters, digits and `_` only.
pub(super) fn in_name(link: &str) -> String {
    link.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// The address in the name of a session without a port.
pub(crate) fn address_in(name: &str) -> Option<IpAddr> {
    let (_, address) = name.split_once('_')?;
    let (address, _) = address.split_once("_dev_").unwrap_or((address, ""));
    let ipv4 = || address.replace('_', ".").parse().ok();
    ipv4().or_else(|| address.replace('_', ":").parse().ok())
}

/// A graceful restart time: at most 4095 seconds, a field of 12 bits (RFC 4724 §3).
pub(super) fn restart_seconds(
    time: Option<Duration>,
    object: &str,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Option<u16> {
    whole_seconds(time, 4095, object, field, problems)
}

/// A time in whole seconds, rounded half up, limited to what the protocol can carry.
pub(super) fn whole_seconds(
    time: Option<Duration>,
    most: u16,
    object: &str,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Option<u16> {
    let time = time?;
    let seconds = time
        .as_secs()
        .saturating_add(u64::from(time.subsec_nanos() >= 500_000_000));
    match u16::try_from(seconds) {
        Ok(seconds) if seconds <= most => Some(seconds),
        _ => {
            let reason = format!("is longer than the protocol can say; {most} seconds are used");
            problems.push(Problem::warning(object, reason).at_field(field));
            Some(most)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 5.18.
    #[test]
    fn names_are_those_of_the_replaced_speaker() {
        let name =
            |kind, address: &str, port| session_name(kind, address.parse().unwrap(), None, port);
        assert_eq!(name(PeerType::Mesh, "10.192.0.3", None), "Mesh_10_192_0_3");
        assert_eq!(
            name(PeerType::Global, "fd00::1", Some(50)),
            "Global_fd00__1_port_50"
        );
        assert_eq!(
            name(PeerType::Local, "10.1.0.5", None),
            "Local_Workload_10_1_0_5"
        );
    }

    /// Promise 4.1.
    #[test]
    fn string_order_decides_who_is_passive() {
        let passive =
            |own: &str, peer: &str| is_passive_towards(own.parse().unwrap(), peer.parse().unwrap());
        assert!(passive("10.0.0.10", "10.0.0.9"));
        assert!(!passive("10.0.0.9", "10.0.0.10"));
        assert!(passive("fd00::10", "fd00::9"));
    }

    /// Promise 5.12.
    #[test]
    fn times_are_rounded_and_limited() {
        let mut problems = Vec::new();
        let mut seconds = |millis| {
            restart_seconds(
                Some(Duration::from_millis(millis)),
                "BGPPeer/a",
                "x",
                &mut problems,
            )
        };
        assert_eq!(
            [
                seconds(10_499),
                seconds(10_500),
                seconds(4_095_000),
                seconds(9_999_000)
            ],
            [Some(10), Some(11), Some(4095), Some(4095)]
        );
        assert_eq!(problems.len(), 1);
    }
}
