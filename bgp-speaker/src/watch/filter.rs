//! What a watch is about.

use bgp_core::rib::{Query, Selection, View};
use bgp_core::types::{Family, PeerId, PerFamily};
use ipnet::IpNet;

/// What a [`Watch`](super::Watch) is about: which views and, if not all, which families, which peer, and which prefixes.
///
/// ```
/// use bgp_core::rib::View;
/// use bgp_speaker::Filter;
///
/// // Best routes, and what peers are told, of one prefix and all that it contains.
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
    /// All routes of some views.
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

    /// The same of one family only.
    #[must_use]
    pub fn in_family(mut self, family: Family) -> Self {
        self.families = PerFamily::default();
        self.families[family] = true;
        self
    }

    /// The same of one peer only: routes that it announced and, of [`View::Told`], that it is told. A number that is given to
    /// another peer later means that one then.
    #[must_use]
    pub fn of_peer(mut self, peer: PeerId) -> Self {
        self.peer = Some(peer);
        self
    }

    /// The same of this prefix only.
    #[must_use]
    pub fn exactly(mut self, prefix: IpNet) -> Self {
        self.selection = Selection::Exactly(prefix);
        self.in_family(Family::of(prefix.addr()))
    }

    /// The same of this prefix and all that it contains only.
    #[must_use]
    pub fn within(mut self, prefix: IpNet) -> Self {
        self.selection = Selection::Within(prefix);
        self.in_family(Family::of(prefix.addr()))
    }

    /// Whether a prefix is among those that it is about.
    pub(super) fn includes(&self, prefix: IpNet) -> bool {
        self.families[Family::of(prefix.addr())] && self.selection.may_include(prefix)
    }

    /// Whether what a peer is told matters.
    pub(super) fn looks_at_told(&self, peer: PeerId) -> bool {
        self.views.contains(&View::Told) && self.peer.is_none_or(|only| only == peer)
    }

    /// Queries that together find everything.
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

    /// Queries that together find everything about a prefix.
    pub(super) fn queries_about(&self, prefix: IpNet) -> impl Iterator<Item = Query> {
        let views = self.views.iter();
        views.map(move |view| self.query_about(*view, prefix))
    }

    /// A query that finds everything about a prefix in a view.
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
