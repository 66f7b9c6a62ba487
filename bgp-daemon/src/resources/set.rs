//! One object of any kind, and comparable sets of objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kind::{Kind, ObjectKey};
use super::metadata::Metadata;
use super::{
    BfdConfiguration, BgpConfiguration, BgpFilter, BgpPeer, BlockAffinity, CalicoNodeStatus,
    EndpointSlice, IpPool, IpReservation, IpamBlock, Node, Profile, Secret, Service,
};

/// An object of any kind.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each holds what it is named after")]
pub enum Resource {
    BgpConfiguration(BgpConfiguration),
    BgpPeer(BgpPeer),
    BgpFilter(BgpFilter),
    Node(Node),
    KubernetesNode(Node),
    IpPool(IpPool),
    IpReservation(IpReservation),
    BlockAffinity(BlockAffinity),
    IpamBlock(IpamBlock),
    Service(Service),
    EndpointSlice(EndpointSlice),
    Secret(Secret),
    CalicoNodeStatus(CalicoNodeStatus),
    BfdConfiguration(BfdConfiguration),
    Profile(Profile),
}

/// Objects by kind and name. Two sets are equal if they mean the same; a copy of a set shares its objects.
#[derive(Clone, Debug, Default)]
pub struct ResourceSet {
    /// Each kind separately, and none that is empty: sets share the kinds in which they do not differ.
    kinds: BTreeMap<Kind, Arc<Objects>>,
}

/// The objects of one kind.
pub(super) type Objects = BTreeMap<ObjectKey, Arc<Resource>>;

impl ResourceSet {
    /// A set of whole kinds, none of them empty.
    pub(super) fn of_objects(kinds: impl Iterator<Item = (Kind, Arc<Objects>)>) -> Self {
        Self {
            kinds: kinds.collect(),
        }
    }

    /// Inserts an object; returns the replaced one of the same kind and name.
    pub fn insert(&mut self, resource: Resource) -> Option<Arc<Resource>> {
        self.insert_shared(resource.key(), Arc::new(resource))
    }

    fn insert_shared(&mut self, key: ObjectKey, resource: Arc<Resource>) -> Option<Arc<Resource>> {
        let objects = self.kinds.entry(key.kind).or_default();
        Arc::make_mut(objects).insert(key, resource)
    }

    /// Removes an object.
    pub fn remove(&mut self, key: &ObjectKey) -> Option<Arc<Resource>> {
        let objects = self.kinds.get_mut(&key.kind)?;
        if !objects.contains_key(key) {
            return None;
        }
        let removed = Arc::make_mut(objects).remove(key);
        if objects.is_empty() {
            self.kinds.remove(&key.kind);
        }
        removed
    }

    /// An object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Resource> {
        self.get_key_value(key)
            .map(|(_, resource)| resource.as_ref())
    }

    fn get_key_value(&self, key: &ObjectKey) -> Option<Entry<'_>> {
        self.kinds.get(&key.kind)?.get_key_value(key)
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.kinds.values().flat_map(|objects| objects.iter())
    }

    /// All objects, by kind, namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Resource)> {
        self.entries()
            .map(|(key, resource)| (key, resource.as_ref()))
    }

    /// Inserts an object of another set, if it exists. Both share it.
    pub(crate) fn share(&mut self, from: &Self, key: &ObjectKey) {
        if let Some((key, resource)) = from.get_key_value(key) {
            self.insert_shared(key.clone(), Arc::clone(resource));
        }
    }

    /// Adds the objects of another set whose kind and name are not in this one. Both share them. Returns the keys of the others.
    pub fn add_absent(&mut self, other: &Self) -> Vec<ObjectKey> {
        let mut present = Vec::new();
        for (key, resource) in other.entries() {
            match self.get(key) {
                Some(_) => present.push(key.clone()),
                None => drop(self.insert_shared(key.clone(), Arc::clone(resource))),
            }
        }
        present
    }

    /// The set of objects for which `keep` is true. Both share them.
    pub(crate) fn filtered(&self, keep: impl Fn(&ObjectKey, &Resource) -> bool) -> Self {
        let kept = self.entries().filter(|(key, it)| keep(key, it));
        let kept = kept.map(|(key, resource)| (key.clone(), Arc::clone(resource)));
        kept.collect()
    }

    /// The objects of some kinds. Both sets share them.
    pub(crate) fn of_kinds(&self, kinds: &[Kind]) -> Self {
        let shared = |kind: &Kind| Some((*kind, Arc::clone(self.kinds.get(kind)?)));
        Self {
            kinds: kinds.iter().filter_map(shared).collect(),
        }
    }

    /// Shares the kinds that are equal in an earlier set. Comparing the two costs nothing for these kinds from then on.
    pub(crate) fn share_unchanged(&mut self, earlier: &Self) {
        for (kind, objects) in &mut self.kinds {
            let known = earlier.kinds.get(kind);
            if let Some(known) = known.filter(|known| are_equal(known, objects)) {
                *objects = Arc::clone(known);
            }
        }
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.kinds.values().map(|objects| objects.len()).sum()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// All objects of a kind, by namespace and name.
    fn of(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        let objects = self.kinds.get(&kind).into_iter();
        objects.flat_map(|objects| objects.values().map(Arc::as_ref))
    }
}

