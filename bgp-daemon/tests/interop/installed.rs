//! What Kustomize and Helm make, in a real API server, and the daemon with the environment and the rights that it has there: its
//! service account's token, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::rc::Rc;

use serde_json::{Value, json};

use crate::lab::Lab;
use crate::lab::apiserver::{ApiServer, REQUIREMENTS, User};
use crate::lab::host::Host;
use crate::lab::node::Node;
use crate::lab::peer::{Kind, Peer, PeerConfig, prefix};
use crate::lab::requirement::skip;
use crate::lab::wait::{LONG, wait_for};
use crate::scenario::{NODE_AS, TOR_AS, addresses, wait_established};
use crate::stage::TOR_PREFIXES;

pub(crate) const POD_CIDRS: [&str; 2] = ["10.244.1.0/24", "fd10:244:1::/64"];
pub(crate) const SERVICE: &str = "198.51.100.7/32";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const NAMESPACE: &str = "kube-system";

/// A program that a script of this repository gets from PyPI. `None` where it cannot: the test is skipped.
fn from_pypi(name: &str) -> Option<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/from-pypi");
    let output = Command::new(script)
        .arg(name)
        .output()
        .expect("a script of this repository");
    match output.status.success() {
        true => Some(String::from_utf8_lossy(&output.stdout).trim().into()),
        false => {
            skip(&format!(
                "no {name}: {}",
                String::from_utf8_lossy(&output.stderr)
            ));
            None
        }
    }
}

pub(crate) fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path)
}

fn printed(output: Output, what: &str) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The objects of a folder of `deploy/kubernetes` with components, by a kustomization as an operator has.
pub(crate) fn kustomize(folder: &str, components: &[&str]) -> String {
    let own = tempfile::tempdir().expect("a folder");
    let root = own.path().canonicalize().expect("it exists");
    let up = "../".repeat(root.components().count() - 1);
    let kubernetes = deploy("kubernetes").canonicalize().expect("it exists");
    let place = |path: &str| format!("{up}{}", kubernetes.join(path).display()).replace("//", "/");
    let components: Vec<String> = components
        .iter()
        .map(|name| place(&format!("components/{name}")))
        .collect();
    let kustomization = json!({"resources": [place(folder)], "components": components});
    let file = root.join("kustomization.yaml");
    fs::write(file, kustomization.to_string()).expect("a file");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kubectl");
    let output = Command::new(script).arg("kustomize").arg(root).output();
    printed(output.expect("a script of this repository"), folder)
}

/// The objects of the chart, which has to pass `helm lint` too.
pub(crate) fn helm(values: &Value) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("values.yaml");
    fs::write(&file, values.to_string()).expect("a file");
    let run = |arguments: &[&str]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/helm");
        let mut command = Command::new(script);
        command.args(&arguments[..1]).arg(deploy("helm/bgp-daemon"));
        let output = command.args(&arguments[1..]).arg(&file).output();
        printed(output.expect("a script of this repository"), arguments[0])
    };
    run(&["lint"]);
    run(&["template", "bgp-daemon", NAMESPACE])
}

pub(crate) fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}"));
    objects
        .into_iter()
        .filter(|object| !object.is_null())
        .collect()
}

fn is(kind: &str) -> impl Fn(&&Value) -> bool {
    move |object: &&Value| object["kind"] == kind
}

/// A cluster, a node in it and a router, none of the two started.
pub(crate) struct Scene {
    pub(crate) node: Node,
    pub(crate) node_host: Rc<Host>,
    pub(crate) tor: Box<dyn Peer>,
    pub(crate) tor_host: Rc<Host>,
    pub(crate) server: ApiServer,
    kubectl: PathBuf,
    control: Rc<Host>,
    /// Where the ConfigMap of documents is mounted.
    documents: PathBuf,
    _lab: Lab,
}

