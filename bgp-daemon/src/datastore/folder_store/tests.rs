use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::resources::ResourceSet;

fn key(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::BgpPeer, name)
}

fn peer(name: &str, asn: u32) -> Value {
    json!({
        "apiVersion": "projectcalico.org/v3",
        "kind": "BGPPeer",
        "metadata": {"name": name},
        "spec": {"peerIP": "192.0.2.1", "asNumber": asn},
    })
}

fn written(name: &str, asn: u32) -> String {
    yaml(&peer(name, asn))
}

fn yaml(object: &Value) -> String {
    crate::datastore::yaml::write(object).expect("it is YAML")
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

fn open(folder: &TempDir) -> FolderStore {
    FolderStore::open(folder.path(), Access::Write).expect("it opens")
}

fn text(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).expect(name)
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("a folder");
    let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn set(store: &mut FolderStore, name: &str, asn: u32) -> Result<Value, StoreError> {
    let version = resource_version(&store.read(&key(name))?).to_owned();
    store.update(&key(name), &peer(name, asn), &version)
}

#[test]
fn a_new_object_gets_a_file_of_its_own() {
    let folder = folder(&[]);
    let mut store = open(&folder);
    let stored = store
        .create(&key("tor"), &peer("tor", 1))
        .expect("it is new");
    assert_eq!(names(&folder), ["bgppeer-tor.yaml"]);
    assert_eq!(text(&folder, "bgppeer-tor.yaml"), written("tor", 1));
    assert_eq!(store.read(&key("tor")), Ok(stored.clone()));
    assert_eq!(open_again(&folder, store).read(&key("tor")), Ok(stored));
}

fn open_again(folder: &TempDir, store: FolderStore) -> FolderStore {
    drop(store);
    open(folder)
}

#[test]
fn names_that_are_no_file_names_are_shortened() {
    let long = "a".repeat(253);
    for name in [long.as_str(), "../up", "a/b"] {
        let name = file_name(&key(name));
        assert!(name.len() <= 245 && !name.contains('/'), "{name}");
    }
    assert_ne!(file_name(&key("a/b")), file_name(&key("a//b")));
    let folder = folder(&[]);
    let mut store = open(&folder);
    store
        .create(&key(&long), &peer(&long, 1))
        .expect("it is new");
    assert!(store.read(&key(&long)).is_ok());
}

#[test]
fn the_rest_of_a_file_keeps_its_octets() {
    let before = "# The racks.\n\n---\n# The first.\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:   {name: a}  # odd\nspec: {peerIP: 192.0.2.1, asNumber: 1}\n# End of the first.\n--- # second\n";
    let b = "kind: BGPPeer\napiVersion: projectcalico.org/v3\nmetadata: {name: b}\nspec:\n  peerIP: 192.0.2.1 # the rack\n  asNumber: 2\n  # inside\n";
    let after = "\n# About c.\n---\nmetadata: {name: c}\r\nkind: BGPPeer\napiVersion: projectcalico.org/v3\nspec: {asNumber: 3, peerIP: 192.0.2.1}\n---\nkind: [broken\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: v}";
    let folder = folder(&[("all.yaml", &format!("{before}{b}{after}"))]);
    let mut store = open(&folder);
    set(&mut store, "b", 7).expect("it is there");
    assert_eq!(
        text(&folder, "all.yaml"),
        format!("{before}{}{after}", b.replace("asNumber: 2", "asNumber: 7"))
    );
    store.delete(&key("b"), None).expect("it is there");
    let kept = before.strip_suffix("--- # second\n").expect("it is there");
    assert_eq!(text(&folder, "all.yaml"), format!("{kept}{after}"));
    store.delete(&key("a"), None).expect("it is there");
    let head = "# The racks.\n\n# End of the first.\n";
    assert_eq!(text(&folder, "all.yaml"), format!("{head}{after}"));
    assert_eq!(names(&folder), ["all.yaml"]);
}

#[test]
fn an_object_that_stays_the_same_is_not_written() {
    let odd = "kind:   BGPPeer # odd\napiVersion: projectcalico.org/v3\nmetadata: {name: a, resourceVersion: '5'}\nspec: {asNumber: 1, peerIP: 192.0.2.1}\n";
    let folder = folder(&[("a.yaml", odd)]);
    set(&mut open(&folder), "a", 1).expect("it is there");
    assert_eq!(text(&folder, "a.yaml"), odd);
}

#[test]
fn a_file_goes_with_its_last_object() {
    let folder = folder(&[("a.yaml", &format!("# note\n{}# end\n", written("a", 1)))]);
    let mut store = open(&folder);
    store.delete(&key("a"), None).expect("it is there");
    assert_eq!(names(&folder), [] as [&str; 0]);
    assert_eq!(
        store.delete(&key("a"), None),
        Err(StoreError::NotFound(key("a")))
    );
}

#[test]
fn items_of_lists_are_changed_in_place() {
    let list = "apiVersion: projectcalico.org/v3\nkind: BGPPeerList\nitems:\n  # one\n  - metadata: {name: a}\n    spec: {peerIP: 192.0.2.1, asNumber: 1}\n  # two\n  - metadata: {name: b} # b\n    spec:\n      peerIP: 192.0.2.1\n\n      asNumber: 2\n      # in b\n\n  # three\n  - metadata: {name: c}\n    spec: {peerIP: 192.0.2.1, asNumber: 3}\nmetadata: {}\n";
    let folder = folder(&[("list.yaml", list)]);
    let mut store = open(&folder);
    set(&mut store, "b", 7).expect("it is there");
    let (before, rest) = list.split_at(list.find("  - metadata: {name: b}").expect("b"));
    let after = &rest[rest.find("\n  # three").expect("c")..];
    assert_eq!(
        text(&folder, "list.yaml"),
        list.replace("asNumber: 2", "asNumber: 7")
    );
    store.delete(&key("b"), None).expect("it is there");
    assert_eq!(text(&folder, "list.yaml"), format!("{before}{after}"));
    store.delete(&key("c"), None).expect("it is there");
    store.delete(&key("a"), None).expect("it is there");
    assert_eq!(names(&folder), [] as [&str; 0]);
}

#[test]
fn lists_in_braces_are_written_anew_unless_comments_would_go() {
    let json = r#"{"kind":"List","apiVersion":"v1","items":[{"apiVersion":"projectcalico.org/v3","kind":"BGPPeer","metadata":{"name":"a"},"spec":{"peerIP":"192.0.2.1","asNumber":1}},{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"k":"v#1"}}]}"#;
    let commented = "[{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: b}}, # note\n {kind: X}]\n";
    let folder = folder(&[("list.json", json), ("list.yaml", commented)]);
    let mut store = open(&folder);
    set(&mut store, "a", 7).expect("it is there");
    let list: Value = serde_json::from_str(&text(&folder, "list.json")).expect("JSON");
    assert_eq!(list["items"][0]["spec"]["asNumber"], 7);
    assert_eq!(list["items"][1]["stringData"]["k"], "v#1");
    store.delete(&key("a"), None).expect("it is there");
    let list: Value = serde_json::from_str(&text(&folder, "list.json")).expect("JSON");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    let [loss] = &store.losses()[..] else {
        panic!("the list was written anew, and changed in place before")
    };
    assert!(
        loss.contains("list.json:1: BGPPeer/a: was written anew"),
        "{loss}"
    );

    let refused = store
        .delete(&key("b"), None)
        .expect_err("there is a comment");
    assert!(refused.to_string().contains("edit it by hand"), "{refused}");
    assert_eq!(text(&folder, "list.yaml"), commented);
}

#[test]
fn a_json_file_stays_json() {
    let folder = folder(&[("a.json", &peer("a", 1).to_string())]);
    set(&mut open(&folder), "a", 7).expect("it is there");
    let object: Value = serde_json::from_str(&text(&folder, "a.json")).expect("JSON");
    assert_eq!(object, peer("a", 7));
    let file = folder.path().join("a.json");
    let mut store = FolderStore::open(&file, Access::Write).expect("it opens");
    let refused = store
        .create(&key("b"), &peer("b", 1))
        .expect_err("it is full");
    assert!(refused.to_string().contains("JSON file"), "{refused}");
}

#[test]
fn an_alias_that_would_lose_its_anchor_is_refused() {
    let file = "- {apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: a}, spec: &s {asNumber: 1}}\n- {apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: b}, spec: *s}\n";
    let folder = folder(&[("a.yaml", file)]);
    let mut store = open(&folder);
    assert!(set(&mut store, "a", 7).is_err());
    assert!(store.delete(&key("a"), None).is_err());
    assert_eq!(text(&folder, "a.yaml"), file);
    store.delete(&key("b"), None).expect("nobody needs it");
}

#[test]
fn a_single_file_takes_new_objects_at_its_end() {
    let folder = folder(&[("all.yaml", "# mine")]);
    let file = folder.path().join("all.yaml");
    let mut store = FolderStore::open(&file, Access::Write).expect("it opens");
    store.create(&key("a"), &peer("a", 1)).expect("it is new");
    store.create(&key("b"), &peer("b", 2)).expect("it is new");
    let (a, b) = (written("a", 1), written("b", 2));
    assert_eq!(
        text(&folder, "all.yaml"),
        format!("# mine\n---\n{a}---\n{b}")
    );
    store.delete(&key("a"), None).expect("it is there");
    store.delete(&key("b"), None).expect("it is there");
    assert_eq!(text(&folder, "all.yaml"), "", "the datastore stays");
}

#[test]
fn a_file_of_that_name_with_other_things_is_not_overwritten() {
    let folder = folder(&[("bgppeer-a.yaml", "# mine\nkind: [broken\n")]);
    open(&folder)
        .create(&key("a"), &peer("a", 1))
        .expect("it is new");
    let expected = format!("# mine\nkind: [broken\n---\n{}", written("a", 1));
    assert_eq!(text(&folder, "bgppeer-a.yaml"), expected);
}

#[test]
fn versions_tell_what_was_changed() {
    let folder = folder(&[("a.yaml", &written("a", 1))]);
    let mut store = open(&folder);
    let first = store.read(&key("a")).expect("it is there");
    let second = set(&mut store, "a", 2).expect("it is there");
    assert_ne!(resource_version(&first), resource_version(&second));
    let stale = store.update(&key("a"), &peer("a", 3), resource_version(&first));
    assert_eq!(stale, Err(StoreError::Conflict(key("a"))));
    let stale = store.delete(&key("a"), Some(resource_version(&first)));
    assert_eq!(stale, Err(StoreError::Conflict(key("a"))));
    assert_eq!(
        set(&mut store, "a", 1).map(|object| resource_version(&object).to_owned()),
        Ok(resource_version(&first).to_owned()),
        "the version says what the object says"
    );
}

#[test]
fn of_two_with_one_name_none_is_changed() {
    let folder = folder(&[("1.yaml", &written("a", 1)), ("2.yaml", &written("a", 2))]);
    let mut store = open(&folder);
    assert_eq!(
        store.read(&key("a")).expect("the first")["spec"]["asNumber"],
        1
    );
    assert_eq!(store.list(Kind::BgpPeer).map(|list| list.len()), Ok(1));
    for refused in [
        set(&mut store, "a", 3).expect_err("which one?"),
        store.delete(&key("a"), None).expect_err("which one?"),
    ] {
        let said = refused.to_string();
        assert!(
            said.contains("1.yaml:1 and at ") && said.contains("2.yaml:1"),
            "{said}"
        );
    }
}

#[test]
fn nodes_of_kubernetes_are_read_as_calicos_and_not_created_or_deleted() {
    let node = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  annotations:\n    projectcalico.org/IPv4Address: 10.0.0.1/24\n    projectcalico.org/ASNumber: '1.10'\n    projectcalico.org/labels: '{\"rack\":\"a\"}'\n  resourceVersion: '9'\nspec: {podCIDRs: [10.8.1.0/24]}\n";
    let folder = folder(&[("nodes.yaml", node)]);
    let mut store = open(&folder);
    let key = ObjectKey::cluster(Kind::Node, "n1");
    let view = store.read(&key).expect("it is there");
    assert_eq!(
        view["spec"]["bgp"],
        json!({"asNumber": 65546, "ipv4Address": "10.0.0.1/24"})
    );
    assert_eq!(view["metadata"]["labels"], json!({"rack": "a"}));
    assert_eq!(view["apiVersion"], "projectcalico.org/v3");
    assert_eq!(store.list(Kind::Node), Ok(vec![view.clone()]));
    assert!(matches!(
        store.create(&key, &view),
        Err(StoreError::AlreadyExists { .. })
    ));
    let refused = store.delete(&key, None);
    let said = refused.expect_err("it is Kubernetes's").to_string();
    assert!(
        said.contains("is not supported on Node(n1): it is the Node of Kubernetes"),
        "{said}"
    );
}

/// Promise 17.10.
#[test]
fn a_change_of_a_node_of_kubernetes_goes_into_its_annotations() {
    let node = "# workers\napiVersion: v1\nkind: Node\nmetadata:\n  annotations:\n    kubectl: x\n    projectcalico.org/ASNumber: '1.10'\n    projectcalico.org/IPv4Address: 10.0.0.1\n    projectcalico.org/IPv4VXLANTunnelAddr: many\n    projectcalico.org/WireguardPublicKey: k\n    projectcalico.org/labels: '{\"rack\":\"a\"}'\n  labels:\n    zone: z\n  name: n1\n  resourceVersion: '9'\nspec:\n  podCIDRs:\n  - 10.8.1.0/24\n  taints: []\nstatus:\n  capacity:\n    cpu: 4\n";
    let rest = format!("---\n# a peer\n{}", written("a", 1));
    let folder = folder(&[("nodes.yaml", &format!("{node}{rest}"))]);
    let key = ObjectKey::cluster(Kind::Node, "n1");
    let mut store = open(&folder);
    let mut view = store.read(&key).expect("it is there");
    let version = resource_version(&view).to_owned();
    assert_eq!(view["metadata"]["annotations"], json!({"kubectl": "x"}));

    assert_eq!(store.update(&key, &view, &version), Ok(view.clone()));
    assert_eq!(text(&folder, "nodes.yaml"), format!("{node}{rest}"));

    view["spec"]["bgp"] =
        json!({"ipv4Address": "10.0.0.1/32", "routeReflectorClusterID": "224.0.0.1"});
    view["metadata"]["labels"] = json!({"zone": "mine", "reflector": "yes"});
    view["metadata"]["annotations"] = json!({"bgp-daemon.io/hold-time": "9"});
    let stored = store.update(&key, &view, &version).expect("it is written");
    assert_eq!(store.read(&key), Ok(stored.clone()));
    assert_eq!(
        stored["metadata"]["labels"],
        json!({"zone": "z", "reflector": "yes"}),
        "labels of Kubernetes win"
    );
    assert_eq!(stored["spec"]["bgp"], view["spec"]["bgp"]);
    let expected = node
        .replace("    projectcalico.org/ASNumber: '1.10'\n", "")
        .replace(
            "    projectcalico.org/WireguardPublicKey: k\n",
            "    projectcalico.org/RouteReflectorClusterID: 224.0.0.1\n    projectcalico.org/WireguardPublicKey: k\n    projectcalico.org/annotations: '{\"bgp-daemon.io/hold-time\":\"9\"}'\n",
        )
        .replace("{\"rack\":\"a\"}", "{\"reflector\":\"yes\"}");
    let now = text(&folder, "nodes.yaml");
    let (value, wanted) = (parsed(&now), parsed(&expected));
    assert_eq!(value, wanted);
    assert!(
        now.starts_with("# workers\n") && now.ends_with(&rest),
        "{now}"
    );
    assert!(matches!(
        store.update(&key, &view, &version),
        Err(StoreError::Conflict(_))
    ));
}

/// The Node of Kubernetes in a text.
fn parsed(text: &str) -> Value {
    let source = Source::new("x", text);
    let (_, slot) = source.of(Kind::KubernetesNode).next().expect("a node");
    source.object(slot).clone()
}

#[test]
fn links_are_followed_and_permissions_kept() {
    let elsewhere = folder(&[("real.yaml", &written("a", 1))]);
    let real = elsewhere.path().join("real.yaml");
    fs::set_permissions(&real, Permissions::from_mode(0o640)).expect("it is ours");
    let folder = folder(&[]);
    symlink(&real, folder.path().join("a.yaml")).expect("a link");
    symlink(&real, folder.path().join("b.yaml")).expect("a link");
    set(&mut open(&folder), "a", 7).expect("it is there once");
    assert_eq!(text(&elsewhere, "real.yaml"), written("a", 7));
    let mode = fs::metadata(&real)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(folder.path().join("a.yaml").is_symlink());
}

#[test]
fn what_cannot_be_read_may_hold_anything() {
    let folder = folder(&[("a.yaml", &written("a", 1))]);
    symlink("/nowhere", folder.path().join("gone.yaml")).expect("a link");
    let mut store = open(&folder);
    set(&mut store, "a", 2).expect("it is elsewhere");
    for refused in [
        store.read(&key("b")).map(drop),
        store.create(&key("b"), &peer("b", 1)).map(drop),
        store.delete(&key("b"), None),
    ] {
        let said = refused.expect_err("b may be in there").to_string();
        assert!(said.contains("gone.yaml"), "{said}");
    }
}

#[test]
fn a_file_that_an_editor_saved_meanwhile_is_left_alone() {
    let folder = folder(&[("a.yaml", &written("a", 1))]);
    let mut store = open(&folder);
    fs::write(folder.path().join("a.yaml"), written("a", 5)).expect("it is ours");
    fs::write(folder.path().join("bgppeer-b.yaml"), "# new\n").expect("it is ours");
    for refused in [
        set(&mut store, "a", 2).map(drop),
        store.delete(&key("a"), None),
        store.create(&key("b"), &peer("b", 1)).map(drop),
    ] {
        let said = refused.expect_err("it was changed").to_string();
        assert!(
            said.ends_with("was changed by somebody else meanwhile and is left alone; try again"),
            "{said}"
        );
    }
    assert_eq!(text(&folder, "a.yaml"), written("a", 5));
    assert_eq!(text(&folder, "bgppeer-b.yaml"), "# new\n");
}

#[test]
fn one_writer_at_a_time() {
    let folder = folder(&[("a.yaml", &written("a", 1))]);
    let store = open(&folder);
    let other = File::open(folder.path()).expect("a folder");
    assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
    let reader = FolderStore::open(folder.path(), Access::Read).expect("readers do not wait");
    assert!(reader.read(&key("a")).is_ok());
    drop(store);
    assert!(other.try_lock().is_ok(), "the lock ends with the store");
}

#[test]
fn a_reader_does_not_write() {
    let folder = folder(&[("a.yaml", &written("a", 1))]);
    let mut store = FolderStore::open(folder.path(), Access::Read).expect("it opens");
    assert!(set(&mut store, "a", 2).is_err());
    assert!(store.create(&key("b"), &peer("b", 1)).is_err());
    assert!(store.delete(&key("a"), None).is_err());
    assert_eq!(names(&folder), ["a.yaml"]);
}

/// Ends at the step of that number, as if the machine had stopped; a file that it is writing is then half there.
struct StoppingDisk {
    steps_left: AtomicUsize,
}

impl StoppingDisk {
    fn step(&self, stopped: impl FnOnce()) -> io::Result<()> {
        if self.steps_left.load(Ordering::Relaxed) == 0 {
            stopped();
            return Err(io::Error::other("the machine stopped"));
        }
        self.steps_left.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Disk for StoppingDisk {
    fn write(&self, path: &Path, content: &str, like: Option<Permissions>) -> io::Result<()> {
        let half = || fs::write(path, &content[..content.len() / 2]).expect("a file");
        self.step(half)?;
        RealDisk.write(path, content, like)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|| ())?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|| ())?;
        RealDisk.remove(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(|| ())?;
        RealDisk.sync_folder(folder)
    }
}

type Act = fn(&mut FolderStore) -> Result<(), StoreError>;

#[test]
fn a_stop_at_any_step_leaves_the_old_or_the_new() {
    let acts: [Act; 4] = [
        |store| store.create(&key("new"), &peer("new", 1)).map(drop),
        |store| set(store, "b", 9).map(drop),
        |store| store.delete(&key("b"), None),
        |store| store.delete(&key("alone"), None),
    ];
    for act in acts {
        let (done, old, new) = stopped_after(usize::MAX, act);
        assert!(done.is_ok() && old != new, "it does something");
        let mut stops = 0;
        while let (Err(_), old, found) = stopped_after(stops, act) {
            assert!(found == old || found == new, "stop {stops}: {found:?}");
            stops += 1;
        }
        assert!((2..=3).contains(&stops), "{stops} stops");
    }
}

/// Stops after some steps. Returns what was there before and after. Whoever comes next can go on.
fn stopped_after(steps: usize, act: Act) -> (Result<(), StoreError>, Vec<String>, Vec<String>) {
    let two = format!("{}---\n{}", written("a", 1), written("b", 2));
    let folder = folder(&[("ab.yaml", &two), ("alone.yaml", &written("alone", 3))]);
    let before = contents(&folder);
    let disk = StoppingDisk {
        steps_left: AtomicUsize::new(steps),
    };
    let opened = FolderStore::open_on(folder.path(), Access::Write, Box::new(disk));
    let mut store = opened.expect("it opens");
    let done = act(&mut store);
    drop(store);
    let after = contents(&folder);
    let again = act(&mut open(&folder));
    assert!(again.is_ok() || after != before, "{again:?}");
    assert!(!names(&folder).iter().any(|name| name.starts_with('.')));
    (done, before, after)
}

/// What the speaker reads.
fn contents(folder: &TempDir) -> Vec<String> {
    let loaded = ResourceSet::load(&[folder.path().to_owned()]);
    assert_eq!(loaded.problems, []);
    let peers = loaded.set.bgp_peers();
    let peers = peers.map(|peer| format!("{} {:?}", peer.metadata.name, peer.spec.as_number));
    peers.collect()
}

#[test]
fn what_a_crash_left_behind_is_cleared_away() {
    let folder = folder(&[("a.yaml", &written("a", 1)), (".a.yaml.new", "kind: [half")]);
    set(&mut open(&folder), "a", 2).expect("it is there");
    assert_eq!(names(&folder), ["a.yaml"]);
    assert_eq!(text(&folder, "a.yaml"), written("a", 2));
}

/// Documents, a block list and a list in braces, with something put in at some place.
fn damaged() -> impl Strategy<Value = String> {
    let item = |name: &str| {
        format!(
            "- {{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: {name}}}}}\n"
        )
    };
    let text = format!(
        "# head\n{}---\n{}# \u{e9}\n{}--- # last\n[{}]\n",
        written("a", 1),
        item("b"),
        item("c"),
        peer("d", 4)
    );
    let inserted = "[-\\[\\]{}:#'\"&*!|>%@`,\n\t a0\u{e9}]{0,5}";
    (0..text.len(), inserted).prop_map(move |(at, inserted)| {
        let mut text = text.clone();
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at));
        text.insert_str(at.unwrap_or_default(), &inserted);
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn an_edit_of_any_text_changes_one_object_or_nothing(text in damaged()) {
        let source = Source::new("x.yaml", &text);
        let objects = |source: &Source| -> Vec<(String, Value)> {
            let peers = source.of(Kind::BgpPeer);
            peers.map(|(key, slot)| (key.name, source.object(slot).clone())).collect()
        };
        for (at, (key, slot)) in source.of(Kind::BgpPeer).enumerate() {
            let mut expected = objects(&source);
            if let Ok(changed) = source.replaced(slot, &peer(&key.name, 77)) {
                expected[at].1 = peer(&key.name, 77);
                prop_assert_eq!(objects(&changed), expected.clone());
            }
            expected.remove(at);
            match source.removed(slot) {
                Ok(Some(changed)) => prop_assert_eq!(objects(&changed), expected),
                Ok(None) => prop_assert_eq!(expected, []),
                Err(_) => {}
            }
        }
    }
}
