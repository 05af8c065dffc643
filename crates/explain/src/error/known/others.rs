//! Plugins of others, whose errors land on the same people.

use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "open /run/flannel/subnet.env: no such file or directory",
        "flannel's daemon has not written this node's subnet: its pod does not run here, or the node has no podCIDR",
        "`kubectl -n kube-flannel get pods -o wide`, and its log; `kubectl get node -o jsonpath='{.items[*].spec.podCIDR}'` must tell a subnet for \
         each node",
    ),
    entry(
        "stat /var/lib/calico/nodename: no such file or directory",
        "calico's node agent has not started on this node",
        "`kubectl -n kube-system get pods -l k8s-app=calico-node -o wide` (or -n calico-system), and its log",
    ),
    entry(
        "error getting ClusterInformation: *connection refused",
        "nothing answers at the Kubernetes API's address from this node: the API is down, or kube-proxy (or what stands in its place) has not \
         written the rules of its service",
        "see that the API's address, which the message names, answers from this node (`curl -k`), and that kube-proxy runs here; pods that \
         wait are tried again",
    ),
    entry(
        "error getting ClusterInformation: *nauthorized",
        "the Kubernetes API does not take the token of calico's plugin: it has expired, or is of another cluster",
        "the node agent renews /etc/cni/net.d/calico-kubeconfig while it runs: `kubectl -n kube-system get pods -l k8s-app=calico-node -o wide` \
         (or -n calico-system)",
    ),
    entry(
        "error getting ClusterInformation: *",
        "calico's plugin asked the Kubernetes API in vain: {1}",
        "see that this node reaches the API, and that /etc/cni/net.d/calico-kubeconfig is of this cluster",
    ),
    entry(
        "Unable to connect to Cilium daemon",
        "cilium's plugin cannot reach its agent on this node",
        "`kubectl -n kube-system get pods -l k8s-app=cilium -o wide`, and the agent's log",
    ),
    entry(
        "unable to connect to Cilium agent*",
        "cilium's plugin cannot reach its agent on this node",
        "`kubectl -n kube-system get pods -l k8s-app=cilium -o wide`, and the agent's log",
    ),
    entry(
        "Multus: *: Unauthorized",
        "the token of Multus for the Kubernetes API has expired",
        "restart its daemonset, and see that it renews the token (its kubeconfig is written once by older versions)",
    ),
    entry(
        "cannot find a network-attachment-definition (*) in namespace (*)",
        "a pod asks for the network {1}, of which there is no NetworkAttachmentDefinition in the namespace {2}",
        "`kubectl -n {2} get network-attachment-definitions`; one of another namespace is written NAMESPACE/NAME",
    ),
    entry(
        "error getting k8s args: *",
        "Multus was called without the arguments that kubelet's runtime hands on: {1}",
        "call it by the runtime; by hand with CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAMESPACE=…;K8S_POD_NAME=…'",
    ),
    entry(
        "pods * not found",
        "the pod {1} is gone from the Kubernetes API while the plugin still works for it",
        "nothing, if it was deleted; if detaching repeats this for ever, the plugin should take it for detached",
    ),
    entry(
        "x509: certificate *",
        "a plugin does not trust the Kubernetes API's certificate, or the clock is wrong: {1}",
        "`date` on this node; then the certificate in the plugin's kubeconfig",
    ),
    entry(
        "connection refused",
        "a daemon that the plugin needs does not listen where the plugin looks",
        "the message names the address; see that the daemon runs on this node",
    ),
    entry(
        "i/o timeout",
        "the plugin waited for an answer by the network, often of the Kubernetes API",
        "see whether this node reaches that address; a host firewall may be in the way",
    ),
];
