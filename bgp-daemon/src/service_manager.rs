//! What systemd, or another manager that sets `NOTIFY_SOCKET`, is told: that the service is ready, that it lives, that it stops.
//! See `sd_notify(3)`.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::api::Questions;

/// How often readiness is looked at until it holds.
const LOOK: Duration = Duration::from_millis(250);

/// The manager of this process.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    socket: UnixDatagram,
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The manager that the environment names; `None` if there is none, or if it cannot be reached.
    pub(crate) fn of_environment() -> Option<Self> {
        let name = std::env::var("NOTIFY_SOCKET")
            .ok()
            .filter(|name| !name.is_empty())?;
        let socket = connected(&name)
            .inspect_err(|error| {
                warn!(
                    socket = name,
                    "the service manager cannot be told anything: {error}"
                )
            })
            .ok()?;
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let is_for_us =
            number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
        let period = number("WATCHDOG_USEC").filter(|period| *period > 0 && is_for_us);
        Some(Self {
            socket,
            watchdog: period.map(Duration::from_micros),
        })
    }

    /// Tells it when the service is ready, then at half of its period that the service lives, until `stop`, which it is told too.
    pub(crate) async fn keep_informed(self, questions: Questions, stop: CancellationToken) {
        tokio::select! {
            () = self.until_the_end(&questions) => {}
            () = stop.cancelled() => {}
        }
        self.tell("STOPPING=1");
    }

    async fn until_the_end(&self, questions: &Questions) {
        let mut missing = String::new();
        loop {
            let readiness = questions.readiness().await;
            let Some(first) = readiness.missing.first().filter(|_| !readiness.ready) else {
                break;
            };
            if first.reason != missing {
                missing.clone_from(&first.reason);
                self.tell(&format!("STATUS={missing}"));
            }
            self.sign_of_life(questions).await;
            tokio::time::sleep(LOOK).await;
        }
        self.tell("READY=1\nSTATUS=");
        let Some(period) = self.watchdog else {
            return std::future::pending().await;
        };
        loop {
            self.sign_of_life(questions).await;
            tokio::time::sleep(period / 2).await;
        }
    }

    /// Once the table of routes has answered.
    async fn sign_of_life(&self, questions: &Questions) {
        if self.watchdog.is_some() {
            questions.table_answers().await;
            self.tell("WATCHDOG=1");
        }
    }

    /// A manager that does not read is not waited for.
    fn tell(&self, message: &str) {
        if let Err(error) = self.socket.send(message.as_bytes())
            && error.kind() != io::ErrorKind::WouldBlock
        {
            warn!("the service manager cannot be told `{message}`: {error}");
        }
    }
}

/// A socket to a path, or with `@` to a name outside of the file system.
fn connected(name: &str) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}
