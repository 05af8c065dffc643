//! `trace`, and what plugins leave of a call whose trace is kept.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use linkspan_testkit::{Cmd, Output, Plugins, Sandbox, sandbox};
use serde_json::{Value, json};

use crate::demo::build_plugins;
use crate::world::{World, json, status};

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Keeps what it is told of a trace.
const TOLD: &str = "#!/bin/sh
echo \"$TRACEPARENT|$TRACESTATE|$BAGGAGE\" > ${0%/*}/told.$CNI_COMMAND
echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.22.0.2/16\"}]}'
";

fn plugins() -> Plugins {
    Plugins::linked(Path::new(LINKSPAN).with_file_name("linkspan-plugins"))
}

fn linkspan(words: &str) -> Cmd {
    let places = format!("--cni-path {}", plugins().dir().display());
    let cmd = Cmd::new(LINKSPAN)
        .args(words.split(' '))
        .args(places.split(' '));
    ["TRACEPARENT", "TRACESTATE", "CNI_ARGS", "CAP_ARGS"]
        .into_iter()
        .fold(cmd, Cmd::env_remove)
}

fn host_with_network(host: &Sandbox) {
    build_plugins();
    fs::create_dir_all("/etc/cni/net.d").unwrap();
    let network = json!({ "cniVersion": "1.0.0", "name": "mynet", "plugins": [
        { "type": "bridge", "isGateway": true, "ipMasq": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } },
        { "type": "portmap", "capabilities": { "portMappings": true } },
        { "type": "firewall" },
        { "type": "bandwidth", "ingressRate": 8000000, "ingressBurst": 8000000 },
    ] });
    fs::write("/etc/cni/net.d/10-mynet.conflist", network.to_string()).unwrap();
    for name in ["c1", "c2"] {
        host.run(&format!("ip netns add {name}"));
    }
}

const PORT: &str = r#"{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}"#;

/// The spans of a trace in the order in which they are drawn.
fn walk<'a>(spans: &'a Value, seen: &mut Vec<&'a Value>) {
    for span in spans.as_array().unwrap() {
        seen.push(span);
        walk(&span["spans"], seen);
    }
}

fn all(trace: &Value) -> Vec<&Value> {
    let mut seen = Vec::new();
    walk(&trace["spans"], &mut seen);
    seen
}

