//! A case run by one side, in a world made for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{
    Cmd, Netns, Outcome, Outside, Plugins, Sandbox, Snapshot, with_prev_result,
};
use serde_json::{Value, json};

use crate::case::{Case, FIRST_WITH_CHECK, Step};
use crate::record::Record;

/// Where the plugins keep their state.
const STATE: &str = "/var/lib/cni";

/// How long the kernel may take until the links of a namespace that went are gone, too.
const SETTLING: Duration = Duration::from_secs(20);

/// Follows the attachment in the title of an ADD for one that is there.
pub(crate) const AGAIN: &str = " again";

/// The network that a case is about, when it does not say.
const NETWORK: &str = "mynet";

/// Who plays which part.
pub(crate) struct Cast<'a> {
    add: &'a Plugins,
    rest: &'a Plugins,
}

impl<'a> Cast<'a> {
    /// One plays all.
    pub(crate) fn one(plugins: &'a Plugins) -> Self {
        Self::handover(plugins, plugins)
    }

    /// One adds, the other does the rest.
    pub(crate) fn handover(add: &'a Plugins, rest: &'a Plugins) -> Self {
        Self { add, rest }
    }

    /// Whether both are played by the same.
    pub(crate) fn is_same_as(&self, other: &Cast<'_>) -> bool {
        let all = [self.add, self.rest, other.add, other.rest];
        all.iter().all(|plugins| plugins.dir() == all[0].dir())
    }

    fn playing(&self, verb: &str) -> &'a Plugins {
        if verb == "ADD" { self.add } else { self.rest }
    }
}

/// Runs a case, and leaves the sandbox as it was.
pub(crate) fn run(case: &Case, version: &str, cast: &Cast<'_>, sandbox: &Sandbox) -> Vec<Record> {
    let mut run = Run {
        case,
        version,
        cast,
        world: World::make(case, sandbox),
        results: BTreeMap::new(),
        is_joining: false,
        records: Vec::new(),
    };
    for &step in &case.steps {
        run.step(step);
    }
    run.world.end();
    run.records
}

struct Run<'a> {
    case: &'a Case,
    version: &'a str,
    cast: &'a Cast<'a>,
    world: World,
    /// The result of each attachment's ADD.
    results: BTreeMap<&'static str, Value>,
    /// Whether the one who does the rest is the one to ADD.
    is_joining: bool,
    records: Vec<Record>,
}

