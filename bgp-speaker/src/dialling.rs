//! Dialling within the neighbour's own task: dropping the future cancels it, and a panic counts as a panic of the neighbour.

use std::pin::Pin;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::acceptor::Guard;
use crate::connect::{Dial, DialError};
use crate::namespace::Namespace;

/// An attempt to connect, if one is under way.
#[derive(Default)]
pub(super) struct Dialling(Option<Attempt>);

type Attempt = Pin<Box<dyn Future<Output = Result<TcpStream, DialError>> + Send>>;

impl Dialling {
    /// Dials once the key is known to be set. A removed neighbour stops dialling.
    pub(super) fn begin(
        &mut self,
        dial: &Dial,
        namespace: Option<&Namespace>,
        guard: &watch::Receiver<Guard>,
    ) {
        let (dial, namespace, mut guard) = (dial.clone(), namespace.cloned(), guard.clone());
        self.0 = Some(Box::pin(async move {
            let decided = guard.wait_for(|guard| *guard != Guard::Pending).await;
            if !decided.is_ok_and(|guard| *guard == Guard::Open) {
                return Err(DialError::NoKey);
            }
            dial.connect_in(namespace.as_ref()).await
        }));
    }

    pub(super) fn cancel(&mut self) {
        self.0 = None;
    }

    /// Waits for the result; waits forever if no attempt is under way.
    pub(super) async fn finished(&mut self) -> Result<TcpStream, DialError> {
        let dialled = match &mut self.0 {
            Some(dialling) => dialling.await,
            None => std::future::pending().await,
        };
        self.0 = None;
        dialled
    }
}
