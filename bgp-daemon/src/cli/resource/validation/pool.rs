//! Rules of Calico's API for an IPPool: on its own, together with other pools, and for changes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::field::{Field, Invalid, finish};
use super::values::is_set;
use crate::cli::resource::manifest::Given;
use crate::datastore::store::{Store, StoreError};
use crate::resources::{Kind, prefix};

const CIDR: &str = "IPPool.Spec.CIDR";
const BLOCK_SIZE: &str = "IPPool.Spec.BlockSize";

/// Checks a pool on its own.
pub(super) fn check(spec: &Value, fields: &mut Vec<Field>) {
    let Some(cidr) = cidr(spec) else {
        return;
    };
    let mut refuse = |name: &str, value: &Value, reason: &str| {
        fields.push(Field::new(name, reason).with_value(value));
    };
    if cidr != cidr.trunc() {
        let reason = "has bits set behind its length";
        refuse(CIDR, &spec["cidr"], reason);
    }
    if overlap(cidr, link_local(cidr)) {
        refuse(CIDR, &spec["cidr"], "overlaps with link-local addresses");
    }
    let (sizes, size) = (block_sizes(cidr), block_size(spec, cidr));
    if !sizes.contains(&size) {
        let reason = format!("must be between {} and {}", sizes.start(), sizes.end());
        refuse(BLOCK_SIZE, &spec["blockSize"], &reason);
    } else if size < u64::from(cidr.prefix_len()) && !is_set(&spec["disabled"]) {
        refuse(BLOCK_SIZE, &json!(size), "a block is larger than the pool");
    }
    check_uses(spec, fields);
}

/// A pool for load balancers has no other use, and no node selector.
fn check_uses(spec: &Value, fields: &mut Vec<Field>) {
    let uses = spec["allowedUses"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if uses.contains(&json!("Tunnel")) && is_set(&spec["namespaceSelector"]) {
        let reason = "a pool with the use Tunnel has no namespaceSelector";
        let field = Field::new("IPPool.Spec.NamespaceSelector", reason);
        fields.push(field.with_value(&spec["namespaceSelector"]));
    }
    if !uses.contains(&json!("LoadBalancer")) {
        return;
    }
    let is = |field: &str, values: &[&str]| {
        let value = spec[field].as_str().unwrap_or_default();
        values.contains(&value)
    };
    let rules = [
        (
            uses.len() == 1,
            "AllowedUses",
            "allowedUses",
            "LoadBalancer can only be used alone",
        ),
        (
            is("ipipMode", &["", "Never"]),
            "IPIPMode",
            "ipipMode",
            "must be Never for LoadBalancer",
        ),
        (
            is("vxlanMode", &["", "Never"]),
            "VXLANMode",
            "vxlanMode",
            "must be Never for LoadBalancer",
        ),
        (
            !is_set(&spec["disableBGPExport"]),
            "DisableBGPExport",
            "disableBGPExport",
            "must be false for LoadBalancer",
        ),
        (
            is("nodeSelector", &["", "all()"]),
            "NodeSelector",
            "nodeSelector",
            "must be all() for LoadBalancer",
        ),
    ];
    for (_, name, key, reason) in rules.into_iter().filter(|(holds, ..)| !holds) {
        let field = Field::new(format!("IPPool.Spec.{name}"), reason);
        fields.push(field.with_value(&spec[key]));
    }
}

/// Checks that no other pool overlaps.
pub(super) fn check_beside(
    store: &dyn Store,
    given: &Given,
) -> Result<Result<(), Invalid>, StoreError> {
    let spec = &given.value["spec"];
    let Some(own) = cidr(spec) else {
        return Ok(Ok(()));
    };
    let mut fields = Vec::new();
    for pool in store.list(Kind::IpPool)? {
        let name = pool["metadata"]["name"].as_str().unwrap_or_default();
        let other = cidr(&pool["spec"]).filter(|other| name != given.name && overlap(own, *other));
        if let Some(other) = other {
            let reason = format!("overlaps with {other} of IPPool({name})");
            fields.push(Field::new(CIDR, reason).with_value(&spec["cidr"]));
        }
    }
    Ok(finish(fields))
}

/// Checks a change: blocks have already been allocated from the pool.
pub(super) fn check_change(old: &Value, new: &Value) -> Result<(), Invalid> {
    let (Some(was), Some(is)) = (cidr(old), cidr(new)) else {
        return Ok(());
    };
    let mut fields = Vec::new();
    if was != is {
        fields.push(Field::new(CIDR, "cannot be changed").with_value(&new["cidr"]));
    }
    let size = block_size(new, is);
    if was == is && block_size(old, was) != size {
        fields.push(Field::new(BLOCK_SIZE, "cannot be changed").with_value(&json!(size)));
    }
    finish(fields)
}

/// The range, unless it is missing or malformed, which is reported elsewhere.
fn cidr(spec: &Value) -> Option<IpNet> {
    prefix(spec["cidr"].as_str()?)
}

fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

fn link_local(like: IpNet) -> IpNet {
    match like {
        IpNet::V4(_) => Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16).into(),
        IpNet::V6(_) => Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10).into(),
    }
}