impl Run<'_> {
    fn step(&mut self, step: Step) {
        match step {
            Step::Add(attachment) | Step::Again(attachment) => self.add(attachment),
            Step::Join(attachment) => {
                self.is_joining = true;
                self.add(attachment);
                self.is_joining = false;
            }
            Step::Check(attachment) => self.after("CHECK", attachment, Some(attachment)),
            Step::Del(attachment) => self.after("DEL", attachment, Some(attachment)),
            Step::DelWith(attachment, other) => self.after("DEL", attachment, Some(other)),
            Step::DelBare(attachment) => self.after("DEL", attachment, None),
            Step::Lose(attachment) => self.world.lose(container(attachment).0),
            Step::Run(line) => drop(self.world.node.run(line)),
            Step::Talk(attachment) => self.talk(attachment),
            Step::Meet(from, to) => self.meet(from, to),
            Step::Serve(attachment) => self.serve(attachment),
            Step::Reach(from, to) => self.reach(from, to),
        }
    }

    /// The plugins of the chain one after the other, each with the result of the one before.
    fn add(&mut self, attachment: &'static str) {
        let mut result = Value::Null;
        for plugin in &self.case.chain {
            let config = self.config(plugin, &result, attachment);
            let outcome = self.call("ADD", &config, attachment, true);
            if !outcome.output.ok() {
                return;
            }
            result = outcome.json.unwrap_or_default();
        }
        self.results.insert(attachment, result);
    }

    /// CHECK, or DEL, whose order is the reverse, with the result of an attachment; without a result there is no
    /// namespace either.
    fn after(&mut self, verb: &str, attachment: &'static str, with: Option<&'static str>) {
        let known = with.and_then(|with| self.results.get(with));
        let result = match known {
            Some(result) if self.version >= FIRST_WITH_CHECK => result.clone(),
            _ => Value::Null,
        };
        let mut chain: Vec<&Value> = self.case.chain.iter().collect();
        if verb == "DEL" {
            chain.reverse();
        }
        for plugin in chain {
            let config = self.config(plugin, &result, attachment);
            self.call(verb, &config, attachment, with.is_some());
        }
    }

    /// A plugin's configuration as the runtime completes it.
    fn config(&self, plugin: &Value, result: &Value, attachment: &str) -> Value {
        let mut config = json!({ "cniVersion": self.version, "name": NETWORK });
        if let (Some(all), Some(own)) = (config.as_object_mut(), plugin.as_object()) {
            all.extend(own.clone());
        }
        make_own(&mut config, attachment);
        if result.is_null() {
            config
        } else {
            with_prev_result(&config, result)
        }
    }

    fn call(&mut self, verb: &str, config: &Value, attachment: &str, in_netns: bool) -> Outcome {
        let (container, ifname) = container(attachment);
        let name = format!("container-{container}");
        let netns = Path::new("/run/netns").join(&name);
        let id = name + &"0".repeat(self.case.longer);
        let mut call = self
            .cast
            .playing(if self.is_joining { "JOIN" } else { verb })
            .call(verb, config)
            .container(&id)
            .ifname(ifname)
            .netns(if in_netns { netns } else { "".into() });
        if !self.case.args.is_empty() {
            call = call.args(self.case.args);
        }
        if !self.case.iptables.is_empty() {
            call = call.env("PATH", linkspan_testkit::iptables(self.case.iptables));
        }
        let outcome = self.world.node.enter(|| call.run());
        let again = verb == "ADD" && self.results.contains_key(attachment);
        let title = format!(
            "{verb} {attachment}{} {}",
            if again { AGAIN } else { "" },
            config["type"].as_str().unwrap_or_default()
        );
        let state = self.world.state(self.case);
        let mut record = Record::of_call(title, &outcome, &state);
        if verb == "DEL" {
            let firewall = self.world.firewall();
            record.facts.insert(format!(
                "the firewall knows {id} = {}",
                firewall.contains(&id)
            ));
        }
        self.records.push(record);
        outcome
    }

    /// Gateways by ping; the outside by TCP, which tells whose address it sees.
    fn talk(&mut self, attachment: &'static str) {
        let Some(result) = self.results.get(attachment) else {
            return;
        };
        let netns = self.world.container(attachment);
        let mut facts = Vec::new();
        for gateway in gateways(result) {
            let answers = netns.try_ping(&gateway).ok();
            facts.push(format!("{gateway} answers = {answers}"));
        }
        for router in [
            Outside::ROUTER_V4.to_owned(),
            format!("[{}]", Outside::ROUTER_V6),
        ] {
            facts.push(connection(netns, &format!("{router}:80")));
        }
        self.records
            .push(Record::of_facts(format!("traffic of {attachment}"), facts));
    }

    fn meet(&mut self, from: &'static str, to: &'static str) {
        let (netns, peer) = (self.world.container(from), self.world.container(to));
        let mut facts = Vec::new();
        for address in global_addresses(peer, container(to).1) {
            let address = with_port(&address);
            peer.serve_tcp(&address);
            facts.push(connection(netns, &address));
        }
        self.records
            .push(Record::of_facts(format!("{from} meets {to}"), facts));
    }

    fn serve(&self, attachment: &str) {
        let netns = self.world.container(attachment);
        for address in global_addresses(netns, container(attachment).1) {
            let address = with_port(&address);
            netns.serve_tcp(&address);
            netns.serve_udp(&address);
        }
    }

    fn reach(&mut self, from: &'static str, to: &'static str) {
        let netns = match (from, &self.world.outside) {
            ("host", _) => &self.world.node,
            ("outside", Some(outside)) => outside,
            (container, _) => self.world.container(container),
        };
        // On a busy machine one of the two may come too late.
        let mut facts = [connection(netns, to), connection_by_udp(netns, to)];
        if facts[0].contains(" not ") != facts[1].contains(" not ") {
            facts = [connection(netns, to), connection_by_udp(netns, to)];
        }
        self.records
            .push(Record::of_facts(format!("{from} reaches {to}"), facts));
    }
}

