//! A real Kubernetes API server with its etcd, on a host of the laboratory.
//!
//! It listens on all addresses of the host, knows the two [`User`]s and decides by RBAC. Tests talk to it through `curl`,
//! the daemon through [`ApiServer::kubeconfig`]. `scripts/kube-apiserver` builds the program.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::host::Host;
use super::process::Process;
use super::requirement::Requirement;
use super::wait::{SHORT, wait_for, wait_until};

/// What a test needs for it.
pub(crate) const REQUIREMENTS: [Requirement; 5] = [
    Requirement::Program("etcd"),
    Requirement::Program("etcdctl"),
    Requirement::Program("openssl"),
    Requirement::Program("curl"),
    Requirement::KubeApiserver,
];

/// Calico's custom resources, in the older API group and in the newer one.
pub(crate) const CRDS: &str = include_str!("../../../testdata/kubernetes/crds.yaml");
pub(crate) const CRDS_V3: &str = include_str!("../../../testdata/kubernetes/crds-v3.yaml");
/// The kinds of bgp-daemon.io, for clusters without Calico.
pub(crate) const OWN_CRDS: [&str; 3] = [
    include_str!("../../../deploy/kubernetes/crds/standalone/bgpconfigurations.yaml"),
    include_str!("../../../deploy/kubernetes/crds/standalone/bgpfilters.yaml"),
    include_str!("../../../deploy/kubernetes/crds/standalone/bgppeers.yaml"),
];
/// What Calico's manifest allows [`User::Agent`].
pub(crate) const RBAC: &str = include_str!("../../../testdata/kubernetes/rbac.yaml");

/// Lets [`User::Agent`] read one Secret in `kube-system`, which is for each cluster to allow.
pub(crate) fn secret_role(name: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {name}, namespace: kube-system}}
rules:
  - {{apiGroups: [''], resources: [secrets], resourceNames: [{name}], verbs: [get, list, watch]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {name}, namespace: kube-system}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}
subjects:
  - {{apiGroup: rbac.authorization.k8s.io, kind: Group, name: bgp-agents}}
"
    )
}

/// The server starts in five seconds, if it has the machine for itself.
const START: Duration = Duration::from_secs(120);

/// The API server of a cluster; it ends when it is dropped.
pub(crate) struct ApiServer {
    host: Rc<Host>,
    server: Option<Process>,
    etcd: Process,
}

/// Who asks, known by a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// May do everything.
    Admin,
    /// A node's agent, of the group `bgp-agents`, with the permissions of `testdata/kubernetes/rbac.yaml`.
    Agent,
}

/// The server's answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// The object, or null where it is not one alone.
    pub(crate) object: Value,
}

impl ApiServer {
    /// Starts etcd and the server, and returns when the server is ready.
    pub(crate) fn start(host: &Rc<Host>) -> Self {
        write_certificates(host);
        let users = [User::Admin, User::Agent].map(User::line).concat();
        fs::write(host.directory.join("tokens.csv"), users).expect("the directory is ours");
        let mut server = Self {
            host: Rc::clone(host),
            server: None,
            etcd: start_etcd(host),
        };
        server.restart();
        server
    }

