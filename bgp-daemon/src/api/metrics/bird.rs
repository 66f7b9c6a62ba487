//! The names of bird_exporter (with `-format.new`), so that its dashboards and alerts go on: the values of `show protocols all` and
//! `show status`.

use std::fmt;

use bgp_core::types::Family;
use jiff::Timestamp;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{gauge, router_id, seconds};
use super::gather::Scrape;
use crate::control::VERSION;
use crate::control::model::{ChangeCounts, ProtocolKind, ProtocolSnapshot, ProtocolState};

/// A protocol as bird_exporter sees it.
type Protocol = (Family, ProtocolSnapshot);

/// One value of a protocol.
type Value = fn(&ProtocolSnapshot) -> u64;

pub(super) fn encode(scrape: &Scrape, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    daemon(scrape, to)?;
    protocols(&scrape.protocols, to)
}

/// What `show status` says. bird_exporter reads its times as UTC, whatever the zone of the node; these are right.
fn daemon(scrape: &Scrape, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let router_id = router_id(scrape);
    let info = [("router_id", router_id.as_str()), ("version", VERSION)];
    gauge(to, "bird_daemon_info", "Static information", |sink| {
        sink(&info, 1.0)
    })?;
    let values = [
        ("socket_query_success", "Questions are answered", 1.0),
        ("daemon_up", "The daemon is up", 1.0),
        (
            "last_reboot_timestamp_seconds",
            "When the process started",
            seconds(scrape.boot),
        ),
        (
            "last_reconfig_timestamp_seconds",
            "When a plan last took effect",
            seconds(scrape.reconfigured),
        ),
        (
            "server_time_timestamp_seconds",
            "The time of the node",
            seconds(Timestamp::now()),
        ),
    ];
    values.into_iter().try_for_each(|(name, help, value)| {
        gauge(to, &format!("bird_{name}"), help, |sink| sink(&[], value))
    })
}

fn protocols(protocols: &[Protocol], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    // bird_exporter does not know device protocols.
    let known: Vec<&Protocol> = protocols
        .iter()
        .filter(|(_, protocol)| protocol.kind != ProtocolKind::Device)
        .collect();
    gauge(to, "bird_protocol_up", "Protocol is up", |sink| {
        known.iter().try_for_each(|(family, protocol)| {
            let mut labels = labels(*family, protocol).to_vec();
            let info = protocol.info();
            labels.push(("state", info.trim_end()));
            let up = protocol.state == ProtocolState::Up;
            sink(&labels, f64::from(u8::from(up)))
        })
    })?;
    let values: [(&str, &str, Value); 5] = [
        ("prefix_import_count", "Number of imported routes", |it| {
            it.routes.imported
        }),
        ("prefix_export_count", "Number of exported routes", |it| {
            it.routes.exported
        }),
        // Routes that import policy rejected are not kept in the table of BIRD 1.6 either.
        ("prefix_filter_count", "Number of filtered routes", |_| 0),
        (
            "prefix_preferred_count",
            "Number of preferred routes",
            |it| it.routes.preferred,
        ),
        ("uptime", "Uptime of the protocol in seconds", uptime),
    ];
    for (name, help, value) in values {
        each(&known, to, name, help, value)?;
    }
    changes(&known, to)
}

fn changes(known: &[&Protocol], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Row = fn(&ProtocolSnapshot) -> ChangeCounts;
    type Column = fn(ChangeCounts) -> Option<u64>;
    let rows: [(&str, Row); 4] = [
        ("update_import", |it| it.changes.import_updates),
        ("withdraw_import", |it| it.changes.import_withdraws),
        ("update_export", |it| it.changes.export_updates),
        ("withdraw_export", |it| it.changes.export_withdraws),
    ];
    let columns: [(&str, Column); 5] = [
        ("receive", |counts| counts.received),
        ("reject", |counts| counts.rejected),
        ("filter", |counts| counts.filtered),
        ("ignore", |counts| counts.ignored),
        ("accept", |counts| counts.accepted),
    ];
    for (row, of_protocol) in rows {
        for (column, of_row) in columns {
            let name = format!("changes_{row}_{column}_count");
            let value =
                |protocol: &ProtocolSnapshot| of_row(of_protocol(protocol)).unwrap_or_default();
            each(known, to, &name, "Number of route changes", value)?;
        }
    }
    Ok(())
}

fn each(
    known: &[&Protocol],
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: impl Fn(&ProtocolSnapshot) -> u64,
) -> fmt::Result {
    gauge(to, &format!("bird_protocol_{name}"), help, |sink| {
        known.iter().try_for_each(|(family, protocol)| {
            sink(&labels(*family, protocol), value(protocol) as f64)
        })
    })
}

fn labels(family: Family, protocol: &ProtocolSnapshot) -> [(&str, &str); 5] {
    let version = match family {
        Family::Ipv4Unicast => "4",
        Family::Ipv6Unicast => "6",
    };
    [
        ("name", &protocol.name),
        ("proto", protocol.kind.word()),
        ("ip_version", version),
        ("import_filter", &protocol.input_filter),
        ("export_filter", &protocol.output_filter),
    ]
}

/// Seconds in its state; bird_exporter counts those of a session that is down too.
fn uptime(protocol: &ProtocolSnapshot) -> u64 {
    let elapsed = Timestamp::now().duration_since(protocol.since).as_secs();
    u64::try_from(elapsed).unwrap_or_default()
}