/// The ports of the host and the MAC address that a container asks for: those of the case for those named with an a, the
/// next for those with a b. Two of the same MAC address on a bridge would be reached by turns.
fn make_own(config: &mut Value, attachment: &str) {
    let number = attachment.bytes().next().map_or(0, |first| first - b'a');
    let Some(given) = config.get_mut("runtimeConfig") else {
        return;
    };
    let mappings = given.get_mut("portMappings").and_then(Value::as_array_mut);
    for mapping in mappings.into_iter().flatten() {
        if let Some(port) = mapping["hostPort"].as_u64() {
            mapping["hostPort"] = (port + u64::from(number)).into();
        }
    }
    if number > 0
        && let Some(Value::String(mac)) = given.get_mut("mac")
    {
        // The two lowest bits make it an address of one host, given locally: they stay.
        mac.replace_range(..2, &format!("{:02x}", 2 + 4 * number));
    }
}

/// The container and the interface of an attachment.
fn container(attachment: &str) -> (&str, &str) {
    attachment.split_once('/').unwrap_or((attachment, "eth0"))
}

/// Where containers serve.
fn with_port(address: &str) -> String {
    match address.contains(':') {
        true => format!("[{address}]:80"),
        false => format!("{address}:80"),
    }
}

/// What comes of a TCP connection, and who the server thinks it is from.
fn connection(netns: &Netns, address: &str) -> String {
    match netns.talk_tcp(address) {
        Ok(seen_as) => format!("{address} is reached as {}", seen_as.ip()),
        // Whether it is the time or the kernel that ends the attempt is up to chance.
        Err(_) => format!("{address} is not reached"),
    }
}

/// The same of a datagram.
fn connection_by_udp(netns: &Netns, address: &str) -> String {
    match netns.talk_udp(address) {
        Ok(seen_as) => format!("{address} is reached by UDP as {}", seen_as.ip()),
        Err(_) => format!("{address} is not reached by UDP"),
    }
}

/// The gateways that a result of any version names.
fn gateways(result: &Value) -> Vec<String> {
    match result {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(gateway) if key == "gateway" => vec![gateway.clone()],
                other => gateways(other),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(gateways).collect(),
        _ => Vec::new(),
    }
}

