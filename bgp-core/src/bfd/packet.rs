//! Control packets (RFC 5880 §4.1) <-> octets. Authentication is not spoken: a packet with it is not for us.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};

use super::interval::Interval;

/// Octets of a control packet without authentication.
pub const PACKET_LEN: usize = 24;
const VERSION: u8 = 1;

/// A control packet (RFC 5880 §4.1). What cannot be said in a good packet cannot be said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender last left a state.
    pub diagnostic: Diagnostic,
    /// The state of the sender.
    pub state: State,
    /// Wants an answer with the Final bit at once (P).
    pub poll: bool,
    /// Is that answer (F).
    pub is_final: bool,
    /// The sender's BFD goes on while its control plane restarts (C).
    pub control_plane_independent: bool,
    /// The sender wants no periodic packets while both sides are up (D).
    pub demand: bool,
    /// So many packets in a row may be lost.
    pub multiplier: NonZeroU8,
    /// By this number the sender knows the session.
    pub my_discriminator: Discriminator,
    /// By this number the receiver knows it, as far as the sender knows.
    pub your_discriminator: Option<Discriminator>,
    /// The sender would like to send as often as this.
    pub desired_min_tx: Interval,
    /// The sender can take packets as often as this; zero: it wants none.
    pub required_min_rx: Interval,
    /// The same for echo packets; zero: it does not echo.
    pub required_min_echo_rx: Interval,
}

/// The number by which one side knows a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Discriminator(pub NonZeroU32);

/// States of RFC 5880 §6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum State {
    /// Held down by an operator. Says nothing of the path.
    AdminDown,
    /// Nothing is heard of the other side, or it does not hear us.
    Down,
    /// The other side is heard, and may hear us.
    Init,
    /// Both sides hear each other.
    Up,
}

/// Why a side last left a state (RFC 5880 §4.1). Unknown values survive; five bits are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Diagnostic(pub u8);

#[expect(missing_docs, reason = "the names are those of RFC 5880 §4.1")]
impl Diagnostic {
    pub const NONE: Self = Self(0);
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    pub const ECHO_FAILED: Self = Self(2);
    pub const NEIGHBOR_DOWN: Self = Self(3);
    pub const FORWARDING_PLANE_RESET: Self = Self(4);
    pub const PATH_DOWN: Self = Self(5);
    pub const CONCATENATED_PATH_DOWN: Self = Self(6);
    pub const ADMIN_DOWN: Self = Self(7);
    pub const REVERSE_CONCATENATED_PATH_DOWN: Self = Self(8);
}

/// Why octets are no packet for us: they are dropped without a word (RFC 5880 §6.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PacketError {
    /// There are fewer octets than a packet has, or than it says to have.
    TooShort,
    /// Its length is less than that of any packet.
    BadLength,
    /// Not version 1.
    Version(u8),
    /// A detection multiplier of zero.
    NoMultiplier,
    /// The bit that is reserved for trees is set.
    Multipoint,
    /// The sender has no number for the session.
    NoDiscriminator,
    /// The sender knows no number of ours, in a state in which it must.
    NotForAnybody,
    /// It is authenticated, which no session here is.
    Authenticated,
}

