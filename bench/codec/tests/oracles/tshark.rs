//! tshark as an oracle: messages go into a capture file as TCP segments of one connection to port 179, and come back as fields.
//!
//! It guesses whether there are path identifiers, so it is used only for sessions without them, and not for prefixes that are so
//! short that they look like one.

use std::env;
use std::fmt::Display;
use std::io::Write;
use std::process::{Command, Stdio};

use bgp_core::wire::{Capability, Open};
use bytes::{BufMut, Bytes};
use ipnet::IpNet;

use crate::meaning::{Meaning, Route, Written, encode_open};

/// Below, address and length of two prefixes can be a path identifier and a prefix.
pub(crate) const SHORTEST: u8 = 9;

/// Says so if it is not, or fails where that is not allowed.
#[expect(
    clippy::print_stdout,
    reason = "skipped tests are counted by this line"
)]
pub(crate) fn is_installed() -> bool {
    let version = Command::new("tshark").arg("--version").output();
    if version.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let required = env::var_os("BGP_LAB_REQUIRE").is_some_and(|value| value == "1");
    assert!(!required, "BGP_LAB_REQUIRE=1, but tshark is not installed");
    println!("SKIPPED: tshark is not installed");
    false
}

/// What is asked for of an UPDATE: what [`attributes`] answers, then prefixes.
const UPDATE: [&str; 25] = [
    MALFORMED,
    "bgp.type",
    "bgp.update.path_attribute.origin",
    "bgp.update.path_attribute.as_path_segment.type",
    "bgp.update.path_attribute.as_path_segment.as4",
    "bgp.update.path_attribute.next_hop",
    "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6",
    "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6.link_local",
    "bgp.update.path_attribute.multi_exit_disc",
    "bgp.update.path_attribute.local_pref",
    "bgp.update.path_attribute.aggregator_as",
    "bgp.update.path_attribute.aggregator_origin",
    "bgp.update.path_attribute.originator_id",
    "bgp.path_attribute.cluster_id",
    "bgp.update.path_attribute.community_value",
    "bgp.large_communities.ga",
    "bgp.large_communities.ldp1",
    "bgp.large_communities.ldp2",
    LENGTHS,
    "bgp.withdrawn_prefix",
    "bgp.nlri_prefix",
    "bgp.mp_reach_nlri_ipv4_prefix",
    "bgp.mp_unreach_nlri_ipv4_prefix",
    "bgp.mp_reach_nlri_ipv6_prefix",
    "bgp.mp_unreach_nlri_ipv6_prefix",
];
const MALFORMED: &str = "_ws.malformed";
const LENGTHS: &str = "bgp.prefix_length";

pub(crate) fn check_updates(written: &[Written]) {
    let written: Vec<_> = written
        .iter()
        .filter(|one| !one.context.add_path_send.ipv4)
        .collect();
    let messages: Vec<Bytes> = written
        .iter()
        .flat_map(|one| one.messages.clone())
        .collect();
    let mut lines = read(&messages, &UPDATE).into_iter();
    for Written {
        messages, meaning, ..
    } in written
    {
        let mut prefixes = Vec::new();
        for _ in messages {
            let line = lines.next().expect("a line for each message");
            let (said, nets) = line.split_at(UPDATE.len() - 7);
            assert_eq!(said, attributes(meaning));
            prefixes.extend(prefixes_of(nets));
        }
        let wanted: Vec<IpNet> = meaning.prefixes.iter().map(|(_, net)| *net).collect();
        assert_eq!(prefixes, wanted);
    }
}

/// The texts of all fields but the prefixes.
fn attributes(meaning: &Meaning) -> Vec<String> {
    let announces = meaning.route.is_some();
    let route = meaning.route.clone().unwrap_or_default();
    let Route {
        as_path,
        large_communities: large,
        aggregator,
        ..
    } = &route;
    let is_v4 = route.next_hop.is_some_and(|next_hop| next_hop.is_ipv4());
    // Those that it knows by name have fields of their own.
    let communities = route
        .communities
        .iter()
        .filter(|community| **community >> 16 != 0xffff);
    vec![
        String::new(),
        "2".into(),
        list(announces.then_some(route.origin)),
        list(as_path.iter().map(|(kind, _)| kind)),
        list(as_path.iter().flat_map(|(_, asns)| asns)),
        list(route.next_hop.filter(|_| is_v4)),
        list(route.next_hop.filter(|_| !is_v4)),
        list(route.link_local),
        list(route.med),
        list(route.local_pref),
        list(aggregator.map(|(asn, _)| asn)),
        list(aggregator.map(|(_, id)| id)),
        list(route.originator_id),
        list(&route.cluster_list),
        list(communities.map(|community| community & 0xffff)),
        list(large.iter().map(|numbers| numbers[0])),
        list(large.iter().map(|numbers| numbers[1])),
        list(large.iter().map(|numbers| numbers[2])),
    ]
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    texts.join(",")
}

