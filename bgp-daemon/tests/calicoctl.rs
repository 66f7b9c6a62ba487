//! The commands that change and print resources, as a user sees them: their output, byte for byte, and exit codes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Promise 17.9.
#[test]
fn the_old_tutorials_work_as_written() {
    let user = User::new();
    user.file(
        "bgp.yaml",
        "apiVersion: v1\nkind: bgpPeer\nmetadata:\n  peerIP: 192.20.30.40\n  scope: global\nspec:\n  asNumber: 64567\n",
    );
    user.says(
        "create -f bgp.yaml",
        "Successfully created 1 'BGPPeer' resource(s)\n",
    );
    let peers = user.run("get -o yaml bgppeer");
    let (before, version) = cut_version(&peers.out);
    assert_eq!(
        before,
        "apiVersion: projectcalico.org/v3\nitems:\n- apiVersion: projectcalico.org/v3\n  kind: BGPPeer\n  metadata:\n    name: 192-20-30-40\n    resourceVersion: VERSION\n  spec:\n    asNumber: 64567\n    peerIP: 192.20.30.40\nkind: BGPPeerList\nmetadata: {}\n"
    );
    assert!(version.parse::<i64>().is_ok(), "{version}");

    user.file(
        "pool.yaml",
        "apiVersion: v1\nkind: ipPool\nmetadata:\n  cidr: 192.168.0.0/16\nspec:\n  ipip:\n    enabled: true\n  nat-outgoing: true\n",
    );
    user.says(
        "apply -f pool.yaml",
        "Successfully applied 1 'IPPool' resource(s)\n",
    );
    let pools = user.run("get -o yaml ippool").out;
    assert!(pools.contains("    cidr: 192.168.0.0/16\n    disabled: false\n    ipipMode: Always\n    natOutgoing: true\n"), "{pools}");
    user.file(
        "profile.yaml",
        "apiVersion: v1\nkind: profile\nmetadata:\n  name: web\n  labels: {b: c}\n  tags: [a]\n",
    );
    user.says(
        "create -f profile.yaml",
        "Successfully created 1 'Profile' resource(s)\n",
    );
    user.says(
        "get profiles -o wide",
        "NAME   LABELS   \nweb    a=,b=c   \n\n",
    );
    // It runs on a node; anywhere else it reports so.
    let status = user.run("node status");
    let known = ["Need super user privileges: Operation not permitted\n", ""];
    assert!(known.contains(&status.out.as_str()), "{status:?}");
}

/// Promise 17.3.
#[test]
fn tables_are_those_of_calicoctl() {
    let user = User::new();
    user.file("all.yaml", ALL);
    user.says(
        "create -f all.yaml",
        "Successfully created 15 resource(s)\n",
    );
    user.says(
        "get bgppeers",
        "\
NAME          PEERIP           NODE               ASN     
global-peer   192.0.2.7:1790   (global)           64515   
rack1-tor     192.20.30.40     rack == 'rack-1'   64567   
rr-mesh                        has(rr)            0       
some.name     ff1:123::1:56    node1              64512   

",
    );
    let peers = user.run("get bp").out;
    assert_eq!(user.run("get BGPP -o wide").out, peers);
    user.says(
        "get bgpconfig",
        "\
NAME         LOGSEVERITY   MESHENABLED   ASNUMBER   
default      Info          true          63400      
node.node1   Debug         -             -          
node.node2   Info          -             -          

",
    );
    user.says(
        "get bf",
        "\
NAME   NUMEXPORTV4   NUMIMPORTV4   NUMEXPORTV6   NUMIMPORTV6   
f1     2             0             1             0             

",
    );
}

