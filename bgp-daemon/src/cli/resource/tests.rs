//! Random commands on a folder have the same effect as on a map, and leave comments of unrelated objects unchanged.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::action::{self, ActionError};
use super::manifest::Given;
use super::merge::PatchType;
use crate::datastore::folder_store::{Access, FolderStore};
use crate::datastore::store::{Store, StoreError, resource_version};
use crate::resources::{Kind, ObjectKey, ResourceSet};

/// What a datastore is: a map. Versions are counted.
#[derive(Default)]
struct Model {
    objects: BTreeMap<ObjectKey, (u64, Value)>,
    writes: u64,
}

impl Model {
    fn put(&mut self, key: &ObjectKey, object: &Value) -> Value {
        self.writes += 1;
        self.objects
            .insert(key.clone(), (self.writes, without_version(object)));
        self.read(key).expect("it was just put there")
    }

    fn check(&self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError> {
        let stored = self.read(key)?;
        match version {
            Some(version) if version != resource_version(&stored) => {
                Err(StoreError::Conflict(key.clone()))
            }
            _ => Ok(()),
        }
    }
}

impl Store for Model {
    fn list(&self, kind: Kind) -> Result<Vec<Value>, StoreError> {
        let keys = self.objects.keys().filter(|key| key.kind == kind);
        keys.map(|key| self.read(key)).collect()
    }

    fn read(&self, key: &ObjectKey) -> Result<Value, StoreError> {
        let (version, object) = self
            .objects
            .get(key)
            .ok_or_else(|| StoreError::NotFound(key.clone()))?;
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = version.to_string().into();
        Ok(object)
    }

    fn create(&mut self, key: &ObjectKey, object: &Value) -> Result<Value, StoreError> {
        if self.objects.contains_key(key) {
            return Err(StoreError::AlreadyExists {
                key: key.clone(),
                place: String::new(),
            });
        }
        Ok(self.put(key, object))
    }

    fn update(
        &mut self,
        key: &ObjectKey,
        object: &Value,
        version: &str,
    ) -> Result<Value, StoreError> {
        self.check(key, Some(version))?;
        Ok(self.put(key, object))
    }

