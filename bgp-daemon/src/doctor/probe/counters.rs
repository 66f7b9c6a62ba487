//! The kernel's counters of dropped segments by reason: `/proc/net/netstat`.

use std::fs;

use crate::doctor::facts::Drops;

/// The current counters; zero for a missing one.
pub(in crate::doctor) fn drops() -> Drops {
    parse(&fs::read_to_string("/proc/net/netstat").unwrap_or_default())
}

/// Pairs of lines: names, and values in the same order.
fn parse(text: &str) -> Drops {
    let lines: Vec<&str> = text.lines().collect();
    let pair = lines
        .chunks_exact(2)
        .find(|pair| pair[0].starts_with("TcpExt:"));
    let Some([names, values]) = pair else {
        return Drops::default();
    };
    let values: Vec<&str> = values.split_whitespace().collect();
    let value = |wanted: &str| {
        let place = names.split_whitespace().position(|name| name == wanted);
        let value = place.and_then(|place| values.get(place)?.parse().ok());
        value.unwrap_or_default()
    };
    Drops {
        unsigned: value("TCPMD5NotFound"),
        signed: value("TCPMD5Unexpected"),
        wrongly_signed: value("TCPMD5Failure"),
        from_too_far: value("TCPMinTTLDrop"),
        reverse_path: value("IPReversePathFilter"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_the_names_above_them() {
        let text = "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure\nTcpExt: 0 1 2 3\nIpExt: InNoRoutes\nIpExt: 9\n";
        let drops = parse(text);
        assert_eq!(
            (drops.unsigned, drops.signed, drops.wrongly_signed),
            (1, 2, 3)
        );
        assert_eq!(drops.from_too_far, 0);
        assert_eq!(parse(""), Drops::default());
    }
}