/// From lengths, and addresses of which only one field has any.
fn prefixes_of(fields: &[String]) -> Vec<IpNet> {
    let split = |field: &String| -> Vec<String> {
        field
            .split(',')
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let lengths = split(&fields[0]);
    let addresses: Vec<String> = fields[1..].iter().flat_map(split).collect();
    assert_eq!(lengths.len(), addresses.len(), "{fields:?}");
    let pairs = addresses.iter().zip(&lengths);
    pairs
        .map(|(address, len)| format!("{address}/{len}").parse().expect("a prefix"))
        .collect()
}

const OPEN: [&str; 9] = [
    MALFORMED,
    "bgp.type",
    "bgp.open.holdtime",
    "bgp.open.identifier",
    "bgp.cap.type",
    "bgp.cap.4as",
    "bgp.cap.gr.timers.restart_time",
    "bgp.cap.ap.sendreceive",
    "bgp.cap.orf.fqdn.hostname.len",
];

pub(crate) fn check_opens(opens: &[Open]) {
    let messages: Vec<Bytes> = opens.iter().map(encode_open).collect();
    for (open, line) in opens.iter().zip(read(&messages, &OPEN)) {
        assert_eq!(line, open_fields(open), "{open}");
    }
}

fn open_fields(open: &Open) -> Vec<String> {
    let capabilities = &open.capabilities;
    vec![
        String::new(),
        "1".into(),
        open.hold_time.to_string(),
        open.router_id.to_string(),
        list(capabilities.iter().map(Capability::code)),
        list(
            capabilities
                .iter()
                .filter_map(|capability| match capability {
                    Capability::FourOctetAs(asn) => Some(asn),
                    _ => None,
                }),
        ),
        list(
            capabilities
                .iter()
                .filter_map(|capability| match capability {
                    Capability::GracefulRestart { restart_time, .. } => Some(restart_time),
                    _ => None,
                }),
        ),
        list(capabilities.iter().flat_map(|capability| match capability {
            Capability::AddPath(list) => list.iter().map(|(_, way)| *way as u8 + 1).collect(),
            _ => Vec::new(),
        })),
        list(
            capabilities
                .iter()
                .filter_map(|capability| match capability {
                    Capability::Fqdn { host, .. } => Some(host.len()),
                    _ => None,
                }),
        ),
    ]
}

/// The fields of each message.
fn read(messages: &[Bytes], fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args([
        "-r",
        "-",
        "-o",
        "bgp.asn_len:4 octet",
        "-T",
        "fields",
        "-Y",
        "bgp",
    ]);
    for field in fields {
        command.args(["-e", field]);
    }
    let mut tshark = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tshark starts");
    let mut input = tshark.stdin.take().expect("it is piped");
    let capture = capture(messages);
    let writer = std::thread::spawn(move || input.write_all(&capture));
    let output = tshark.wait_with_output().expect("tshark ends");
    writer.join().expect("no panic").expect("tshark reads it");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    let line = |line: &str| line.split('\t').map(str::to_owned).collect();
    let lines: Vec<_> = text.lines().map(line).collect();
    assert_eq!(lines.len(), messages.len(), "a line for each message");
    lines
}

/// A pcap file with raw IP packets.
fn capture(messages: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u32(0xa1b2_c3d4);
    out.put_u16(2);
    out.put_u16(4);
    out.put_u64(0);
    out.put_u32(u32::from(u16::MAX));
    out.put_u32(LINKTYPE_RAW);
    let mut sequence = 1;
    for message in messages {
        let len = u32::try_from(message.len()).expect("at most 4096");
        out.put_u64(0);
        out.put_u32(len + HEADERS_LEN);
        out.put_u32(len + HEADERS_LEN);
        put_headers(sequence, len, &mut out);
        out.put_slice(message);
        sequence += len;
    }
    out
}

/// IPv4 and TCP without options, and without checksums, which are not checked.
fn put_headers(sequence: u32, len: u32, out: &mut Vec<u8>) {
    const PROTOCOL_TCP: u8 = 6;
    const PUSH_ACK: u16 = 5 << 12 | 0x18;
    out.put_u16(0x4500);
    out.put_u16(u16::try_from(len + HEADERS_LEN).expect("at most 4136"));
    out.put_u32(0x4000);
    out.put_slice(&[64, PROTOCOL_TCP, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    out.put_u16(40000);
    out.put_u16(179);
    out.put_u32(sequence);
    out.put_u32(1);
    out.put_u16(PUSH_ACK);
    out.put_u16(u16::MAX);
    out.put_u32(0);
}

const LINKTYPE_RAW: u32 = 101;
const HEADERS_LEN: u32 = 40;
