//! The routes of a running speaker: originate, query and watch them.

use bgp_core::rib::{Cursor, Input, LocalRoute, Page, Query, Rib, Synced};
use ipnet::IpNet;
use std::time::Instant;
use tokio::sync::oneshot;

use crate::event::Ended;
use crate::flush;
use crate::table::{self, TableInput};
use crate::watch::{Filter, Watch};

/// Approximate limit of the routes of one page.
const LONGEST_PAGE: usize = 4096;

/// A change that is followed until its UPDATEs are handed to TCP.
#[derive(Debug)]
pub struct Flushing {
    before: u64,
    table: table::Sender,
}

impl Flushing {
    /// Waits until the UPDATEs that follow from the change have been handed to TCP, and returns when the last one was; `None` if
    /// there were none. At most 16 of the affected peers are observed. A peer that reads nothing is waited for, so limit the
    /// wait.
    ///
    /// # Errors
    ///
    /// The speaker has ended, or too many changes followed this one.
    pub async fn flushed(self) -> Result<Option<Instant>, Ended> {
        let (reply, answer) = oneshot::channel();
        let question = flush::FlushRequest {
            before: self.before,
            reply,
        };
        self.table.send([TableInput::Flush(question)]).await?;
        answer.await.map_err(|_| Ended)
    }
}

/// The routes of a running speaker.
#[derive(Clone, Debug)]
pub struct Routes {
    table: table::Sender,
}

impl Routes {
    pub(super) fn new(table: table::Sender) -> Self {
        Self { table }
    }

    /// Originates a route. Its key is the prefix together with [`LocalRoute::id`]: a route with the same key is replaced, and
    /// announcing an identical route again has no effect.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn announce(&self, prefix: IpNet, route: LocalRoute) -> Result<(), Ended> {
        self.tell(vec![Input::announce(prefix, route)]).await
    }

    /// Withdraws the route with this key; no effect if there is none.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn withdraw(&self, prefix: IpNet, id: u32) -> Result<(), Ended> {
        self.tell(vec![Input::Withdraw { prefix, id }]).await
    }

    /// Makes these routes the complete set of the owner with this number: missing routes are withdrawn, and new or changed routes
    /// announced, as one batch. No peer sees an intermediate state. Routes with other numbers stay.
    ///
    /// One call visits each route of the owner; peers are sent only the difference.
    ///
    /// ```
    /// # async fn example(speaker: bgp_speaker::Speaker) -> Result<(), Box<dyn std::error::Error>> {
    /// use bgp_core::rib::LocalRoute;
    /// use bgp_core::wire::Attributes;
    /// use bgp_core::wire::attribute::Community;
    ///
    /// const SERVICES: u32 = 1;
    /// let routes = speaker.routes();
    /// let marked = Attributes { communities: vec![Community::NO_EXPORT], ..Attributes::default() };
    /// // The second one is not for 192.0.2.1, and 192.0.2.2 is sent it with a community.
    /// let second = LocalRoute::default()
    ///     .told_to("192.0.2.1".parse()?, None)
    ///     .told_to("192.0.2.2".parse()?, Some(marked));
    /// let services = [
    ///     ("198.51.100.1/32".parse()?, LocalRoute::default()),
    ///     ("198.51.100.2/32".parse()?, second),
    /// ];
    /// let synced = routes.sync(SERVICES, services.clone()).await?;
    /// assert_eq!((synced.announced, synced.withdrawn, synced.unchanged), (2, 0, 0));
    /// let synced = routes.sync(SERVICES, services.into_iter().take(1)).await?;
    /// assert_eq!((synced.announced, synced.withdrawn, synced.unchanged), (0, 1, 1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The speaker has ended or is ending.
    pub async fn sync(
        &self,
        owner: u32,
        routes: impl IntoIterator<Item = (IpNet, LocalRoute)>,
    ) -> Result<Synced, Ended> {
        let (reply, answer) = oneshot::channel();
        let sync = Box::new(table::Sync {
            id: owner,
            wanted: routes.into_iter().collect(),
            reply,
        });
        self.table.send([TableInput::Sync(sync)]).await?;
        answer.await.map_err(|_| Ended)
    }

    /// Sends inputs to the RIB, as one batch and in this order.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn tell(&self, inputs: Vec<Input>) -> Result<(), Ended> {
        self.table
            .send(inputs.into_iter().map(TableInput::Input))
            .await
    }

    /// Starts to follow a change: all inputs from here until the call of [`Flushing::flushed`].
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn begin_change(&self) -> Result<Flushing, Ended> {
        Ok(Flushing {
            before: self.look(Rib::handed_out).await?,
            table: self.table.clone(),
        })
    }

    /// A page of the answer to a query: about `limit` routes, at most 4096. For the next page, pass [`Page::next`]. The speaker
    /// works between pages: a route that changes in the meantime may appear twice or not at all.
    ///
    /// ```
    /// # async fn example(speaker: bgp_speaker::Speaker) -> Result<(), Box<dyn std::error::Error>> {
    /// use bgp_core::rib::{Cursor, Query, View};
    /// use bgp_core::types::Family;
    ///
    /// // What every peer sent, and why it is used or not.
    /// let query = Query::new(View::Received, Family::Ipv4Unicast);
    /// let mut from = Some(Cursor::START);
    /// while let Some(cursor) = from {
    ///     let page = speaker.routes().ask(query.clone(), cursor, 1000).await?;
    ///     for route in page.routes {
    ///         println!("{} of {:?}: {}", route.prefix, route.source, route.standing);
    ///     }
    ///     from = page.next;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn ask(&self, query: Query, from: Cursor, limit: usize) -> Result<Page, Ended> {
        let limit = limit.min(LONGEST_PAGE);
        self.look(move |rib| rib.ask(&query, from, limit)).await
    }

    /// Watches routes: see [`Watch`].
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn watch(&self, filter: Filter) -> Result<Watch, Ended> {
        Watch::begin(self.table.clone(), filter).await
    }

    /// Runs a function on the RIB. The RIB is blocked meanwhile, so visit a bounded number of routes.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Rib) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        let question: table::RibQuery = Box::new(move |rib| {
            // The caller may be gone.
            reply.send(look(rib)).ok();
        });
        self.table.send(vec![TableInput::Ask(question)]).await?;
        answer.await.map_err(|_| Ended)
    }
}
