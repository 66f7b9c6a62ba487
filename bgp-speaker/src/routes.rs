//! The routes of a running speaker: originate them, ask for them.

use bgp_core::rib::{Cursor, Input, LocalRoute, Page, Query, Rib};
use ipnet::IpNet;
use tokio::sync::oneshot;

use crate::event::Ended;
use crate::table::{self, News};
use crate::watch::{Filter, Watch};

/// The most routes that one page has, about.
const LONGEST_PAGE: usize = 4096;

/// The routes of a running speaker.
#[derive(Clone, Debug)]
pub struct Routes {
    table: table::Sender,
}

impl Routes {
    pub(super) fn new(table: table::Sender) -> Self {
        Self { table }
    }

    /// Originates a route.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn announce(&self, prefix: IpNet, route: LocalRoute) -> Result<(), Ended> {
        self.tell(vec![Input::announce(prefix, route)]).await
    }

    /// Stops originating a route.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn withdraw(&self, prefix: IpNet, id: u32) -> Result<(), Ended> {
        self.tell(vec![Input::Withdraw { prefix, id }]).await
    }

    /// Tells the RIB many things at once, in this order.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn tell(&self, inputs: Vec<Input>) -> Result<(), Ended> {
        self.table.send(inputs.into_iter().map(News::Input)).await
    }

    /// A page of answers to a question: about `limit` routes, of which 4096 are the most. To ask on, take [`Page::next`]. The
    /// speaker works between two pages: a route that changes meanwhile may come twice or not at all.
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

    /// Follows routes: see [`Watch`].
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn watch(&self, filter: Filter) -> Result<Watch, Ended> {
        Watch::begin(self.table.clone(), filter).await
    }

    /// Lets a function look at the routes. It holds the RIB up for as long as it runs: look at a bounded number.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Rib) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        let question: table::Question = Box::new(move |rib| {
            // Whoever asked may have gone.
            reply.send(look(rib)).ok();
        });
        self.table.send(vec![News::Ask(question)]).await?;
        answer.await.map_err(|_| Ended)
    }
}