/// Promise 17.3.
#[test]
fn tables_of_nodes_and_their_addresses() {
    let user = User::new();
    user.file("all.yaml", ALL);
    user.run("create -f all.yaml");
    user.says("get nodes", "NAME    \nnode1   \nnode2   \nnode3   \n\n");
    user.says(
        "get node -o wide",
        "\
NAME    ASN       IPV4              IPV6         
node1   (63400)   172.17.8.101/24                
node2   64600     172.17.8.102/24   fd00::2/64   
node3                                            

",
    );
    user.says(
        "get pools",
        "\
NAME                  CIDR             SELECTOR   
default-ipv4-ippool   192.168.0.0/16   all()      

",
    );
    user.says("get ipp -o wide", "\
NAME                  CIDR             NAT    IPIPMODE   VXLANMODE   DISABLED   DISABLEBGPEXPORT   SELECTOR   ASSIGNMENTMODE   
default-ipv4-ippool   192.168.0.0/16   true   Always     Never       false      false              all()      Automatic        

");
    user.says("get nodestatus", "NAME   NODE    \ns1     node1   \n\n");
    user.says(
        "get nodestatus -o wide",
        "NAME   NODE    CLASSES     \ns1     node1   Agent,BGP   \n\n",
    );
    user.says("get reservation", "NAME   \nr1     \n\n");
    user.says(
        "get reservation -o wide",
        "\
NAME   CIDRS                                                                              
r1     10.0.0.0/24,10.0.1.0/24,10.0.2.0/24,10.0.3.0/24,10.0.4.0/24,10.0.5.0/24,10.0....   

",
    );
    user.says("get profile", "NAME   \nweb    \n\n");
    user.says(
        "get bgppeer -o custom-columns=ASN,NAME some.name rr-mesh",
        "\
ASN     NAME        
64512   some.name   

ASN   NAME      
0     rr-mesh   

",
    );
    user.says(
        "delete bgpconfig default",
        "Successfully deleted 1 'BGPConfiguration' resource(s)\n",
    );
    let nodes = user.run("get node node1 -o wide").out;
    assert_eq!(
        nodes,
        "NAME    ASN       IPV4              IPV6   \nnode1   (64512)   172.17.8.101/24          \n\n"
    );
}

#[test]
fn nothing_there_is_an_empty_table_or_list() {
    let user = User::new();
    user.says("get bgppeer", "NAME   PEERIP   NODE   ASN   \n\n");
    user.says(
        "get bgppeer -o yaml",
        "apiVersion: projectcalico.org/v3\nitems: []\nkind: BGPPeerList\nmetadata: {}\n",
    );
    user.says(
        "get bgppeer -o json",
        "{\n  \"kind\": \"BGPPeerList\",\n  \"apiVersion\": \"projectcalico.org/v3\",\n  \"metadata\": {},\n  \"items\": []\n}",
    );
}

/// Promise 17.4.
#[test]
fn objects_are_printed_in_every_form() {
    let user = User::new();
    user.file(
        "a.yaml",
        &peer("a", "spec: {peerIP: 192.0.2.1, asNumber: '1.10'}"),
    );
    user.file(
        "b.yaml",
        &peer("b", "spec: {peerIP: 192.0.2.2, asNumber: 2, filters: []}"),
    );
    user.says(
        "create -f a.yaml -f b.yaml",
        "Successfully created 2 'BGPPeer' resource(s)\n",
    );

    let exported = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: a\nspec:\n  asNumber: 65546\n  peerIP: 192.0.2.1\n";
    user.says("get bgppeer a -o yml --export", exported);
    user.says(
        "get bgppeer a -o json --export",
        "{\n  \"kind\": \"BGPPeer\",\n  \"apiVersion\": \"projectcalico.org/v3\",\n  \"metadata\": {\n    \"name\": \"a\"\n  },\n  \"spec\": {\n    \"asNumber\": 65546,\n    \"peerIP\": \"192.0.2.1\"\n  }\n}",
    );
    let both = user.run("get bgppeer a b -o yaml --export").out;
    let lines: Vec<_> = both.lines().filter(|line| line.starts_with('-')).collect();
    assert_eq!(
        lines, ["- apiVersion: projectcalico.org/v3"; 2],
        "several are an array"
    );
    assert!(
        user.run("get bgppeer -o yaml --export")
            .out
            .contains("resourceVersion")
    );

    let names = "go-template={{range .}}{{range .Items}}{{.ObjectMeta.Name}}={{.Spec.ASNumber}},{{end}}{{end}}";
    assert_eq!(
        user.run_args(&["get", "bgppeer", "-o", names]).out,
        "a=65546,b=2,"
    );
    user.file(
        "t.tmpl",
        "{{range .}}{{.Name}} {{.Spec.NodeSelector}}{{config \"asnumber\"}};{{end}}",
    );
    user.says(
        "get bgppeer b a -o go-template-file=t.tmpl",
        "b 64512;a 64512;",
    );
    // From a file that names them.
    user.says(
        "get -f a.yaml -o custom-columns=NAME",
        "NAME   \na      \n\n",
    );
}

/// Promise 17.4.
#[test]
fn wrong_forms_are_refused() {
    let user = User::new();
    for (arguments, error) in [
        ("get bgppeer -o name", "unrecognized output format 'name'\n"),
        (
            "get bgppeer -o go-template=",
            "need to specify a template\n",
        ),
        ("get bgppeer -o go-template", "need to specify a template\n"),
        (
            "get bgppeer -o go-template-file=",
            "need to specify a template file\n",
        ),
        (
            "get bgppeer -o go-template-file=none",
            "open none: no such file or directory\n",
        ),
        (
            "get bgppeer -o custom-columns=",
            "need to specify at least one column\n",
        ),
        (
            "get bgppeer -o custom-columns=NAME,x",
            "unknown heading x, valid values are: NAME, PEERIP, NODE, ASN\n",
        ),
        (
            "get bgppeer -o go-template={{",
            "template: get:1: unclosed action\n",
        ),
        (
            "get blockaffinity",
            "failed to get resources: resource type 'blockaffinity' is not supported\n",
        ),
        ("delete sing x", "resource type 'sing' is not supported\n"),
        (
            "patch sing x -p {}",
            "resource type 'sing' is not supported\n",
        ),
        ("delete bgppeer", "resource name may not be empty\n"),
        ("get bgppeer -n ns", "BGPPeer is not namespaced\n"),
        ("get bgppeer -A", "BGPPeer is not namespaced\n"),
        ("get bgppeer -a", "BGPPeer is not namespaced\n"),
        (
            "get bgppeer x",
            "resource does not exist: BGPPeer(x) with error: bgppeers.projectcalico.org \"x\" not found\n",
        ),
        (
            "-l loud get bgppeer",
            "unknown log level: loud, expected one of: panic, fatal, error, warn, info, debug\n",
        ),
    ] {
        user.fails(arguments, "", error);
    }
    let empty = user.run_args(&["get", "bgppeer", ""]);
    assert_eq!(
        empty.error,
        "failed to get resources: resource name may not be empty\n"
    );
    for wrong in [
        "get",
        "create",
        "get bgppeer -f x",
        "patch bgppeer x",
        "create bgppeer",
    ] {
        assert_eq!(user.run(wrong).code, Some(2), "{wrong}");
    }
}

/// Promise 17.5.
#[test]
fn what_is_wrong_with_a_file_is_told_before_anything_is_done() {
    let user = User::new();
    user.file("good.yaml", &peer("good", GOOD));
    for (name, text, error) in [
        ("field.yaml", peer("a", "spec: {peerIP: 192.0.2.1, asNumber: 1, peerIp: x}"), "field in document is not recognized or is in the wrong location: peerIp\n"),
        ("top.yaml", peer("a", "speck: {}"), "field in document is not recognized or is in the wrong location: speck\n"),
        ("metadata.yaml", peer("a, colour: red", GOOD), "field in document is not recognized or is in the wrong location: colour\n"),
        ("old.yaml", "apiVersion: v1\nkind: bgpPeer\nmetadata: {scope: global, peerIP: 192.0.2.1}\nspec: {asNumber: 1, as: 2}\n".to_owned(), "field in document is not recognized or is in the wrong location: as\n"),
        ("scope.yaml", "apiVersion: v1\nkind: bgpPeer\nmetadata: {scope: global, node: n1, peerIP: 192.0.2.1}\nspec: {asNumber: 1}\n".to_owned(), "failed to execute command: scope.yaml:1:1: bgpPeer: metadata.node: no BGP Peer node name should be specified when scope is global\n"),
        ("kind.yaml", "apiVersion: projectcalico.org/v3\nkind: BlockAffinity\nmetadata: {name: a}\n".to_owned(), "failed to execute command: unknown resource type (BlockAffinity) and/or version (projectcalico.org/v3)\n"),
        ("version.yaml", "apiVersion: projectcalico.org/v2\nkind: BGPPeer\nmetadata: {name: a}\n".to_owned(), "failed to execute command: unknown resource type (BGPPeer) and/or version (projectcalico.org/v2)\n"),
        ("node.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: a}\n".to_owned(), "failed to execute command: unknown resource type (Node) and/or version (v1)\n"),
        ("empty.yaml", "# nothing\n---\n".to_owned(), "no resources specified in file empty.yaml\n"),
    ] {
        user.file(name, &text);
        for verb in ["create", "apply", "replace", "delete", "get"] {
            user.fails(&format!("{verb} -f good.yaml -f {name}"), "", error);
        }
    }
    user.file("yaml.yaml", "kind: [BGPPeer\n");
    let broken = user.run("create -f yaml.yaml").error;
    assert!(
        broken.starts_with("failed to execute command: yaml.yaml:1:7: not valid YAML: "),
        "{broken}"
    );
    user.fails(
        "create -f gone.yaml",
        "",
        "failed to execute command: open gone.yaml: no such file or directory\n",
    );
    user.says(
        "create -f empty.yaml --skip-empty",
        "No resources specified\n",
    );
    assert_eq!(user.stored(), [] as [&str; 0], "nothing was done");
}

/// Promise 17.2.
#[test]
fn folders_and_standard_input() {
    let user = User::new();
    for (name, peer_name) in [
        ("in/b.yaml", "b"),
        ("in/a.JSON", "a"),
        ("in/sub/c.yml", "c"),
        ("in/x.txt", "x"),
    ] {
        user.file(name, &peer(peer_name, GOOD));
    }
    user.says(
        "create -f in",
        "Successfully created 2 'BGPPeer' resource(s)\n",
    );
    user.says(
        "apply -R -f in",
        "Successfully applied 3 'BGPPeer' resource(s)\n",
    );
    assert_eq!(
        user.stored(),
        ["bgppeer-a.yaml", "bgppeer-b.yaml", "bgppeer-c.yaml"]
    );
    fs::create_dir(user.path("none")).expect("a folder");
    user.fails(
        "create -f none",
        "",
        "no resources specified in directory none\n",
    );
    user.says("create -f none --skip-empty", "No resources specified\n");

    let typed = user.run_with("create -f -", &peer("d", GOOD));
    assert_eq!(typed.out, "Successfully created 1 'BGPPeer' resource(s)\n");
    let typed = user.run_with("create -f -", "");
    assert_eq!(typed.error, "no resources specified in file -\n");
    // Typed lists, and what was printed, are taken.
    let printed = user.run("get bgppeer -o yaml").out;
    let applied = user.run_with("apply -f -", &printed);
    assert_eq!(
        applied.out,
        "Successfully applied 4 'BGPPeer' resource(s)\n"
    );
    let printed = user.run("get bgppeer a b -o json").out;
    let replaced = user.run_with("replace -f -", &printed);
    assert_eq!(
        replaced.out,
        "Successfully replaced 2 'BGPPeer' resource(s)\n"
    );
}

/// Promise 17.5.
#[test]
fn what_was_not_done_is_told_with_its_reason() {
    let user = User::new();
    let three = ["a", "b", "c"].map(|name| peer(name, GOOD)).join("---\n");
    user.file("a.yaml", &peer("a", GOOD));
    user.file(
        "ab.yaml",
        &["a", "b"].map(|name| peer(name, GOOD)).join("---\n"),
    );
    user.file("abc.yaml", &three);
    user.fails("replace -f a.yaml", "", "failed to replace 'BGPPeer' resource: resource does not exist: BGPPeer(a) with error: bgppeers.projectcalico.org \"a\" not found\n");
    user.says(
        "create -f a.yaml",
        "Successfully created 1 'BGPPeer' resource(s)\n",
    );
    let place = user.path("ds/bgppeer-a.yaml");
    let place = fs::canonicalize(place)
        .expect("it is there")
        .display()
        .to_string();
    let exists = format!(
        "resource already exists: BGPPeer(a) with error: bgppeers.projectcalico.org \"a\" already exists in {place}:1"
    );
    user.fails(
        "create -f a.yaml",
        "",
        &format!("failed to create 'BGPPeer' resource: [{exists}]\n"),
    );
    user.fails(
        "create -f a.yaml -f a.yaml",
        "",
        &format!("failed to create any 'BGPPeer' resources: [{exists} {exists}]\n"),
    );
    user.says(
        "create -f a.yaml --skip-exists",
        "Successfully created 1 'BGPPeer' resource(s)\n",
    );
    user.fails("create -f ab.yaml", "", &format!("hit error: [{exists}]\n"));
    user.says(
        "delete bgpp b",
        "Successfully deleted 1 'BGPPeer' resource(s)\n",
    );
    user.fails(
        "create -f abc.yaml",
        "Partial success: created the first 2 out of 3 'BGPPeer' resources:\n",
        &format!("hit error: [{exists}]\n"),
    );
    user.says(
        "delete bgpp b c",
        "Successfully deleted 2 'BGPPeer' resource(s)\n",
    );
    user.fails("replace -f ab.yaml", "Partial success: replaced the first 1 out of 2 'BGPPeer' resources:\n", "hit error: resource does not exist: BGPPeer(b) with error: bgppeers.projectcalico.org \"b\" not found\n");
    user.fails("delete bgpp a b", "Successfully deleted 1 'BGPPeer' resource(s)\n", "Failed to delete 'BGPPeer' resource: resource does not exist: BGPPeer(b) with error: bgppeers.projectcalico.org \"b\" not found\n\n");
}

#[test]
fn several_kinds_have_no_name_in_messages() {
    let user = User::new();
    user.file("a.yaml", &peer("a", GOOD));
    user.file(
        "f.yaml",
        "apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata: {name: f}\n",
    );
    user.says(
        "delete bgpp a b -s",
        "Successfully deleted 2 'BGPPeer' resource(s)\n",
    );
    user.says(
        "apply -f a.yaml -f f.yaml",
        "Successfully applied 2 resource(s)\n",
    );
    user.says(
        "delete -f a.yaml -f f.yaml",
        "Successfully deleted 2 resource(s)\n",
    );
    user.fails("delete -f a.yaml -f f.yaml", "", "Failed to delete resource: resource does not exist: BGPPeer(a) with error: bgppeers.projectcalico.org \"a\" not found\nFailed to delete resource: resource does not exist: BGPFilter(f) with error: bgpfilters.projectcalico.org \"f\" not found\n\n");
    user.says(
        "delete --skip-not-exists -f a.yaml",
        "Successfully deleted 1 'BGPPeer' resource(s)\n",
    );
}

/// Promise 17.6.
#[test]
fn bad_objects_are_not_written() {
    let user = User::new();
    for (verb, spec, error) in [
        (
            "create",
            "spec: {node: a, nodeSelector: all(), peerSelector: all()}",
            "spec (node and nodeSelector cannot both be set)",
        ),
        (
            "apply",
            "spec: {peerSelector: all(), asNumber: 1}",
            "spec (asNumber must be empty when peerSelector is set)",
        ),
        (
            "create",
            "spec: {peerIP: 192.0.2.1, asNumber: 1, reachableBy: 'fd00::1'}",
            "ReachableBy = 'fd00::1' (ReachableBy and PeerIP address family mismatched)",
        ),
        (
            "create",
            "spec: {peerIP: 192.0.2.1, asNumber: 1, filters: [f8, f9]}",
            "BGPPeer.Spec.Filters = '[f8 f9]' (BGPFilter(s) not found)",
        ),
    ] {
        user.file("bad.yaml", &peer("bad", spec));
        let expected = format!("failed to {verb} 'BGPPeer' resource: [error with field {error}]\n");
        user.fails(&format!("{verb} -f bad.yaml"), "", &expected);
    }
    user.file("two.yaml", &peer("bad", "spec: {peerSelector: all(), asNumber: 1, keepOriginalNextHop: true, nextHopMode: Self}"));
    user.fails("create -f two.yaml", "", "failed to create 'BGPPeer' resource: [error with the following fields:\n-  spec (asNumber must be empty when peerSelector is set)\n-  spec (keepOriginalNextHop and nextHopMode cannot both be set; keepOriginalNextHop is deprecated, use nextHopMode instead)\n]\n");
    user.file("space.yaml", &peer("a, namespace: default", GOOD));
    user.fails("create -f space.yaml", "", "failed to create 'BGPPeer' resource: [namespace should not be specified for a non-namespaced resource. BGPPeer is not a namespaced resource]\n");
    user.file("good.yaml", &peer("a", GOOD));
    user.fails(
        "create -f good.yaml -n x",
        "",
        "failed to create 'BGPPeer' resource: [BGPPeer is not namespaced]\n",
    );
    user.file("unnamed.yaml", &peer("''", GOOD));
    user.fails("create -f unnamed.yaml", "", "failed to create 'BGPPeer' resource: [error with field Metadata.Name = '' (field must be set for a Create request)]\n");
    user.file("versioned.yaml", &peer("a, resourceVersion: '5'", GOOD));
    user.fails("create -f versioned.yaml", "", "failed to create 'BGPPeer' resource: [error with field Metadata.ResourceVersion = '5' (field must not be set for a Create request)]\n");
    user.says(
        "validate -f good.yaml",
        "Successfully validated 1 'BGPPeer' resource(s)\n",
    );
    assert_eq!(user.stored(), [] as [&str; 0]);

    // A filter that comes before its peer exists by then.
    user.file(
        "both.yaml",
        &format!(
            "apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata: {{name: f8}}\n---\n{}",
            peer("a", "spec: {peerIP: 192.0.2.1, asNumber: 1, filters: [f8]}")
        ),
    );
    user.says(
        "create -f both.yaml",
        "Successfully created 2 resource(s)\n",
    );
}

/// Promise 17.6.
#[test]
fn no_address_belongs_to_two_pools_and_blocks_stay_in_theirs() {
    let user = User::new();
    let pool = |name: &str, rest: &str| {
        format!(
            "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {{name: {name}}}\nspec: {{{rest}}}\n"
        )
    };
    user.file("x.yaml", &pool("one", "cidr: 10.1.0.0/16"));
    user.says(
        "create -f x.yaml",
        "Successfully created 1 'IPPool' resource(s)\n",
    );
    user.file("y.yaml", &pool("two", "cidr: 10.1.7.0/24"));
    user.fails("apply -f y.yaml", "", "failed to apply 'IPPool' resource: [error with field IPPool.Spec.CIDR = '10.1.7.0/24' (overlaps with 10.1.0.0/16 of IPPool(one))]\n");
    user.file("moved.yaml", &pool("one", "cidr: 10.2.0.0/16"));
    user.fails("replace -f moved.yaml", "", "failed to replace 'IPPool' resource: error with field IPPool.Spec.CIDR = '10.2.0.0/16' (cannot be changed)\n");
    user.fails(
        "patch ippool one -p {\"spec\":{\"blockSize\":28}}",
        "",
        "Failed to patch 'IPPool' resource: error with field IPPool.Spec.BlockSize = '28' (cannot be changed)\n",
    );
    // The default, spelled out, and what may change.
    user.file(
        "same.yaml",
        &pool("one", "cidr: 10.1.0.0/16, blockSize: 26, disabled: true"),
    );
    user.says(
        "apply -f same.yaml",
        "Successfully applied 1 'IPPool' resource(s)\n",
    );
}

/// Promise 17.12.
#[test]
fn validate_tells_every_mistake_with_its_place() {
    let user = User::new();
    user.file(
        "all.yaml",
        "apiVersion: projectcalico.org/v3\nkind: BlockAffinity\nmetadata: {name: b}\nspec: {cidr: 10.0.0.0/26, node: a}\n---\n\
         apiVersion: v1\nkind: Node\nmetadata: {name: a, uid: x}\n---\n\
         apiVersion: v1\nkind: bgpPeer\nmetadata: {scope: global, peerIP: 192.0.2.1}\nspec: {asNumber: 1}\n",
    );
    user.says(
        "validate -f all.yaml",
        "Successfully validated 3 resource(s)\n",
    );
    user.file(
        "bad.yaml",
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: a}\nspec:\n  peerIP: 10.0.0.300\n  asNumbr: 1\n---\n\
         apiVersion: projectcalico.org/v3\nkind: BGPPeeer\nmetadata: {name: b}\n---\nkind: [\n---\n\
         apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: c}\nspec: {cidr: 10.0.0.0/16, blockSize: 99}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n",
    );
    let ran = user.run("validate -f gone.yaml -f bad.yaml -f all.yaml");
    let lines: Vec<&str> = ran.error.lines().collect();
    assert_eq!(
        lines,
        [
            "failed to execute command: open gone.yaml: no such file or directory",
            "bad.yaml:5:11: BGPPeer/a: spec.peerIP: expected an address, or an address and a port as 10.0.0.1:1790 or [fd00::1]:1790, or auto-gateway, found \"10.0.0.300\"",
            "bad.yaml:6:3: BGPPeer/a: spec.asNumbr: unknown field (did you mean asNumber?)",
            "bad.yaml:9:7: BGPPeeer/b: kind: Calico has no kind BGPPeeer (did you mean BGPPeer?); the object is left out",
            "bad.yaml:12:7: not valid YAML: a list has [ and no ]",
            "bad.yaml:14:1: IPPool/c: IPPool.Spec.BlockSize = '99' (must be between 20 and 32)",
            "bad.yaml:19:1: Deployment: unknown resource type (Deployment) and/or version (apps/v1)",
            "failed to validate: 7 mistake(s), 7 resource(s)",
        ]
    );
}

