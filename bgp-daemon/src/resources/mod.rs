//! The Calico resources, and the few Kubernetes ones, that a BGP speaker needs, as typed values.
//!
//! [`parse`] turns YAML or JSON text into [`Document`]s, [`Resource::from_json`] does the same for one object that a datastore
//! stores as JSON, and [`ResourceSet::load`] reads files and folders. Errors are returned as [`Problem`]s with object, field,
//! file, line and column. An invalid object is left out and all others are used; of a [`BgpConfiguration`] or [`IpPool`] only the
//! field, or the entry of a list, is left out. Unknown fields are warnings.
//!
//! This module checks one object at a time (the planner handles references between objects), never talks to a datastore, and
//! never prints a secret.

mod bfd_configuration;
mod bgp_configuration;
mod bgp_filter;
mod bgp_peer;
mod block;
mod check;
mod combine;
mod decode;
mod document;
mod duration;
mod fault;
mod fields;
mod files;
mod ip_pool;
mod kind;
mod limits;
mod load;
mod loaded;
mod metadata;
mod node;
mod node_status;
mod outline;
mod places;
mod problem;
mod profile;
mod reader;
mod reading;
mod scalar;
mod schema;
mod secret;
pub mod selector;
mod service;
mod set;
mod shape;
mod suggest;
mod syntax;
mod tree;
mod v1;
mod value_schema;
#[cfg(test)]
mod wrong_values;

pub use bfd_configuration::{BfdConfiguration, BfdConfigurationSpec, BfdInterface};
pub(crate) use bgp_configuration::is_ignorable;
pub use bgp_configuration::{
    BgpConfiguration, BgpConfigurationSpec, BindMode, LoadBalancerAggregation, LogSeverity,
    NamedCommunity, PrefixAdvertisement, ProgramClusterRoutes, ServiceBlock,
};
pub use bgp_filter::{
    BgpFilter, BgpFilterSpec, CommunityMatch, FilterAction, FilterRule, FilterSource,
    MatchOperator, Operation, PeerType, PrefixLengthRange,
};
pub(crate) use bgp_peer::NO_AS;
pub use bgp_peer::{
    BgpPeer, BgpPeerSpec, FailureDetectionMode, NextHopMode, PasswordSource, PeerAddress, PeerIp,
    ReversePeering, SecretKeyRef, SourceAddress,
};
pub use block::{
    AffinityState, AffinityType, BlockAffinity, BlockAffinitySpec, BlockAttribute, IpamBlock,
    IpamBlockSpec,
};
pub(crate) use combine::Combiner;
pub(crate) use decode::key_of;
pub use document::{Document, Parsed, parse};
pub use duration::{DurationError, parse_duration};
pub(crate) use files::{FileId, MAX_DEPTH, is_document_name, read_limited, read_text, walk};
pub use ip_pool::{
    AllowedUse, AssignmentMode, EncapsulationMode, IpPool, IpPoolSpec, IpReservation,
    IpReservationSpec,
};
pub use kind::{Kind, OWN_VERSION, ObjectKey};
pub(crate) use load::{Content, Listing, Reader, Reread};
pub use loaded::Loaded;
pub use metadata::{Metadata, Object};
pub use node::{
    Node, NodeAddress, NodeAddressType, NodeBgp, NodeInterface, NodeSpec, NodeStatus, OrchRef,
    WireguardSpec,
};
pub use node_status::{CalicoNodeStatus, CalicoNodeStatusSpec, StatusClass};
pub(crate) use outline::{Entry, Meaning, Outline};
pub use problem::{Location, Problem, Severity};
pub use profile::{Profile, ProfileSpec};
pub(crate) use reading::{UNKNOWN_FIELD, from_json_text};
pub(crate) use scalar::prefix;
pub use scalar::{CommunityParseError, CommunityValue, RoutePriority};
pub(crate) use schema::schema_of;
pub use secret::{Secret, SecretValue};
pub use selector::Selector;
pub use service::{
    AddressType, Endpoint, EndpointConditions, EndpointSlice, IngressPoint, Service, ServiceSpec,
    ServiceType, TrafficPolicy,
};
pub use set::{Resource, ResourceSet};
pub(crate) use suggest::did_you_mean;
pub(crate) use syntax::not_json;
pub(crate) use tree::{Content as TreeContent, LineColumn, Tree};
