//! Our annotations in schemas. A test compares them with those that are read.

use serde_json::{Map, Value, json};

use crate::plan::{ANNOTATION_PREFIX, DRAIN};
use crate::resources::Kind;

/// Name, what may be said as a pattern, and meaning of the annotations of a BGPPeer or a BGPConfiguration.
#[rustfmt::skip]
const OF_PEERS: &[(&str, &str, &str)] = &[
    ("add-path", "off|receive|send|both", "Additional paths to offer (RFC 7911). Default: both."),
    ("bfd", "off|on|[0-9a-zµ.]+/[0-9a-zµ.]+/[0-9]{1,3}", "Watches the path to the peer by BFD: off, on, or rx/tx/multiplier such as 300ms/300ms/3."),
    ("bfd-strict", TRUTH, "Whether the session waits for BFD."),
    ("connect-retry-time", DURATION, "Interval between tries to connect. Default: 5s."),
    ("extended-messages", TRUTH, "Offers messages of up to 65535 octets (RFC 8654). Default: false."),
    ("extended-next-hop", TRUTH, "Offers IPv6 next hops for IPv4 routes (RFC 8950). Default: false."),
    ("families", "(ipv[46]-unicast *,? *)+", "Families to offer, with commas. Default: that of the peer's address."),
    ("graceful-restart-notification", TRUTH, "Offers graceful restart for NOTIFICATIONs and expired hold timers too (RFC 8538). Default: false."),
    ("hold-time", DURATION, "Hold time to propose: 0, or 3s to 65535s. Default: 240s."),
    ("long-lived-stale-time", "off|[0-9a-zµ.]+", "How long routes of a lost peer are kept after its restart time (RFC 9494). Default: off."),
    ("max-prefixes", "[0-9]+", "How many prefixes of each family the peer may announce; more end the session. Default: no limit."),
    ("next-hop-length", "16|32", "Octets of next hops over link-local addresses: the link-local one alone, or after a global one. Default: 16."),
    ("on-stop", "keep|withdraw|auto", "What happens to the session when the daemon stops. Default: auto."),
    ("passive", TRUTH, "Whether to wait for the peer's connection."),
    ("require-password", TRUTH, "Whether the session stays down while its password is not available. Default: false."),
    ("role", "(provider|rs-server|rs-client|customer|peer)(-strict)?", "Our role (RFC 9234)."),
];
/// The same for annotations of a BGPPeer alone.
#[rustfmt::skip]
const OF_A_PEER: &[(&str, &str, &str)] = &[
    ("interface", "[!-~]{1,15}", "Peers with the router on this link over link-local addresses, in place of peerIP."),
    ("listen-range", "[0-9a-fA-F.:/, ]+", "Accepts peers that connect from these ranges, with commas, in place of peerIP."),
    ("listen-as", "[0-9., -]+", "AS numbers, or ranges of them, of peers from listen-range. Default: asNumber."),
    ("listen-limit", "[0-9]{1,5}", "How many peers of a listen-range are accepted: 1 to 10000."),
    ("peer", "default-gateway", "Peers with the default gateway, in place of peerIP."),
];
const TRUTH: &str = "true|false";
const DURATION: &str = "[0-9a-zµ.]+";

/// The annotations that have a meaning on objects of a kind.
pub(super) fn of(kind: Kind) -> Option<Value> {
    match kind {
        Kind::BgpPeer | Kind::BgpConfiguration => {
            let own = if kind == Kind::BgpPeer {
                OF_A_PEER
            } else {
                &[]
            };
            let schemas = OF_PEERS.iter().chain(own).map(|(name, pattern, meaning)| {
                let name = format!("{ANNOTATION_PREFIX}{name}");
                (name, schema(pattern, meaning))
            });
            Some(Value::Object(schemas.collect()))
        }
        Kind::Node | Kind::KubernetesNode => {
            let meaning = "Drains the node: its service addresses are withdrawn gracefully.";
            let drain = (DRAIN.to_owned(), schema(TRUTH, meaning));
            Some(Value::Object(Map::from_iter([drain])))
        }
        _ => None,
    }
}

fn schema(pattern: &str, meaning: &str) -> Value {
    let pattern = format!("^ *({pattern}) *$");
    json!({ "type": "string", "pattern": pattern, "description": meaning })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::annotation_names;

    #[test]
    fn the_schema_has_the_annotations_that_are_read() {
        let described = [OF_PEERS, OF_A_PEER]
            .map(|group| group.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
        assert_eq!(described, annotation_names());
    }
}