    fn delete(&mut self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError> {
        self.check(key, version)?;
        self.objects.remove(key);
        Ok(())
    }
}

fn without_version(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    object
}

#[derive(Clone, Debug)]
enum Command {
    Create(usize, u32),
    Apply(usize, u32),
    Replace(usize, u32),
    ReplaceStale(usize, u32),
    Patch(usize, u32),
    Delete(usize),
    /// What `get -o yaml` printed is applied.
    ApplyWhatIsThere(usize),
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let object = || (0..NAMES.len(), 1..5_u32);
    let command = prop_oneof![
        object().prop_map(|(name, asn)| Command::Create(name, asn)),
        object().prop_map(|(name, asn)| Command::Apply(name, asn)),
        object().prop_map(|(name, asn)| Command::Replace(name, asn)),
        object().prop_map(|(name, asn)| Command::ReplaceStale(name, asn)),
        object().prop_map(|(name, asn)| Command::Patch(name, asn)),
        (0..NAMES.len()).prop_map(Command::Delete),
        (0..NAMES.len()).prop_map(Command::ApplyWhatIsThere),
    ];
    prop::collection::vec(command, 1..20)
}

fn peer(name: usize, asn: u32) -> Given {
    let value = json!({
        "apiVersion": "projectcalico.org/v3",
        "kind": "BGPPeer",
        "metadata": {"name": NAMES[name], "labels": {"asn": asn.to_string()}},
        "spec": {"peerIP": "192.0.2.1", "asNumber": asn},
    });
    Given::from_value(Kind::BgpPeer, value).expect("its fields are known")
}

fn run(store: &mut dyn Store, command: &Command) -> Result<(), ActionError> {
    match *command {
        Command::Create(name, asn) => action::create(store, &peer(name, asn)),
        Command::Apply(name, asn) => action::apply(store, &peer(name, asn)),
        Command::Replace(name, asn) => action::replace(store, &peer(name, asn)),
        Command::ReplaceStale(name, asn) => {
            let mut given = peer(name, asn);
            given.value["metadata"]["resourceVersion"] = "stale".into();
            action::replace(store, &given)
        }
        Command::Patch(name, asn) => {
            let given = Given::named(Kind::BgpPeer, NAMES[name]);
            let patch = json!({"spec": {"asNumber": asn, "filters": null}});
            action::patch(store, &given, &patch, PatchType::Merge)
        }
        Command::Delete(name) => action::delete(store, &Given::named(Kind::BgpPeer, NAMES[name])),
        Command::ApplyWhatIsThere(name) => {
            let found = action::get(store, &Given::named(Kind::BgpPeer, NAMES[name]))?;
            let given = Given::from_value(Kind::BgpPeer, found).expect("it was printed");
            action::apply(store, &given)
        }
    }
}

/// What matters of a result: the messages name versions and places, which are each store's own.
fn outcome(result: Result<(), ActionError>) -> String {
    match result {
        Ok(()) => "done".to_owned(),
        Err(ActionError::Store(StoreError::NotFound(_))) => "not found".to_owned(),
        Err(ActionError::Store(StoreError::AlreadyExists { .. })) => "exists".to_owned(),
        Err(ActionError::Store(StoreError::Conflict(_))) => "conflict".to_owned(),
        Err(other) => other.to_string(),
    }
}

/// Two files by hand: documents with comments between and in them, and a list.
fn files() -> [(&'static str, String); 2] {
    let document = |name: &str| {
        format!(
            "# {name} begins\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {{name: {name}}} # {name}\nspec: {{asNumber: 1, peerIP: 192.0.2.1}}\n"
        )
    };
    let item = |name: &str| {
        format!(
            "# {name} begins\n- metadata: {{name: {name}}} # {name}\n  spec: {{asNumber: 1, peerIP: 192.0.2.1}}\n"
        )
    };
    let list = format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeerList\nitems:\n{}{}",
        item("c"),
        item("d")
    );
    [
        (
            "documents.yaml",
            format!("{}---\n{}", document("a"), document("b")),
        ),
        ("list.yaml", list),
    ]
}

fn check(commands: &[Command]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files() {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let open = || FolderStore::open(folder.path(), Access::Write).expect("it opens");
    let mut model = Model::default();
    for object in open().list(Kind::BgpPeer).expect("it is read") {
        let name = object["metadata"]["name"].as_str().expect("it has one");
        model.put(&ObjectKey::cluster(Kind::BgpPeer, name), &object);
    }
    let mut untouched: Vec<_> = NAMES[..4].to_vec();
    for command in commands {
        let mut store = open();
        let done = outcome(run(&mut store, command));
        prop_assert_eq!(&done, &outcome(run(&mut model, command)), "{:?}", command);
        let expected: Vec<_> = model
            .list(Kind::BgpPeer)
            .expect("a map")
            .iter()
            .map(without_version)
            .collect();
        let listed = |store: &FolderStore| {
            let objects = store.list(Kind::BgpPeer).expect("it is read");
            objects.iter().map(without_version).collect::<Vec<_>>()
        };
        prop_assert_eq!(&listed(&store), &expected);
        drop(store);
        prop_assert_eq!(&listed(&open()), &expected, "as it is on the disk");
        let (Command::Create(name, _)
        | Command::Apply(name, _)
        | Command::Replace(name, _)
        | Command::ReplaceStale(name, _)
        | Command::Patch(name, _)
        | Command::Delete(name)
        | Command::ApplyWhatIsThere(name)) = *command;
        untouched.retain(|other| *other != NAMES[name]);
    }
    let loaded = ResourceSet::load(&[folder.path().to_owned()]);
    prop_assert_eq!(&loaded.problems, &[]);
    for (file, _) in files() {
        let text = fs::read_to_string(folder.path().join(file)).unwrap_or_default();
        for line in files().iter().flat_map(|(_, text)| text.lines()) {
            let ours = untouched
                .iter()
                .any(|name| line.contains(&format!("# {name}")));
            let here = files()
                .iter()
                .any(|(name, text)| *name == file && text.contains(line));
            prop_assert!(
                !ours || !here || text.contains(line),
                "{} lost {}",
                file,
                line
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_folder_does_what_a_map_does(commands in commands()) {
        check(&commands)?;
    }
}

#[test]
fn an_update_is_tried_again_when_somebody_was_faster() {
    /// Another client changes the object just before each of the first updates.
    struct Busy {
        model: Model,
        changes: usize,
    }
    impl Store for Busy {
        fn list(&self, kind: Kind) -> Result<Vec<Value>, StoreError> {
            self.model.list(kind)
        }
        fn read(&self, key: &ObjectKey) -> Result<Value, StoreError> {
            self.model.read(key)
        }
        fn create(&mut self, key: &ObjectKey, object: &Value) -> Result<Value, StoreError> {
            self.model.create(key, object)
        }
        fn update(
            &mut self,
            key: &ObjectKey,
            object: &Value,
            version: &str,
        ) -> Result<Value, StoreError> {
            if let Some(left) = self.changes.checked_sub(1) {
                self.changes = left;
                self.model.put(key, object);
            }
            self.model.update(key, object, version)
        }
        fn delete(&mut self, key: &ObjectKey, version: Option<&str>) -> Result<(), StoreError> {
            self.model.delete(key, version)
        }
    }
    for (changes, expected) in [(4, "done"), (5, "conflict")] {
        let mut busy = Busy {
            model: Model::default(),
            changes,
        };
        action::create(&mut busy, &peer(0, 1)).expect("it is new");
        assert_eq!(outcome(action::apply(&mut busy, &peer(0, 2))), expected);
    }
}

#[test]
fn an_update_keeps_the_datastores_metadata_and_takes_our_labels() {
    let mut model = Model::default();
    let mut stored = peer(0, 1);
    stored.value["metadata"]["uid"] = "u".into();
    stored.value["metadata"]["annotations"] = json!({"old": "x"});
    model.put(&stored.key(), &stored.value);
    let mut given = peer(0, 2);
    given.value["metadata"]["uid"] = "mine".into();
    action::apply(&mut model, &given).expect("it exists");
    let metadata = &model.read(&given.key()).expect("it exists")["metadata"];
    assert_eq!(metadata["uid"], "u");
    assert_eq!(metadata["labels"], json!({"asn": "2"}));
    assert_eq!(metadata["annotations"], Value::Null);
}
