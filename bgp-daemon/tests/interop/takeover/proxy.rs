//! Stands between the two processes of a takeover, passes every message on, with its descriptor, and kills one of the two before a
//! message that was named before.

use std::collections::VecDeque;
use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Who is killed, and before which message.
pub(super) struct Fate {
    pub(super) victim: u32,
    pub(super) step: usize,
}

/// What the proxy saw.
pub(super) struct Proxy(JoinHandle<bool>);

/// Length of the body, kind, and whether a descriptor comes with it.
const HEADER: usize = 6;

impl Proxy {
    /// Takes the place of the socket in a run directory.
    pub(super) fn start(run_dir: &Path, fate: Fate) -> Self {
        Self::start_for(run_dir, || fate)
    }

    /// The same, with a fate that is known once the socket is in its place.
    pub(super) fn start_for(run_dir: &Path, fate: impl FnOnce() -> Fate) -> Self {
        let (socket, real) = (run_dir.join("takeover.sock"), run_dir.join("real.sock"));
        fs::rename(&socket, &real).expect("the daemon has made it");
        let listener = UnixListener::bind(&socket).expect("the place is free");
        let real = UnixStream::connect(&real).expect("the daemon listens");
        let fate = fate();
        Self(thread::spawn(move || {
            let (successor, _) = listener.accept().expect("the successor comes");
            // The next takeover finds the socket of the process that goes on.
            fs::remove_file(&socket).expect("it is ours");
            drop(listener);
            pass_on(&successor, &real, &fate)
        }))
    }

    /// Whether somebody was killed; otherwise all messages were passed on.
    pub(super) fn finish(self) -> bool {
        self.0.join().expect("the proxy does not panic")
    }
}

/// Passes on in both directions until both ends are closed.
fn pass_on(successor: &UnixStream, old: &UnixStream, fate: &Fate) -> bool {
    let steps = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        let up = scope.spawn(|| direction(successor, old, 1, fate, &steps));
        let down = direction(old, successor, 0, fate, &steps);
        up.join().expect("no panic") || down
    })
}

/// `first`: octets that go before the messages.
fn direction(
    from: &UnixStream,
    to: &UnixStream,
    first: usize,
    fate: &Fate,
    steps: &AtomicUsize,
) -> bool {
    let (mut octets, mut sockets) = (Vec::new(), VecDeque::new());
    let mut whole = first;
    loop {
        while octets.len() < whole {
            if read(from, &mut octets, &mut sockets) == 0 {
                to.shutdown(std::net::Shutdown::Write).ok();
                return false;
            }
        }
        let message: Vec<u8> = octets.drain(..whole).collect();
        if message.len() >= HEADER && steps.fetch_add(1, Ordering::SeqCst) + 1 == fate.step {
            let line = format!("kill -9 {}", fate.victim);
            Command::new("sh")
                .args(["-c", &line])
                .status()
                .expect("a shell");
            from.shutdown(std::net::Shutdown::Both).ok();
            to.shutdown(std::net::Shutdown::Both).ok();
            return true;
        }
        let socket = message
            .get(5)
            .filter(|with| **with == 1 && message.len() >= HEADER);
        let socket = socket.and_then(|_| sockets.pop_front());
        if !write(to, &message, socket) {
            return false;
        }
        while octets.len() < HEADER {
            if read(from, &mut octets, &mut sockets) == 0 {
                to.shutdown(std::net::Shutdown::Write).ok();
                return false;
            }
        }
        let len = u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]);
        whole = HEADER + len as usize;
    }
}

fn read(from: &UnixStream, octets: &mut Vec<u8>, sockets: &mut VecDeque<OwnedFd>) -> usize {
    let mut buffer = vec![0; 1 << 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut buffer)];
    let Ok(received) = recvmsg(from, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) else {
        return 0;
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            sockets.extend(received);
        }
    }
    octets.extend_from_slice(&buffer[..received.bytes]);
    received.bytes
}

fn write(to: &UnixStream, mut octets: &[u8], socket: Option<OwnedFd>) -> bool {
    let mut sockets: Vec<_> = socket.iter().map(AsFd::as_fd).collect();
    while !octets.is_empty() {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&sockets));
        }
        let part = [IoSlice::new(octets)];
        match sendmsg(to, &part, &mut control, SendFlags::NOSIGNAL) {
            Ok(sent) => octets = &octets[sent..],
            Err(_) => return false,
        }
        sockets.clear();
    }
    true
}
