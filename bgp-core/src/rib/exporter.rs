//! An update group's export of a prefix: the entries of its Adj-RIB-Out, with a cache of rewritten attributes.

use bytes::BytesMut;
use hashbrown::HashTable;

use super::adj_out::{Entries, Entry};
use super::attributes::AttrId;
use super::decision::Ranking;
use super::export::{Admissions, Admitted, GroupKey, REMEMBERED};
use super::path::Path;
use super::shared::Shared;
use super::stats::Kept;
use super::table::Table;
use crate::steps;
use crate::types::{PathId, PeerId, Prefix};
use crate::wire::MAX_MESSAGE_LEN;
use crate::wire::update::encode_reachable;

/// Upper bound of the octets of an UPDATE other than the attributes: headers, a next hop and one prefix.
const LARGEST_REST: usize = 128;

/// The export rules of a group, and their cached results.
#[derive(Debug)]
pub(super) struct Exporter {
    pub(super) key: GroupKey,
    /// Counters of routes withheld from the members.
    pub(super) kept: Kept,
    /// Rewritten attributes, at most [`REMEMBERED`]; the peer only matters for reflected routes.
    rewritten: HashTable<Rewritten>,
    /// The last result: routes come in runs.
    last_rewritten: Option<Rewritten>,
    admissions: Admissions,
}

/// The rewritten attributes of a peer's route.
type Rewritten = ((Admitted, PeerId), Option<AttrId>);

impl Exporter {
    pub(super) fn new(key: GroupKey) -> Self {
        Self {
            key,
            kept: Kept::default(),
            rewritten: HashTable::new(),
            last_rewritten: None,
            admissions: Admissions::default(),
        }
    }

    /// The entries to advertise for a prefix.
    pub(super) fn entries<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        table: &Table<P>,
        at: u32,
    ) -> Entries {
        let slot = &table[at];
        let Some(best) = slot.best() else {
            return Entries::None;
        };
        if !self.key.context.add_path_send[P::FAMILY] {
            return self
                .entry(shared, best, slot.prefix, 0)
                .into_iter()
                .collect();
        }
        // RFC 7911 §5: the best path is always included.
        let mut entries = Entries::None;
        for path in slot.paths.as_slice() {
            if Ranking::of(shared, P::FAMILY).is_eligible(path)
                && let Some(entry) = self.entry(shared, path, slot.prefix, path.local_id)
            {
                entries.push(entry);
            }
        }
        steps::count(slot.paths.as_slice().len());
        entries
            .as_mut_slice()
            .sort_unstable_by_key(|entry| entry.path_id);
        entries
    }

    fn entry<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        path: &Path,
        prefix: P,
        path_id: u16,
    ) -> Option<Entry> {
        let variant = match self.key.address {
            Some(_) => self.key.variant(shared, path, prefix.into()),
            None => Some(*path),
        };
        let Some(path) = &variant else {
            self.kept.count(true);
            return None;
        };
        let known = &mut self.admissions;
        let Some(admitted) = self.key.admit(shared, path, prefix.into(), known) else {
            self.kept.count(self.key.allows(shared, path));
            return None;
        };
        let by_source = self.key.kind.is_internal() || path.is_local();
        let cached = (admitted, if by_source { path.peer } else { PeerId(0) });
        let attrs = self.rewritten::<P>(shared, cached, path)?;
        Some(Entry {
            path_id,
            attrs,
            source: path.peer,
        })
    }

    fn rewritten<P: Prefix>(
        &mut self,
        shared: &mut Shared,
        cached: (Admitted, PeerId),
        path: &Path,
    ) -> Option<AttrId> {
        if let Some((_, attrs)) = self.last_rewritten.filter(|(last, _)| *last == cached) {
            return attrs;
        }
        let hash = shared.store.hash.of(cached);
        let found = self.rewritten.find(hash, |(key, _)| *key == cached);
        let attrs = match found {
            Some((_, attrs)) => *attrs,
            None => {
                let attrs = self.key.rewrite(shared, cached.0, path);
                let attrs = attrs.filter(|attrs| self.fits::<P>(shared, *attrs));
                if self.rewritten.len() == REMEMBERED {
                    self.rewritten.clear();
                }
                let rehash = |(key, _): &Rewritten| shared.store.hash.of(key);
                self.rewritten.insert_unique(hash, (cached, attrs), rehash);
                attrs
            }
        };
        self.last_rewritten = Some((cached, attrs));
        attrs
    }

    /// RFC 4271 §9.2: a route that does not fit into a message of this session is not advertised.
    fn fits<P: Prefix>(&self, shared: &Shared, attrs: AttrId) -> bool {
        let view = shared.store.view(attrs);
        // Two-octet AS numbers are sent together with all four octets, which at most doubles the size.
        if view.octets().len() < usize::from(MAX_MESSAGE_LEN) / 2 - LARGEST_REST {
            return true;
        }
        let longest = P::from_octets(&[], P::FAMILY.max_prefix_len()).map(|net| (PathId(0), net));
        let routes = longest.as_slice();
        let next_hop = shared.store.next_hop(attrs);
        next_hop.is_some_and(|next_hop| {
            let mut octets = BytesMut::new();
            encode_reachable(&self.key.context, view, next_hop, routes, &mut octets).is_ok()
        })
    }

    /// Clears the cache of rewritten attributes.
    pub(super) fn forget_rewritten(&mut self) {
        self.rewritten.clear();
        self.last_rewritten = None;
        self.admissions = Admissions::default();
    }
}
