//! The scope of a watch.

use bgp_core::rib::{Query, Selection, View};
use bgp_core::types::{Family, PeerId, PerFamily};
use ipnet::IpNet;

/// The scope of a [`Watch`](super::Watch): views and, unless it covers all, families, a peer, and prefixes.
///
/// ```
/// use bgp_core::rib::View;
/// use bgp_speaker::Filter;
///
/// // Best routes, and routes sent to peers, of one prefix and all that it contains.
/// let filter = Filter::of([View::Best, View::Told]).within("10.0.0.0/8".parse()?);
/// # Ok::<(), ipnet::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    views: Vec<View>,
    families: PerFamily<bool>,
    peer: Option<PeerId>,
    selection: Selection,
}

impl Filter {
    /// All routes of these views.
    pub fn of(views: impl IntoIterator<Item = View>) -> Self {
        let mut views: Vec<View> = views.into_iter().collect();
        views.sort_unstable();
        views.dedup();
        Self {
            views,
            families: PerFamily {
                ipv4: true,
                ipv6: true,
            },
            peer: None,
            selection: Selection::All,
        }
    }

    /// Restricts the filter to one family.
    #[must_use]
    pub fn in_family(mut self, family: Family) -> Self {
        self.families = PerFamily::default();
        self.families[family] = true;
        self
    }

    /// Restricts the filter to one peer: routes that it announced and, in [`View::Told`], routes sent to it. If the number
    /// is later given to another peer, the filter applies to that peer.
    #[must_use]
    pub fn of_peer(mut self, peer: PeerId) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Restricts the filter to this prefix.
    #[must_use]
    pub fn exactly(mut self, prefix: IpNet) -> Self {
        self.selection = Selection::Exactly(prefix);
        self.in_family(Family::of(prefix.addr()))
    }

    /// Restricts the filter to this prefix and all prefixes that it contains.
    #[must_use]
    pub fn within(mut self, prefix: IpNet) -> Self {
        self.selection = Selection::Within(prefix);
        self.in_family(Family::of(prefix.addr()))
    }

    /// Whether the filter includes a prefix.
    pub(super) fn includes(&self, prefix: IpNet) -> bool {
        self.families[Family::of(prefix.addr())] && self.selection.may_include(prefix)
    }

    /// Whether the filter includes routes sent to this peer.
    pub(super) fn looks_at_told(&self, peer: PeerId) -> bool {
        self.views.contains(&View::Told) && self.peer.is_none_or(|only| only == peer)
    }

    /// Queries that together find all routes of the filter.
    pub(super) fn queries(&self) -> Vec<Query> {
        let families = Family::ALL.into_iter();
        let families = families.filter(|family| self.families[*family]);
        families
            .flat_map(|family| {
                let all = move |view: &View| self.narrow(Query::new(*view, family));
                self.views.iter().map(all)
            })
            .map(|query| query.select(self.selection))
            .collect()
    }

    /// Queries that together find all routes of a prefix.
    pub(super) fn queries_about(&self, prefix: IpNet) -> impl Iterator<Item = Query> {
        let views = self.views.iter();
        views.map(move |view| self.query_about(*view, prefix))
    }

    /// A query that finds all routes of a prefix in a view.
    pub(super) fn query_about(&self, view: View, prefix: IpNet) -> Query {
        self.narrow(Query::about(view, prefix))
    }

    fn narrow(&self, query: Query) -> Query {
        match self.peer {
            Some(peer) => query.of_peer(peer),
            None => query,
        }
    }
}
