//! The names of kinds on the command line and in manifests.

use crate::resources::Kind;

/// The names of each kind on the command line, in lower case.
const NAMES: [(Kind, &[&str]); 9] = [
    (
        Kind::BgpPeer,
        &["bgppeer", "bgppeers", "bgpp", "bgpps", "bp", "bps"],
    ),
    (
        Kind::BgpConfiguration,
        &[
            "bgpconfiguration",
            "bgpconfigurations",
            "bgpconfig",
            "bgpconfigs",
        ],
    ),
    (
        Kind::BgpFilter,
        &["bgpfilter", "bgpfilters", "bgpf", "bgpfs", "bf", "bfs"],
    ),
    (
        Kind::BfdConfiguration,
        &[
            "bfdconfiguration",
            "bfdconfigurations",
            "bfdconfig",
            "bfdconfigs",
        ],
    ),
    (Kind::Node, &["node", "nodes", "no", "nos"]),
    (
        Kind::IpPool,
        &["ippool", "ippools", "ipp", "ipps", "pool", "pools"],
    ),
    (
        Kind::IpReservation,
        &[
            "ipreservation",
            "ipreservations",
            "reservation",
            "reservations",
        ],
    ),
    (
        Kind::CalicoNodeStatus,
        &[
            "caliconodestatus",
            "caliconodestatuses",
            "nodestatus",
            "nodestatuses",
        ],
    ),
    (Kind::Profile, &["profile", "profiles", "pro", "pros"]),
];

/// The kind with a name on the command line, ignoring case.
///
/// # Errors
///
/// The kind is unknown.
pub(in crate::cli) fn by_name(name: &str) -> Result<Kind, String> {
    let lower = name.to_lowercase();
    NAMES
        .iter()
        .find(|(_, names)| names.contains(&lower.as_str()))
        .map(|(kind, _)| *kind)
        .ok_or_else(|| format!("resource type '{name}' is not supported"))
}

/// Whether the commands support a kind.
pub(in crate::cli) fn is_supported(kind: Kind) -> bool {
    NAMES.iter().any(|(known, _)| *known == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_all_their_names() {
        for (kind, names) in NAMES {
            for name in names {
                assert_eq!(by_name(name), Ok(kind));
                assert_eq!(by_name(&name.to_uppercase()), Ok(kind));
            }
        }
        assert_eq!(
            by_name("BlockAffinity"),
            Err("resource type 'BlockAffinity' is not supported".to_owned())
        );
    }
}
