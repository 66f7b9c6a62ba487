//! The names of bird_exporter (with `-format.new`), so that its dashboards and alerts go on: the values of `show protocols all` and
//! `show status`.

use bgp_core::types::Family;
use jiff::Timestamp;

use super::families::{router_id, seconds};
use super::gather::Scrape;
use super::text::Text;
use crate::control::VERSION;
use crate::control::model::{ChangeCounts, ProtocolKind, ProtocolSnapshot, ProtocolState};

/// A protocol as bird_exporter sees it.
type Protocol = (Family, ProtocolSnapshot);

/// One value of a protocol.
type Value = fn(&ProtocolSnapshot) -> u64;

pub(super) fn write(scrape: &Scrape, to: &mut Text) {
    daemon(scrape, to);
    protocols(&scrape.protocols, to);
}

/// What `show status` says. bird_exporter reads its times as UTC, whatever the zone of the node; these are right.
fn daemon(scrape: &Scrape, to: &mut Text) {
    let router_id = router_id(scrape);
    let info = [("router_id", router_id.as_str()), ("version", VERSION)];
    to.gauge("bird_daemon_info", "Static information", |to| {
        to.count(&info, 1);
    });
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
    for (name, help, value) in values {
        to.gauge(&format!("bird_{name}"), help, |to| to.value(&[], value));
    }
}

fn protocols(protocols: &[Protocol], to: &mut Text) {
    // bird_exporter does not know device protocols.
    let known: Vec<&Protocol> = protocols
        .iter()
        .filter(|(_, protocol)| protocol.kind != ProtocolKind::Device)
        .collect();
    to.gauge("bird_protocol_up", "Protocol is up", |to| {
        for (family, protocol) in &known {
            let mut labels = labels(*family, protocol).to_vec();
            let info = protocol.info();
            labels.push(("state", info.trim_end()));
            to.flag(&labels, protocol.state == ProtocolState::Up);
        }
    });
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
        each(&known, to, name, help, value);
    }
    changes(&known, to);
}

fn changes(known: &[&Protocol], to: &mut Text) {
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
            each(known, to, &name, "Number of route changes", value);
        }
    }
}

fn each(
    known: &[&Protocol],
    to: &mut Text,
    name: &str,
    help: &str,
    value: impl Fn(&ProtocolSnapshot) -> u64,
) {
    to.gauge(&format!("bird_protocol_{name}"), help, |to| {
        for (family, protocol) in known {
            to.count(&labels(*family, protocol), value(protocol));
        }
    });
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