fn global_addresses(netns: &Netns, ifname: &str) -> Vec<String> {
    let links = netns.ip_json(&format!("address show dev {ifname} scope global"));
    let addresses = links[0]["addr_info"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    addresses
        .iter()
        .filter_map(|address| address["local"].as_str().map(str::to_owned))
        .collect()
}

/// A host, its containers, and an outside.
struct World {
    node: Netns,
    containers: BTreeMap<&'static str, Netns>,
    outside: Option<Netns>,
}

impl World {
    fn make(case: &Case, sandbox: &Sandbox) -> Self {
        let make = |name: &str| {
            let netns = sandbox.netns(name);
            // Link-local addresses are there as soon as the link is, so that no state is seen half-way.
            let settings = Path::new("/proc/sys/net/ipv6/conf/default");
            for key in ["dad_transmits", "router_solicitation_delay"] {
                let written = netns.enter(|| fs::write(settings.join(key), "0"));
                assert!(written.is_ok(), "{key}: {written:?}");
            }
            netns
        };
        let node = make("node");
        let talks = |step: &Step| matches!(step, Step::Talk(_) | Step::Reach("outside", _));
        let talks = case.steps.iter().any(talks);
        let outside = talks.then(|| make("outside"));
        if let Some(outside) = &outside {
            connect(&node, outside);
        }
        let containers = case
            .steps
            .iter()
            .filter_map(|step| match *step {
                Step::Add(attachment)
                | Step::Join(attachment)
                | Step::Del(attachment)
                | Step::DelBare(attachment) => Some(container(attachment).0),
                _ => None,
            })
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .map(|name| (name, make(&format!("container-{name}"))))
            .collect();
        Self {
            node,
            containers,
            outside,
        }
    }

    fn container(&self, attachment: &str) -> &Netns {
        &self.containers[container(attachment).0]
    }

    fn lose(&mut self, name: &str) {
        if let Some(netns) = self.containers.remove(name) {
            let ends = self.ends_of_links_into(&netns);
            netns.delete();
            // The kernel takes the interfaces away some time after the name; the host's ends go with them.
            await_that(|| ends.iter().all(|end| !self.has_link(end)));
        }
    }

    /// The names of the host's ends of a container's links.
    fn ends_of_links_into(&self, netns: &Netns) -> Vec<String> {
        let inside = netns.ip_json("link show");
        let peers: Vec<&Value> = items(&inside)
            .filter_map(|link| link.get("link_index"))
            .collect();
        let outside = self.node.ip_json("link show");
        items(&outside)
            .filter(|link| peers.contains(&&link["ifindex"]))
            .filter_map(|link| link["ifname"].as_str().map(str::to_owned))
            .collect()
    }

    fn has_link(&self, ifname: &str) -> bool {
        let devices = self
            .node
            .enter(|| fs::read_to_string("/proc/thread-self/net/dev"));
        devices.is_ok_and(|devices| devices.contains(&format!("{ifname}:")))
    }

    fn state(&self, case: &Case) -> Snapshot {
        let namespaces: Vec<&Netns> = std::iter::once(&self.node)
            .chain(self.containers.values())
            .collect();
        let given = format!("{} {}", Value::Array(case.chain.clone()), case.args);
        Snapshot::without_firewall(&namespaces, &[STATE]).keeping(&given)
    }

    /// The host's rules. Comments of iptables are to be seen with its own program alone.
    fn firewall(&self) -> String {
        let list = || {
            let rules = Cmd::new("nft").args(["list", "ruleset"]).run();
            let of_iptables = |program| Cmd::new(program).run();
            match rules.contains("CNI-") {
                true => {
                    ["iptables-save", "ip6tables-save"]
                        .map(of_iptables)
                        .concat()
                        + &rules
                }
                false => rules,
            }
        };
        self.node.enter(list)
    }

    fn end(self) {
        let all = self
            .containers
            .into_values()
            .chain(self.outside)
            .chain([self.node]);
        all.for_each(|netns| netns.delete());
        for dir in [STATE, "/run/cni", "/run/netns"] {
            empty(Path::new(dir));
        }
    }
}

/// A router outside; the host's default routes lead there, and nothing leads back to the containers.
fn connect(node: &Netns, outside: &Netns) {
    node.connect(Outside::UPLINK, outside, "eth0");
    for (host, router, bits) in [
        (Outside::HOST_V4, Outside::ROUTER_V4, 24),
        (Outside::HOST_V6, Outside::ROUTER_V6, 64),
    ] {
        node.address(Outside::UPLINK, &format!("{host}/{bits}"));
        outside.address("eth0", &format!("{router}/{bits}"));
        node.run(&format!("ip route add default via {router}"));
    }
    for address in [
        Outside::ROUTER_V4.to_owned(),
        format!("[{}]", Outside::ROUTER_V6),
    ] {
        outside.serve_tcp(&format!("{address}:80"));
    }
}

fn items(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

/// Waits until something is so, though not for ever: what never comes shows in what is compared.
fn await_that(is_so: impl Fn() -> bool) {
    let end = Instant::now() + SETTLING;
    while !is_so() && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
}

fn empty(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        // What is a file is no directory; what cannot be removed shows in the next run.
        let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
    }
}