impl Scene {
    pub(crate) fn open() -> Option<Self> {
        let requirements = [&REQUIREMENTS[..], Kind::Bird.requirements()].concat();
        let lab = Lab::open(&requirements)?;
        let kubectl = from_pypi("kubectl")?.join("bin/kubectl");
        from_pypi("helm")?;
        let control = lab.host("control", 2);
        let server = ApiServer::start(&control);
        let (tor_host, node_host) = (lab.host("tor", 1), lab.host("node1", 11));
        let mut config = PeerConfig::on_lan(&tor_host, TOR_AS, &[(&node_host, NODE_AS)])
            .announcing(&TOR_PREFIXES);
        for neighbor in &mut config.neighbors {
            neighbor.password = Some(PASSWORD.to_owned());
        }
        let documents = node_host.directory.join("documents");
        fs::create_dir(&documents).expect("the directory is ours");
        let scene = Self {
            node: Node::new(&node_host, Path::new("kubernetes")),
            tor: Kind::Bird.on(&tor_host, config),
            node_host,
            tor_host,
            server,
            kubectl,
            control,
            documents,
            _lab: lab,
        };
        // What a cluster has before: a node, a service, a password.
        let internal =
            addresses(&scene.node_host).map(|ip| json!({"type": "InternalIP", "address": ip}));
        scene.server.create(&json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"},
            "spec": {"podCIDR": POD_CIDRS[0], "podCIDRs": POD_CIDRS},
            "status": {"addresses": internal},
        }));
        scene.server.create(&json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"ports": [{"port": 80}], "externalIPs": ["198.51.100.7"]},
        }));
        scene.server.create(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bgp-passwords", "namespace": NAMESPACE},
            "stringData": {"tor": PASSWORD},
        }));
        Some(scene)
    }

    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> String {
        let config = self.server.kubeconfig(User::Admin);
        let file = self.control.directory.join("input.yaml");
        fs::write(&file, input).expect("the directory is ours");
        let mut command = self.control.ns.command(&self.kubectl.display().to_string());
        command
            .args(arguments)
            .env("KUBECONFIG", config)
            .env("HOME", &self.control.directory)
            .stdin(Stdio::from(fs::File::open(&file).expect("it was written")));
        printed(command.output().expect("it is there"), "kubectl")
    }

    /// A line for the shell, with this server for kubectl.
    pub(crate) fn shell(&self, folder: &Path, line: &str) -> Result<(), String> {
        let programs = self.kubectl.parent().expect("a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = self.control.ns.command("sh");
        command
            .args(["-c", line])
            .env("PATH", format!("{programs}:{path}"))
            .env("KUBECONFIG", self.server.kubeconfig(User::Admin))
            .env("HOME", &self.control.directory)
            .current_dir(folder);
        let output = command.output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// `kubectl apply`, until the kinds that the objects define are served.
    pub(crate) fn apply(&self, yaml: &str) {
        // The server is too old to check objects for a client of this age; it checks them by the schemas of their kinds all the same.
        let done = self.kubectl(
            &["apply", "--server-side", "--validate=false", "-f", "-"],
            yaml,
        );
        let objects = objects(yaml);
        assert_eq!(done.lines().count(), objects.len(), "{done}");
        for definition in objects.iter().filter(is("CustomResourceDefinition")) {
            let name = definition["metadata"]["name"].as_str().expect("a name");
            self.kubectl(
                &[
                    "wait",
                    "--for=condition=Established",
                    "--timeout=30s",
                    "crd",
                    name,
                ],
                "",
            );
        }
    }

    /// Applies what is made to be installed, and makes the node what the DaemonSet says.
    pub(crate) fn install(&mut self, yaml: &str) {
        self.apply(yaml);
        let objects = objects(yaml);
        let account = objects
            .iter()
            .find(is("ServiceAccount"))
            .expect("an account");
        let account = account["metadata"]["name"].as_str().expect("a name");
        let config = self.server.kubeconfig_of_account(NAMESPACE, account);
        self.node.set("KUBECONFIG", config.display());
        let pod = &daemon_set(&objects)["spec"]["template"]["spec"];
        // A variable sees those before it, as in a pod.
        let mut before: Vec<(String, String)> = Vec::new();
        for variable in pod["containers"][0]["env"]
            .as_array()
            .expect("an environment")
        {
            let name = variable["name"].as_str().expect("a name");
            let field = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str();
            let value = match field {
                Some("spec.nodeName") => "node1".to_owned(),
                Some("status.hostIP") => self.node_host.ipv4.to_string(),
                Some("metadata.namespace") => NAMESPACE.to_owned(),
                Some(other) => panic!("{other}"),
                None => {
                    let value = variable["value"].as_str().expect("a value").to_owned();
                    before.iter().fold(value, |value, (name, known)| {
                        value.replace(&format!("$({name})"), known)
                    })
                }
            };
            before.push((name.to_owned(), value.clone()));
            match name {
                // Of the test, which shares its file system with other nodes.
                "BGP_DAEMON_RUN_DIR" => {}
                "BGP_DAEMON_DOCUMENTS" => self.node.set(name, self.documents.display()),
                name => self.node.set(name, value),
            }
        }
    }

    /// What a ConfigMap has, where the kubelet would mount it.
    pub(crate) fn mount(&self, map: &Value) {
        for (name, text) in map["data"].as_object().expect("a ConfigMap") {
            let text = text.as_str().expect("a text");
            fs::write(self.documents.join(name), text).expect("the directory is ours");
        }
    }

    pub(crate) fn raise(&mut self) {
        self.tor.start();
        self.node.start();
        wait_established("the node", &self.node, &self.tor_host);
        wait_established("the router", &*self.tor, &self.node_host);
    }

    /// The probes of the DaemonSet.
    pub(crate) fn wait_ready(&self, yaml: &str) {
        let objects = objects(yaml);
        let container = &daemon_set(&objects)["spec"]["template"]["spec"]["containers"][0];
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let get = &container[probe]["httpGet"];
            let [host, path] = ["host", "path"].map(|field| get[field].as_str().expect("a text"));
            let line = format!(
                "curl --silent --fail --max-time 5 http://{host}:{}{path}",
                get["port"]
            );
            wait_for(probe, LONG, || {
                self.node_host
                    .ns
                    .command("sh")
                    .args(["-c", &line])
                    .output()
                    .is_ok_and(|it| it.status.success())
            });
        }
    }

    /// Prometheus comes from elsewhere.
    pub(crate) fn assert_scraped(&self) {
        let url = format!("http://{}:9179/metrics", self.node_host.ipv4);
        let line = format!("curl --silent --fail --max-time 5 {url}");
        let metrics = self.tor_host.ns.run(&line);
        assert!(metrics.contains("bgp_session_state"), "{metrics}");
    }

    pub(crate) fn speaker_status(&self) -> Value {
        let path = "/apis/bgp-daemon.io/v1alpha1/speakerstatuses/node1";
        self.server.get(User::Admin, path).object["status"].clone()
    }
}

