use super::*;
use crate::resources::{Kind, parse};
use serde_json::json;

const PEERS: Part = Part::Kind(Kind::BgpPeer);

fn peer(name: &str, address: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"peerIP": address, "asNumber": 65001}})
}

fn gathered(parts: &[Part]) -> Gathered {
    let mut gathered = Gathered::new(false);
    for part in parts {
        gathered.expect(part.clone());
    }
    gathered
}

fn names(loaded: &Loaded) -> Vec<&str> {
    let peers = loaded.set.bgp_peers();
    peers.map(|peer| peer.metadata.name.as_str()).collect()
}

#[test]
fn a_snapshot_waits_until_all_parts_are_known() {
    let secret = Part::Object(ObjectKey {
        kind: Kind::Secret,
        namespace: "kube-system".into(),
        name: "bgp".into(),
    });
    let mut gathered = gathered(&[PEERS, secret.clone()]);
    gathered.take(&PEERS, Update::Failed("connection refused".into()));
    gathered.take(&secret, Update::Failed("forbidden".into()));
    assert_eq!(
        gathered.obstacle().as_deref(),
        Some("bgppeers cannot be read: connection refused")
    );
    assert_eq!(gathered.next_snapshot(), None);
    gathered.take(&PEERS, Update::Listed(vec![peer("tor", "192.0.2.1")]));
    assert_eq!(gathered.obstacle(), None);
    let loaded = gathered.next_snapshot().expect("a Secret is not required");
    assert_eq!(names(&loaded), ["tor"]);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["Secret/kube-system/bgp: cannot be read: forbidden"]
    );
    assert_eq!(gathered.next_snapshot(), None, "nothing has changed since");
}

/// Promise 18.3.
#[test]
fn a_server_that_is_away_is_one_problem() {
    let filters = Part::Kind(Kind::BgpFilter);
    let mut gathered = gathered(&[PEERS, filters.clone()]);
    for part in [&PEERS, &filters] {
        gathered.take(part, Update::Listed(Vec::new()));
        gathered.take(part, Update::Failed("connection refused".into()));
    }
    let loaded = gathered.next_snapshot().expect("complete");
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["bgppeers, bgpfilters: cannot be read: connection refused; the last state is kept"]
    );
}

/// Promise 18.2.
#[test]
fn a_kind_that_is_not_served_yet_is_waited_for() {
    let filters = Part::Kind(Kind::BgpFilter);
    let mut gathered = gathered(&[PEERS, filters.clone()]);
    gathered.take(&PEERS, Update::Listed(vec![peer("tor", "192.0.2.1")]));
    gathered.take(&filters, Update::Unserved { settled: false });
    assert_eq!(gathered.next_snapshot(), None);
    assert_eq!(gathered.obstacle(), None);
    let waits_for = gathered.waits_for();
    assert_eq!(
        waits_for.as_deref(),
        Some("bgpfilters are not served by the Kubernetes API yet")
    );
    gathered.take(&filters, Update::Unserved { settled: true });
    let loaded = gathered.next_snapshot().expect("complete");
    assert_eq!(names(&loaded), ["tor"]);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, [format!("bgpfilters: {UNSERVED}")]);
    gathered.take(&filters, Update::Listed(Vec::new()));
    assert_eq!(
        gathered.next_snapshot().map(|loaded| loaded.problems),
        Some(vec![])
    );
}

#[test]
fn a_kind_of_calico_enterprise_need_not_be_readable() {
    let bfd = Part::Kind(Kind::BfdConfiguration);
    let mut gathered = gathered(&[PEERS, bfd.clone()]);
    gathered.take(&PEERS, Update::Listed(Vec::new()));
    assert_eq!(gathered.next_snapshot(), None);
    gathered.take(&bfd, Update::Forbidden("no".into()));
    assert_eq!(gathered.obstacle(), None);
    let loaded = gathered.next_snapshot().expect("complete");
    assert_eq!(loaded.problems.len(), 1);
}