impl Packet {
    /// Reads a packet; octets after it are ignored.
    ///
    /// # Errors
    ///
    /// Why it is to be dropped, in the order of RFC 5880 §6.8.6.
    pub fn decode(octets: &[u8]) -> Result<Self, PacketError> {
        let head: &[u8; PACKET_LEN] = octets.first_chunk().ok_or(PacketError::TooShort)?;
        let [first, flags, multiplier, len, ..] = *head;
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let has = |flag: u8| flags & flag != 0;
        if first >> 5 != VERSION {
            return Err(PacketError::Version(first >> 5));
        }
        let shortest = PACKET_LEN + if has(flag::AUTHENTICATION) { 2 } else { 0 };
        match usize::from(len) {
            len if len < shortest => return Err(PacketError::BadLength),
            len if len > octets.len() => return Err(PacketError::TooShort),
            _ => {}
        }
        let multiplier = NonZeroU8::new(multiplier).ok_or(PacketError::NoMultiplier)?;
        if has(flag::MULTIPOINT) {
            return Err(PacketError::Multipoint);
        }
        let my_discriminator = Discriminator::new(word(4)).ok_or(PacketError::NoDiscriminator)?;
        let (state, your_discriminator) =
            (State::from_bits(flags >> 6), Discriminator::new(word(8)));
        if your_discriminator.is_none() && matches!(state, State::Init | State::Up) {
            return Err(PacketError::NotForAnybody);
        }
        if has(flag::AUTHENTICATION) {
            return Err(PacketError::Authenticated);
        }
        Ok(Self {
            diagnostic: Diagnostic(first & DIAGNOSTIC_BITS),
            state,
            poll: has(flag::POLL),
            is_final: has(flag::FINAL),
            control_plane_independent: has(flag::CONTROL_PLANE_INDEPENDENT),
            demand: has(flag::DEMAND),
            multiplier,
            my_discriminator,
            your_discriminator,
            desired_min_tx: Interval::from_micros(word(12)),
            required_min_rx: Interval::from_micros(word(16)),
            required_min_echo_rx: Interval::from_micros(word(20)),
        })
    }

    /// Writes it.
    pub fn encode(&self) -> [u8; PACKET_LEN] {
        let mut octets = [0; PACKET_LEN];
        octets[0] = VERSION << 5 | self.diagnostic.0 & DIAGNOSTIC_BITS;
        octets[1] = self.state.bits() << 6;
        for (is_set, flag) in [
            (self.poll, flag::POLL),
            (self.is_final, flag::FINAL),
            (
                self.control_plane_independent,
                flag::CONTROL_PLANE_INDEPENDENT,
            ),
            (self.demand, flag::DEMAND),
        ] {
            octets[1] |= if is_set { flag } else { 0 };
        }
        octets[2] = self.multiplier.get();
        octets[3] = PACKET_LEN as u8;
        let your_discriminator = self.your_discriminator.map_or(0, Discriminator::get);
        let words = [
            self.my_discriminator.get(),
            your_discriminator,
            self.desired_min_tx.as_micros(),
            self.required_min_rx.as_micros(),
            self.required_min_echo_rx.as_micros(),
        ];
        for (place, word) in octets[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        octets
    }
}

impl Discriminator {
    /// `None` for zero, which is nobody's.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// As a number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Discriminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl State {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    const fn bits(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for State {
    /// As in `show bfd sessions`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::NONE => "no diagnostic",
            Self::DETECTION_TIME_EXPIRED => "control detection time expired",
            Self::ECHO_FAILED => "echo function failed",
            Self::NEIGHBOR_DOWN => "neighbor signaled session down",
            Self::FORWARDING_PLANE_RESET => "forwarding plane reset",
            Self::PATH_DOWN => "path down",
            Self::CONCATENATED_PATH_DOWN => "concatenated path down",
            Self::ADMIN_DOWN => "administratively down",
            Self::REVERSE_CONCATENATED_PATH_DOWN => "reverse concatenated path down",
            Self(other) => return write!(f, "diagnostic {other}"),
        })
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "too few octets",
            Self::BadLength => "a bad length field",
            Self::Version(version) => return write!(f, "version {version}"),
            Self::NoMultiplier => "a detection multiplier of zero",
            Self::Multipoint => "the multipoint bit is set",
            Self::NoDiscriminator => "no discriminator of the sender",
            Self::NotForAnybody => "no discriminator of ours",
            Self::Authenticated => "authentication, which is not configured",
        })
    }
}

impl std::error::Error for PacketError {}

const DIAGNOSTIC_BITS: u8 = 0x1f;

/// Bits of the second octet.
mod flag {
    pub(super) const POLL: u8 = 0x20;
    pub(super) const FINAL: u8 = 0x10;
    pub(super) const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
    pub(super) const AUTHENTICATION: u8 = 0x04;
    pub(super) const DEMAND: u8 = 0x02;
    pub(super) const MULTIPOINT: u8 = 0x01;
}
