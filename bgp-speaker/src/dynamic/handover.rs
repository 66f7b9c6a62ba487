//! A dynamic peer on its way to another process.

use std::net::SocketAddr;

use bgp_core::handover::{Malformed, Reader, Writer};
use bgp_core::wire::{Context, MAX_MESSAGE_LEN, Message, frame};
use bytes::BytesMut;

use super::config::Candidate;

/// How a peer came, by which the other process accepts it or not.
#[derive(Clone, Debug)]
pub(crate) struct GivenPeer {
    pub(super) candidate: Candidate,
    /// Its place in the order of acceptance.
    pub(super) number: u64,
}

impl GivenPeer {
    /// Appends the octets.
    pub(crate) fn encode(&self, out: &mut Writer) {
        let candidate = &self.candidate;
        for address in [candidate.remote, candidate.local] {
            out.octets(address.to_string().as_bytes());
        }
        out.option(candidate.range, |out, range| {
            out.octets(range.to_string().as_bytes());
        });
        let mut open = BytesMut::new();
        Message::Open(candidate.open.clone()).encode(&Context::default(), &mut open);
        out.octets(&open);
        out.u64(self.number);
    }

    /// Reads what [`GivenPeer::encode`] appended.
    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (remote, local) = (address(input)?, address(input)?);
        let range = input.option(|input| input.text()?.parse().map_err(|_| Malformed))?;
        let mut open = BytesMut::from(input.octets()?);
        let frame = frame::take(&mut open, MAX_MESSAGE_LEN).ok().flatten();
        let message = Message::decode(frame.ok_or(Malformed)?, &Context::default());
        let Ok(Message::Open(open)) = message else {
            return Err(Malformed);
        };
        Ok(Self {
            candidate: Candidate {
                remote,
                local,
                range,
                open,
            },
            number: input.u64()?,
        })
    }
}

fn address(input: &mut Reader<'_>) -> Result<SocketAddr, Malformed> {
    input.text()?.parse().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use bgp_core::types::{Asn, RouterId};
    use bgp_core::wire::{Capability, Open};

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let open = Open {
            asn: Asn(4_200_000_000),
            router_id: RouterId::from_bits(7),
            hold_time: 90,
            capabilities: vec![Capability::FourOctetAs(Asn(4_200_000_000))],
        };
        for (remote, range) in [
            ("10.0.0.7:40000", Some("10.0.0.0/8")),
            ("[fe80::1%3]:179", None),
        ] {
            let given = GivenPeer {
                candidate: Candidate {
                    remote: remote.parse().expect("an address"),
                    local: "10.0.0.1:179".parse().expect("an address"),
                    range: range.map(|range| range.parse().expect("a range")),
                    open: open.clone(),
                },
                number: 5,
            };
            let mut out = Writer::default();
            given.encode(&mut out);
            let octets = out.finish();
            let read = GivenPeer::decode(&mut Reader::new(&octets)).expect("it was just written");
            let (one, other) = (&given.candidate, &read.candidate);
            assert_eq!(
                (one.remote, one.local, one.range),
                (other.remote, other.local, other.range)
            );
            assert_eq!((one.open.asn, read.number), (other.open.asn, 5));
            for end in 0..octets.len() {
                assert!(GivenPeer::decode(&mut Reader::new(&octets[..end])).is_err());
            }
        }
    }
}
