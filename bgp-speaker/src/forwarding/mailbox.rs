//! From the RIB to the forwarding task.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bgp_core::rib::ForwardRoute;
use tokio::sync::Notify;

use super::wanted::ByPrefix;
use crate::event::{ForwardingEvent, ForwardingSink};
use crate::pool::Pool;

/// The newest routes of the RIB. Each prefix is listed at most once, so a slow kernel never blocks the RIB.
#[derive(Debug, Default)]
pub struct Mailbox {
    content: Mutex<Content>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Content {
    updates: Updates,
    known: Pool<ForwardRoute>,
}

#[derive(Debug, Default)]
pub(super) struct Updates {
    pub(super) routes: ByPrefix<Option<Arc<ForwardRoute>>>,
    /// Next hops to resolve (`true`) or to forget (`false`).
    pub(super) next_hops: BTreeMap<IpAddr, bool>,
    pub(super) deferral_ended: bool,
}

impl Mailbox {
    /// The end that the RIB fills.
    pub fn sink(self: &Arc<Self>) -> ForwardingSink {
        let mailbox = Arc::clone(self);
        Box::new(move |event| mailbox.put(event))
    }

    fn put(&self, event: ForwardingEvent) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let Content { updates, known } = &mut *content;
        match event {
            ForwardingEvent::Route { prefix, route } => {
                let route = route.map(|route| known.share(route));
                updates.routes.insert(prefix, route);
            }
            ForwardingEvent::Resolve(address) => {
                updates.next_hops.insert(address, true);
            }
            ForwardingEvent::Forget(address) => {
                updates.next_hops.insert(address, false);
            }
            ForwardingEvent::DeferralEnded => updates.deferral_ended = true,
        }
        drop(content);
        self.filled.notify_one();
    }

    pub(super) async fn take(&self) -> Updates {
        self.filled.notified().await;
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut content.updates)
    }
}
