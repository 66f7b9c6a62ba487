//! Pages of routes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::{Cursor, Query, RouteSource, Selection, View, ViewedRoute};
use bgp_core::types::{Family, PeerId};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::agent::RunningView;
use crate::api::error::ApiError;
use crate::api::model::{RouteEntry, RouteView, Routes};
use crate::clock::timestamp;
use crate::desired::local_kind::{DIRECT, HOST_ROUTE, KERNEL, STATIC};
use crate::outlook::WireAttributes;
use crate::plan::Peer;

/// Default size of a page.
const PAGE: usize = 1000;
/// Slots of the table that a page with few routes may visit; then it is short, and has a cursor.
const LOOKS: usize = 16;

/// Parameters of `/v1/routes`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RoutesQuery {
    /// `received`, `accepted`, `best` (the default) or `told`.
    #[serde(default)]
    pub(in crate::api) view: RouteView,
    /// Only routes from this peer or, in the view `told`, to this peer: name of the session, or address.
    pub(in crate::api) peer: Option<String>,
    /// `ipv4-unicast` or `ipv6-unicast`. By default the family of the prefix, otherwise IPv4 followed by IPv6.
    #[schemars(with = "Option<String>", extend("enum" = ["ipv4-unicast", "ipv6-unicast", null]))]
    pub(in crate::api) family: Option<Family>,
    /// Only this prefix. An address finds the longest prefix that contains it.
    pub(in crate::api) prefix: Option<String>,
    /// Approximate number of routes, at most 4096.
    #[schemars(range(min = 1, max = 4096))]
    pub(in crate::api) limit: Option<usize>,
    /// `next` of the previous page.
    pub(in crate::api) cursor: Option<String>,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
struct Position {
    family: Family,
    at: Cursor,
}

impl Position {
    fn parse(text: &str) -> Option<Self> {
        let (family, at) = text.split_once('.')?;
        let family = Family::ALL
            .into_iter()
            .find(|known| known.to_string() == family)?;
        let at = at.parse().ok()?;
        Some(Self { family, at })
    }

    fn text(self) -> String {
        format!("{}.{}", self.family, self.at)
    }
}

/// A parsed query.
struct Asked {
    /// The only family of the query.
    only: Option<Family>,
    start: Position,
    selection: Selection,
    peer: Option<PeerId>,
    limit: usize,
}

impl Asked {
    fn of(running: &RunningView, asked: &RoutesQuery) -> Result<Self, ApiError> {
        let limit = asked.limit.unwrap_or(PAGE);
        if !(1..=4096).contains(&limit) {
            return Err(ApiError::wrong("limit", "expected a number from 1 to 4096"));
        }
        let selection = asked.prefix.as_deref().map(selection).transpose()?;
        let of_prefix = selection.map(|(family, _)| family);
        if let (Some(of_prefix), Some(family)) = (of_prefix, asked.family)
            && of_prefix != family
        {
            let reason = format!("the prefix is of family {of_prefix}");
            return Err(ApiError::wrong("family", reason));
        }
        let only = of_prefix.or(asked.family);
        let start = match &asked.cursor {
            None => Position {
                family: only.unwrap_or(Family::Ipv4Unicast),
                at: Cursor::START,
            },
            Some(text) => Position::parse(text)
                .filter(|position| only.is_none_or(|only| only == position.family))
                .ok_or_else(|| ApiError::wrong("cursor", "expected `next` of an earlier page"))?,
        };
        let peer = asked.peer.as_deref().map(|name| {
            let peer = peer_named(running, name)?;
            let id = running.speaker.peer_id(&peer.name);
            id.ok_or_else(|| ApiError::no_session(name))
        });
        Ok(Self {
            only,
            start,
            selection: selection.map_or(Selection::All, |(_, selection)| selection),
            peer: peer.transpose()?,
            limit,
        })
    }

    fn query(&self, view: View, family: Family) -> Query {
        let query = Query::new(view, family).select(self.selection);
        match self.peer {
            Some(peer) => query.of_peer(peer),
            None => query,
        }
    }