/// Promise 17.8.
#[test]
fn a_patch_keeps_comments_and_order() {
    let user = User::new();
    let text = "# our ToR\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor  # its name\nspec:\n  # the rack\n  peerIP: 192.0.2.1\n  asNumber: 65001   # theirs\n  node: n1\n";
    user.file("ds/x.yaml", text);
    user.says(
        "patch bgppeer tor -p {\"spec\":{\"asNumber\":65002,\"node\":null,\"sourceAddress\":\"None\"}}",
        "Successfully patched 1 'BGPPeer' resource\n",
    );
    let expected = text
        .replace("65001", "65002")
        .replace("  node: n1\n", "  sourceAddress: None\n");
    let stored = fs::read_to_string(user.path("ds/x.yaml")).expect("a file");
    assert_eq!(stored, expected);
}

/// Promise 17.7.
#[test]
fn a_stale_version_is_a_conflict() {
    let user = User::new();
    user.file("a.yaml", &peer("a", GOOD));
    user.says(
        "create -f a.yaml",
        "Successfully created 1 'BGPPeer' resource(s)\n",
    );
    let old = user.run("get bgppeer a -o yaml").out;
    user.says(
        "patch bgppeer a -p {\"spec\":{\"asNumber\":2}}",
        "Successfully patched 1 'BGPPeer' resource\n",
    );
    for (verb, error) in [
        (
            "replace",
            "failed to replace 'BGPPeer' resource: update conflict: BGPPeer(a)\n",
        ),
        (
            "delete",
            "Failed to delete 'BGPPeer' resource: update conflict: BGPPeer(a)\n\n",
        ),
    ] {
        let stale = user.run_with(&format!("{verb} -f -"), &old);
        assert_eq!((stale.error.as_str(), stale.code), (error, Some(1)));
    }
    user.fails(
        "patch bgppeer a -p {\"metadata\":{\"resourceVersion\":\"1\"}}",
        "",
        "Failed to patch 'BGPPeer' resource: update conflict: BGPPeer(a)\n",
    );
    let current = user.run("get bgppeer a -o yaml").out;
    let replaced = user.run_with(
        "replace -f -",
        &current.replace("asNumber: 2", "asNumber: 3"),
    );
    assert_eq!(
        replaced.out,
        "Successfully replaced 1 'BGPPeer' resource(s)\n"
    );
    // Apply does not ask which version was read.
    let applied = user.run_with("apply -f -", &old);
    assert_eq!(
        applied.out,
        "Successfully applied 1 'BGPPeer' resource(s)\n"
    );
    let now = user.run("get bgppeer a -o yaml").out;
    assert_eq!(cut_version(&now).0, cut_version(&old).0);
}

