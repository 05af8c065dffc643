//! A pod in all networks of the directory.

use std::path::Path;

use linkspan_runtime::{
    Bandwidth, DEFAULT_CONFIG_DIR, Order, Pod, PodError, RateLimit, Runtime, load_first,
};

use crate::Failure;

pub(crate) fn attach_and_detach(id: &str, netns: &str) -> Result<(), Failure> {
    let pod = pod(id, netns)?;
    let runtime = Runtime::builder()
        .plugin_dir("/opt/cni/bin")
        .detach_failed(true)
        .build();
    attach(&runtime, &pod)?;
    runtime.check_pod(&pod)?;
    // ANCHOR: del
    // The last network first, and on after failures: all of them are in the error.
    runtime.del_pod(&pod)?;
    // ANCHOR_END: del
    println!("{id} is detached");
    Ok(())
}

// ANCHOR: pod
fn pod(id: &str, netns: &str) -> Result<Pod, Failure> {
    let mut pod = Pod::new(id.parse()?)
        .with_netns(netns)
        .with_arg("IgnoreUnknown", "1")?
        .with_arg("K8S_POD_NAME", "web-1")?
        .with_loopback()?;
    let slow = Bandwidth::default().with_egress(RateLimit::new(10_000_000, 1_000_000)?);
    // eth0, eth1 and so on, in the order of the files.
    for network in load_first(Path::new(DEFAULT_CONFIG_DIR), usize::MAX)? {
        pod = pod.with_network(network, |end| end.with_bandwidth(&slow))?;
    }
    Ok(pod)
}
// ANCHOR_END: pod

// ANCHOR: attach
fn attach(runtime: &Runtime, pod: &Pod) -> Result<(), PodError> {
    // In the order of the networks, whichever is ready first.
    for made in runtime.add_pod(pod, Order::Parallel)? {
        for ip in &made.result.ips {
            println!("{} in {} has {}", made.ifname, made.network, ip.address);
        }
    }
    Ok(())
}
// ANCHOR_END: attach
