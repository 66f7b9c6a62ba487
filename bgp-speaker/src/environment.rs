//! What a speaker is started in.

use std::fmt;
use std::sync::Arc;

use crate::event::ForwardingSink;
use crate::namespace::Namespace;
use crate::opaque::OpaqueSender;
use crate::tap::Subscriber;

/// What a speaker is started in, see [`Speaker::start_in`](crate::Speaker::start_in). By default nobody forwards, and nobody watches.
///
/// The clock is that of the tokio runtime: where the owner pauses the clock, time is virtual.
#[derive(Default)]
#[non_exhaustive]
pub struct Environment {
    /// Takes what the RIB wants of forwarding.
    pub forwarding: Option<ForwardingSink>,
    /// Sees messages, session states and decisions.
    pub subscriber: Option<Arc<dyn Subscriber>>,
    /// Where the sockets are made; `None`: in the network namespace of whichever thread makes one.
    pub namespace: Option<Namespace>,
    /// Takes what peers send of families that are not routed here; `None`: that is thrown away.
    pub opaque: Option<OpaqueSender>,
}

impl Environment {
    /// The same with a sink for what the RIB wants of forwarding.
    #[must_use]
    pub fn with_forwarding(mut self, sink: ForwardingSink) -> Self {
        self.forwarding = Some(sink);
        self
    }

    /// The same with a subscriber for messages, session states and decisions.
    #[must_use]
    pub fn with_subscriber(mut self, subscriber: Arc<dyn Subscriber>) -> Self {
        self.subscriber = Some(subscriber);
        self
    }

    /// The same with all sockets in a network namespace: those of listeners, of connections, and of the kernel's routes.
    #[must_use]
    pub fn with_namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// The same with a way for what peers send of families that are not routed here.
    #[must_use]
    pub fn with_opaque(mut self, opaque: OpaqueSender) -> Self {
        self.opaque = Some(opaque);
        self
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("forwarding", &self.forwarding.is_some())
            .field("subscriber", &self.subscriber.is_some())
            .field("namespace", &self.namespace)
            .field("opaque", &self.opaque.is_some())
            .finish()
    }
}