#[test]
fn patches_change_what_they_say() {
    let user = User::new();
    user.file(
        "a.yaml",
        &peer(
            "a",
            "spec: {peerIP: 192.0.2.1, asNumber: 1, ttlSecurity: 1}",
        ),
    );
    user.says(
        "create -f a.yaml",
        "Successfully created 1 'BGPPeer' resource(s)\n",
    );
    for patch in [
        "-p {\"spec\":{\"ttlSecurity\":null}}",
        "-t merge --patch {\"metadata\":{\"labels\":{\"a\":\"b\"}}}",
        "--type json -p [{\"op\":\"replace\",\"path\":\"/spec/asNumber\",\"value\":\"1.0\"}]",
    ] {
        user.says(
            &format!("patch bgpp a {patch}"),
            "Successfully patched 1 'BGPPeer' resource\n",
        );
    }
    user.says("get bgpp a -o yaml --export", "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  labels:\n    a: b\n  name: a\nspec:\n  asNumber: 65536\n  peerIP: 192.0.2.1\n");
    for (patch, error) in [
        (
            "x -p {}",
            "Failed to patch 'BGPPeer' resource: resource does not exist: BGPPeer(x) with error: bgppeers.projectcalico.org \"x\" not found\n",
        ),
        (
            "a -p {\"spec\":{\"nodes\":\"x\"}}",
            "field in document is not recognized or is in the wrong location: nodes\n",
        ),
        (
            "a -p {\"spec\":{\"peerSelector\":\"all()\",\"peerIP\":null}}",
            "Failed to patch 'BGPPeer' resource: error with field spec (asNumber must be empty when peerSelector is set)\n",
        ),
        (
            "a -p {\"metadata\":{\"name\":\"b\"}}",
            "Failed to patch 'BGPPeer' resource: a patch cannot change the name of a resource\n",
        ),
        (
            "a -p [] -t merge",
            "Failed to patch 'BGPPeer' resource: the patch must be an object\n",
        ),
        (
            "a -p {",
            "Failed to patch 'BGPPeer' resource: the patch is not JSON: it ends within a value\n",
        ),
        (
            "a -p {} -n x",
            "Failed to patch 'BGPPeer' resource: BGPPeer is not namespaced\n",
        ),
    ] {
        user.fails(&format!("patch bgpp {patch}"), "", error);
    }
}

