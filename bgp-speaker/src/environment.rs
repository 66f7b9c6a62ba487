//! The environment of a speaker.

use std::fmt;
use std::sync::Arc;

use crate::event::ForwardingSink;
use crate::namespace::Namespace;
use crate::opaque::OpaqueSender;
use crate::tap::Subscriber;

/// The environment that a speaker runs in, see [`Speaker::start_in`](crate::Speaker::start_in). By default it has no forwarding
/// and no subscriber.
///
/// The clock is that of the tokio runtime: with a paused clock, time is virtual.
#[derive(Default)]
#[non_exhaustive]
pub struct Environment {
    /// Receives the RIB's routes and next hop requests for forwarding.
    pub forwarding: Option<ForwardingSink>,
    /// Receives messages, session states and decisions.
    pub subscriber: Option<Arc<dyn Subscriber>>,
    /// The network namespace of all sockets; `None` is the namespace of the thread that makes the socket.
    pub namespace: Option<Namespace>,
    /// Receives what peers send in families that are not routed here; `None` discards it.
    pub opaque: Option<OpaqueSender>,
    /// Another process has the sessions: nothing listens, dials, watches a path or is decided until
    /// [`Speaker::take_over`](crate::Speaker::take_over) and [`Speaker::go_on`](crate::Speaker::go_on).
    pub taking_over: bool,
}

impl Environment {
    /// Sets the sink for forwarding events.
    #[must_use]
    pub fn with_forwarding(mut self, sink: ForwardingSink) -> Self {
        self.forwarding = Some(sink);
        self
    }

    /// Sets the subscriber for messages, session states and decisions.
    #[must_use]
    pub fn with_subscriber(mut self, subscriber: Arc<dyn Subscriber>) -> Self {
        self.subscriber = Some(subscriber);
        self
    }

    /// Sets the network namespace of all sockets: listeners, connections, and netlink.
    #[must_use]
    pub fn with_namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Sets [`taking_over`](Self::taking_over).
    #[must_use]
    pub fn with_taking_over(mut self, taking_over: bool) -> Self {
        self.taking_over = taking_over;
        self
    }

    /// Sets the sender for families that are not routed here.
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
            .field("taking_over", &self.taking_over)
            .finish()
    }
}
