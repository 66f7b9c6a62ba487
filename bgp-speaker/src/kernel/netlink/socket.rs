//! The two netlink sockets: one for requests and their answers, one for events.
//!
//! Requests go out many per datagram. Only the last one asks for an acknowledgement: the kernel reports every failure anyway and
//! answers in order, so its acknowledgement means that all earlier requests are done. Answers are matched by sequence number.
//! Datagrams that do not come from the kernel are dropped.

use std::io;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use super::message::{
    ACK, ACK_TLVS, Attributes, CAPPED, DUMP_INTERRUPTED, HEADER, Message, Messages, NLMSG_DONE,
    NLMSG_ERROR, NLMSG_OVERRUN, Writer, align, read_u32,
};
use super::route::{self, Mark};
use crate::kernel::operation::{Operation, Refusal};

/// Results of a batch, in the order of its operations.
pub(crate) type Results = Vec<Result<(), Refusal>>;

/// Sends requests and reads their answers.
pub(crate) struct Requests {
    socket: TokioSocket,
    port: u32,
    sequence: u32,
    writer: Writer,
    buffer: Vec<u8>,
}

/// Receives events about links, addresses and routes.
pub(crate) struct Monitor {
    socket: TokioSocket,
    buffer: Vec<u8>,
}

impl Requests {
    /// Opens the socket in the network namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        let port = socket.socket_mut().bind_auto()?.port_number();
        // Old kernels lack all three, which only improve answers: shorter answers, error texts, filtered dumps.
        let _ = socket.socket_ref().set_cap_ack(true);
        let _ = socket.socket_ref().set_ext_ack(true);
        let _ = socket.socket_ref().set_netlink_get_strict_chk(true);
        Ok(Self {
            socket,
            port,
            sequence: 0,
            writer: Writer::default(),
            buffer: read_buffer(),
        })
    }

    /// The number with which the kernel marks events caused by this socket.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Carries out a batch.
    ///
    /// # Errors
    /// Sending or receiving fails; it is then unknown which operations were carried out.
    pub(crate) async fn apply(
        &mut self,
        operations: &[Operation],
        mark: Mark,
    ) -> io::Result<Results> {
        let mut results: Results = vec![Ok(()); operations.len()];
        let Some(last) = operations.len().checked_sub(1) else {
            return Ok(results);
        };
        let first = self.next_sequences(operations.len());
        self.writer.clear();
        for (i, operation) in operations.iter().enumerate() {
            let acknowledge = if i == last { ACK } else { 0 };
            route::encode(
                &mut self.writer,
                operation,
                mark,
                acknowledge,
                first.wrapping_add(i as u32),
            );
        }
        self.send().await?;
        loop {
            self.receive().await?;
            for message in Messages(&self.buffer) {
                let index = message.sequence.wrapping_sub(first) as usize;
                let Some(result) = results.get_mut(index) else {
                    continue;
                };
                if message.kind != NLMSG_ERROR {
                    continue;
                }
                *result = parse_error(&message);
                if index == last {
                    return Ok(results);
                }
            }
        }
    }

    /// Requests a list and passes every message of it to `each`. Returns whether the list is consistent: the kernel notices
    /// changes during the dump.
    ///
    /// # Errors
    /// Sending or receiving fails, or the kernel refuses.
    pub(crate) async fn dump(
        &mut self,
        encode: impl FnOnce(&mut Writer, u32),
        mut each: impl FnMut(&Message<'_>),
    ) -> io::Result<bool> {
        let sequence = self.next_sequences(1);
        self.writer.clear();
        encode(&mut self.writer, sequence);
        self.send().await?;
        let mut consistent = true;
        loop {
            self.receive().await?;
            for message in Messages(&self.buffer).filter(|m| m.sequence == sequence) {
                consistent &= message.flags & DUMP_INTERRUPTED == 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => return finish_dump(&message).map(|()| consistent),
                    _ => each(&message),
                }
            }
        }
    }

    /// Reserves numbers for `count` messages; returns the first.
    fn next_sequences(&mut self, count: usize) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(count as u32);
        first
    }

    async fn send(&self) -> io::Result<()> {
        self.socket.send(self.writer.bytes()).await.map(|_| ())
    }

    async fn receive(&mut self) -> io::Result<()> {
        let received =
            tokio::time::timeout(ANSWER_TIMEOUT, receive(&self.socket, &mut self.buffer));
        received
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "netlink does not answer"))?
    }
}