    /// Kills the server. Its data stay in etcd.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Starts the server, in the place of the one that may be running.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let program = program().expect("it is one of the requirements");
        let arguments = [
            "--etcd-servers=http://127.0.0.1:2379",
            "--bind-address=::",
            &format!("--advertise-address={}", self.host.ipv4),
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--client-ca-file=ca.crt",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=server.crt",
            "--service-account-signing-key-file=server.key",
            "--service-cluster-ip-range=10.96.0.0/16",
            // A Node may have pod CIDRs of both families.
            "--feature-gates=IPv6DualStack=true",
            // There is no controller that would make the service accounts.
            "--disable-admission-plugins=ServiceAccount",
        ];
        let mut process = Process::start(&self.host, "kube-apiserver", &program, &arguments);
        wait_until("the API server to be ready", START, || {
            self.etcd.assert_running();
            process.assert_running();
            match self.ask(User::Admin, "GET", "/readyz", None)?.code {
                200 => Ok(()),
                code => Err(format!("it answers {code}")),
            }
        });
        self.server = Some(process);
    }

    /// Where it is for the laboratory's hosts.
    pub(crate) fn url(&self) -> String {
        format!("https://{}:6443", self.host.ipv4)
    }

    /// Writes what `KUBECONFIG` names: this server, and the user's token.
    pub(crate) fn kubeconfig(&self, user: User) -> PathBuf {
        self.kubeconfig_with(user.name(), &user.token())
    }

    /// The same for a service account, with a token of its own as its pods have.
    pub(crate) fn kubeconfig_of_account(&self, namespace: &str, name: &str) -> PathBuf {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self.change("POST", &path, Some(("application/json", &request)));
        self.kubeconfig_with(name, word(&answer["status"]["token"]))
    }

    fn kubeconfig_with(&self, name: &str, token: &str) -> PathBuf {
        let url = self.url();
        let authority = run_in(&self.host, "openssl base64 -A -in ca.crt");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
             clusters:\n- name: lab\n  cluster:\n    server: {url}\n    certificate-authority-data: {authority}\n\
             users:\n- name: {name}\n  user:\n    token: {token}\n\
             contexts:\n- name: lab\n  context:\n    cluster: lab\n    user: {name}\n"
        );
        let path = self.host.directory.join(format!("kubeconfig-{name}"));
        fs::write(&path, text).expect("the directory is ours");
        path
    }

    /// Sends a request, which may have a body of some content type. It fails where there is no answer.
    pub(crate) fn ask(
        &self,
        user: User,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Answer, String> {
        let authorization = format!("Authorization: Bearer {}", user.token());
        let (content_type, body) = body.map_or(("", String::new()), |(content_type, object)| {
            (content_type, object.to_string())
        });
        let mut curl = self.host.ns.command("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20"])
            .args(["--cacert", "ca.crt", "--request", method])
            .args(["--header", &authorization])
            .args(["--header", &format!("Content-Type: {content_type}")])
            .args(["--data-binary", "@-", "--write-out", "\n%{http_code}"])
            .arg(format!("{}{path}", self.url()))
            .current_dir(&self.host.directory);
        let text = output_of(curl, body.as_bytes())?;
        let (object, code) = text.rsplit_once('\n').unwrap_or(("", &text));
        Ok(Answer {
            code: code.parse().map_err(|_| format!("no code in {text}"))?,
            object: serde_json::from_str(object).unwrap_or_default(),
        })
    }

    /// Reads an object or a list.
    pub(crate) fn get(&self, user: User, path: &str) -> Answer {
        self.ask(user, "GET", path, None)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Creates an object that is not there.
    pub(crate) fn create(&self, object: &Value) -> Value {
        self.change(
            "POST",
            &collection_of(object),
            Some(("application/json", object)),
        )
    }

    /// Puts an object in the place of the one of its name.
    pub(crate) fn replace(&self, object: &Value) -> Value {
        self.change("PUT", &path_of(object), Some(("application/json", object)))
    }

    /// Merges `patch` into the object (or its subresource) at `path`; null takes a field away.
    pub(crate) fn patch(&self, path: &str, patch: &Value) -> Value {
        self.change("PATCH", path, Some(("application/merge-patch+json", patch)))
    }

    /// Deletes the object at `path`.
    pub(crate) fn delete(&self, path: &str) {
        self.change("DELETE", path, None);
    }

    /// Creates or changes all objects of a YAML text, as `kubectl apply --server-side` does. Custom resources that it
    /// defines are served when this returns.
    pub(crate) fn apply(&self, yaml: &str) {
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error}"));
        for object in &objects {
            let path = format!("{}?fieldManager=lab&force=true", path_of(object));
            self.change(
                "PATCH",
                &path,
                Some(("application/apply-patch+yaml", object)),
            );
        }
        for path in objects.iter().filter_map(defined_collection) {
            wait_for(&format!("{path} to be served"), SHORT, || {
                self.get(User::Admin, &path).code == 200
            });
        }
    }

    /// Makes etcd forget what was before now. The next page of a list gets 410 Gone; so does a watch from an older
    /// resource version, when the server has forgotten it too by a [restart](Self::restart).
    pub(crate) fn compact(&self) {
        let text = self.host.ns.run("etcdctl endpoint status -w json");
        let status: Value = serde_json::from_str(&text).expect("etcdctl prints JSON");
        let revision = &status[0]["Status"]["header"]["revision"];
        self.host.ns.run(&format!("etcdctl compact {revision}"));
    }

    fn change(&self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Value {
        let Answer { code, object } = self
            .ask(User::Admin, method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(
            (200..300).contains(&code),
            "{method} {path}: {code} {object}"
        );
        object
    }
}

impl User {
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "agent",
        }
    }

    fn token(self) -> String {
        format!("token-of-{}", self.name())
    }

    /// The user's line in the server's file of tokens.
    fn line(self) -> String {
        let group = match self {
            Self::Admin => "system:masters",
            Self::Agent => "bgp-agents",
        };
        format!(
            "{},{name},{name},\"{group}\"\n",
            self.token(),
            name = self.name()
        )
    }
}

