//! The messages on a wire: dumpcap records them, tshark decodes them.
//!
//! dumpcap reads the kernel's buffer in batches, so a trace ends at a mark: a packet to [`MARK_ADDRESS`] that is sent after
//! everything of interest, and awaited in the file.

use std::cell::Cell;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::host::Host;
use super::process::Process;
use super::wait::{SHORT, wait_for, wait_until};

/// A running capture of BGP and BFD on a host's port.
pub(crate) struct Capture {
    host: Rc<Host>,
    dumpcap: Process,
    file: PathBuf,
    marks: Cell<u32>,
}

/// Nobody has this address.
const MARK_ADDRESS: &str = "10.0.0.254";

/// The severity "Error" of tshark's expert information.
const EXPERT_ERROR: &str = "8388608";

/// A finished capture.
pub(crate) struct Trace {
    file: PathBuf,
}

impl Capture {
    /// Starts to record TCP port 179 and the UDP ports of BFD on the host's port; returns when packets are recorded.
    pub(crate) fn start(host: &Rc<Host>) -> Self {
        let file = host.directory.join("eth0.pcapng");
        let path = file.display().to_string();
        let filter = format!(
            "tcp port 179 or udp port 3784 or udp port 4784 or (icmp and dst host {MARK_ADDRESS})"
        );
        let arguments = ["-q", "-i", "eth0", "-f", &filter, "-w", &path];
        let dumpcap = Process::start(host, "dumpcap", "dumpcap", &arguments);
        host.ns.run(&format!(
            "ip neigh add {MARK_ADDRESS} lladdr 02:00:00:00:00:fe dev eth0 nud permanent"
        ));
        wait_until("dumpcap to begin", SHORT, || {
            let log = dumpcap.log();
            if log.contains("File:") {
                Ok(())
            } else {
                Err(log)
            }
        });
        let capture = Self {
            host: Rc::clone(host),
            dumpcap,
            file,
            marks: Cell::new(0),
        };
        capture.mark();
        capture
    }

    /// The packets up to now; recording goes on.
    pub(crate) fn so_far(&self) -> Trace {
        self.mark();
        Trace::open(&self.file)
    }

    /// Ends the recording.
    pub(crate) fn finish(mut self) -> Trace {
        self.mark();
        self.dumpcap.terminate();
        Trace::open(&self.file)
    }

    /// Returns when all packets up to now are in the file.
    fn mark(&self) {
        let number = self.marks.get() + 1;
        self.marks.set(number);
        let mark = format!("lab mark {number:07}");
        let pattern: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
        // Nobody answers, so ping fails.
        let arguments = [
            "-q",
            "-c",
            "1",
            "-W",
            "0.01",
            "-s",
            "64",
            "-p",
            &pattern,
            MARK_ADDRESS,
        ];
        drop(self.host.ns.exec("ping", &arguments));
        wait_for("the mark in the capture", SHORT, || {
            fs::read(&self.file).is_ok_and(|bytes| {
                bytes
                    .windows(mark.len())
                    .any(|found| found == mark.as_bytes())
            })
        });
    }
}

