//! A stream of echo requests, one every 10 ms, and whether all were answered.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::host::Host;
use super::netns::Netns;
use super::process::Process;
use super::wait::{SHORT, wait_for};

/// A running stream.
pub(crate) struct Ping {
    process: Process,
}

impl Ping {
    /// Starts a stream from a namespace; returns when answers come. The log goes to a file of `host`, named by `name`.
    pub(crate) fn start(host: &Host, name: &str, from: &Netns, to: IpAddr) -> Self {
        let mut command = from.daemon("ping");
        command.args(["-n", "-i", "0.01", &to.to_string()]);
        let ping = Self {
            process: Process::spawn(host, name, &mut command),
        };
        wait_for(&format!("answers to {name}"), SHORT, || {
            ping.answered().len() >= 10
        });
        ping
    }

    /// Ends the stream and returns the requests before the last answer that were not answered. Later ones were in flight.
    pub(crate) fn lost(self) -> Vec<u32> {
        let answered = self.answered();
        let last = answered.last().copied().unwrap_or(0);
        (1..last).filter(|sent| !answered.contains(sent)).collect()
    }

    /// The longest time without an answer, in steps of 10 ms, between two answers.
    pub(crate) fn longest_gap(self) -> Duration {
        let answered = self.answered();
        let gaps = answered.iter().zip(answered.iter().skip(1));
        let lost = gaps.map(|(one, next)| next - one - 1).max().unwrap_or(0);
        Duration::from_millis(10) * lost
    }

    /// Whether answers come now.
    pub(crate) fn is_answered(&self) -> bool {
        let before = self.answered().len();
        std::thread::sleep(Duration::from_millis(50));
        self.answered().len() > before
    }

    fn answered(&self) -> BTreeSet<u32> {
        let log = self.process.log();
        let answers = log.lines().filter(|line| line.contains("time="));
        let number = |line: &str| {
            let (_, after) = line.split_once("icmp_seq=")?;
            after.split(' ').next()?.parse().ok()
        };
        answers.filter_map(number).collect()
    }
}
