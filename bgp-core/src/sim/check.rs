//! Invariants of the tables of speakers: of one at any time ([`table`]), of all when the network is at rest ([`settled`]).
//!
//! The RIB is only asked for its routes; the [`model`](super::model) says what they should be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::model::{self, From, NaivePath};
use super::naive::NaiveRoute;
use super::network::{Network, node_of, peer_id};
use super::node::{LOCAL_PREFERENCE, Node, SessionView};
use super::trace::Violation;
use crate::rib::{Route, RouteSource};
use crate::session::State;
use crate::speaker::SansIoSpeaker;
use crate::types::{PeerId, family_of};

/// Longest time that stale routes of a returned neighbour are kept without an End-of-RIB (RFC 4724 §4.2).
const STALE_TIME: Duration = Duration::from_secs(180);

/// The paths of each prefix.
pub(super) type Paths = BTreeMap<IpNet, Vec<NaivePath>>;

type Check = Result<(), Violation>;

/// Checks the table of one speaker: no route of a removed neighbour, no looped path in use, and the right best path.
pub(super) fn table(
    network: &Network,
    node: &Node,
    place: usize,
    now: Instant,
    tainted: bool,
) -> Result<Paths, Violation> {
    let mut paths = Paths::new();
    let mut chosen = BTreeMap::new();
    let Some(speaker) = &node.speaker else {
        return Ok(paths);
    };
    for family in &network.terms.families {
        for route in speaker.rib().routes(*family, 0, usize::MAX).0 {
            source(node, speaker, &route, now, tainted)
                .map_err(|violation| violation.within(format!("node {place}")))?;
            let path = NaivePath::observed(&route);
            loops(network, place, &path, &route, tainted)?;
            if route.best {
                chosen.insert(route.prefix, path.clone());
            }
            paths.entry(route.prefix).or_default().push(path);
        }
    }
    let checked = !node.deferring && !node.mistakes_a_neighbour(network);
    for (prefix, paths) in paths.iter().filter(|_| checked) {
        let expected = model::best(network, place, paths);
        if expected != chosen.get(prefix) {
            let text = format!(
                "node {place} uses {:?} for {prefix}, not {expected:?}",
                chosen.get(prefix)
            );
            return Err(Violation::new("best path", text));
        }
    }
    Ok(paths)
}

/// A route is present because it is local, its neighbour is up, or it is kept over a restart (RFC 4724 §4.2).
fn source(
    node: &Node,
    speaker: &SansIoSpeaker,
    route: &Route,
    now: Instant,
    tainted: bool,
) -> Check {
    let RouteSource::Peer(peer, _) = route.source else {
        return Ok(());
    };
    let ghost = |why: &str| {
        Err(Violation::new(
            "ghost route",
            format!("{} from {}: {why}", route.prefix, node_of(peer)),
        ))
    };
    let Some(view) = node.sessions.get(&node_of(peer)) else {
        return ghost("a stranger");
    };
    match (view.up, route.stale) {
        (Some(_), false) => Ok(()),
        (Some(up), true) if now <= up + STALE_TIME => Ok(()),
        (Some(_), true) => ghost("stale for too long after the neighbour came back"),
        (None, _) if is_established(speaker, peer) => ghost("the session came up without a word"),
        (None, false) => ghost("the neighbour is down"),
        (None, true) => {
            let kept = view
                .down
                .is_some_and(|down| down.keep_stale[family_of(route.prefix)]);
            let in_time = view
                .down
                .is_some_and(|down| now <= down.at + view.restart_time);
            if kept && (in_time || tainted) {
                Ok(())
            } else {
                ghost("stale for longer than the restart time, or never to be kept")
            }
        }
    }
}

fn is_established(speaker: &SansIoSpeaker, peer: PeerId) -> bool {
    speaker
        .session(peer)
        .is_some_and(|session| session.state() == State::Established)
}

