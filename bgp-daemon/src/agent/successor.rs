//! Serves successors, which take over or need this process to end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::view::View;
use crate::takeover::{FOUND, Found, LEAVE, TAKE_OVER, TRY_AGAIN, TakeOver, is_allowed};

/// How long a client may take for its first octet.
const FIRST_OCTET: Duration = Duration::from_secs(1);

impl TakeOver {
    /// Serves successors, until one has taken over. `stop` ends this process in good order.
    pub async fn serve(self, mut views: watch::Receiver<Arc<View>>, stop: CancellationToken) {
        // Before that, this process itself looks for one that runs.
        views.wait_for(|view| view.running.is_some()).await.ok();
        let (_file, listener) = match self.listen().await {
            Ok(bound) => bound,
            Err(error) => {
                warn!("no successor will be able to take over: {error}");
                return std::future::pending().await;
            }
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) if is_allowed(&stream) => {
                    if let Err(error) = self.answer(stream, &views, &stop).await {
                        warn!("a successor did not take over: {error}");
                    }
                }
                Ok(_) => warn!("a process of another user wants to take over"),
                Err(_) => tokio::time::sleep(TRY_AGAIN).await,
            }
        }
    }

    async fn answer(
        &self,
        mut stream: UnixStream,
        views: &watch::Receiver<Arc<View>>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let first = tokio::time::timeout(FIRST_OCTET, stream.read_u8()).await;
        match first.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))? {
            TAKE_OVER => {}
            FOUND => {
                let found = Found::of(&views.borrow().environment);
                return Ok(stream.write_all(&found.octets()).await?);
            }
            LEAVE => {
                info!("a successor needs this process to end");
                stop.cancel();
                // It waits until the connection ends, which is to be the end of the process.
                std::mem::forget(stream);
                return std::future::pending().await;
            }
            _ => anyhow::bail!("it speaks another language"),
        }
        let view = Arc::clone(&views.borrow());
        let Some(running) = view.running.as_ref().filter(|_| !stop.is_cancelled()) else {
            anyhow::bail!("there is no speaker to take over");
        };
        info!("a successor takes over");
        let handed_over = running.speaker.hand_over(stream, &view.node).await?;
        let (sessions, silence) = (handed_over.sessions, handed_over.silence);
        info!("handed {sessions} sessions over, which nobody served for {silence:?}");
        self.handed_over.cancel();
        let _standstill = handed_over;
        std::future::pending().await
    }
}