/// The server's program: the one that the environment names, or the one in the cache.
pub(super) fn program() -> Result<String, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kube-apiserver");
    let mut command = Command::new(script);
    command.arg("--cached");
    Ok(output_of(command, b"")?.trim_end().to_owned())
}

fn start_etcd(host: &Host) -> Process {
    Process::start(
        host,
        "etcd",
        "etcd",
        &[
            "--data-dir=etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        ],
    )
}

/// `ca.crt`, and `server.crt` for all addresses of the host, with their keys.
fn write_certificates(host: &Host) {
    let config = format!(
        "[req]\ndistinguished_name = name\n[name]\n\
         [ca]\nbasicConstraints = critical,CA:true\nkeyUsage = keyCertSign\n\
         [server]\nbasicConstraints = CA:false\nextendedKeyUsage = serverAuth\n\
         subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1,IP:{},IP:{}\n",
        host.ipv4, host.ipv6
    );
    fs::write(host.directory.join("openssl.cnf"), config).expect("the directory is ours");
    let new =
        "openssl req -x509 -config openssl.cnf -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256";
    run_in(
        host,
        &format!("{new} -subj /CN=lab -extensions ca -keyout ca.key -out ca.crt"),
    );
    run_in(
        host,
        &format!(
            "{new} -subj /CN=kube-apiserver -extensions server -CA ca.crt -CAkey ca.key -keyout server.key -out server.crt"
        ),
    );
}

/// Runs a command line in the host's directory.
fn run_in(host: &Host, line: &str) -> String {
    let mut command = host.ns.command("sh");
    command.args(["-c", line]).current_dir(&host.directory);
    output_of(command, b"").unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// What a program prints that is given `input`.
fn output_of(mut command: Command, input: &[u8]) -> Result<String, String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let mut stdin = child.stdin.take().expect("it was piped above");
    // A program that ends without reading reports why.
    drop(stdin.write_all(input));
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .to_owned())
}

/// Where an object is, for example `/apis/rbac.authorization.k8s.io/v1/clusterroles/calico-node`.
fn path_of(object: &Value) -> String {
    format!(
        "{}/{}",
        collection_of(object),
        word(&object["metadata"]["name"])
    )
}

/// Where the objects of its kind (and namespace) are.
fn collection_of(object: &Value) -> String {
    let version = word(&object["apiVersion"]);
    let root = if version.contains('/') { "apis" } else { "api" };
    let namespace = object["metadata"]["namespace"].as_str();
    let namespace = namespace.map_or(String::new(), |name| format!("/namespaces/{name}"));
    format!(
        "/{root}/{version}{namespace}/{}",
        plural(word(&object["kind"]))
    )
}

/// Where the objects of the kind are that a CustomResourceDefinition defines.
fn defined_collection(object: &Value) -> Option<String> {
    if object["kind"] != "CustomResourceDefinition" {
        return None;
    }
    let spec = &object["spec"];
    let version = &spec["versions"][0]["name"];
    let [group, version, plural] = [&spec["group"], version, &spec["names"]["plural"]].map(word);
    Some(format!("/apis/{group}/{version}/{plural}"))
}

/// The name of a kind in paths, by the rules of English.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        _ if kind == "endpoints" => kind,
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

fn word(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} should be a text"))
}