/// RFC 4271 §9.1.2: no usable path contains our own AS, unless that is allowed.
fn loops(network: &Network, place: usize, path: &NaivePath, route: &Route, tainted: bool) -> Check {
    let From::Peer(peer, _) = path.from else {
        return Ok(());
    };
    let own = network.nodes[place].asn;
    let allowed = network
        .end(place, peer)
        .map_or(0, |end| end.allowed_local_as as usize);
    let occurrences = route.attributes.as_path.view().occurrences(own);
    if path.usable && occurrences > allowed && !tainted {
        return Err(Violation::new(
            "loop",
            format!(
                "node {place} may use {:?} for {}",
                path.route.as_path, route.prefix
            ),
        ));
    }
    Ok(())
}

/// Checks a network at rest: every speaker holds what its neighbours sent, sends what it should, uses and installs what the model
/// says, and nothing is stale.
pub(super) fn settled(network: &Network, nodes: &[Node], now: Instant) -> Check {
    let mut tables = Vec::with_capacity(nodes.len());
    for (place, node) in nodes.iter().enumerate() {
        tables.push(table(network, node, place, now, false)?);
        nothing_stale(network, node, place)?;
    }
    for (place, node) in nodes.iter().enumerate() {
        for (peer, view) in &node.sessions {
            adj_rib_out(network, node, place, *peer, view, &tables[place])?;
            adj_rib_in(network, place, *peer, view, &tables[*peer])?;
        }
        forwarding(network, node, place, &tables[place])?;
    }
    stable_state(network, nodes, &tables)
}

fn nothing_stale(network: &Network, node: &Node, place: usize) -> Check {
    for family in &network.terms.families {
        let routes = node
            .speaker
            .iter()
            .flat_map(|speaker| speaker.rib().routes(*family, 0, usize::MAX).0);
        if let Some(route) = routes.into_iter().find(|route| route.stale) {
            return Err(Violation::new(
                "stale route",
                format!("node {place} still holds {} as stale", route.prefix),
            ));
        }
    }
    Ok(())
}

/// The routes that `place` records as sent to `peer` are those that it should send and has sent.
fn adj_rib_out(
    network: &Network,
    node: &Node,
    place: usize,
    peer: usize,
    view: &SessionView,
    paths: &Paths,
) -> Check {
    let mut believed: Vec<(IpNet, NaiveRoute)> = Vec::new();
    for (speaker, family) in node
        .speaker
        .iter()
        .flat_map(|speaker| network.terms.families.iter().map(move |f| (speaker, f)))
    {
        let routes = speaker
            .rib()
            .exported(peer_id(peer), *family, 0, usize::MAX)
            .0;
        believed.extend(routes.iter().map(|told| {
            (
                told.route.prefix,
                NaiveRoute::observed(&told.attributes, told.next_hop),
            )
        }));
    }
    let mut wanted = Vec::new();
    for (prefix, paths) in paths {
        let all = paths
            .iter()
            .filter(|path| path.usable && network.terms.add_path);
        let one = model::best(network, place, paths).filter(|_| !network.terms.add_path);
        let told = all
            .chain(one)
            .filter_map(|path| model::tell(network, place, peer, *prefix, path));
        wanted.extend(told.map(|route| (*prefix, route)));
    }
    let mut sent: Vec<_> = view
        .tap
        .told
        .iter()
        .map(|((prefix, _), route)| (*prefix, route.clone()))
        .collect();
    for routes in [&mut believed, &mut wanted, &mut sent] {
        routes.sort();
    }
    if believed != wanted {
        return Err(differ(
            "adj-rib-out",
            &format!("node {place} believes to have told {peer}"),
            &believed,
            &wanted,
        ));
    }
    if sent != believed {
        return Err(differ(
            "mirror",
            &format!("node {place} has sent {peer}"),
            &sent,
            &believed,
        ));
    }
    if !view.tap.is_complete(&network.terms.families) {
        let text = format!(
            "node {place} told {peer} {:?} times that it knows all",
            view.tap.ends_of_rib
        );
        return Err(Violation::new("end of rib", text));
    }
    Ok(())
}