/// Promise 18.2.
#[test]
fn a_cluster_without_any_kind_of_calico_is_waited_for_without_an_end() {
    let nodes = Part::Kind(Kind::KubernetesNode);
    let mut gathered = gathered(&[PEERS, nodes.clone()]);
    gathered.take(&nodes, Update::Listed(Vec::new()));
    gathered.take(&PEERS, Update::Unserved { settled: true });
    assert_eq!(gathered.next_snapshot(), None);
    assert!(gathered.obstacle().is_some());
    gathered.take(&PEERS, Update::Listed(Vec::new()));
    assert!(gathered.next_snapshot().is_some());
}

#[test]
fn what_cannot_be_read_is_told_by_part() {
    let (filters, pools) = (Part::Kind(Kind::BgpFilter), Part::Kind(Kind::IpPool));
    let mut gathered = gathered(&[PEERS, filters.clone(), pools.clone()]);
    let told = |gathered: &Gathered| -> Vec<(String, String, bool)> {
        let unread = gathered.unread().into_iter();
        unread
            .map(|one| (one.what, one.reason, one.forbidden))
            .collect()
    };
    gathered.take(&PEERS, Update::Forbidden("no".into()));
    gathered.take(&filters, Update::Unserved { settled: true });
    assert!(!gathered.is_answered());
    let expected = [("bgppeers", "no", true), ("ippools", "no answer", false)];
    let expected =
        expected.map(|(what, reason, forbidden)| (what.into(), reason.into(), forbidden));
    assert_eq!(told(&gathered), expected);
    gathered.take(&PEERS, Update::Listed(Vec::new()));
    gathered.take(&pools, Update::Listed(Vec::new()));
    assert!(gathered.is_answered());
    assert_eq!(told(&gathered), []);
    gathered.take(&PEERS, Update::Unserved { settled: true });
    gathered.take(&pools, Update::Unserved { settled: true });
    assert_eq!(told(&gathered).len(), 3, "nothing of Calico's is served");
}

const OWN: Part = Part::Own(Kind::BgpPeer);

/// Promise 20.3.
#[test]
fn of_two_objects_with_one_name_the_first_counts() {
    let mut gathered = gathered(&[PEERS, OWN]);
    let text = "{apiVersion: bgp-daemon.io/v1alpha1, kind: BGPPeer, metadata: {name: NAME}, spec: {peerIP: 192.0.2.9, asNumber: 1}}";
    let documents = ["a", "b", "c"]
        .map(|name| text.replace("NAME", name))
        .join("\n---\n");
    let beside = ResourceSet::from_documents(parse("map.yaml", &documents).documents);
    gathered.put_beside(beside.into());
    gathered.take(&PEERS, Update::Listed(vec![peer("a", "192.0.2.1")]));
    let own = vec![peer("a", "192.0.2.2"), peer("b", "192.0.2.2")];
    gathered.take(&OWN, Update::Listed(own));
    let loaded = gathered.next_snapshot().expect("complete");
    let peers = loaded.set.bgp_peers();
    let addresses: Vec<String> = peers
        .filter_map(|peer| Some(peer.spec.peer_address()?.ip.to_string()))
        .collect();
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2", "192.0.2.9"]);
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "BGPPeer/a: exists twice: that of bgp-daemon.io/v1alpha1 is left out, that of Calico's API group counts",
            "map.yaml:1:1: BGPPeer/a: exists twice: the one of the folder is left out, that of the Kubernetes API counts",
            "map.yaml:3:1: BGPPeer/b: exists twice: the one of the folder is left out, that of the Kubernetes API counts",
        ]
    );
    gathered.take(&PEERS, Update::Gone(ObjectKey::cluster(Kind::BgpPeer, "a")));
    let loaded = gathered.next_snapshot().expect("changed");
    assert_eq!(
        (names(&loaded), loaded.problems.len()),
        (vec!["a", "b", "c"], 2)
    );
}