fn block_sizes(cidr: IpNet) -> std::ops::RangeInclusive<u64> {
    match cidr {
        IpNet::V4(_) => 20..=32,
        IpNet::V6(_) => 116..=128,
    }
}

/// The length of the blocks; zero counts as missing.
fn block_size(spec: &Value, cidr: IpNet) -> u64 {
    let default = match cidr {
        IpNet::V4(_) => 26,
        IpNet::V6(_) => 122,
    };
    let given = spec["blockSize"].as_u64();
    given.filter(|size| *size != 0).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(spec: &Value) -> String {
        let mut fields = Vec::new();
        check(spec, &mut fields);
        let said: Vec<_> = fields.iter().map(ToString::to_string).collect();
        said.join("; ")
    }

    /// Promise 17.6.
    #[test]
    fn pools_by_the_rules_of_the_api() {
        #[rustfmt::skip]
        let cases = [
            (json!({"cidr": "10.1.0.0/16", "ipipMode": "Always", "blockSize": 20}), ""),
            (json!({"cidr": "10.1.0.0/26"}), ""),
            (json!({"cidr": "fd00::/48", "blockSize": 128}), ""),
            (json!({"cidr": "10.1.0.1/16"}), "IPPool.Spec.CIDR = '10.1.0.1/16' (has bits set behind its length)"),
            (json!({"cidr": "169.254.7.0/24"}), "IPPool.Spec.CIDR = '169.254.7.0/24' (overlaps with link-local addresses)"),
            (json!({"cidr": "fe80::/9"}), "IPPool.Spec.CIDR = 'fe80::/9' (overlaps with link-local addresses)"),
            (json!({"cidr": "10.1.0.0/16", "blockSize": 19}), "IPPool.Spec.BlockSize = '19' (must be between 20 and 32)"),
            (json!({"cidr": "fd00::/48", "blockSize": 26}), "IPPool.Spec.BlockSize = '26' (must be between 116 and 128)"),
            (json!({"cidr": "10.1.0.0/27"}), "IPPool.Spec.BlockSize = '26' (a block is larger than the pool)"),
            (json!({"cidr": "10.1.0.0/27", "disabled": true}), ""),
            (json!({"cidr": "10.1.0.1", "blockSize": 32}), ""),
            (json!({"cidr": "10.1.0.0/24", "blockSize": 0}), ""),
            (json!({"cidr": "10.1.0.0/24", "allowedUses": ["Tunnel"], "namespaceSelector": "all()"}), "IPPool.Spec.NamespaceSelector = 'all()' (a pool with the use Tunnel has no namespaceSelector)"),
            (json!({"cidr": "10.1.0.0/24", "allowedUses": ["LoadBalancer"], "nodeSelector": "all()", "ipipMode": "Never"}), ""),
            (json!({"cidr": "10.1.0.0/24", "allowedUses": ["LoadBalancer", "Tunnel"]}), "IPPool.Spec.AllowedUses = '[LoadBalancer Tunnel]' (LoadBalancer can only be used alone)"),
            (json!({"cidr": "10.1.0.0/24", "allowedUses": ["LoadBalancer"], "vxlanMode": "Always", "disableBGPExport": true}), "IPPool.Spec.VXLANMode = 'Always' (must be Never for LoadBalancer); IPPool.Spec.DisableBGPExport = 'true' (must be false for LoadBalancer)"),
            (json!({"cidr": "10.1.0.0/24", "allowedUses": ["LoadBalancer"], "nodeSelector": "has(a)"}), "IPPool.Spec.NodeSelector = 'has(a)' (must be all() for LoadBalancer)"),
        ];
        for (spec, expected) in cases {
            assert_eq!(said(&spec), expected, "{spec}");
        }
    }
}
