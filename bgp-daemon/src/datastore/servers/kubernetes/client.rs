//! The location of the API server, the authentication, and the requests.
//!
//! Settings are those of calicoctl and calico/node: `KUBECONFIG`, `K8S_*`, `CALICO_API_GROUP`; without them, the service account
//! of the pod, otherwise the file `~/.kube/config`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::Stream;
use http::Uri;
use jiff::Timestamp;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::core::params::ListParams;
use kube::core::{Request, WatchEvent};
use kube::{Client, Error};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::datastore::servers::part::Part;
use crate::resources::{Kind, OWN_VERSION};

/// Limit until the answer begins.
const ANSWER: Duration = Duration::from_secs(30);
/// Limit of connecting.
const CONNECT: Duration = Duration::from_secs(10);

/// Objects in a page of a list.
const PAGE: u32 = 500;

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    items: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    resource_version: String,
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// The settings of the server, from the environment or calicoctl's file.
#[derive(Debug, Default)]
pub(in crate::datastore) struct Settings {
    kubeconfig: Option<String>,
    context: Option<String>,
    endpoint: Option<String>,
    key: Option<PathBuf>,
    certificate: Option<PathBuf>,
    authority: Option<PathBuf>,
    insecure: bool,
    group: Option<Group>,
    in_cluster: bool,
    home: Option<PathBuf>,
}

impl Settings {
    /// From a lookup of variables.
    pub(in crate::datastore) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| lookup(name).filter(|value: &String| !value.is_empty());
        let path = |name| text(name).map(PathBuf::from);
        Self {
            kubeconfig: text("KUBECONFIG"),
            context: text("K8S_CURRENT_CONTEXT"),
            endpoint: text("K8S_API_ENDPOINT"),
            key: path("K8S_KEY_FILE"),
            certificate: path("K8S_CERT_FILE"),
            authority: path("K8S_CA_FILE"),
            insecure: text("K8S_INSECURE_SKIP_TLS_VERIFY").is_some_and(|value| value == "true"),
            group: text("CALICO_API_GROUP").map(|group| match group.as_str() {
                "projectcalico.org/v3" => Group::V3,
                _ => Group::Crd,
            }),
            in_cluster: text("KUBERNETES_SERVICE_HOST").is_some(),
            home: path("HOME").map(|home| home.join(".kube/config")),
        }
    }

    /// Whether the settings name a server.
    pub(in crate::datastore) fn name_a_server(&self) -> bool {
        self.kubeconfig.is_some() || self.endpoint.is_some() || self.in_cluster
    }

    async fn config(&self) -> Result<Config, String> {
        let mut config = self.base().await?;
        if let Some(endpoint) = &self.endpoint {
            config.cluster_url = endpoint
                .parse::<Uri>()
                .map_err(|error| format!("K8S_API_ENDPOINT is `{endpoint}`: {error}"))?;
        }
        if let Some(path) = &self.authority {
            config.root_cert_file = Some(path.clone());
        }
        let file = |path: &Path| path.display().to_string();
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            config.auth_info.client_certificate = Some(file(certificate));
            config.auth_info.client_key = Some(file(key));
        }
        config.accept_invalid_certs |= self.insecure;
        config.connect_timeout = Some(CONNECT);
        Ok(config)
    }

    async fn base(&self) -> Result<Config, String> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let home = self.home.as_deref().filter(|path| path.exists());
        let files = match (&self.kubeconfig, &self.endpoint, self.in_cluster, home) {
            (Some(files), ..) => files.clone(),
            (None, Some(_), ..) => return Ok(Config::new(Uri::default())),
            (None, None, true, _) => {
                return Config::incluster_env().map_err(|error| chain(&error));
            }
            (None, None, false, Some(path)) => path.display().to_string(),
            (None, None, false, None) => {
                return Err(
                    "nothing says where the Kubernetes API is: set KUBECONFIG or K8S_API_ENDPOINT"
                        .into(),
                );
            }
        };
        let kubeconfig = files
            .split(':')
            .filter(|path| !path.is_empty())
            .map(Kubeconfig::read_from)
            .reduce(|merged, next| merged?.merge(next?))
            .unwrap_or_else(|| Ok(Kubeconfig::default()))
            .map_err(|error| format!("{files}: {}", chain(&error)))?;
        Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| format!("{files}: {}", chain(&error)))
    }
}

/// The API group of Calico's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// `crd.projectcalico.org`, where the user's metadata is packed into an annotation.
    Crd,
    /// `projectcalico.org`, its successor.
    V3,
    /// `bgp-daemon.io`, in clusters without Calico.
    Own,
}

impl Group {
    pub(super) fn api_version(self) -> &'static str {
        match self {
            Self::Crd => "crd.projectcalico.org/v1",
            Self::V3 => "projectcalico.org/v3",
            Self::Own => OWN_VERSION,
        }
    }
}

/// An API server.
pub(in crate::datastore) struct Kubernetes {
    client: Client,
    server: String,
    group: OnceCell<Group>,
}