/// Promise 20.2.
#[test]
fn our_own_kinds_are_required_in_a_cluster_without_calico_alone() {
    for standalone in [false, true] {
        let mut gathered = Gathered::new(standalone);
        let nodes = Part::Kind(Kind::KubernetesNode);
        let parts = match standalone {
            true => vec![nodes.clone(), OWN],
            false => vec![nodes.clone(), PEERS, OWN],
        };
        for part in &parts {
            gathered.expect(part.clone());
        }
        gathered.take(&nodes, Update::Listed(Vec::new()));
        gathered.take(&PEERS, Update::Listed(Vec::new()));
        gathered.take(&OWN, Update::Forbidden("no".into()));
        let obstacle = gathered.obstacle();
        let expected = standalone.then_some("bgppeers.bgp-daemon.io cannot be read: no");
        assert_eq!(obstacle.as_deref(), expected);
        let loaded = gathered.next_snapshot();
        assert_eq!(
            loaded.map(|loaded| loaded.problems.len()),
            (!standalone).then_some(1)
        );
    }
}

/// Promise 20.2.
#[test]
fn a_folder_beside_the_server_is_configuration_enough() {
    let mut gathered = Gathered::new(true);
    gathered.expect(OWN);
    gathered.take(&OWN, Update::Unserved { settled: true });
    assert_eq!(gathered.next_snapshot(), None);
    gathered.put_beside(Loaded::default().into());
    assert!(gathered.next_snapshot().is_some());
}

#[test]
fn what_a_new_list_leaves_out_is_gone() {
    let mut gathered = gathered(&[PEERS]);
    let bad = peer("bad", "nonsense");
    gathered.take(
        &PEERS,
        Update::Listed(vec![peer("a", "192.0.2.1"), peer("b", "192.0.2.2"), bad]),
    );
    let loaded = gathered.next_snapshot().expect("complete");
    assert_eq!((names(&loaded), loaded.problems.len()), (vec!["a", "b"], 1));
    gathered.take(&PEERS, Update::Listed(vec![peer("b", "192.0.2.2")]));
    let loaded = gathered.next_snapshot().expect("changed");
    assert_eq!((names(&loaded), loaded.problems.len()), (vec!["b"], 0));
}

#[test]
fn the_last_state_stays_while_a_server_is_away() {
    let mut gathered = gathered(&[PEERS]);
    gathered.take(&PEERS, Update::Listed(vec![peer("a", "192.0.2.1")]));
    gathered.take(&PEERS, Update::Failed("connection refused".into()));
    let loaded = gathered.next_snapshot().expect("changed");
    assert_eq!(names(&loaded), ["a"]);
    assert!(loaded.problems[0].reason.contains("is kept"));
    gathered.take(&PEERS, Update::Well);
    let loaded = gathered.next_snapshot().expect("changed");
    assert_eq!((names(&loaded), loaded.problems.len()), (vec!["a"], 0));
}

#[test]
fn an_object_that_means_the_same_changes_nothing() {
    let mut gathered = gathered(&[PEERS]);
    gathered.take(&PEERS, Update::Listed(vec![peer("a", "192.0.2.1")]));
    gathered.next_snapshot();
    let mut touched = peer("a", "192.0.2.1");
    touched["metadata"]["resourceVersion"] = "7".into();
    gathered.take(&PEERS, Update::Put(touched));
    assert_eq!(gathered.next_snapshot(), None);
    gathered.take(&PEERS, Update::Put(peer("a", "192.0.2.7")));
    assert!(gathered.next_snapshot().is_some());
    gathered.take(&PEERS, Update::Gone(ObjectKey::cluster(Kind::BgpPeer, "a")));
    assert_eq!(gathered.next_snapshot().map(|l| l.set.len()), Some(0));
}

#[test]
fn a_part_that_is_forgotten_takes_its_objects_with_it() {
    let mut gathered = gathered(&[PEERS]);
    gathered.take(&PEERS, Update::Listed(vec![peer("a", "192.0.2.1")]));
    gathered.next_snapshot();
    gathered.forget(&PEERS);
    gathered.take(&PEERS, Update::Put(peer("late", "192.0.2.9")));
    assert_eq!(gathered.next_snapshot().map(|l| l.set.len()), Some(0));
}
