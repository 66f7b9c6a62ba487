//! SONiC: tables of `config_db.json`, for `config load`. Passwords and policies are set in its FRR.

use serde_json::{Map, Value, json};

use super::model::Router;

pub(super) fn configuration(router: &Router) -> String {
    let neighbours = router.sessions.iter().map(|session| {
        let flag = |is_on: bool| if is_on { "1" } else { "0" };
        let entry = json!({
            "asn": session.asn.to_string(),
            "name": session.name(),
            "local_addr": session.local,
            "admin_status": "up",
            "nhopself": "0",
            "rrclient": flag(session.internal),
        });
        (session.address.to_string(), entry)
    });
    let tables = json!({
        "DEVICE_METADATA": { "localhost": { "bgp_asn": router.asn.to_string(), "bgp_router_id": router.id() } },
        "BGP_NEIGHBOR": Value::Object(neighbours.collect::<Map<_, _>>()),
    });
    format!("{tables:#}\n")
}
