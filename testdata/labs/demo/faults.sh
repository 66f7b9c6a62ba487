# shellcheck shell=bash
# Faults in the lab of the demo, made by hand, and how an operator finds them. Sourced by scripts/demo; docs/operating.md tells the same
# story with this output. The functions and variables are those of the demo.
# shellcheck disable=SC2154

ask() { # COMMAND-LINE: what follows `bgp-daemon`, on node1
    printf '\n$ bgp-daemon %s    # on node1\n' "$*"
    on node1 "$daemon" "$@" --run-dir "$files/node1" || printf '(exit code %s)\n' $?
}
ask_files() { # COMMAND-LINE: a command that reads files, without a daemon
    printf '\n$ bgp-daemon %s\n' "$*"
    (cd "$files" && "$daemon" "$@") || printf '(exit code %s)\n' $?
}
append() { # YAML: one more document of the cluster
    printf -- '---\n%s\n' "$1" >>"$cluster"
}
# The commands' own exit codes do not count here.
says() { { on node1 "$daemon" explain "$1" --run-dir "$files/node1" || true; } | grep "$2" >/dev/null; } # PREFIX WORDS
finds() { { on node1 "$daemon" doctor --run-dir "$files/node1" -o json || true; } | grep "\"$1\"" >/dev/null; } # ID

section "\"My service is not reachable\": the address of a new service is in no range that is announced"
append 'apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: LoadBalancer, clusterIP: 10.96.0.10, externalIPs: [203.0.113.7], externalTrafficPolicy: Local}'
wait_for "the service to be known" says 203.0.113.7 'Service'
ask explain 203.0.113.7

section "The range is announced, but no endpoint is ready on this node"
sed -i 's|^  nodeToNodeMeshEnabled: false|&\n  serviceExternalIPs: [{cidr: 203.0.113.0/24}]|' "$cluster"
wait_for "the range to be known" says 203.0.113.7 'serviceExternalIPs has'
ask explain 203.0.113.7

section "With an endpoint on node1 the router is told"
append 'apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.244.1.5], nodeName: node1, conditions: {ready: true}}]'
wait_for "the address to be announced" says 203.0.113.7 ': advertised'
ask explain 203.0.113.7

section "\"May I apply this?\": what a change would do, before it is made"
sed 's|cidr: 203.0.113.0/24|cidr: 203.0.113.128/25|; s|asNumber: 64512|asNumber: 64513|' "$cluster" >"$files/new.yaml"
cat >>"$files/new.yaml" <<'YAML'
---
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: no-default}
spec: {importV4: [{action: Reject, cidr: 0.0.0.0/0, matchOperator: Equal}]}
YAML
ask_files plan --node node1 -f new.yaml --against cluster.yaml
ask_files plan --all-nodes -f new.yaml --against cluster.yaml --guard max-restarts=0
ask_files lint -f new.yaml

section "\"Why is this session down?\": somebody has mistyped the AS of the router"
sed -i '/name: tor/,/asNumber/ s|asNumber: 64512|asNumber: 64999|' "$cluster"
wait_for "the fault to be found" finds peer-as
ask doctor
sed -i '/name: tor/,/asNumber/ s|asNumber: 64999|asNumber: 64512|' "$cluster"
wait_for "the session of node1" is_established node1

section "A second router is configured before it is there"
append 'apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: second-tor}
spec: {peerIP: 10.0.0.99, asNumber: 64512}'
wait_for "the silence to be found" finds unanswered
ask doctor
