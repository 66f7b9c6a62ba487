//! The socket in the run directory over which a successor takes over ([`bgp_speaker::handover`]).
//!
//! A client sends one octet: `T`, and then what the speaker's protocol says; `F`, to which the answer is what this process has
//! `Found`, in JSON; or `L`, which makes this process end as it does at SIGTERM. Only root and the user of this process may
//! connect: the mode of the file says so, and the kernel names the other side of each connection.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bgp_speaker::unnumbered::Links;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::plan::{Environment, Link, Router};
use crate::sockets::{BindError, SocketFile, connect};

/// The socket's name in the run directory.
pub const SOCKET_NAME: &str = "takeover.sock";

/// The first octet of a successor that takes over.
pub(crate) const TAKE_OVER: u8 = b'T';
/// The first octet of a successor that asks for peers without configured addresses.
pub(crate) const FOUND: u8 = b'F';
/// The first octet of a successor that cannot take over, and needs this process to end.
pub(crate) const LEAVE: u8 = b'L';
/// How long a process may take to end.
const GONE_WITHIN: Duration = Duration::from_secs(15);
/// How long the answer about found peers may take, and how long it may be.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
const LONGEST_ANSWER: u64 = 1 << 20;
/// Interval between tries to listen while another process does.
pub(crate) const TRY_AGAIN: Duration = Duration::from_millis(20);

/// Taking over from a predecessor, and handing over to a successor.
#[derive(Clone, Debug)]
pub struct TakeOver {
    /// The socket.
    pub socket: PathBuf,
    /// Cancelled when a successor has everything: this process must end without another octet to anybody.
    pub handed_over: CancellationToken,
}

/// Peers that a process has found on this node: default gateways, and routers on links. `None` if it does not look for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    gateways: Option<Vec<FoundRouter>>,
    routers: Option<Vec<FoundRouter>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FoundRouter {
    address: IpAddr,
    link: String,
    index: u32,
}

impl Found {
    /// What is in the input of a plan.
    pub(crate) fn of(environment: &Environment) -> Self {
        let found = |router: &Router| FoundRouter {
            address: router.address,
            link: router.link.name.clone(),
            index: router.link.index,
        };
        let all = |routers: &Option<Vec<Router>>| {
            let routers = routers.as_ref()?;
            Some(routers.iter().map(found).collect())
        };
        Self {
            gateways: all(&environment.gateways),
            routers: all(&environment.routers),
        }
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        // Plain data is always written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn gateways(&self) -> Option<Vec<Router>> {
        self.gateways.as_deref().map(routers)
    }

    pub(crate) fn routers(&self) -> Option<Vec<Router>> {
        self.routers.as_deref().map(routers)
    }

    /// The routers by their links.
    pub(crate) fn links(&self) -> Links {
        let mut links = Links::new();
        for router in self.routers.iter().flatten() {
            if let IpAddr::V6(address) = router.address {
                let found = links.entry(router.link.as_str().into()).or_default();
                found.index = router.index;
                found.routers.push(address);
            }
        }
        links
    }
}

fn routers(found: &[FoundRouter]) -> Vec<Router> {
    let router = |found: &FoundRouter| Router {
        address: found.address,
        link: Link {
            name: found.link.clone(),
            index: found.index,
        },
    };
    found.iter().map(router).collect()
}

impl TakeOver {
    /// With the socket in this run directory.
    pub fn new(run_dir: &Path) -> Self {
        Self {
            socket: run_dir.join(SOCKET_NAME),
            handed_over: CancellationToken::new(),
        }
    }

    /// A connection to a running process that may hand over; `None` if there is none.
    pub async fn knock(&self) -> Option<UnixStream> {
        self.tell(TAKE_OVER).await
    }

    /// The peers that a running process has found; nothing if there is none.
    pub(crate) async fn ask_found(&self) -> Found {
        let Some(stream) = self.tell(FOUND).await else {
            return Found::default();
        };
        let mut text = Vec::new();
        let mut answer = stream.take(LONGEST_ANSWER);
        let read = tokio::time::timeout(ANSWERED_WITHIN, answer.read_to_end(&mut text)).await;
        let found = matches!(read, Ok(Ok(_))).then(|| serde_json::from_slice(&text).ok());
        found.flatten().unwrap_or_default()
    }

    /// Makes a running process end, and waits until it is gone.
    pub async fn send_away(&self) {
        let Some(mut stream) = self.tell(LEAVE).await else {
            return;
        };
        info!("the running process is told to end");
        // The connection ends with the process.
        let mut nothing = [0; 1];
        let gone = stream.read(&mut nothing);
        if tokio::time::timeout(GONE_WITHIN, gone).await.is_err() {
            warn!("the running process has not ended");
        }
    }

    async fn tell(&self, octet: u8) -> Option<UnixStream> {
        let stream = connect(&self.socket).ok()?;
        stream.set_nonblocking(true).ok()?;
        let mut stream = UnixStream::from_std(stream).ok()?;
        stream.write_all(&[octet]).await.ok()?;
        Some(stream)
    }

    /// Listens for successors, as soon as no other process does.
    ///
    /// # Errors
    ///
    /// The socket cannot be made.
    pub(crate) async fn listen(&self) -> Result<(SocketFile, UnixListener), BindError> {
        let (file, listener) = when_free(|| SocketFile::bind_for_owner(&self.socket)).await?;
        let path = self.socket.clone();
        let failed = |error| BindError::Io { path, error };
        Ok((file, UnixListener::from_std(listener).map_err(failed)?))
    }
}

/// Root, or the user of this process.
pub(crate) fn is_allowed(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let other = stream.peer_cred().map(|other| other.uid());
    other.is_ok_and(|other| other == own || other == 0)
}

/// Binds a socket as soon as no other process serves it.
///
/// # Errors
///
/// It cannot be bound for another reason.
pub async fn when_free<T>(bind: impl Fn() -> Result<T, BindError>) -> Result<T, BindError> {
    loop {
        match bind() {
            Err(BindError::Served(_)) => tokio::time::sleep(TRY_AGAIN).await,
            done => return done,
        }
    }
}