fn daemon_set(objects: &[Value]) -> &Value {
    objects.iter().find(is("DaemonSet")).expect("a DaemonSet")
}

/// The two documents of a cluster without Calico, for a router with two addresses.
pub(crate) fn documents(tor: &Host) -> String {
    let own = "apiVersion: bgp-daemon.io/v1alpha1";
    let password = "password: {secretKeyRef: {name: bgp-passwords, key: tor}}";
    let peers = addresses(tor).map(|address| {
        let name = if address.is_ipv4() { "tor" } else { "tor-six" };
        format!(
            "---\n{own}\nkind: BGPPeer\nmetadata: {{name: {name}}}\nspec: {{peerIP: \"{address}\", asNumber: {TOR_AS}, {password}}}\n"
        )
    });
    format!(
        "{own}\nkind: BGPConfiguration\nmetadata: {{name: default}}\nspec: {{asNumber: {NODE_AS}, serviceExternalIPs: [{{cidr: {SERVICE}}}]}}\n{}",
        peers.concat()
    )
}

pub(crate) fn announced() -> Vec<ipnet::IpNet> {
    POD_CIDRS
        .iter()
        .chain(&[SERVICE])
        .map(|text| prefix(text))
        .collect()
}

pub(crate) fn problems(node: &Node) -> Vec<String> {
    let status = node.print(&["node", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let problems = status["problems"].as_array().into_iter().flatten();
    let text = |problem: &Value| format!("{}: {}", problem["object"], problem["reason"]);
    problems.map(text).collect()
}