impl Kubernetes {
    /// A client of a server. Does not connect yet.
    ///
    /// # Errors
    ///
    /// The settings name no server, or are unusable.
    pub(in crate::datastore) async fn new(settings: &Settings) -> Result<Self, String> {
        let config = settings.config().await?;
        let server = config.cluster_url.to_string();
        let client =
            Client::try_from(config).map_err(|error| format!("{server}: {}", chain(&error)))?;
        Ok(Self::with_client(client, server, settings.group))
    }

    pub(super) fn with_client(client: Client, server: String, group: Option<Group>) -> Self {
        Self {
            client,
            server,
            group: OnceCell::new_with(group),
        }
    }

    /// The group of Calico's resources: the older one, unless only the newer one is served. While there is none, either may come.
    pub(super) async fn group(&self) -> Result<Group, Error> {
        if let Some(group) = self.group.get() {
            return Ok(*group);
        }
        let groups = timed(self.client.list_api_groups()).await?.groups;
        let has = |name: &str| groups.iter().any(|group| group.name == name);
        let group = match (has("crd.projectcalico.org"), has("projectcalico.org")) {
            (true, _) => Group::Crd,
            (false, true) => Group::V3,
            (false, false) => return Ok(Group::Crd),
        };
        Ok(*self.group.get_or_init(|| async { group }).await)
    }

    /// The group of the resources that commands read and change: that of Calico; in a cluster without Calico, ours.
    pub(super) async fn group_of_commands(&self) -> Result<Group, Error> {
        let group = self.group().await?;
        if self.group.get().is_none() && self.serves(Kind::BgpPeer).await? {
            return Ok(*self.group.get_or_init(|| async { Group::Own }).await);
        }
        Ok(group)
    }

    /// Whether a kind of our own group is served. Whoever has a token may ask.
    pub(super) async fn serves(&self, kind: Kind) -> Result<bool, Error> {
        match timed(self.client.list_api_group_resources(OWN_VERSION)).await {
            Ok(list) => Ok(list.resources.iter().any(|it| it.name == kind.plural())),
            Err(error) if code(&error) == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The path of a kind, optionally in a namespace.
    pub(super) async fn path(&self, kind: Kind, namespace: &str) -> Result<String, Error> {
        let api_version = match kind.is_calico() {
            true => self.group().await?.api_version(),
            false => kind.api_version(),
        };
        Ok(Self::path_in(api_version, kind, namespace))
    }

    fn path_in(api_version: &str, kind: Kind, namespace: &str) -> String {
        let root = if api_version == "v1" { "api" } else { "apis" };
        let within = match namespace {
            "" => String::new(),
            namespace => format!("/namespaces/{namespace}"),
        };
        format!("/{root}/{api_version}{within}/{}", kind.plural())
    }

    /// The path of a part, and its field selector.
    pub(super) async fn path_of(&self, part: &Part) -> Result<(String, Option<String>), Error> {
        Ok(match part {
            Part::Kind(kind) => (self.path(*kind, "").await?, None),
            Part::Own(kind) => (Self::path_in(OWN_VERSION, *kind, ""), None),
            Part::Object(key) => (
                self.path(key.kind, &key.namespace).await?,
                Some(format!("metadata.name={}", key.name)),
            ),
        })
    }

    /// Passes all objects of a path to `each`, page by page, and returns the version to continue from.
    pub(super) async fn list(
        &self,
        path: &str,
        selector: Option<String>,
        mut each: impl FnMut(Value),
    ) -> Result<String, Error> {
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.field_selector = selector;
        loop {
            let page: Page = self.ask(Request::new(path).list(&parameters)).await?;
            page.items.into_iter().for_each(&mut each);
            match page.metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => parameters = parameters.continue_token(&next),
                None => return Ok(page.metadata.resource_version),
            }
        }
    }

    /// Requests a single answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Error> {
        let request = request.map_err(Error::BuildRequest)?;
        timed(self.client.request(request)).await
    }

    /// Requests a stream of changes.
    pub(super) async fn ask_for_events(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<impl Stream<Item = Result<WatchEvent<Value>, Error>> + use<>, Error> {
        let request = request.map_err(Error::BuildRequest)?;
        timed(self.client.request_events(request)).await
    }

    /// The server's time, from its answer to a public request.
    pub(in crate::datastore) async fn time(&self) -> Option<Timestamp> {
        let request = http::Request::get("/version").body(Body::empty()).ok()?;
        let asked = self.client.send(request);
        let answer = timeout(CONNECT, asked).await.ok()?.ok()?;
        let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
        let date = jiff::fmt::rfc2822::parse(date).ok()?;
        Some(date.timestamp())
    }

    /// An error in one sentence. A server's message stands alone; other errors name the server.
    pub(super) fn describe(&self, error: &Error) -> String {
        match error {
            Error::Api(status) if !status.message.is_empty() => status.message.clone(),
            Error::Api(status) => format!("{} answers {}", self.server, status.code),
            Error::Service(cause) => format!("{}: {}", self.server, chain(cause.as_ref())),
            other => format!("{}: {}", self.server, chain(other)),
        }
    }
}

async fn timed<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match timeout(ANSWER, asked).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(Error::Service(elapsed.into())),
    }
}

/// The HTTP status of an error, if the server sent one.
pub(super) fn code(error: &Error) -> Option<u16> {
    match error {
        Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// An error and its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}
