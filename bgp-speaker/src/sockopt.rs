//! Socket options of BGP sessions that neither the standard library nor socket2 offers, and the common setup of sockets.
//!
//! The only module with `unsafe`: each block is one `setsockopt` or `getsockopt` with a value of known size that outlives the
//! call, or reads octets that were set before the kernel wrote to them. Keys never appear in `Debug` output or in errors, and every copy made here is wiped.

#![allow(
    unsafe_code,
    reason = "TCP MD5, minimum TTL, the saved SYN and the TTL of datagrams have no safe wrapper"
)]

use std::fmt;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use ipnet::IpNet;
use socket2::{Domain, MaybeUninitSlice, MsgHdrMut, SockAddr, SockRef};
use zeroize::{Zeroize, Zeroizing};

/// A TCP MD5 key (RFC 2385), 1 to 80 octets. Clones share the octets, which are wiped when the last is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Md5Key(Arc<Zeroizing<Vec<u8>>>);

/// A key that Linux does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Md5KeyError {
    /// No octets.
    #[error("the password is empty")]
    Empty,
    /// More than 80 octets.
    #[error("the password is longer than {MD5_KEY_MAX} octets")]
    TooLong,
}

/// How far the segments of a session may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ttl {
    /// The system's default, usually 64.
    #[default]
    System,
    /// This many hops; 1 confines a session to the link.
    Hops(u8),
    /// Generalized TTL security (RFC 5082): sends 255, and accepts segments from at most this many hops away.
    Security {
        /// 1 for a neighbour on the link.
        hops: u8,
    },
}

impl Ttl {
    /// The smallest TTL of an accepted packet. RFC 5082 §3: from one hop away it arrives as 255.
    pub(super) fn least(self) -> u8 {
        match self {
            Self::System | Self::Hops(_) => 0,
            Self::Security { hops } => u8::MAX - (hops.max(1) - 1),
        }
    }
}

impl Md5Key {
    /// A key made of the octets of a password.
    ///
    /// # Errors
    /// The password is empty, or longer than 80 octets.
    pub fn new(octets: &[u8]) -> Result<Self, Md5KeyError> {
        match octets.len() {
            0 => Err(Md5KeyError::Empty),
            1..=MD5_KEY_MAX => Ok(Self(Arc::new(Zeroizing::new(octets.to_vec())))),
            _ => Err(Md5KeyError::TooLong),
        }
    }

    /// For another process of this program, and nobody else.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Md5Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Md5Key(..)")
    }
}

/// Signs all segments to and from these peers, in the address family of the socket; `None` removes the key of exactly this
/// prefix. On a listener the key applies to future connections; the kernel silently drops segments without the right signature.
/// Of several prefixes with a key, the longest applies.
///
/// # Errors
/// The system's error, for example `ENOPROTOOPT` from a kernel without TCP MD5, or `ENOMEM` when the socket has as many keys as
/// `net.core.optmem_max` allows.
pub fn set_md5_key(socket: &impl AsFd, peers: IpNet, key: Option<&Md5Key>) -> io::Result<()> {
    match set_option(
        socket,
        libc::IPPROTO_TCP,
        libc::TCP_MD5SIG_EXT,
        &TcpMd5Sig::new(peers, key),
    ) {
        Err(error) if key.is_none() && error.raw_os_error() == Some(libc::ENOENT) => Ok(()), // there was none
        other => other,
    }
}

/// Sets the TTL or hop limit to send, and the least one to accept.
///
/// # Errors
/// The system's error.
pub fn set_ttl(socket: &impl AsFd, ttl: Ttl) -> io::Result<()> {
    let sent = match ttl {
        Ttl::System => TTL_SYSTEM,
        Ttl::Hops(hops) => i32::from(hops),
        Ttl::Security { .. } => i32::from(u8::MAX),
    };
    let least = i32::from(ttl.least());
    if is_ipv6(socket)? {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, &sent)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, &least)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_TTL, &sent)?;
        set_option(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &least)
    }
}

/// Makes a listening socket keep the SYN of each connection for [`syn_ttl`].
///
/// # Errors
/// The system's error.
pub fn keep_syn(socket: &impl AsFd) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_SAVE_SYN, &1)
}