/// Promise 17.10.
#[test]
fn a_node_of_kubernetes_becomes_a_route_reflector() {
    let user = User::new();
    user.file(
        "ds/nodes.yaml",
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  annotations:\n    projectcalico.org/IPv4Address: 10.0.0.1/24\nspec:\n  podCIDR: 10.8.1.0/24\n",
    );
    user.says(
        "patch node n1 -p {\"spec\":{\"bgp\":{\"routeReflectorClusterID\":\"244.0.0.1\"}}}",
        "Successfully patched 1 'Node' resource\n",
    );
    let expected = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  annotations:\n    projectcalico.org/IPv4Address: 10.0.0.1/24\n    projectcalico.org/RouteReflectorClusterID: 244.0.0.1\nspec:\n  podCIDR: 10.8.1.0/24\n";
    let stored = || fs::read_to_string(user.path("ds/nodes.yaml")).expect("it is there");
    assert_eq!(stored(), expected);
    // What is printed can be applied.
    let printed = user.run("get node n1 -o yaml").out;
    for verb in ["apply", "replace"] {
        let done = user.run_with(&format!("{verb} -f -"), &printed);
        assert_eq!((done.code, done.error.as_str()), (Some(0), ""));
        assert_eq!(stored(), expected);
    }
    let refused = user.run("delete node n1");
    assert!(
        refused
            .error
            .contains("operation delete is not supported on Node(n1)")
    );
}