/// The routes that `peer` holds from `place` follow from those that `place` has sent.
fn adj_rib_in(
    network: &Network,
    place: usize,
    peer: usize,
    view: &SessionView,
    held: &Paths,
) -> Check {
    let mut wanted: Vec<(IpNet, NaivePath)> = Vec::new();
    for ((prefix, id), route) in &view.tap.told {
        wanted.push((
            *prefix,
            model::receive(network, peer, place, *prefix, *id, route.clone()),
        ));
    }
    let from_place = |path: &&NaivePath| matches!(path.from, From::Peer(from, _) if from == place);
    let mut held: Vec<_> = held
        .iter()
        .flat_map(|(prefix, paths)| {
            paths
                .iter()
                .filter(from_place)
                .map(|path| (*prefix, path.clone()))
        })
        .collect();
    held.sort_by_key(|(prefix, path)| (*prefix, path.from));
    wanted.sort_by_key(|(prefix, path)| (*prefix, path.from));
    if held == wanted {
        Ok(())
    } else {
        Err(differ(
            "adj-rib-in",
            &format!("node {peer} holds from {place}"),
            &held,
            &wanted,
        ))
    }
}

/// The first difference between two lists.
fn differ<T: PartialEq + std::fmt::Debug>(
    checker: &'static str,
    what: &str,
    is: &[T],
    should: &[T],
) -> Violation {
    let extra = is.iter().find(|item| !should.contains(item));
    let missing = should.iter().find(|item| !is.contains(item));
    let text = format!(
        "{what} {} routes, not {}; wrongly {extra:?}; missing {missing:?}",
        is.len(),
        should.len()
    );
    Violation::new(checker, text)
}

/// The installed next hops are those of the paths that equal the best one (RFC 4271 §9.1.2.2 up to step e).
fn forwarding(network: &Network, node: &Node, place: usize, paths: &Paths) -> Check {
    let mut wanted = BTreeMap::new();
    for (prefix, paths) in paths {
        let best = model::best(network, place, paths).filter(|best| best.from != From::Local);
        if let Some(first) = best.and_then(|best| best.route.next_hop) {
            let mut all: Vec<_> = model::equal(network, place, paths)
                .iter()
                .filter_map(|path| path.route.next_hop)
                .collect();
            all.sort();
            all.dedup();
            wanted.insert(*prefix, (first, all));
        }
    }
    let installed = node.installed.iter().filter_map(|(prefix, route)| {
        let mut all: Vec<_> = route
            .next_hops
            .iter()
            .map(|next_hop| next_hop.address())
            .collect();
        let first = *all.first()?;
        all.sort();
        Some((*prefix, (first, all)))
    });
    let installed: BTreeMap<_, _> = installed.collect();
    if installed == wanted {
        return Ok(());
    }
    Err(Violation::new(
        "forwarding",
        format!("node {place} installed {installed:?}, not {wanted:?}"),
    ))
}

/// Every speaker uses the routes of the model. With additional paths the result may depend on path numbers, so only the exchange
/// between neighbours is checked.
fn stable_state(network: &Network, nodes: &[Node], tables: &[Paths]) -> Check {
    if network.terms.add_path {
        return Ok(());
    }
    let path = |route: &NaiveRoute| NaivePath::local(route.clone(), LOCAL_PREFERENCE);
    let local: Vec<_> = nodes
        .iter()
        .map(|node| {
            node.local
                .iter()
                .map(|(prefix, route)| (*prefix, path(route)))
                .collect()
        })
        .collect();
    let state =
        model::stable_state(network, &local).map_err(|text| Violation::new("model", text))?;
    for (place, (wanted, table)) in state.iter().zip(tables).enumerate() {
        let used: BTreeMap<_, _> = table
            .iter()
            .filter_map(|(prefix, paths)| {
                Some((*prefix, model::best(network, place, paths)?.clone()))
            })
            .collect();
        if used != *wanted {
            let (used, wanted): (Vec<_>, Vec<_>) = (
                used.into_iter().collect(),
                wanted.clone().into_iter().collect(),
            );
            return Err(differ(
                "stable state",
                &format!("node {place} uses"),
                &used,
                &wanted,
            ));
        }
    }
    Ok(())
}
