//! JSON schemas of the kinds, made from their types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::kind::Kind;
use super::node::KubernetesNode;
use super::secret::SecretDocument;
use super::{
    BfdConfiguration, BgpConfiguration, BgpFilter, BgpPeer, BlockAffinity, CalicoNodeStatus,
    EndpointSlice, IpPool, IpReservation, IpamBlock, Node, Profile, Service,
};

/// The schema of a kind's type, complete in itself: metadata, spec and what else is read, as JSON schema draft 7.
pub(crate) fn schema_of(kind: Kind) -> Value {
    match kind {
        Kind::BgpConfiguration => of::<BgpConfiguration>(),
        Kind::BgpPeer => of::<BgpPeer>(),
        Kind::BgpFilter => of::<BgpFilter>(),
        Kind::Node => of::<Node>(),
        Kind::KubernetesNode => of::<KubernetesNode>(),
        Kind::IpPool => of::<IpPool>(),
        Kind::IpReservation => of::<IpReservation>(),
        Kind::BlockAffinity => of::<BlockAffinity>(),
        Kind::IpamBlock => of::<IpamBlock>(),
        Kind::Service => of::<Service>(),
        Kind::EndpointSlice => of::<EndpointSlice>(),
        Kind::Secret => of::<SecretDocument>(),
        Kind::CalicoNodeStatus => of::<CalicoNodeStatus>(),
        Kind::BfdConfiguration => of::<BfdConfiguration>(),
        Kind::Profile => of::<Profile>(),
    }
}

fn of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    SchemaGenerator::new(settings)
        .into_root_schema_for::<T>()
        .to_value()
}