/// Promise 17.11.
#[test]
fn a_file_names_the_datastore_before_the_environment() {
    let user = User::new();
    user.file(
        "etcd.cfg",
        "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata:\nspec:\n  datastoreType: etcdv3\n  etcdEndpoints: http://127.0.0.1:1\n  etcdPassword: hidden\n",
    );
    let said = |variables: &[(&str, &str)], config: &str| {
        let mut command = user.command("calicoctl");
        command.env_remove("BGP_DAEMON_DATASTORE");
        command.envs(variables.iter().copied());
        let command = command.args(["get", "bgppeers", "--config", config]);
        Said::of(command.output().expect("it runs")).error
    };
    for variables in [&[][..], &[("DATASTORE_TYPE", "kubernetes")]] {
        let told = said(variables, "etcd.cfg");
        assert!(
            told.starts_with("etcd cannot be reached: http://127.0.0.1:1: "),
            "{told}"
        );
    }
    user.file(
        "nothing.cfg",
        "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nspec: {}\n",
    );
    let kubernetes = [("DATASTORE_TYPE", "kubernetes"), ("KUBECONFIG", "missing")];
    let told = said(&kubernetes, "nothing.cfg");
    assert!(
        told.starts_with("datastore kubernetes: missing: "),
        "{told}"
    );
    assert_eq!(
        said(&[("BGP_DAEMON_DATASTORE", "ds")], "etcd.cfg"),
        "",
        "a folder that is named needs no file"
    );
    assert_eq!(
        said(&[], "missing.cfg"),
        "open missing.cfg: no such file or directory\n"
    );
}

