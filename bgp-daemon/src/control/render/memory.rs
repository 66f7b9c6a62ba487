//! `show memory`.

use crate::control::model::MemorySnapshot;
use crate::control::reply::{Code, Reply};

/// Appends the whole reply.
pub fn render(reply: &mut Reply, memory: &MemorySnapshot) {
    reply.line(Code::MEMORY, "BIRD memory usage");
    for (label, octets) in [
        ("Routing tables:", memory.routing_tables),
        ("Route attributes:", memory.route_attributes),
        ("Protocols:", memory.protocols),
        ("Total:", memory.total),
    ] {
        let (amount, unit) = scaled(octets);
        reply.line(Code::MEMORY, format_args!("{label:<17} {amount:>4} {unit}"));
    }
    reply.end(Code::OK, "");
}

/// In the largest unit that needs at most four digits, rounded down.
fn scaled(octets: u64) -> (u64, &'static str) {
    let units = ["B", "kB", "MB", "GB"];
    let mut amount = octets;
    for unit in units {
        if amount < 10_000 {
            return (amount, unit);
        }
        amount /= 1024;
    }
    (amount, "TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_take_four_digits() {
        let mut reply = Reply::new();
        let memory = MemorySnapshot {
            routing_tables: 9_999,
            route_attributes: 10_240,
            protocols: 10 << 20,
            total: 20 << 40,
        };
        render(&mut reply, &memory);
        assert_eq!(
            reply.take(),
            "1018-BIRD memory usage\n Routing tables:   9999 B\n Route attributes:   10 kB\n \
             Protocols:          10 MB\n Total:              20 TB\n0000 \n"
        );
    }
}
