//! Servers are asked by async code; commands wait for its answers.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};

/// A runtime of its own, on the thread that waits.
pub(super) struct Blocking(Option<Runtime>);

impl Blocking {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// The system has no room for it.
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
    /// Async code may drop it: it does not wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