impl Monitor {
    /// Opens the socket in the network namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_mut().bind_auto()?;
        // A larger buffer needs CAP_NET_ADMIN. Without it no route can be installed either, and a small buffer is enough.
        let _ = set_socket_recv_buffer_size_force(socket.socket_ref(), EVENT_BUFFER);
        for group in GROUPS {
            socket.socket_ref().add_membership(group)?;
        }
        Ok(Self {
            socket,
            buffer: read_buffer(),
        })
    }

    /// Waits for the next datagram of events.
    ///
    /// # Errors
    /// `ENOBUFS` ([`is_overrun`]) when events were lost; reading continues after the gap.
    pub(crate) async fn receive(&mut self) -> io::Result<Messages<'_>> {
        receive(&self.socket, &mut self.buffer).await?;
        Ok(Messages(&self.buffer))
    }

    /// The next datagram of events, if one is available.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub(crate) fn try_receive(&mut self) -> io::Result<Option<Messages<'_>>> {
        self.buffer.clear();
        match self.socket.socket_ref().recv_from(&mut self.buffer, 0) {
            Ok((_, sender)) => {
                drop_unless_kernel(&mut self.buffer, &sender);
                Ok(Some(Messages(&self.buffer)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether an error means that the receive buffer overflowed and messages were lost.
pub(crate) fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether a message means that messages were lost.
pub(crate) fn is_overrun_message(message: &Message<'_>) -> bool {
    message.kind == NLMSG_OVERRUN
}

fn read_buffer() -> Vec<u8> {
    Vec::with_capacity(READ_BUFFER)
}

async fn receive(socket: &TokioSocket, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let sender = socket.recv_from(buffer).await?;
    drop_unless_kernel(buffer, &sender);
    Ok(())
}

/// Another program may send datagrams to a netlink socket; the kernel has port 0.
fn drop_unless_kernel(buffer: &mut Vec<u8>, sender: &SocketAddr) {
    if sender.port_number() != 0 {
        buffer.clear();
    }
}

/// `struct nlmsgerr`: 0 is success.
fn parse_error(message: &Message<'_>) -> Result<(), Refusal> {
    let code = read_u32(message.payload, 0).unwrap_or_default() as i32;
    match code {
        0 => Ok(()),
        code => Err(Refusal {
            errno: code.saturating_neg(),
            detail: error_text(message),
        }),
    }
}

/// `NLMSGERR_ATTR_MSG`: the kernel's explanation, after the (possibly shortened) copy of the request.
fn error_text(message: &Message<'_>) -> Option<String> {
    if message.flags & ACK_TLVS == 0 {
        return None;
    }
    let copied = if message.flags & CAPPED != 0 {
        HEADER
    } else {
        read_u32(message.payload, 4)? as usize
    };
    let attributes = message.payload.get(4_usize.checked_add(align(copied))?..)?;
    let (_, text) = Attributes(attributes).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)?;
    Some(String::from_utf8_lossy(text.strip_suffix(&[0]).unwrap_or(text)).into_owned())
}

/// End of a list. A table or family that does not exist is an empty list.
fn finish_dump(message: &Message<'_>) -> io::Result<()> {
    let code = read_u32(message.payload, 0).unwrap_or_default() as i32;
    match code.saturating_neg() {
        0 | libc::ENOENT | libc::EOPNOTSUPP | libc::EAFNOSUPPORT => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// The kernel answers while it handles the request, so a missing answer is a serious fault.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The kernel sends at most 32 KB at once.
const READ_BUFFER: usize = 64 * 1024;
/// Room for some thousand events while a batch of our own changes is in flight.
const EVENT_BUFFER: usize = 8 * 1024 * 1024;
const NLMSGERR_ATTR_MSG: u16 = 1;
/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_IFADDR`, `RTNLGRP_IPV4_ROUTE`, `RTNLGRP_IPV6_IFADDR`, `RTNLGRP_IPV6_ROUTE`.
const GROUPS: [u32; 5] = [1, 5, 7, 9, 11];

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(flags: u16, code: i32, rest: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        let message = writer.begin_message(NLMSG_ERROR, flags, 1);
        writer.put(&code.to_ne_bytes());
        rest(&mut writer);
        writer.end_message(message);
        writer.bytes().to_vec()
    }

    fn parsed(bytes: &[u8]) -> Result<(), Refusal> {
        parse_error(&Messages(bytes).next().expect("one message"))
    }

    #[test]
    fn acknowledgement_and_error_with_explanation() {
        assert_eq!(parsed(&answer(0, 0, |_| ())), Ok(()));
        let refusal = |detail: Option<&str>| {
            Err(Refusal {
                errno: 101,
                detail: detail.map(str::to_owned),
            })
        };
        assert_eq!(parsed(&answer(0, -101, |w| w.put(&[0; 16]))), refusal(None));
        let capped = answer(CAPPED | ACK_TLVS, -101, |w| {
            w.put(&[9; 16]);
            w.attribute(NLMSGERR_ATTR_MSG, &[b"no way\0"]);
        });
        assert_eq!(parsed(&capped), refusal(Some("no way")));
        let full = answer(ACK_TLVS, -101, |w| {
            w.put(&20_u32.to_ne_bytes());
            w.put(&[9; 16]);
            w.attribute(NLMSGERR_ATTR_MSG, &[b"no way\0"]);
        });
        assert_eq!(parsed(&full), refusal(Some("no way")));
    }
}
