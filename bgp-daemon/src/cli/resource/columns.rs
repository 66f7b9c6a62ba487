//! The columns of each kind, and tables in calicoctl's layout: every cell is followed by at least three blanks, up to a width of
//! five, and an empty line follows the table.

use std::io::{self, Write};

use serde_json::Value;

use super::go_value;
use crate::datastore::store::{Store, StoreError};
use crate::resources::{Kind, ObjectKey};

/// A column.
pub(super) struct Column {
    heading: &'static str,
    /// Only in the wide table.
    wide: bool,
    cell: fn(&Value, &GlobalAs) -> String,
}

/// The AS number of the cluster, which applies to a node without one: `unknown` if it cannot be read.
pub(super) struct GlobalAs(pub(super) String);

impl GlobalAs {
    /// From the datastore, otherwise Calico's default.
    pub(super) fn read(store: &dyn Store) -> Self {
        let key = ObjectKey::cluster(Kind::BgpConfiguration, "default");
        Self(match store.read(&key) {
            Ok(object) => match go_value::as_number(&object["spec"]["asNumber"]) {
                Some(number) => number.to_string(),
                None => DEFAULT_AS.to_owned(),
            },
            Err(StoreError::NotFound(_)) => DEFAULT_AS.to_owned(),
            Err(_) => "unknown".to_owned(),
        })
    }
}

const DEFAULT_AS: &str = "64512";

/// The columns of a kind in the narrow or the wide table.
pub(super) fn of(kind: Kind, wide: bool) -> Vec<&'static Column> {
    let columns = all(kind).iter();
    columns.filter(|column| wide || !column.wide).collect()
}

/// The columns of a kind with these headings.
///
/// # Errors
///
/// There is no column with this heading.
pub(super) fn named(kind: Kind, headings: &[String]) -> Result<Vec<&'static Column>, String> {
    let find = |heading: &String| {
        let mut columns = all(kind).iter();
        let found = columns.find(|column| column.heading == heading);
        found.ok_or_else(|| {
            let known: Vec<_> = all(kind).iter().map(|column| column.heading).collect();
            let known = known.join(", ");
            format!("unknown heading {heading}, valid values are: {known}")
        })
    };
    headings.iter().map(find).collect()
}

/// Prints a table with one line for each object.
pub(super) fn print(
    columns: &[&Column],
    objects: &[&Value],
    global_as: &GlobalAs,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut lines = vec![Vec::new()];
    lines[0].extend(columns.iter().map(|column| column.heading.to_owned()));
    for object in objects {
        let cells = columns
            .iter()
            .map(|column| printable(&(column.cell)(object, global_as)));
        lines.push(cells.collect());
    }
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            let cells = lines.iter().map(|line| line[at].chars().count() + GAP);
            cells.max().unwrap_or_default().max(MIN_WIDTH)
        })
        .collect();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            write!(out, "{cell:width$}")?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

const GAP: usize = 3;
const MIN_WIDTH: usize = 5;

/// A cell without control characters: a line break would break the table, and other control characters could affect the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

const fn narrow(heading: &'static str, cell: fn(&Value, &GlobalAs) -> String) -> Column {
    Column {
        heading,
        wide: false,
        cell,
    }
}

const fn wide(heading: &'static str, cell: fn(&Value, &GlobalAs) -> String) -> Column {
    Column {
        heading,
        wide: true,
        cell,
    }
}

const NAME: Column = narrow("NAME", |object, _| text(&object["metadata"]["name"]));

#[rustfmt::skip]
const BGP_PEER: &[Column] = &[
    NAME,
    narrow("PEERIP", |object, _| text(&object["spec"]["peerIP"])),
    narrow("NODE", |object, _| peering_nodes(&object["spec"])),
    narrow("ASN", |object, _| number_or(&object["spec"]["asNumber"], "0")),
];

#[rustfmt::skip]
const BGP_CONFIGURATION: &[Column] = &[
    NAME,
    narrow("LOGSEVERITY", |object, _| text_or(&object["spec"]["logSeverityScreen"], "Info")),
    narrow("MESHENABLED", |object, _| text_or(&object["spec"]["nodeToNodeMeshEnabled"], "-")),
    narrow("ASNUMBER", |object, _| number_or(&object["spec"]["asNumber"], "-")),
];

