//! The settings of etcd, from Calico's environment variables or the corresponding file of calicoctl.

use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity, Uri};

use super::error::EtcdError;
use crate::resources::SecretValue;

/// The settings of etcd. `Debug` shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::datastore) struct EtcdSettings {
    /// At least one.
    pub(super) endpoints: Vec<Endpoint>,
    /// `None` without authentication, or with a client certificate.
    pub(super) user: Option<User>,
    pub(super) files: Files,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// For messages; never contains a password.
    pub(super) text: String,
    pub(super) uri: Uri,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: SecretValue,
}

/// Files for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl EtcdSettings {
    /// From the variables `ETCD_ENDPOINTS`, `ETCD_USERNAME`, `ETCD_PASSWORD`, `ETCD_CA_CERT_FILE`, `ETCD_CERT_FILE` and
    /// `ETCD_KEY_FILE`, or those with the prefix `CALICO_`.
    ///
    /// # Errors
    ///
    /// No endpoint is named, or a value is invalid.
    pub(in crate::datastore) fn new(
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, EtcdError> {
        let get = |name: &str| {
            let names = [name.to_owned(), format!("CALICO_{name}")];
            let mut values = names.iter().filter_map(|name| variables(name));
            values.find(|value| !value.trim().is_empty())
        };
        let path = |name: &str| get(name).map(PathBuf::from);
        let files = Files {
            ca: path("ETCD_CA_CERT_FILE"),
            certificate: path("ETCD_CERT_FILE"),
            key: path("ETCD_KEY_FILE"),
        };
        if files.certificate.is_some() != files.key.is_some() {
            return wrong("ETCD_CERT_FILE and ETCD_KEY_FILE belong together, but only one is set");
        }
        let texts = get("ETCD_ENDPOINTS").unwrap_or_default();
        let texts = texts
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let endpoints: Vec<_> = texts
            .map(|text| Endpoint::new(text, files.any()))
            .collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return wrong(match get("ETCD_DISCOVERY_SRV") {
                Some(_) => {
                    "ETCD_DISCOVERY_SRV is not supported: name the members of etcd in ETCD_ENDPOINTS"
                }
                None => {
                    "ETCD_ENDPOINTS is not set: it names the members of etcd, such as https://192.0.2.1:2379"
                }
            });
        }
        // etcd's own client also ignores the user name without a password.
        let user = get("ETCD_USERNAME").zip(get("ETCD_PASSWORD"));
        Ok(Self {
            endpoints,
            user: user.map(|(name, password)| User {
                name,
                password: SecretValue::new(password.into_bytes()),
            }),
            files,
        })
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, EtcdError> {
    Err(EtcdError::Settings(what.into()))
}

impl Endpoint {
    /// `http://HOST:PORT` or `https://HOST:PORT`. As in etcd's own client, without a scheme TLS is used if there are files for
    /// TLS.
    fn new(text: &str, has_files: bool) -> Result<Self, EtcdError> {
        if text.contains('@') {
            return wrong("ETCD_ENDPOINTS has a user: set ETCD_USERNAME and ETCD_PASSWORD instead");
        }
        let full = match (text.contains("://"), has_files) {
            (true, _) => text.to_owned(),
            (false, true) => format!("https://{text}"),
            (false, false) => format!("http://{text}"),
        };
        let uri = full.parse::<Uri>().ok();
        match uri.filter(|uri| uri.host().is_some()) {
            Some(uri) if matches!(uri.scheme_str(), Some("http" | "https")) => Ok(Self {
                text: full.trim_end_matches('/').to_owned(),
                uri,
            }),
            _ => wrong(format!(
                "ETCD_ENDPOINTS has `{text}`, expected http://HOST:PORT or https://HOST:PORT"
            )),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

impl Files {
    fn any(&self) -> bool {
        self.ca.is_some() || self.certificate.is_some()
    }

    pub(super) fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    /// Reads the files, which may have been replaced since. Without a file of certificate authorities, those of the system apply.
    pub(super) fn read(&self) -> Result<ClientTlsConfig, EtcdError> {
        let mut tls = match &self.ca {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(tls)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, EtcdError> {
    std::fs::read(path)
        .or_else(|error| wrong(format!("{} cannot be read: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<EtcdSettings, String> {
        let settings = EtcdSettings::new(|name| {
            let mut found = variables.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| (*value).to_owned())
        });
        settings.map_err(|error| error.to_string())
    }

    fn endpoints(variables: &[(&str, &str)]) -> Vec<String> {
        let settings = of(variables).expect("they are right");
        settings.endpoints.into_iter().map(|e| e.text).collect()
    }

    /// Promise 19.5.
    #[test]
    fn endpoints_are_a_list() {
        let list = "https://10.0.0.1:2379/, http://[fd00::1]:2379";
        let expected = ["https://10.0.0.1:2379", "http://[fd00::1]:2379"];
        assert_eq!(endpoints(&[("ETCD_ENDPOINTS", list)]), expected);
        let with_prefix = [("ETCD_ENDPOINTS", ""), ("CALICO_ETCD_ENDPOINTS", list)];
        assert_eq!(endpoints(&with_prefix), expected);
        let ca = ("ETCD_CA_CERT_FILE", "/ca.pem");
        assert_eq!(
            endpoints(&[("ETCD_ENDPOINTS", "etcd:2379")]),
            ["http://etcd:2379"]
        );
        assert_eq!(
            endpoints(&[("ETCD_ENDPOINTS", "etcd:2379"), ca]),
            ["https://etcd:2379"]
        );
    }

    /// Promise 19.5.
    #[test]
    fn settings_that_cannot_be_are_refused() {
        let of_endpoint = |text: &str| of(&[("ETCD_ENDPOINTS", text)]);
        for text in ["ftp://etcd:21", "http://", "http://a b"] {
            assert!(
                of_endpoint(text).is_err_and(|error| error.contains(text)),
                "{text}"
            );
        }
        let with_user = of_endpoint("http://root:hidden@etcd:2379");
        assert!(
            with_user
                .is_err_and(|error| error.contains("ETCD_USERNAME") && !error.contains("hidden"))
        );
        assert!(of(&[]).is_err_and(|error| error.contains("ETCD_ENDPOINTS is not set")));
        let by_srv = of(&[("ETCD_DISCOVERY_SRV", "example.org")]);
        assert!(by_srv.is_err_and(|error| error.contains("not supported")));
        let half = [
            ("ETCD_ENDPOINTS", "https://a:1"),
            ("ETCD_KEY_FILE", "/key.pem"),
        ];
        assert!(of(&half).is_err_and(|error| error.contains("belong together")));
    }

    /// Promise 19.8.
    #[test]
    fn a_password_is_not_shown() {
        let settings = of(&[
            ("ETCD_ENDPOINTS", "https://a:1"),
            ("ETCD_USERNAME", "calico"),
            ("CALICO_ETCD_PASSWORD", "hidden"),
        ]);
        let settings = settings.expect("they are right");
        let user = settings.user.as_ref().expect("a user");
        assert_eq!(user.password.expose(), b"hidden");
        let shown = format!("{settings:?}");
        assert!(
            shown.contains("calico") && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