/// Promise 17.1.
#[test]
fn the_same_commands_under_the_programs_own_name() {
    let user = User::new();
    user.file("a.yaml", &peer("a", GOOD));
    let datastore = user.path("ds");
    let run = |arguments: &[&str]| {
        let mut command = user.command("bgp-daemon");
        command.env_remove("BGP_DAEMON_DATASTORE").args(arguments);
        Said::of(command.output().expect("it runs"))
    };
    for (arguments, said) in [
        (
            "create -f a.yaml --allow-version-mismatch -c /etc/calico/calicoctl.cfg",
            "Successfully created 1 'BGPPeer' resource(s)\n",
        ),
        (
            "apply -f a.yaml",
            "Successfully applied 1 'BGPPeer' resource(s)\n",
        ),
        (
            "replace -f a.yaml --context=kind",
            "Successfully replaced 1 'BGPPeer' resource(s)\n",
        ),
        (
            "validate -f a.yaml",
            "Successfully validated 1 'BGPPeer' resource(s)\n",
        ),
        (
            "get bgpp",
            "NAME   PEERIP      NODE       ASN   \na      192.0.2.1   (global)   1     \n\n",
        ),
        (
            "patch bgpp a -p {}",
            "Successfully patched 1 'BGPPeer' resource\n",
        ),
        (
            "delete bgpp a",
            "Successfully deleted 1 'BGPPeer' resource(s)\n",
        ),
    ] {
        let mut words: Vec<_> = arguments.split(' ').collect();
        words.extend(["--datastore", &datastore]);
        let done = run(&words);
        assert_eq!(
            (done.out.as_str(), done.error.as_str(), done.code),
            (said, "", Some(0))
        );
    }
    let nowhere = run(&["get", "bgpp"]);
    assert!(
        nowhere.error.starts_with("no datastore: give --datastore"),
        "{nowhere:?}"
    );
    let gone = run(&["get", "bgpp", "--datastore", "/nowhere"]);
    assert_eq!(
        gone.error,
        "/nowhere cannot be read: No such file or directory (os error 2)\n"
    );
}

/// Promise 17.8.
#[test]
fn many_writers_lose_nothing() {
    let user = User::new();
    let children: Vec<Child> = (0..8)
        .map(|at| {
            user.file(&format!("{at}.yaml"), &peer(&format!("p{at}"), GOOD));
            let mut command = user.command("calicoctl");
            command.args([
                "--datastore",
                &user.path("ds/all.yaml"),
                "create",
                "-f",
                &format!("{at}.yaml"),
            ]);
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(user.path("ds/all.yaml"))
                .expect("a file");
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it runs")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(user.stored(), ["all.yaml"]);
    assert_eq!(user.run("get bgpp").out.lines().count(), 1 + 8 + 1);
}

#[test]
fn a_running_daemon_follows() {
    let user = User::new();
    user.file("node.yaml", "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: n1}\nspec: {bgp: {ipv4Address: 127.0.0.1/8}}\n");
    user.file(
        "peer.yaml",
        &peer("tor", "spec: {peerIP: 127.0.0.9, asNumber: 65001}"),
    );
    user.says(
        "create -f node.yaml",
        "Successfully created 1 'Node' resource(s)\n",
    );
    let run = user.path("run");
    fs::create_dir(&run).expect("a folder");
    let daemon = user
        .command("bgp-daemon")
        .args([
            "run",
            "--node",
            "n1",
            "--run-dir",
            &run,
            "--no-kernel",
            "--listen-port",
            &free_port(),
        ])
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let _daemon = Running(daemon);
    let sessions = || {
        let mut command = user.command("bgp-daemon");
        let output = command
            .args(["show", "--run-dir", &run, "protocols"])
            .output();
        Said::of(output.expect("it runs")).out
    };
    wait_for("the socket", || sessions().contains("BIRD"));
    assert!(!sessions().contains("Global_127_0_0_9"));
    user.says(
        "create -f peer.yaml",
        "Successfully created 1 'BGPPeer' resource(s)\n",
    );
    wait_for("the peer", || sessions().contains("Global_127_0_0_9"));
    user.says(
        "delete -f peer.yaml",
        "Successfully deleted 1 'BGPPeer' resource(s)\n",
    );
    wait_for("its end", || !sessions().contains("Global_127_0_0_9"));
}

/// A port without a listener at this moment.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    address.port().to_string()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which the test then reports.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const GOOD: &str = "spec: {peerIP: 192.0.2.1, asNumber: 1}";

fn peer(name: &str, rest: &str) -> String {
    format!("apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {{name: {name}}}\n{rest}\n")
}

fn cut_version(text: &str) -> (String, String) {
    let (before, rest) = text.split_once("resourceVersion: \"").expect("a version");
    let (version, after) = rest.split_once('"').expect("its end");
    (
        format!("{before}resourceVersion: VERSION{after}"),
        version.to_owned(),
    )
}

/// What a command printed, and how it ended.
#[derive(Debug)]
struct Said {
    out: String,
    error: String,
    code: Option<i32>,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            error: String::from_utf8(output.stderr).expect("UTF-8"),
            code: output.status.code(),
        }
    }
}