    /// The position after a page.
    fn after(&self, family: Family, next: Option<Cursor>) -> Option<Position> {
        match (next, family, self.only) {
            (Some(at), family, _) => Some(Position { family, at }),
            (None, Family::Ipv4Unicast, None) => Some(Position {
                family: Family::Ipv6Unicast,
                at: Cursor::START,
            }),
            (None, _, _) => None,
        }
    }
}

pub(in crate::api) async fn routes(
    running: &RunningView,
    asked: &RoutesQuery,
) -> Result<Routes, ApiError> {
    let plan = Asked::of(running, asked)?;
    let names = session_names(running);
    let (mut found, mut next) = (Vec::new(), Some(plan.start));
    for _ in 0..LOOKS {
        let Some(position) = next.filter(|_| found.len() < plan.limit) else {
            break;
        };
        let query = plan.query(asked.view.into(), position.family);
        let routes = running.speaker.routes();
        let page = routes
            .ask(query, position.at, plan.limit - found.len())
            .await;
        let page = page.map_err(|_| ApiError::NotRunning)?;
        found.extend(page.routes.iter().map(|route| entry(route, &names)));
        next = plan.after(position.family, page.next);
    }
    Ok(Routes {
        routes: found,
        next: next.map(Position::text),
    })
}

fn selection(text: &str) -> Result<(Family, Selection), ApiError> {
    let wrong = || ApiError::wrong("prefix", "expected a prefix or an address");
    if let Ok(address) = text.parse::<IpAddr>() {
        let host = IpNet::from(address);
        return Ok((Family::of(address), Selection::LongestMatch(host)));
    }
    let prefix: IpNet = text.parse().map_err(|_| wrong())?;
    Ok((
        Family::of(prefix.addr()),
        Selection::Exactly(prefix.trunc()),
    ))
}

/// The peer with this name or address.
pub(in crate::api) fn peer_named<'a>(
    running: &'a RunningView,
    name: &str,
) -> Result<&'a Peer, ApiError> {
    let address = name.parse::<IpAddr>().ok();
    let mut peers = running.plan.peers.iter();
    let found = peers.find(|peer| peer.name == name || Some(peer.address) == address);
    let found = found.map(Arc::as_ref);
    found.ok_or_else(|| ApiError::no_session(name))
}

/// The names of the sessions by peer number.
pub(in crate::api) fn session_names(running: &RunningView) -> BTreeMap<PeerId, String> {
    let peers = running.plan.peers.iter();
    let named = peers.filter_map(|peer| {
        let id = running.speaker.peer_id(&peer.name)?;
        Some((id, peer.name.clone()))
    });
    named.collect()
}

/// A route in the API's form.
pub(in crate::api) fn entry(route: &ViewedRoute, names: &BTreeMap<PeerId, String>) -> RouteEntry {
    let name = |id: PeerId| {
        names
            .get(&id)
            .cloned()
            .unwrap_or_else(|| format!("peer {}", id.0))
    };
    let (peer, local) = match route.source {
        RouteSource::Peer(peer, _) => (Some(name(peer)), None),
        RouteSource::Local(kind) => (None, Some(local(kind))),
    };
    RouteEntry {
        prefix: route.prefix.to_string(),
        peer,
        to: route.to.map(name),
        local,
        path_id: Some(route.path_id.0).filter(|id| *id != 0),
        since: timestamp(route.since),
        attributes: WireAttributes::from(route),
        preference: route.preference,
        igp_metric: route.igp_metric,
        stale: route.stale,
        standing: route.standing.to_string(),
    }
}

fn local(kind: u32) -> String {
    let kinds = [
        (STATIC, "static"),
        (HOST_ROUTE, "host-route"),
        (KERNEL, "kernel"),
        (DIRECT, "direct"),
    ];
    let known = kinds.into_iter().find(|(known, _)| known.id == kind);
    known.map_or_else(|| kind.to_string(), |(_, word)| word.to_owned())
}

impl From<RouteView> for View {
    fn from(view: RouteView) -> Self {
        match view {
            RouteView::Received => Self::Received,
            RouteView::Accepted => Self::Accepted,
            RouteView::Best => Self::Best,
            RouteView::Told => Self::Told,
        }
    }
}
