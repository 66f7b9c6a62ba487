//! The file in which calicoctl finds its datastore: `CalicoAPIConfig`, in YAML or JSON.
//!
//! Each field corresponds to an environment variable. The environment applies if no file names a datastore.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use anyhow::{anyhow, bail};
use serde_json::Value;

use crate::datastore::Settings;
use crate::go_error::system_error;
use crate::resources::Outline;

/// The default file; it may be missing.
pub(super) const DEFAULT_PATH: &str = "/etc/calico/calicoctl.cfg";

/// Kinds of the file: the current one, and that of Calico's first API.
const KINDS: [&str; 2] = ["CalicoAPIConfig", "calicoApiConfig"];

/// Fields of `spec`, and the corresponding environment variables.
const SETTINGS: [(&str, &str); 16] = [
    ("datastoreType", "DATASTORE_TYPE"),
    ("etcdEndpoints", "ETCD_ENDPOINTS"),
    ("etcdDiscoverySrv", "ETCD_DISCOVERY_SRV"),
    ("etcdUsername", "ETCD_USERNAME"),
    ("etcdPassword", "ETCD_PASSWORD"),
    ("etcdKeyFile", "ETCD_KEY_FILE"),
    ("etcdCertFile", "ETCD_CERT_FILE"),
    ("etcdCACertFile", "ETCD_CA_CERT_FILE"),
    ("kubeconfig", "KUBECONFIG"),
    ("k8sAPIEndpoint", "K8S_API_ENDPOINT"),
    ("k8sKeyFile", "K8S_KEY_FILE"),
    ("k8sCertFile", "K8S_CERT_FILE"),
    ("k8sCAFile", "K8S_CA_FILE"),
    ("k8sInsecureSkipTLSVerify", "K8S_INSECURE_SKIP_TLS_VERIFY"),
    ("k8sCurrentContext", "K8S_CURRENT_CONTEXT"),
    ("calicoAPIGroup", "CALICO_API_GROUP"),
];

/// The settings of the file; empty if none was named and the default file is missing.
///
/// # Errors
///
/// The file cannot be read, although it was named or exists, or is invalid.
pub(super) fn read(named: Option<&Path>, default: &Path) -> anyhow::Result<Settings> {
    let path = named.unwrap_or(default);
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&path.display().to_string(), &text),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
            Ok(Settings::from_map(BTreeMap::new()))
        }
        Err(error) => bail!("open {}: {}", path.display(), system_error(&error)),
    }
}

fn parse(name: &str, text: &str) -> anyhow::Result<Settings> {
    let outline = Outline::read(name, text);
    if let Some(problem) = outline.parts.iter().find_map(|part| part.error.as_ref()) {
        bail!("{problem}");
    }
    let mut entries = outline.parts.iter().flat_map(|part| &part.entries);
    let config = entries
        .find(|entry| KINDS.contains(&entry.kind.as_str()))
        .ok_or_else(|| anyhow!("{name}: expected kind `{}`", KINDS[0]))?;
    let spec = &config.value["spec"];
    let settings = SETTINGS
        .iter()
        .map(|(field, variable)| ((*variable).to_owned(), written(&spec[*field])));
    Ok(Settings::from_map(settings.collect()))
}

fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datastore::{DatastoreSpec, DatastoreSpecError, Server};

    fn of(text: &str) -> Result<DatastoreSpec, String> {
        let settings = parse("calicoctl.cfg", text).map_err(|e| e.to_string())?;
        DatastoreSpec::from_settings(&settings).map_err(|e| e.to_string())
    }

    /// Promise 17.11.
    #[test]
    fn the_file_names_a_datastore() {
        let head = "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata:\nspec:\n";
        let with = |spec: &str| of(&format!("{head}  {spec}\n"));
        assert_eq!(
            with("datastoreType: kubernetes"),
            Ok(DatastoreSpec::Server(Server::Kubernetes))
        );
        assert_eq!(
            with("datastoreType: etcdv3"),
            Ok(DatastoreSpec::Server(Server::Etcd))
        );
        assert_eq!(
            with("etcdEndpoints: http://127.0.0.1:2379"),
            Ok(DatastoreSpec::Server(Server::Etcd))
        );
        assert!(with("datastoreType: etcdv2").is_err_and(|error| error.contains("`etcdv2`")));
        assert_eq!(
            of("{\"kind\": \"CalicoAPIConfig\", \"spec\": {\"datastoreType\": \"etcdv3\"}}"),
            Ok(DatastoreSpec::Server(Server::Etcd))
        );
    }

    /// Promise 17.11.
    #[test]
    fn a_file_that_is_something_else_is_named() {
        for text in [
            "",
            "kind: BGPPeer\napiVersion: projectcalico.org/v3\n",
            "kind: [",
        ] {
            assert!(
                of(text).is_err_and(|error| error.starts_with("calicoctl.cfg:")),
                "{text}"
            );
        }
    }

    /// Promise 17.11.
    #[test]
    fn only_a_file_that_was_named_must_exist() {
        let nowhere = Path::new("/nonexistent/calicoctl.cfg");
        let settings = read(None, nowhere).expect("it need not exist");
        assert_eq!(
            DatastoreSpec::from_settings(&settings),
            Err(DatastoreSpecError::Missing)
        );
        let named = read(Some(nowhere), nowhere).map(drop);
        assert_eq!(
            named.expect_err("it must").to_string(),
            "open /nonexistent/calicoctl.cfg: no such file or directory"
        );
    }
}