/// Someone with `calicoctl`, some files, and a folder `ds` as the datastore.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        for name in ["calicoctl", "bgp-daemon"] {
            let link = home.path().join(name);
            symlink(env!("CARGO_BIN_EXE_bgp-daemon"), link).expect("a link");
        }
        fs::create_dir(home.path().join("ds")).expect("a folder");
        Self { home }
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn stored(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("ds")).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.home.path().join(program));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BGP_DAEMON_DATASTORE", self.path("ds"))
            .current_dir(self.home.path())
            .stdin(Stdio::null());
        command
    }

    fn run_args(&self, arguments: &[&str]) -> Said {
        Said::of(
            self.command("calicoctl")
                .args(arguments)
                .output()
                .expect("it runs"),
        )
    }

    /// Arguments are separated by one blank; none holds one.
    fn run(&self, arguments: &str) -> Said {
        self.run_args(&arguments.split(' ').collect::<Vec<_>>())
    }

    fn run_with(&self, arguments: &str, input: &str) -> Said {
        let mut child = self
            .command("calicoctl")
            .args(arguments.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        Said::of(child.wait_with_output().expect("it ends"))
    }

    #[track_caller]
    fn says(&self, arguments: &str, out: &str) {
        let said = self.run(arguments);
        let seen = (said.out.as_str(), said.error.as_str(), said.code);
        assert_eq!(seen, (out, "", Some(0)), "{arguments}");
    }

    #[track_caller]
    fn fails(&self, arguments: &str, out: &str, error: &str) {
        let said = self.run(arguments);
        let seen = (said.out.as_str(), said.error.as_str(), said.code);
        assert_eq!(seen, (out, error, Some(1)), "{arguments}");
    }
}

const ALL: &str = "\
apiVersion: projectcalico.org/v3
kind: BGPPeerList
items:
- metadata: {name: rack1-tor}
  spec: {peerIP: 192.20.30.40, nodeSelector: \"rack == 'rack-1'\", asNumber: 64567}
- metadata: {name: some.name}
  spec: {peerIP: 'ff1:123::1:56', node: node1, asNumber: 64512}
- metadata: {name: global-peer}
  spec: {peerIP: '192.0.2.7:1790', asNumber: 64515}
- metadata: {name: rr-mesh}
  spec: {nodeSelector: has(rr), peerSelector: has(rr)}
---
apiVersion: projectcalico.org/v3
kind: BGPConfigurationList
items:
- metadata: {name: default}
  spec: {logSeverityScreen: Info, nodeToNodeMeshEnabled: true, asNumber: 63400}
- metadata: {name: node.node1}
  spec: {logSeverityScreen: Debug}
- metadata: {name: node.node2}
  spec: {}
---
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: f1}
spec:
  exportV4: [{action: Accept}, {action: Reject}]
  exportV6: [{action: Accept}]
---
apiVersion: projectcalico.org/v3
kind: NodeList
items:
- metadata: {name: node1}
  spec: {bgp: {ipv4Address: 172.17.8.101/24}}
- metadata: {name: node2}
  spec: {bgp: {asNumber: 64600, ipv4Address: 172.17.8.102/24, ipv6Address: 'fd00::2/64'}}
- metadata: {name: node3}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: default-ipv4-ippool}
spec: {cidr: 192.168.0.0/16, natOutgoing: true, ipipMode: Always}
---
apiVersion: projectcalico.org/v3
kind: CalicoNodeStatus
metadata: {name: s1}
spec: {node: node1, classes: [Agent, BGP], updatePeriodSeconds: 10}
---
apiVersion: projectcalico.org/v3
kind: IPReservation
metadata: {name: r1}
spec: {reservedCIDRs: [10.0.0.0/24, 10.0.1.0/24, 10.0.2.0/24, 10.0.3.0/24, 10.0.4.0/24, 10.0.5.0/24, 10.0.6.0/24, 10.0.7.0/24]}
---
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: web}
";
