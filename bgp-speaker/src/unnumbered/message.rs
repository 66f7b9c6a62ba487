//! Router Solicitations and Router Advertisements (RFC 4861 §4.1, §4.2), as ICMPv6 messages. The kernel adds and checks checksums.

use std::time::Duration;

/// What a router says that it is a default router for. FRR ignores one of zero.
pub const ROUTER_LIFETIME: Duration = Duration::from_secs(1800);

pub(super) const SOLICITATION: u8 = 133;
pub(super) const ADVERTISEMENT: u8 = 134;

/// A message that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Asks routers to advertise at once.
    Solicitation,
    /// Zero: no router any more.
    Advertisement { lifetime: Duration },
}

/// Octets of a Router Solicitation and of a Router Advertisement without options.
const SOLICITATION_LEN: usize = 8;
const ADVERTISEMENT_LEN: usize = 16;

impl Message {
    /// Reads a message; options are ignored. `None` for anything else, and for one from further away than the link: only there
    /// the hop limit is 255 (RFC 4861 §6.1).
    pub(super) fn decode(octets: &[u8], hop_limit: Option<u8>) -> Option<Self> {
        let [kind, 0, ..] = *octets else { return None };
        if hop_limit != Some(u8::MAX) {
            return None;
        }
        match kind {
            SOLICITATION if octets.len() >= SOLICITATION_LEN => Some(Self::Solicitation),
            ADVERTISEMENT if octets.len() >= ADVERTISEMENT_LEN => {
                let seconds = u16::from_be_bytes([octets[6], octets[7]]);
                let lifetime = Duration::from_secs(seconds.into());
                Some(Self::Advertisement { lifetime })
            }
            _ => None,
        }
    }

    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Solicitation => {
                let mut octets = vec![0; SOLICITATION_LEN];
                octets[0] = SOLICITATION;
                octets
            }
            Self::Advertisement { lifetime } => {
                let mut octets = vec![0; ADVERTISEMENT_LEN];
                octets[0] = ADVERTISEMENT;
                let seconds = u16::try_from(lifetime.as_secs()).unwrap_or(u16::MAX);
                octets[6..8].copy_from_slice(&seconds.to_be_bytes());
                octets
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_reads_back_on_the_link_only() {
        for message in [
            Message::Solicitation,
            Message::Advertisement {
                lifetime: ROUTER_LIFETIME,
            },
            Message::Advertisement {
                lifetime: Duration::ZERO,
            },
        ] {
            let octets = message.encode();
            assert_eq!(Message::decode(&octets, Some(255)), Some(message));
            assert_eq!(Message::decode(&octets, Some(254)), None);
            assert_eq!(Message::decode(&octets, None), None);
            assert_eq!(
                Message::decode(&octets[..octets.len() - 1], Some(255)),
                None
            );
            let mut coded = octets.clone();
            coded[1] = 1;
            assert_eq!(Message::decode(&coded, Some(255)), None);
        }
    }

    proptest! {
        #[test]
        fn any_octets_end_without_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            Message::decode(&octets, Some(255));
        }
    }
}