/// The TTL or hop limit of the SYN of an accepted connection; `None` if the kernel answered it without keeping it (SYN cookies).
/// Works once per connection.
///
/// # Errors
/// The system's error, or a SYN that is longer than allowed.
pub fn syn_ttl(socket: &impl AsFd) -> io::Result<Option<u8>> {
    let mut headers = [0; SYN_MAX];
    let length = saved_syn(socket, &mut headers)?;
    Ok(ttl_of(&headers[..length]))
}

/// The TTL or hop limit of a packet that begins with an IPv4 or IPv6 header.
fn ttl_of(packet: &[u8]) -> Option<u8> {
    match packet.first()? >> 4 {
        4 => packet.get(8).copied(),
        6 => packet.get(7).copied(),
        _ => None,
    }
}

/// Makes a UDP socket tell with each datagram, see [`receive_datagram`], with which TTL or hop limit it came, and over which interface.
///
/// # Errors
/// As the system reports.
pub fn tell_ttl(socket: &impl AsFd) -> io::Result<()> {
    if is_ipv6(socket)? {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, &1_i32)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &1_i32)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTTL, &1_i32)?;
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &1_i32)
    }
}

/// Makes a raw ICMPv6 socket receive messages of these types only (RFC 3542 §3.2).
///
/// # Errors
/// As the system reports.
pub fn receive_icmpv6(socket: &impl AsFd, types: &[u8]) -> io::Result<()> {
    // `struct icmp6_filter`: a set bit blocks a type.
    let mut blocked = [u32::MAX; 8];
    for kind in types {
        blocked[usize::from(kind >> 5)] &= !(1 << (kind & 31));
    }
    set_option(socket, libc::IPPROTO_ICMPV6, ICMP6_FILTER, &blocked)
}

/// A datagram that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    octets: [u8; DATAGRAM_MAX],
    len: usize,
    /// Who sent it.
    pub source: SocketAddr,
    /// Its TTL or hop limit; `None` unless [`tell_ttl`] was called before it came.
    pub ttl: Option<u8>,
    /// The index of the interface that it came over; `None` as for `ttl`.
    pub interface: Option<u32>,
}

