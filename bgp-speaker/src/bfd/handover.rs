//! The paths on their way to another process, with their sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use bgp_core::bfd;
use bgp_core::handover::{Malformed, Reader, Writer};

use super::key::PathKey;

/// One path.
#[derive(Debug)]
pub(crate) struct GivenPath {
    pub(super) key: PathKey,
    pub(super) session: bfd::Handover,
    /// Since the state last changed.
    pub(super) since: Option<Duration>,
    pub(super) ups: u64,
    pub(super) downs: u64,
    /// The socket that sends.
    pub(super) sender: UdpSocket,
}

/// All paths, and the sockets that receive, by their addresses.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) paths: Vec<GivenPath>,
    pub(crate) receivers: Vec<(SocketAddr, UdpSocket)>,
}

/// Paths of another process, until somebody here watches them.
#[derive(Debug, Default)]
pub(super) struct TakenPaths(BTreeMap<PathKey, GivenPath>);

impl TakenPaths {
    pub(super) fn new(paths: Vec<GivenPath>) -> Self {
        Self(paths.into_iter().map(|path| (path.key, path)).collect())
    }

    pub(super) fn into_paths(self) -> impl Iterator<Item = GivenPath> {
        self.0.into_values()
    }

    pub(super) fn take(&mut self, key: &PathKey) -> Option<GivenPath> {
        self.0.remove(key)
    }
}

impl GivenPath {
    /// The octets; the socket goes beside them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        let PathKey {
            remote,
            scope,
            local,
            port,
        } = self.key;
        out.octets(remote.to_string().as_bytes());
        out.u32(scope);
        out.octets(local.to_string().as_bytes());
        out.u16(port);
        self.session.encode(&mut out);
        out.option(self.since, Writer::duration);
        out.u64(self.ups);
        out.u64(self.downs);
        out.finish()
    }

    pub(crate) fn decode(octets: &[u8], socket: OwnedFd) -> Result<Self, Malformed> {
        let mut input = Reader::new(octets);
        let address = |input: &mut Reader<'_>| -> Result<IpAddr, Malformed> {
            input.text()?.parse().map_err(|_| Malformed)
        };
        Ok(Self {
            key: PathKey {
                remote: address(&mut input)?,
                scope: input.u32()?,
                local: address(&mut input)?,
                port: input.u16()?,
            },
            session: bfd::Handover::decode(&mut input)?,
            since: input.option(Reader::duration)?,
            ups: input.u64()?,
            downs: input.u64()?,
            sender: socket.into(),
        })
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.sender
    }
}