impl PartialEq for ResourceSet {
    fn eq(&self, other: &Self) -> bool {
        let same = |((a_kind, a), (b_kind, b)): ((&Kind, _), (&Kind, _))| {
            a_kind == b_kind && are_equal(a, b)
        };
        self.kinds.len() == other.kinds.len() && self.kinds.iter().zip(&other.kinds).all(same)
    }
}

fn are_equal(a: &Arc<Objects>, b: &Arc<Objects>) -> bool {
    let same = |((a_key, a), (b_key, b)): (Entry<'_>, Entry<'_>)| {
        a_key == b_key && (Arc::ptr_eq(a, b) || a == b)
    };
    Arc::ptr_eq(a, b) || a.len() == b.len() && a.iter().zip(b.iter()).all(same)
}

type Entry<'a> = (&'a ObjectKey, &'a Arc<Resource>);

impl FromIterator<(ObjectKey, Arc<Resource>)> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = (ObjectKey, Arc<Resource>)>>(objects: I) -> Self {
        let mut kinds: BTreeMap<Kind, Vec<_>> = BTreeMap::new();
        for object in objects {
            kinds.entry(object.0.kind).or_default().push(object);
        }
        let kinds = kinds.into_iter();
        Self {
            kinds: kinds
                .map(|(kind, objects)| (kind, Arc::new(objects.into_iter().collect())))
                .collect(),
        }
    }
}

impl FromIterator<Resource> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = Resource>>(resources: I) -> Self {
        let resources = resources.into_iter();
        resources
            .map(|resource| (resource.key(), Arc::new(resource)))
            .collect()
    }
}

/// For each kind: its variant of [`Resource`], and the functions of a set that list it and find one by name.
macro_rules! kinds {
    ($($kind:ident($type:ty): $all:ident, $one:ident($($namespace:ident)?);)*) => {
        impl Resource {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Its metadata.
            pub fn metadata(&self) -> &Metadata {
                match self { $(Self::$kind(object) => &object.metadata,)* }
            }

            /// Its metadata, mutable.
            pub(super) fn metadata_mut(&mut self) -> &mut Metadata {
                match self { $(Self::$kind(object) => &mut object.metadata,)* }
            }

            /// Its key in a set.
            pub fn key(&self) -> ObjectKey {
                let kind = self.kind();
                let metadata = self.metadata();
                let namespace = match kind.is_namespaced() {
                    true => metadata.namespace.clone(),
                    false => String::new(),
                };
                ObjectKey { kind, namespace, name: metadata.name.clone() }
            }
        }

        impl ResourceSet {
            $(
                #[doc = concat!("Every ", stringify!($kind), ", by name.")]
                pub fn $all(&self) -> impl Iterator<Item = &$type> {
                    self.of(Kind::$kind).filter_map(|resource| match resource {
                        Resource::$kind(object) => Some(object),
                        _ => None,
                    })
                }

                #[doc = concat!("The ", stringify!($kind), " of that name.")]
                pub fn $one(&self, $($namespace: &str,)? name: &str) -> Option<&$type> {
                    let key = ObjectKey {
                        kind: Kind::$kind,
                        namespace: String::new() $(+ $namespace)?,
                        name: name.to_owned(),
                    };
                    match self.get(&key)? {
                        Resource::$kind(object) => Some(object),
                        _ => None,
                    }
                }
            )*
        }
    };
}

kinds! {
    BgpConfiguration(BgpConfiguration): bgp_configurations, bgp_configuration();
    BgpPeer(BgpPeer): bgp_peers, bgp_peer();
    BgpFilter(BgpFilter): bgp_filters, bgp_filter();
    Node(Node): nodes, node();
    KubernetesNode(Node): kubernetes_nodes, kubernetes_node();
    IpPool(IpPool): ip_pools, ip_pool();
    IpReservation(IpReservation): ip_reservations, ip_reservation();
    BlockAffinity(BlockAffinity): block_affinities, block_affinity();
    IpamBlock(IpamBlock): ipam_blocks, ipam_block();
    Service(Service): services, service(namespace);
    EndpointSlice(EndpointSlice): endpoint_slices, endpoint_slice(namespace);
    Secret(Secret): secrets, secret(namespace);
    CalicoNodeStatus(CalicoNodeStatus): calico_node_statuses, calico_node_status();
    BfdConfiguration(BfdConfiguration): bfd_configurations, bfd_configuration();
    Profile(Profile): profiles, profile();
}