fn words(span: &Value) -> String {
    let words = span["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap());
    words.collect::<Vec<_>>().join("; ")
}

/// cri-o#4734: each plugin of a chain, what of it took how long, and how often the kernel was asked.
#[test]
fn an_attachment_is_told_from_the_chain_to_the_steps() {
    sandbox(|host| {
        host_with_network(host);
        let add = linkspan("--json trace add mynet c1")
            .env("CAP_ARGS", PORT)
            .output();
        let trace = json(add.success());
        assert_eq!(trace["result"]["ips"][0]["address"], "10.22.0.2/16");
        let spans = all(&trace);
        let plugins: Vec<_> = spans
            .iter()
            .filter(|span| span["kind"] == "plugin")
            .map(|span| words(span))
            .collect();
        assert_eq!(
            plugins,
            ["bridge", "host-local", "portmap", "firewall", "bandwidth"]
        );
        let kinds: BTreeSet<_> = spans
            .iter()
            .map(|span| span["kind"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            BTreeSet::from([
                "operation",
                "plugin",
                "steps",
                "other",
                "start",
                "end",
                "rest"
            ])
        );
        for part in [
            "use or create the bridge \"cni0\"",
            "and its other end \"eth0\" in the container",
            "add the address 10.22.0.2/16",
            "masquerade 10.22.0.2/16",
            "publish the ports",
            "nf_tables transaction",
            "forward for 10.22.0.2",
            "keep the result",
        ] {
            assert!(
                spans.iter().any(|span| words(span).contains(part)),
                "{part}: {trace:#}"
            );
        }
        for span in &spans {
            let of = |span: &Value, key: &str| span[key].as_f64().unwrap();
            let inside = span["spans"].as_array().unwrap();
            for part in inside.iter().filter(|part| !part["began"].is_null()) {
                assert!(of(part, "began") >= of(span, "began"), "{span:#}");
                let ends = [*span, part].map(|span| of(span, "began") + of(span, "seconds"));
                assert!(ends[1] <= ends[0] + 1e-9, "{span:#}");
            }
            let asked: f64 = inside.iter().map(|part| of(part, "netlinkRequests")).sum();
            assert!(of(span, "netlinkRequests") >= asked, "{span:#}");
        }
        // What is done is the same as without.
        linkspan("check mynet c1").env("CAP_ARGS", PORT).run();
        for (command, key) in [("check", "checked"), ("del", "detached")] {
            let told = linkspan(&format!("--json trace {command} mynet c1"))
                .env("CAP_ARGS", PORT)
                .output();
            let told = json(told.success());
            assert_eq!(told["result"][key], true);
            assert_eq!(
                told["spans"][0]["words"][0],
                format!("{} mynet", command.to_uppercase())
            );
        }
        linkspan("add mynet c1").env("CAP_ARGS", PORT).run();
        linkspan("del mynet c1").run();
    });
}

#[test]
fn it_is_drawn_in_80_columns_in_what_the_locale_has_and_what_failed_is_marked() {
    sandbox(|host| {
        host_with_network(host);
        let add = |name: &str, locale: &str| {
            linkspan(&format!("trace add mynet {name}"))
                .env("CAP_ARGS", PORT)
                .env("LC_ALL", locale)
                .output()
        };
        let drawn = |output: &Output| {
            let text = output.stdout.clone();
            assert!(
                text.lines().all(|line| line.chars().count() <= 80),
                "{text}"
            );
            assert!(!text.contains('\u{1b}'), "{text}");
            text
        };
        let output = add("c1", "C.UTF-8");
        assert!(output.ok(), "{output}");
        let text = drawn(&output);
        assert!(
            text.contains('█') && text.contains("\n  bandwidth  "),
            "{text}"
        );
        assert!(
            text.contains("\nPLUGIN") && text.contains("\nall "),
            "{text}"
        );
        // The port is taken.
        let output = add("c2", "C");
        assert_eq!(status(&output), 1);
        let text = drawn(&output);
        assert!(text.is_ascii() && text.contains('#'), "{text}");
        for marked in ["x ADD mynet", "  x portmap", "    x publish the ports"] {
            assert!(text.contains(marked), "{marked}: {text}");
        }
        assert!(
            text.contains("\n  bridge") && !text.contains("firewall"),
            "{text}"
        );
        linkspan("del mynet c2").run();
        let plain = linkspan("add mynet c2").env("CAP_ARGS", PORT).output();
        assert_eq!(plain.stderr, output.stderr);
        linkspan("del mynet c2").run();
        // A terminal's columns are used.
        let wide = format!(
            "stty cols 160; {LINKSPAN} trace check mynet c1 --cni-path {}",
            plugins().dir().display()
        );
        let wide = Cmd::new("script")
            .args(["-qec", &wide, "/dev/null"])
            .env("LC_ALL", "C")
            .env("TERM", "dumb");
        let wide = wide.env("CAP_ARGS", PORT).output();
        let head = wide.success().lines().next().unwrap().trim_end();
        assert_eq!(head.len(), 160, "{head}");
    });
}

/// The process of a plugin of others is one bar, and it is told of the trace.
#[test]
fn plugins_of_others_are_told_of_the_trace_and_are_one_bar() {
    let world = World::new();
    world.script("bin/rec", TOLD);
    let (ns, file) = (world.text("ns"), world.text("trace.json"));
    let add = [
        "trace",
        "add",
        "mynet",
        &ns,
        "--otlp",
        &file,
        "--cache-dir",
        &world.text("cache"),
    ];
    let run = |parent: &str| {
        world
            .linkspan(&add)
            .env("TRACEPARENT", parent)
            .env("TRACESTATE", "a=1")
            .env("BAGGAGE", "b=2")
            .output()
    };
    for (parent, goes_on) in [
        (PARENT, true),
        (&PARENT.replace("-01", "-00")[..], false),
        ("nonsense", false),
    ] {
        let output = run(parent);
        let text = output.success();
        assert!(text.contains("\nrec ") && text.contains(" -"), "{text}");
        let trace = json(&fs::read_to_string(&file).unwrap());
        let spans = trace["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .unwrap()
            .clone();
        let [all, rec] = [&spans[0], &spans[1]];
        assert_eq!(
            (&all["name"], &rec["name"]),
            (&json!("ADD mynet"), &json!("ADD rec"))
        );
        assert_eq!(rec["parentSpanId"], all["spanId"]);
        let id = all["traceId"].as_str().unwrap();
        assert_eq!(id == TRACE, goes_on, "{parent}");
        assert_eq!(
            all["parentSpanId"] == "b7ad6b7169203331",
            goes_on,
            "{parent}"
        );
        let told = fs::read_to_string(world.path("bin/told.ADD")).unwrap();
        let state = if goes_on { "a=1" } else { "" };
        let span = rec["spanId"].as_str().unwrap();
        assert_eq!(
            told.trim(),
            format!("00-{id}-{span}-01|{state}|b=2"),
            "{parent}"
        );
        world.ok(&["del", "mynet", &ns]);
    }
    let nowhere = world.run(&[
        "trace",
        "add",
        "mynet",
        &ns,
        "--otlp",
        "/nowhere/trace.json",
    ]);
    assert_eq!(status(&nowhere), 1);
    assert!(
        nowhere
            .stderr
            .contains("cannot write the trace to /nowhere/trace.json"),
        "{nowhere}"
    );
    assert!(nowhere.stdout.contains("ADD mynet"), "{nowhere}");
}

/// The lines that plugins have left.
fn left() -> Vec<Value> {
    let files = Cmd::shell("cat /run/cni/linkspan/netns-*/traces/* 2>/dev/null || true").run();
    files.lines().map(json).collect()
}

#[test]
fn a_plugin_leaves_its_spans_only_where_somebody_keeps_the_trace() {
    build_plugins();
    sandbox(|host| {
        let lo = json!({ "cniVersion": "1.1.0", "name": "lo", "type": "loopback" });
        let netns = host.netns("c1");
        let call = |parent: &str, verb: &str| {
            let call = plugins()
                .call(verb, &lo)
                .container("c1")
                .netns(netns.path())
                .ifname("lo");
            let output = call
                .env("TRACEPARENT", parent)
                .env("TRACESTATE", "a=1")
                .cmd()
                .output();
            assert!(
                output.ok() && output.stderr.is_empty(),
                "{parent}: {output}"
            );
        };
        for parent in [
            "",
            "nonsense",
            &PARENT.replace("-01", "-00"),
            &PARENT.to_uppercase(),
            &"x".repeat(9000),
        ] {
            call(parent, "ADD");
            assert_eq!(left(), [] as [Value; 0], "{parent}");
        }
        call(PARENT, "VERSION");
        assert_eq!(left(), [] as [Value; 0]);
        call(PARENT, "ADD");
        call(PARENT, "DEL");
        let lines = left();
        assert_eq!(lines.len(), 2);
        let span = &lines[0]["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        for (key, value) in [
            ("traceId", json!(TRACE)),
            ("parentSpanId", json!("b7ad6b7169203331")),
            ("traceState", json!("a=1")),
            ("name", json!("ADD loopback")),
            ("kind", json!(2)),
        ] {
            assert_eq!(span[key], value);
        }
        let attributes: Vec<_> = span["attributes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                format!(
                    "{}={}",
                    one["key"].as_str().unwrap(),
                    one["value"]["stringValue"].as_str().unwrap_or_default()
                )
            })
            .collect();
        for wanted in [
            "cni.command=ADD",
            "cni.network=lo",
            "cni.container_id=c1",
            "cni.ifname=lo",
            "cni.plugin.type=loopback",
        ] {
            assert!(
                attributes.iter().any(|one| one == wanted),
                "{wanted}: {attributes:?}"
            );
        }
        // Where they cannot be left, nobody hears of it.
        host.run("rm -r /run/cni/linkspan/netns-*/traces; mount -t tmpfs -o ro none /run/cni");
        call(PARENT, "ADD");
    });
}

#[test]
fn a_failure_is_the_status_of_the_span_and_an_ipam_plugin_of_others_is_told_of_its_own() {
    build_plugins();
    sandbox(|host| {
        let bin = host.dir().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("told"), TOLD).unwrap();
        host.run(&format!("chmod 755 {}/told", bin.display()));
        let bridge = json!({ "cniVersion": "1.1.0", "name": "mynet", "type": "bridge", "bridge": "lo", "ipam": { "type": "told" } });
        let netns = host.netns("c1");
        let call = |bridge: &Value, parent: &str| {
            let call = plugins()
                .call("ADD", bridge)
                .container("c1")
                .netns(netns.path())
                .ifname("eth0");
            let path = format!("{}:{}", bin.display(), plugins().dir().display());
            let call = call.env("CNI_PATH", path).env("TRACEPARENT", parent);
            call.env("TRACESTATE", "a=1").env("BAGGAGE", "b=2").run()
        };
        call(&bridge, PARENT).failure();
        let lines = left();
        let spans = lines[0]["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .unwrap();
        let failed = &spans[0];
        assert_eq!(failed["status"]["code"], 2, "{failed:#}");
        assert!(
            failed["status"]["message"]
                .as_str()
                .unwrap()
                .contains("not a bridge"),
            "{failed:#}"
        );
        assert_eq!(failed["events"][0]["name"], "exception");
        let mut wanted = bridge.clone();
        wanted["bridge"] = json!("cni0");
        call(&wanted, PARENT).success();
        let told = || fs::read_to_string(bin.join("told.ADD")).unwrap();
        let lines = left();
        let spans = lines[1]["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .unwrap();
        let asked = spans
            .iter()
            .find(|span| span["name"] == "ADD told")
            .unwrap();
        assert_eq!(asked["kind"], 3);
        assert_eq!(
            told().trim(),
            format!(
                "00-{TRACE}-{}-01|a=1|b=2",
                asked["spanId"].as_str().unwrap()
            )
        );
        // Of a trace that nobody keeps the variables go on as they are.
        let unkept = PARENT.replace("-01", "-00");
        let other = host.netns("c2");
        let call = plugins()
            .call("ADD", &wanted)
            .container("c2")
            .netns(other.path())
            .ifname("eth0");
        let path = format!("{}:{}", bin.display(), plugins().dir().display());
        call.env("CNI_PATH", path)
            .env("TRACEPARENT", &unkept)
            .env("TRACESTATE", "a=1")
            .env("BAGGAGE", "b=2")
            .run()
            .success();
        assert_eq!(told().trim(), format!("{unkept}|a=1|b=2"));
    });
}
