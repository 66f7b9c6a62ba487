//! The octets in which a process hands its state over to its successor: fields of fixed width, and lists with their length in
//! front. Each part that is handed over ([`session::Handover`](crate::session::Handover), and [`rib`](crate::rib) in chunks)
//! writes and reads itself.
//!
//! The form belongs to one [`VERSION`]: there are no optional fields. Reading never panics and never allocates more than the
//! input justifies.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::types::{Family, PerFamily};
use crate::wire::NextHop;

/// Version of the form of everything that is handed over. Any change of the form is a new version; a process that does not know
/// the version of the other one takes nothing over.
pub const VERSION: u16 = 3;

/// The octets are not of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("what was handed over is malformed")
    }
}

impl std::error::Error for Malformed {}

/// Appends fields.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// The octets so far.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Number of octets so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends an octet.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Appends a flag.
    pub fn flag(&mut self, value: bool) {
        self.0.push(value.into());
    }

    /// Appends a number.
    pub fn u16(&mut self, value: u16) {
        self.0.extend(value.to_be_bytes());
    }

    /// Appends a number.
    pub fn u32(&mut self, value: u32) {
        self.0.extend(value.to_be_bytes());
    }

    /// Appends a number.
    pub fn u64(&mut self, value: u64) {
        self.0.extend(value.to_be_bytes());
    }

    /// Appends the length of a list that follows.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("lists are shorter than memory allows"));
    }

    /// Appends octets with their length.
    pub fn octets(&mut self, octets: &[u8]) {
        self.count(octets.len());
        self.0.extend(octets);
    }

    /// Appends a time in nanoseconds; more than five hundred years are cut.
    pub fn duration(&mut self, time: Duration) {
        self.u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Appends a value that may be absent.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Appends a flag for each family.
    pub fn families(&mut self, flags: PerFamily<bool>) {
        self.flag(flags.ipv4);
        self.flag(flags.ipv6);
    }

    /// Appends a next hop.
    pub fn next_hop(&mut self, next_hop: NextHop) {
        match next_hop {
            NextHop::V4(address) => self.octets(&address.octets()),
            NextHop::V6(address) => self.octets(&address.octets()),
            NextHop::V6LinkLocal { global, link_local } => {
                self.octets(&[global.octets(), link_local.octets()].concat());
            }
        }
    }
}

/// Takes fields off the front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads these octets.
    pub fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (value, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*value)
    }

    /// The next octet.
    ///
    /// # Errors
    ///
    /// The field is not there, or not of the expected form. The same holds for all others.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    /// The next flag.
    pub fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// The next number.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next number.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next number.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// The length of the list that follows: each of its items takes at least one octet.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        (count <= self.0.len()).then_some(count).ok_or(Malformed)
    }

    /// The next octets with their length.
    pub fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.count()?;
        let (value, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(value)
    }

    /// The next text.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.octets()?).map_err(|_| Malformed)
    }

    /// The next time.
    pub fn duration(&mut self) -> Result<Duration, Malformed> {
        self.u64().map(Duration::from_nanos)
    }

    /// The next value, which may be absent.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        match self.flag()? {
            true => read(self).map(Some),
            false => Ok(None),
        }
    }

    /// A flag for each family.
    pub fn families(&mut self) -> Result<PerFamily<bool>, Malformed> {
        Ok(PerFamily {
            ipv4: self.flag()?,
            ipv6: self.flag()?,
        })
    }

    /// The next family.
    pub fn family(&mut self) -> Result<Family, Malformed> {
        let place = usize::from(self.u8()?);
        Family::ALL.get(place).copied().ok_or(Malformed)
    }

    /// The next hop.
    pub fn next_hop(&mut self) -> Result<NextHop, Malformed> {
        let octets = self.octets()?;
        let address = |octets: &[u8; 16]| Ipv6Addr::from(*octets);
        match (octets.len(), octets.as_chunks::<16>().0) {
            (4, _) => {
                let octets = octets.first_chunk::<4>().ok_or(Malformed)?;
                Ok(NextHop::V4(Ipv4Addr::from(*octets)))
            }
            (16, [only]) => Ok(NextHop::V6(address(only))),
            (32, [global, link_local]) => Ok(NextHop::V6LinkLocal {
                global: address(global),
                link_local: address(link_local),
            }),
            _ => Err(Malformed),
        }
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), Malformed> {
        self.is_empty().then_some(()).ok_or(Malformed)
    }
}
