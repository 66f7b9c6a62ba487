//! The rights of the roles that are installed: enough, and none too many.

use serde_json::{Value, json};

use crate::installed::{NAMESPACE, Scene, documents, kustomize, objects};
use crate::lab::apiserver::{CRDS, User};
use crate::lab::process::Process;
use crate::lab::wait::{LONG, SHORT, wait_for, wait_until};

/// With one right fewer the speaker complains, and names the right; so all of them are needed, and each was seen to be used.
#[test]
fn each_right_is_needed() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    let standalone = kustomize("overlays/standalone", &[]);
    scene.install(&standalone);
    scene.apply(&documents(&scene.tor_host));
    // A drain is told by Events and a condition, which are rights too.
    let drain = json!({"metadata": {"annotations": {"bgp-daemon.io/drain": "true"}}});
    scene.server.patch("/api/v1/nodes/node1", &drain);
    // This server has an older version of the kind: the list is refused or empty, and nothing is watched.
    let unseen = [("endpointslices", "watch")];
    assert_eq!(walk(&scene, &standalone, "", &unseen), 19);
}

/// The same for the rights on Calico's objects.
#[test]
fn each_right_on_objects_of_calico_is_needed() {
    let Some(mut scene) = Scene::open() else {
        return;
    };
    scene.server.apply(CRDS);
    let beside = kustomize("overlays/beside-calico", &[]);
    scene.install(&beside);
    let address = format!("{}/24", scene.node_host.ipv4);
    let annotations = json!({"projectcalico.org/IPv4Address": address});
    let annotations = json!({"metadata": {"annotations": annotations}});
    scene.server.patch("/api/v1/nodes/node1", &annotations);
    let version = "crd.projectcalico.org/v1";
    let peer = "spec: {failureDetectionMode: BFDIfDirectlyConnected, peerIP";
    let documents = documents(&scene.tor_host)
        .replace("bgp-daemon.io/v1alpha1", version)
        .replace("spec: {peerIP", peer);
    scene.apply(&documents);
    let spec = json!({"node": "node1", "classes": ["BGP"], "updatePeriodSeconds": 1});
    let status = json!({"apiVersion": version, "kind": "CalicoNodeStatus", "metadata": {"name": "mine"}, "spec": spec});
    scene.server.create(&status);
    let unseen = [
        // Of Calico Enterprise, and not there.
        ("bfdconfigurations", "watch"),
        // For older releases, which have the status in the object itself.
        ("caliconodestatuses", "update"),
    ];
    assert_eq!(walk(&scene, &beside, "bgp-daemon-documents", &unseen), 15);
}

/// Takes each right of the roles (of one name, if that is not empty) away and gives it back. Returns how many were seen to be needed.
fn walk(scene: &Scene, yaml: &str, only: &str, unseen: &[(&str, &str)]) -> usize {
    let objects = objects(yaml);
    let roles = objects.iter().filter(|object| {
        let is_role = matches!(object["kind"].as_str(), Some("Role" | "ClusterRole"));
        is_role && (only.is_empty() || object["metadata"]["name"] == only)
    });
    let mut seen = 0;
    for role in roles {
        for (at, rule) in role["rules"].as_array().expect("rules").iter().enumerate() {
            for right in rights(rule).filter(|right| !unseen.contains(right)) {
                let mut fewer = role.clone();
                fewer["rules"] = without(role, at, right);
                scene.server.replace(&fewer);
                complains(scene, rule, right);
                scene.server.replace(role);
                seen += 1;
            }
        }
    }
    seen
}

/// Each verb of a rule on each of its resources.
fn rights(rule: &Value) -> impl Iterator<Item = (&str, &str)> {
    let texts = |field: &str| {
        rule[field]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
    };
    let verbs: Vec<&str> = texts("verbs").collect();
    texts("resources")
        .flat_map(move |resource| verbs.clone().into_iter().map(move |verb| (resource, verb)))
}

/// The rules of a role without one right.
fn without(role: &Value, at: usize, (resource, verb): (&str, &str)) -> Value {
    let mut rules = role["rules"].as_array().expect("rules").clone();
    let rule = rules.remove(at);
    let others = |field: &str, word: &str| -> Vec<Value> {
        let words = rule[field].as_array().expect("a list").iter();
        words.filter(|other| *other != word).cloned().collect()
    };
    let (resources, verbs) = (others("resources", resource), others("verbs", verb));
    if !resources.is_empty() {
        let mut rest = rule.clone();
        rest["resources"] = resources.into();
        rules.push(rest);
    }
    if !verbs.is_empty() {
        let mut rest = rule.clone();
        rest["resources"] = json!([resource]);
        rest["verbs"] = verbs.into();
        rules.push(rest);
    }
    rules.into()
}

/// Starts the speaker and waits until its log names the missing right.
fn complains(scene: &Scene, rule: &Value, (resource, verb): (&str, &str)) {
    let what = format!("cannot {verb} resource \"{resource}\"");
    let (main, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let namespace = match main {
        "events" => "default",
        "secrets" => NAMESPACE,
        _ => "",
    };
    let name = rule["resourceNames"][0].as_str().unwrap_or_default();
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": format!("system:serviceaccount:{NAMESPACE}:bgp-daemon"),
            "resourceAttributes": {"group": rule["apiGroups"][0], "resource": main, "subresource": sub, "verb": verb, "namespace": namespace, "name": name},
        },
    });
    wait_for(&format!("{what} to hold"), SHORT, || {
        scene.server.create(&review)["status"]["allowed"] == false
    });
    let status = "/apis/bgp-daemon.io/v1alpha1/speakerstatuses/node1";
    if scene.server.get(User::Admin, status).code == 200 {
        scene.server.delete(status);
    }
    let before = scene.node.log_of_all().len();
    let process: Process = scene.node.launch();
    wait_until(&what, LONG, || {
        let log = process.log();
        match log[before..].contains(&what) {
            true => Ok(()),
            false => Err(log[before..].to_owned()),
        }
    });
}
