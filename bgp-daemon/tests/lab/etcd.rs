//! etcd on a host, its keys as Calico writes them, and its certificates.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::rc::Rc;

use serde_json::Value;

use super::host::Host;
use super::process::Process;
use super::requirement::Requirement;
use super::wait::{SHORT, wait_until};

/// What it takes.
pub(crate) const REQUIREMENTS: [Requirement; 3] = [
    Requirement::Program("etcd"),
    Requirement::Program("etcdctl"),
    Requirement::Program("openssl"),
];

/// A cluster of one member.
pub(crate) struct Etcd {
    pub(crate) host: Rc<Host>,
    secured: bool,
    /// Variables of `etcdctl`, in which the user is named once there are users.
    user: RefCell<Option<String>>,
    process: Option<Process>,
}

impl Etcd {
    /// Starts a member without authentication.
    pub(crate) fn start(host: &Rc<Host>) -> Self {
        let mut etcd = Self {
            host: Rc::clone(host),
            secured: false,
            user: RefCell::new(None),
            process: None,
        };
        etcd.resume();
        etcd
    }

    /// Starts a member that asks for certificates of its own authority.
    pub(crate) fn start_secured(host: &Rc<Host>) -> Self {
        let mut etcd = Self {
            host: Rc::clone(host),
            secured: true,
            user: RefCell::new(None),
            process: None,
        };
        etcd.make_certificates();
        etcd.resume();
        etcd
    }

    /// Starts the member again, with what it holds.
    pub(crate) fn resume(&mut self) {
        self.resume_at(&self.url());
    }

    /// The same with a certificate authority that only this harness knows.
    pub(crate) fn resume_in_secret(&mut self) {
        self.resume_at("http://127.0.0.1:1379");
    }

    fn resume_at(&mut self, url: &str) {
        let local = "http://127.0.0.1:2380";
        let mut arguments = vec![
            "--data-dir=data",
            "--unsafe-no-fsync",
            "--logger=zap",
            "--log-level=warn",
            "--listen-peer-urls",
            local,
            "--initial-advertise-peer-urls",
            local,
            "--initial-cluster",
            "default=http://127.0.0.1:2380",
            "--listen-client-urls",
            url,
            "--advertise-client-urls",
            url,
        ];
        if self.secured {
            arguments.extend(["--client-cert-auth", "--trusted-ca-file=ca.pem"]);
            arguments.extend(["--cert-file=server.pem", "--key-file=server.key"]);
        }
        let mut process = Process::start(&self.host, "etcd", "etcd", &arguments);
        wait_until("etcd to answer", SHORT, || {
            process.assert_running();
            self.try_ctl(&[&format!("--endpoints={url}"), "get", "/"])
        });
        self.process = Some(process);
    }

    /// Ends the member without asking it.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Where its clients find it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.secured { "https" } else { "http" };
        format!("{scheme}://{}:2379", self.host.ipv4)
    }

    /// Writes an object as Calico does.
    pub(crate) fn put(&self, plural: &str, name: &str, object: &Value) -> &Self {
        self.put_key(&resource(plural, name), &object.to_string())
    }

    /// Writes a key.
    pub(crate) fn put_key(&self, key: &str, value: &str) -> &Self {
        self.ctl(&["put", key, value]);
        self
    }

    /// Takes an object away.
    pub(crate) fn delete(&self, plural: &str, name: &str) -> &Self {
        self.ctl(&["del", &resource(plural, name)]);
        self
    }

    /// What is stored of an object.
    pub(crate) fn get(&self, plural: &str, name: &str) -> Value {
        let key = resource(plural, name);
        let text = self.ctl(&["get", "--print-value-only", &key]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{key}: {error}: {text}"))
    }

    /// Forgets all changes up to now.
    pub(crate) fn compact(&self, at: &str) {
        let endpoint = format!("--endpoints={at}");
        let status = self.ctl(&[&endpoint, "endpoint", "status", "--write-out=json"]);
        let status: Value = serde_json::from_str(&status).expect("etcdctl prints JSON");
        let revision = &status[0]["Status"]["header"]["revision"];
        self.ctl(&[&endpoint, "compaction", "--physical", &revision.to_string()]);
    }

    /// Adds users `root` and `calico` with these passwords, who are asked for from now on; `calico` may use Calico's keys only.
    pub(crate) fn enable_users(&self, root: &str, calico: &str) {
        self.ctl(&["user", "add", &format!("root:{root}")]);
        self.ctl(&["user", "grant-role", "root", "root"]);
        self.ctl(&["user", "add", &format!("calico:{calico}")]);
        self.ctl(&["role", "add", "calico"]);
        let grant = ["role", "grant-permission", "calico", "--prefix=true"];
        self.ctl(&[&grant[..], &["readwrite", "/calico/"]].concat());
        self.ctl(&["user", "grant-role", "calico", "calico"]);
        self.ctl(&["auth", "enable"]);
        *self.user.borrow_mut() = Some(format!("root:{root}"));
    }

    /// Runs `etcdctl`, which must succeed.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        self.try_ctl(arguments)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_ctl(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.host.ns.command("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .current_dir(&self.host.directory);
        if !arguments.iter().any(|a| a.starts_with("--endpoints")) {
            command.env("ETCDCTL_ENDPOINTS", self.url());
        }
        if self.secured {
            command
                .env("ETCDCTL_CACERT", "ca.pem")
                .env("ETCDCTL_CERT", "client.pem")
                .env("ETCDCTL_KEY", "client.key");
        }
        if let Some(user) = &*self.user.borrow() {
            command.env("ETCDCTL_USER", user);
        }
        let output = command.args(arguments).output();
        answer(arguments, output.map_err(|error| error.to_string())?)
    }

    /// A file of this authority: `ca.pem`, `client.pem` or `client.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.host.directory.join(name)
    }

    /// Makes an authority, in the place of the one before, and what it has signed: `server` and `client`.
    pub(crate) fn make_certificates(&self) {
        let extensions = format!(
            "[req]\ndistinguished_name = name\n[name]\n\
             [authority]\nbasicConstraints = critical, CA:TRUE\n\
             [server]\nsubjectAltName = IP:{}\nextendedKeyUsage = serverAuth, clientAuth\n\
             [client]\nextendedKeyUsage = clientAuth\n",
            self.host.ipv4
        );
        fs::write(self.file("openssl.cnf"), extensions).expect("the host's directory is writable");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config openssl.cnf";
        self.openssl(&format!(
            "req -x509 {key} -extensions authority -keyout ca.key -out ca.pem -subj /CN=authority -days 2"
        ));
        for name in ["server", "client"] {
            self.openssl(&format!(
                "req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ));
            self.openssl(&format!(
                "x509 -req -in {name}.csr -out {name}.pem -days 2 -CA ca.pem -CAkey ca.key -CAcreateserial \
                 -extfile openssl.cnf -extensions {name}"
            ));
        }
    }

    fn openssl(&self, line: &str) {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let mut command = Command::new("openssl");
        command.args(&arguments).current_dir(&self.host.directory);
        let output = command.output().map_err(|error| error.to_string());
        let done = output.and_then(|output| answer(&arguments, output));
        done.unwrap_or_else(|error| panic!("openssl: {error}"));
    }
}

fn resource(plural: &str, name: &str) -> String {
    format!("/calico/resources/v3/projectcalico.org/{plural}/{name}")
}

fn answer(arguments: &[&str], output: Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("{arguments:?}: {complaint}"))
}
