//! The exchange of routes with peers whose sessions are up.

use std::collections::{BTreeMap, BTreeSet};

use bgp_core::rib::{Cursor, Query, Rib, Standing, Unusable, View, ViewedRoute, Withheld};
use bgp_core::types::{Family, PeerId};
use ipnet::IpNet;

use super::facts::{Peer, Routes};
use crate::agent::RunningView;

/// Limit of this node's prefixes that are examined for a peer without routes.
const PREFIXES: usize = 256;
/// Limit of the pages of received routes, and routes per page.
const PAGES: usize = 64;
const PAGE: usize = 4096;

/// Examines the routes of established sessions.
pub(super) async fn look_at(running: &RunningView, peers: &mut [Peer]) {
    let ids: BTreeMap<PeerId, usize> = peers
        .iter()
        .enumerate()
        .filter(|(_, peer)| peer.is_up())
        .filter_map(|(place, peer)| Some((running.speaker.peer_id(&peer.name)?, place)))
        .collect();
    let routes = running.speaker.routes();
    for family in Family::ALL {
        let own = own_prefixes(running, family);
        for (id, place) in &ids {
            let (id, own) = (*id, own.clone());
            // A speaker that has ended has no routes.
            let told = routes.look(move |rib| told(rib, id, family, &own)).await;
            peers[*place].routes[family] = told.unwrap_or_default();
        }
        let mut from = Some(Cursor::START);
        for _ in 0..PAGES {
            let Some(cursor) = from.take().filter(|_| !ids.is_empty()) else {
                break;
            };
            let mut query = Query::new(View::Received, family);
            if let [peer] = &ids.keys().collect::<Vec<_>>()[..] {
                query = query.of_peer(**peer);
            }
            let Ok(page) = routes.ask(query.with_left_out(), cursor, PAGE).await else {
                break;
            };
            from = page.next;
            for route in &page.routes {
                let place = route.peer().and_then(|peer| ids.get(&peer));
                if let Some(place) = place {
                    note_received(route, &mut peers[*place].routes[family]);
                }
            }
        }
    }
}

fn own_prefixes(running: &RunningView, family: Family) -> Vec<IpNet> {
    let own = running.plan.originate.iter().map(|route| route.prefix);
    let of_family: BTreeSet<IpNet> = own
        .filter(|prefix| bgp_core::types::family_of(*prefix) == family)
        .collect();
    of_family.into_iter().take(PREFIXES).collect()
}

/// The routes advertised to a peer; if there are none, why this node's own prefixes are withheld.
fn told(rib: &Rib, peer: PeerId, family: Family, own: &[IpNet]) -> Routes {
    let mut routes = Routes {
        told: rib.counts(peer, family).exported,
        ..Routes::default()
    };
    if routes.told > 0 {
        return routes;
    }
    for prefix in own {
        let query = Query::about(View::Told, *prefix)
            .of_peer(peer)
            .with_left_out();
        for route in rib.ask(&query, Cursor::START, 16).routes {
            let count = match route.standing {
                Standing::Withheld(Withheld::Policy | Withheld::Owner) => &mut routes.filtered,
                Standing::Withheld(Withheld::NoNextHop) => &mut routes.without_next_hop,
                _ => continue,
            };
            note(count, prefix.to_string());
        }
    }
    routes
}

fn note_received(route: &ViewedRoute, routes: &mut Routes) {
    let next_hop = route.next_hop.map(|next_hop| next_hop.address());
    let example = next_hop.map_or_else(
        || route.prefix.to_string(),
        |next_hop| format!("{} with next hop {next_hop}", route.prefix),
    );
    match route.standing {
        Standing::Unusable(Unusable::OwnNextHop | Unusable::LoopbackNextHop) => {
            note(&mut routes.impossible, example);
        }
        Standing::Unusable(_) => {}
        _ if route.igp_metric.is_none() => note(&mut routes.unreachable, example),
        _ => {}
    }
}

fn note((count, first): &mut (usize, Option<String>), example: String) {
    *count += 1;
    first.get_or_insert(example);
}
