//! A listening socket on its way to another process.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use bgp_core::handover::{Malformed, Reader, Writer};
use ipnet::IpNet;

/// A listening socket on its way to another process.
#[derive(Debug)]
pub(super) struct GivenListener {
    /// The address that was requested.
    pub(super) wanted: SocketAddr,
    pub(super) socket: OwnedFd,
    /// The prefixes for which it has a TCP MD5 key.
    pub(super) keys: Vec<IpNet>,
}

impl GivenListener {
    /// The octets; the socket goes beside them.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.octets(self.wanted.to_string().as_bytes());
        out.count(self.keys.len());
        for net in &self.keys {
            out.octets(net.to_string().as_bytes());
        }
        out.finish()
    }

    pub(super) fn decode(octets: &[u8], socket: OwnedFd) -> Result<Self, Malformed> {
        let mut input = Reader::new(octets);
        let wanted = input.text()?.parse().map_err(|_| Malformed)?;
        let count = input.count()?;
        let mut key = || input.text()?.parse().map_err(|_| Malformed);
        let keys = (0..count)
            .map(|_| key())
            .collect::<Result<_, Malformed>>()?;
        Ok(Self {
            wanted,
            socket,
            keys,
        })
    }
}
