//! The difference between the local routes with a number and the wanted ones.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::event::Input;
use super::settings::LocalRoute;
use super::tables::Tables;

/// How the local routes with a number differed from the wanted ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Synced {
    /// New or changed routes.
    pub announced: usize,
    /// Withdrawn routes.
    pub withdrawn: usize,
    /// Unchanged routes.
    pub unchanged: usize,
}

/// The inputs to apply, and their counts.
pub(super) fn difference(
    tables: &Tables,
    id: u32,
    wanted: impl IntoIterator<Item = (IpNet, LocalRoute)>,
) -> (Vec<Input>, Synced) {
    let wanted = wanted.into_iter();
    let wanted: BTreeMap<IpNet, LocalRoute> = wanted
        .map(|(prefix, route)| (prefix.trunc(), LocalRoute { id, ..route }))
        .collect();
    let gone = tables.shared.locals.prefixes(id);
    let gone = gone.filter(|prefix| !wanted.contains_key(prefix));
    let mut inputs: Vec<Input> = gone.map(|prefix| Input::Withdraw { prefix, id }).collect();
    let mut synced = Synced {
        withdrawn: inputs.len(),
        ..Synced::default()
    };
    for (prefix, route) in wanted {
        if tables.is_announced(prefix, &route) {
            synced.unchanged += 1;
        } else {
            synced.announced += 1;
            inputs.push(Input::announce(prefix, route));
        }
    }
    (inputs, synced)
}