impl Datagram {
    /// What it says: its first 64 octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

/// Reads a datagram.
///
/// # Errors
/// As the system reports, and for a sender that has no address.
pub fn receive_datagram(socket: &impl AsFd) -> io::Result<Datagram> {
    // The longer of the two addresses has room for either.
    let mut source = SockAddr::from(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
    let mut control = Control([MaybeUninit::new(0); CONTROL_MAX]);
    let mut buffer = [MaybeUninit::new(0); DATAGRAM_MAX];
    let (len, control_len) = {
        let mut buffers = [MaybeUninitSlice::new(&mut buffer)];
        let mut message = MsgHdrMut::new()
            .with_addr(&mut source)
            .with_buffers(&mut buffers)
            .with_control(&mut control.0);
        let len = SockRef::from(socket).recvmsg(&mut message, 0)?;
        (
            len.min(DATAGRAM_MAX),
            message.control_len().min(CONTROL_MAX),
        )
    };
    let mut octets = [0; DATAGRAM_MAX];
    octets.copy_from_slice(initialized(&buffer));
    let source = source.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    let (ttl, interface) = ttl_and_interface(&initialized(&control.0)[..control_len]);
    Ok(Datagram {
        octets,
        len,
        source,
        ttl,
        interface,
    })
}

/// What [`tell_ttl`] asked for, from the messages that came with a datagram (`struct cmsghdr`, with its data after it).
fn ttl_and_interface(mut control: &[u8]) -> (Option<u8>, Option<u32>) {
    let int = |octets: &[u8]| {
        octets
            .first_chunk()
            .map(|octets| i32::from_ne_bytes(*octets))
    };
    let (mut ttl, mut interface) = (None, None);
    while let Some(len) = control.first_chunk().map(|len| usize::from_ne_bytes(*len))
        && (CONTROL_HEADER..=control.len()).contains(&len)
    {
        let level = int(&control[CONTROL_HEADER - 8..]);
        let kind = int(&control[CONTROL_HEADER - 4..]);
        let data = &control[CONTROL_HEADER..len];
        match (level, kind) {
            (Some(libc::IPPROTO_IP), Some(libc::IP_TTL))
            | (Some(libc::IPPROTO_IPV6), Some(libc::IPV6_HOPLIMIT)) => {
                ttl = int(data).and_then(|ttl| u8::try_from(ttl).ok());
            }
            (Some(libc::IPPROTO_IP), Some(libc::IP_PKTINFO)) => {
                interface = int(data).and_then(|index| u32::try_from(index).ok());
            }
            (Some(libc::IPPROTO_IPV6), Some(libc::IPV6_PKTINFO)) => {
                let index = data.get(16..).and_then(int);
                interface = index.and_then(|index| u32::try_from(index).ok());
            }
            _ => {}
        }
        let next = len.next_multiple_of(size_of::<usize>()).min(control.len());
        control = &control[next..];
    }
    (ttl, interface)
}

/// Octets that were all set when they were made; whoever wrote since then has set them too.
fn initialized(octets: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: both callers made the slice with `MaybeUninit::new`, and the kernel writes octets only; a `MaybeUninit<u8>` has the
    // layout of a `u8`.
    unsafe { &*(std::ptr::from_ref(octets) as *const [u8]) }
}

/// As the kernel aligns `struct cmsghdr`.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; CONTROL_MAX]);

/// Sets the options of every BGP connection: no delay of small segments, and precedence Internetwork Control, DSCP CS6 (RFC 4271
/// Appendix E).
///
/// # Errors
/// The system's error.
pub fn set_bgp_defaults(socket: &impl AsFd) -> io::Result<()> {
    let ipv6 = is_ipv6(socket)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    if ipv6 {
        socket.set_tclass_v6(CLASS_SELECTOR_6)
    } else {
        socket.set_tos_v4(CLASS_SELECTOR_6)
    }
}

/// The system's text for an error number, such as "Connection refused".
pub fn errno_text(errno: i32) -> String {
    let mut text = io::Error::from_raw_os_error(errno).to_string();
    if let Some(end) = text.rfind(" (os error ") {
        text.truncate(end);
    }
    text
}

/// Whether the socket sends IPv6 packets: an IPv6 socket may carry an IPv4 connection.
fn is_ipv6(socket: &impl AsFd) -> io::Result<bool> {
    let socket = SockRef::from(socket);
    let local = socket
        .local_addr()
        .ok()
        .and_then(|local| local.as_socket_ipv6());
    let is_mapped = local.is_some_and(|local| local.ip().to_ipv4_mapped().is_some());
    Ok(socket.domain()? == Domain::IPV6 && !is_mapped)
}

/// `struct tcp_md5sig` of `linux/tcp.h`.
#[repr(C, align(8))]
struct TcpMd5Sig {
    address: [u8; SOCKADDR_STORAGE],
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    interface: libc::c_int,
    key: [u8; MD5_KEY_MAX],
}

impl TcpMd5Sig {
    fn new(peers: IpNet, key: Option<&Md5Key>) -> Self {
        let octets = key.map_or(&[][..], |key| &key.0[..]);
        let address = socket_address(peers.network());
        let key_len = octets.len() as u16;
        let mut option = Self {
            address,
            flags: MD5_BY_PREFIX,
            prefix_len: peers.prefix_len(),
            key_len,
            interface: 0,
            key: [0; MD5_KEY_MAX],
        };
        option.key[..octets.len()].copy_from_slice(octets);
        option
    }
}

impl Drop for TcpMd5Sig {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// `struct sockaddr_in` or `sockaddr_in6` with port 0, in the space of a `sockaddr_storage`.
fn socket_address(address: IpAddr) -> [u8; SOCKADDR_STORAGE] {
    let mut storage = [0; SOCKADDR_STORAGE];
    let family = match address {
        IpAddr::V4(v4) => {
            storage[4..8].copy_from_slice(&v4.octets());
            libc::AF_INET
        }
        IpAddr::V6(v6) => {
            storage[8..24].copy_from_slice(&v6.octets());
            libc::AF_INET6
        }
    };
    storage[..2].copy_from_slice(&(family as libc::sa_family_t).to_ne_bytes());
    storage
}

/// `setsockopt` with a plain value. `T` must be a C type that is valid as any octets: an int or a `repr(C)` struct.
fn set_option<T>(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; pointer and length describe `value`, which
    // the kernel only reads, during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// `getsockopt` of the SYN that a listening socket kept; returns its length.
fn saved_syn(socket: &impl AsFd, headers: &mut [u8; SYN_MAX]) -> io::Result<usize> {
    let mut length = SYN_MAX as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; `length` holds the size of `headers`, more than
    // which the kernel does not write, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_SAVED_SYN,
            headers.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        Ok((length as usize).min(SYN_MAX))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// `ICMPV6_FILTER` of `linux/icmpv6.h`.
const ICMP6_FILTER: libc::c_int = 1;
/// Room for the octets of a datagram.
const DATAGRAM_MAX: usize = 64;
/// Room for the control messages of a datagram.
const CONTROL_MAX: usize = 128;
/// Size of `struct cmsghdr`: a length of pointer size, and two ints.
const CONTROL_HEADER: usize = size_of::<usize>() + 8;
/// Room for the headers of a SYN with all known extensions.
const SYN_MAX: usize = 512;
/// `TCP_MD5SIG_FLAG_PREFIX`.
const MD5_BY_PREFIX: u8 = 1;
/// `TCP_MD5SIG_MAXKEYLEN`.
const MD5_KEY_MAX: usize = 80;
/// Size of `struct sockaddr_storage`.
const SOCKADDR_STORAGE: usize = 128;
/// As in IP_TTL and IPV6_UNICAST_HOPS: back to the system's default.
const TTL_SYSTEM: i32 = -1;
/// DSCP CS6 in the traffic class octet.
const CLASS_SELECTOR_6: u32 = 0xc0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_1_to_80_octets_and_stay_out_of_debug() {
        assert_eq!(Md5Key::new(b""), Err(Md5KeyError::Empty));
        assert_eq!(Md5Key::new(&[b'x'; 81]), Err(Md5KeyError::TooLong));
        assert!(Md5Key::new(&[b'x'; 80]).is_ok());
        let shown = format!("{:?}", Md5Key::new(b"secret").unwrap());
        assert!(
            !shown.contains("secret") && !shown.contains("115"),
            "{shown}"
        );
    }

    #[test]
    fn md5_option_has_the_layout_of_the_kernel() {
        assert_eq!(size_of::<TcpMd5Sig>(), 216);
        assert_eq!(std::mem::offset_of!(TcpMd5Sig, key_len), 130);
        assert_eq!(std::mem::offset_of!(TcpMd5Sig, key), 136);
        let v6 = socket_address("2001:db8::1".parse().unwrap());
        assert_eq!(v6[8..12], [0x20, 0x01, 0x0d, 0xb8]);
    }

    #[test]
    fn the_ttl_stands_in_both_kinds_of_header() {
        let packet = |version: u8, place: usize| {
            let mut packet = [0; 40];
            packet[0] = version << 4 | 5;
            packet[place] = 255;
            packet
        };
        assert_eq!(ttl_of(&packet(4, 8)), Some(255));
        assert_eq!(ttl_of(&packet(6, 7)), Some(255));
        assert_eq!(ttl_of(&packet(5, 8)), None);
        assert_eq!(ttl_of(&[0x45]), None);
        assert_eq!(ttl_of(&[]), None);
    }

    #[test]
    fn a_datagram_comes_with_its_ttl_and_interface() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(receiver) = std::net::UdpSocket::bind(local) else {
                continue; // This system has no IPv6.
            };
            tell_ttl(&receiver).unwrap();
            let sender = std::net::UdpSocket::bind(local).unwrap();
            set_ttl(&sender, Ttl::Hops(77)).unwrap();
            let to = receiver.local_addr().unwrap();
            for len in [5, 200] {
                sender.send_to(&[b'x'; 200][..len], to).unwrap();
                let datagram = receive_datagram(&receiver).unwrap();
                assert_eq!(datagram.octets(), &[b'x'; 64][..len.min(64)]);
                assert_eq!(datagram.source, sender.local_addr().unwrap());
                assert_eq!(datagram.ttl, Some(77));
                assert_eq!(datagram.interface, Some(1), "loopback");
            }
        }
    }

    #[test]
    fn broken_control_messages_are_no_harm() {
        for len in [0, 15, 16, 17, 1000, usize::MAX] {
            let control = [&len.to_ne_bytes()[..], &[0; 12]].concat();
            assert_eq!(ttl_and_interface(&control), (None, None));
        }
        assert_eq!(ttl_and_interface(&[1, 2, 3]), (None, None));
    }

    #[test]
    fn error_numbers_in_plain_words() {
        assert_eq!(errno_text(libc::ECONNREFUSED), "Connection refused");
        assert_eq!(errno_text(libc::EHOSTUNREACH), "No route to host");
    }
}
