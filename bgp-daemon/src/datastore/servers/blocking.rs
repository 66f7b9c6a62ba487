//! Commands block on the async client of servers.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};

/// A runtime on the blocked thread.
pub(super) struct Blocking(Option<Runtime>);

impl Blocking {
    /// Creates a runtime.
    ///
    /// # Errors
    ///
    /// The system lacks resources.
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for a future. Must not be called from async code.
    pub(super) fn wait_for<T>(&self, future: impl Future<Output = T>) -> T {
        let runtime = self.0.as_ref().expect("there until it is dropped");
        runtime.block_on(future)
    }
}

impl Drop for Blocking {
    /// Async code may drop it: this does not block.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