#[rustfmt::skip]
const BGP_FILTER: &[Column] = &[
    NAME,
    narrow("NUMEXPORTV4", |object, _| count(&object["spec"]["exportV4"])),
    narrow("NUMIMPORTV4", |object, _| count(&object["spec"]["importV4"])),
    narrow("NUMEXPORTV6", |object, _| count(&object["spec"]["exportV6"])),
    narrow("NUMIMPORTV6", |object, _| count(&object["spec"]["importV6"])),
];

#[rustfmt::skip]
const NODE: &[Column] = &[
    NAME,
    wide("ASN", |object, global| node_as(&object["spec"]["bgp"], global)),
    wide("IPV4", |object, _| text(&object["spec"]["bgp"]["ipv4Address"])),
    wide("IPV6", |object, _| text(&object["spec"]["bgp"]["ipv6Address"])),
];

#[rustfmt::skip]
const IP_POOL: &[Column] = &[
    NAME,
    narrow("CIDR", |object, _| text(&object["spec"]["cidr"])),
    wide("NAT", |object, _| text_or(&object["spec"]["natOutgoing"], "false")),
    wide("IPIPMODE", |object, _| text_or(&object["spec"]["ipipMode"], "Never")),
    wide("VXLANMODE", |object, _| text_or(&object["spec"]["vxlanMode"], "Never")),
    wide("DISABLED", |object, _| text_or(&object["spec"]["disabled"], "false")),
    wide("DISABLEBGPEXPORT", |object, _| text_or(&object["spec"]["disableBGPExport"], "false")),
    narrow("SELECTOR", |object, _| text_or(&object["spec"]["nodeSelector"], "all()")),
    wide("ASSIGNMENTMODE", |object, _| text_or(&object["spec"]["assignmentMode"], "Automatic")),
];

#[rustfmt::skip]
const IP_RESERVATION: &[Column] = &[
    NAME,
    wide("CIDRS", |object, _| go_value::join(&object["spec"]["reservedCIDRs"], ",", 80)),
];

#[rustfmt::skip]
const NODE_STATUS: &[Column] = &[
    NAME,
    narrow("NODE", |object, _| text(&object["spec"]["node"])),
    wide("CLASSES", |object, _| go_value::join(&object["spec"]["classes"], ",", 0)),
];

#[rustfmt::skip]
const PROFILE: &[Column] = &[
    NAME,
    wide("LABELS", |object, _| go_value::join(&object["spec"]["labelsToApply"], ",", 0)),
];

#[rustfmt::skip]
const BFD_CONFIGURATION: &[Column] = &[
    NAME,
    narrow("SELECTOR", |object, _| text(&object["spec"]["nodeSelector"])),
];

fn all(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::BgpPeer => BGP_PEER,
        Kind::BgpConfiguration => BGP_CONFIGURATION,
        Kind::BgpFilter => BGP_FILTER,
        Kind::BfdConfiguration => BFD_CONFIGURATION,
        Kind::Node => NODE,
        Kind::IpPool => IP_POOL,
        Kind::IpReservation => IP_RESERVATION,
        Kind::CalicoNodeStatus => NODE_STATUS,
        Kind::Profile => PROFILE,
        Kind::KubernetesNode
        | Kind::BlockAffinity
        | Kind::IpamBlock
        | Kind::Service
        | Kind::EndpointSlice
        | Kind::Secret => &[],
    }
}

/// The text of a value, or nothing.
fn text(value: &Value) -> String {
    text_or(value, "")
}

fn text_or(value: &Value, absent: &str) -> String {
    match value {
        Value::Null => absent.to_owned(),
        Value::String(text) if text.is_empty() => absent.to_owned(),
        value => go_value::text(value),
    }
}

fn number_or(value: &Value, absent: &str) -> String {
    match go_value::as_number(value) {
        Some(number) => number.to_string(),
        None => text_or(value, absent),
    }
}

fn count(rules: &Value) -> String {
    rules.as_array().map_or(0, Vec::len).to_string()
}

fn peering_nodes(spec: &Value) -> String {
    let selected = text_or(&spec["nodeSelector"], "(global)");
    text_or(&spec["node"], &selected)
}

fn node_as(bgp: &Value, global: &GlobalAs) -> String {
    match bgp {
        Value::Null => String::new(),
        bgp => number_or(&bgp["asNumber"], &format!("({})", global.0)),
    }
}