impl Trace {
    /// A capture made elsewhere.
    pub(crate) fn open(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
        }
    }

    /// Fails the test if tshark finds anything malformed in the BGP that `sender` sent.
    pub(crate) fn assert_well_formed(&self, sender: IpAddr) {
        let from = sent_by(sender);
        let fields = [
            "frame.number",
            "_ws.malformed",
            "_ws.expert.severity",
            "_ws.expert.message",
        ];
        let sent = self.fields(&format!("bgp && {from}"), &fields);
        assert!(!sent.is_empty(), "the capture has no BGP from {sender}");
        let is_bad = |row: &&Vec<String>| {
            !row[1].is_empty() || row[2].split(',').any(|severity| severity == EXPERT_ERROR)
        };
        let bad: Vec<&Vec<String>> = sent.iter().filter(is_bad).collect();
        assert!(
            bad.is_empty(),
            "malformed BGP from {sender}: {bad:?}\n{}",
            self.verbose(&from)
        );
    }

    /// The values of `fields` in every packet that passes the display filter.
    pub(crate) fn fields(&self, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let mut arguments = vec!["-Y", filter, "-T", "fields"];
        arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
        tshark(&self.file, &arguments)
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    }

    /// Code and subcode of the NOTIFICATIONs from `sender`.
    pub(crate) fn notifications(&self, sender: IpAddr) -> Vec<(u8, u8)> {
        // tshark has a field of its own for the subcodes of most codes.
        let fields = [
            "bgp.notify.major_error",
            "bgp.notify.minor_error",
            "bgp.notify.minor_error_cease",
            "bgp.notify.minor_error_open",
        ];
        let filter = format!("bgp.type == 3 && {}", sent_by(sender));
        self.fields(&filter, &fields)
            .iter()
            .map(|row| {
                let mut numbers = row.iter().map(|text| text.parse().ok());
                let code = numbers.next().flatten().unwrap_or(0);
                (code, numbers.flatten().next().unwrap_or(0))
            })
            .collect()
    }

    /// How many OPEN messages `sender` sent.
    pub(crate) fn opens(&self, sender: IpAddr) -> usize {
        self.fields(
            &format!("bgp.type == 1 && {}", sent_by(sender)),
            &["frame.number"],
        )
        .len()
    }

    /// How many messages of a type (RFC 4271 §4.1) `sender` sent.
    pub(crate) fn messages(&self, sender: IpAddr, kind: u8) -> usize {
        let filter = format!("bgp.type == {kind} && {}", sent_by(sender));
        let packets = self.fields(&filter, &["bgp.type"]);
        let types = packets.iter().flat_map(|row| row[0].split(','));
        types.filter(|found| *found == kind.to_string()).count()
    }

    /// Octets of the longest message that `sender` sent; 0 if it sent none.
    pub(crate) fn longest_message(&self, sender: IpAddr) -> u32 {
        let packets = self.fields(&format!("bgp && {}", sent_by(sender)), &["bgp.length"]);
        let lengths = packets.iter().flat_map(|row| row[0].split(','));
        lengths
            .filter_map(|length| length.parse().ok())
            .max()
            .unwrap_or(0)
    }

    /// The addresses of prefixes that `sender` announced or withdrew, with `+` for reachable and `-` for unreachable ones.
    pub(crate) fn routes(&self, sender: IpAddr) -> Vec<String> {
        let fields = [
            ("bgp.nlri_prefix", '+'),
            ("bgp.mp_reach_nlri_ipv6_prefix", '+'),
            ("bgp.withdrawn_prefix", '-'),
            ("bgp.mp_unreach_nlri_ipv6_prefix", '-'),
        ];
        let filter = format!("bgp.type == 2 && {}", sent_by(sender));
        let packets = self.fields(&filter, &fields.map(|(field, _)| field));
        let told = packets.iter().flat_map(|row| row.iter().zip(fields));
        told.flat_map(|(values, (_, sign))| {
            let values = values.split(',').filter(|value| !value.is_empty());
            values.map(move |value| format!("{sign}{value}"))
        })
        .collect()
    }

    /// How often `sender` began a TCP connection to the BGP port.
    pub(crate) fn dials(&self, sender: IpAddr) -> usize {
        let filter = format!(
            "tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.dstport == 179 && {}",
            sent_by(sender)
        );
        self.fields(&filter, &["frame.number"]).len()
    }

    fn verbose(&self, from: &str) -> String {
        tshark(&self.file, &["-Y", &format!("bgp && {from}"), "-O", "bgp"])
    }
}

fn sent_by(sender: IpAddr) -> String {
    match sender {
        IpAddr::V4(address) => format!("ip.src == {address}"),
        IpAddr::V6(address) => format!("ipv6.src == {address}"),
    }
}

fn tshark(file: &Path, arguments: &[&str]) -> String {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(file)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("tshark does not start: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    // A running capture may end in the middle of a packet, which tshark reports in its status.
    let cut_short = errors.contains("cut short");
    assert!(
        output.status.success() || cut_short,
        "tshark {arguments:?}: {errors}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
