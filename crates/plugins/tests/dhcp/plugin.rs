//! The plugin with every kind of daemon, and with none.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_dhcp::rpc::server::{Answer, Connection, Request};
use linkspan_dhcp::rpc::{CmdArgs, Method};
use linkspan_plugin::spec::{Dns, IpConfig, Route, Success};
use linkspan_testkit::{
    DhcpDaemon, DhcpServer, Netns, Plugins, Pool, Software, VERSIONS, sandbox, with,
    with_prev_result,
};
use serde_json::{Value, json};

const SOCKET: &str = "/run/cni/dhcp.sock";

fn ours() -> Plugins {
    Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"))
}

fn network(ipam: Value) -> Value {
    let ipam = with(&json!({ "type": "dhcp" }), ipam);
    json!({ "cniVersion": "1.1.0", "name": "net", "type": "dhcp", "ipam": ipam })
}

/// Listens at the usual place.
fn listen() -> UnixListener {
    fs::create_dir_all("/run/cni").unwrap();
    UnixListener::bind(SOCKET).unwrap()
}

/// A daemon that answers in this way to whoever comes, and tells what was asked.
fn daemon(answer: fn(&Request) -> Option<Result<Answer, String>>) -> Receiver<Request> {
    let listener = listen();
    let (told, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            for request in serve(stream.unwrap(), answer) {
                let _ = told.send(request);
            }
        }
    });
    requests
}

/// One connection to its end; a request without an answer ends it.
fn serve(
    mut stream: UnixStream,
    answer: fn(&Request) -> Option<Result<Answer, String>>,
) -> Vec<Request> {
    let mut connection = Connection::new();
    let mut all = Vec::new();
    let mut room = vec![0; 64 << 10];
    loop {
        let length = stream.read(&mut room).unwrap_or(0);
        if length == 0 {
            return all;
        }
        for request in connection.feed(&room[..length]).unwrap() {
            let answer = answer(&request);
            all.push(request.clone());
            match (answer, &request.method) {
                (None, _) => return all,
                (Some(_), Method::Other(_)) => connection.answer_unknown(&request),
                (Some(answer), method) => connection.answer(request.seq, method, answer),
            }
        }
        stream.write_all(&connection.output()).unwrap();
    }
}

fn lease(address: &str) -> Success {
    let router = Some(IpAddr::from([10, 9, 0, 1]));
    Success::default()
        .with_ips([IpConfig::new(address.parse().unwrap()).with_gateway(router)])
        .with_routes([Route::new("0.0.0.0/0".parse().unwrap(), router)])
        .with_dns(Dns::default().with_nameservers(["10.9.0.3".to_owned()]))
}

/// Gives everybody the same address.
fn generous(request: &Request) -> Option<Result<Answer, String>> {
    Some(Ok(match request.method {
        Method::Allocate => Answer::Lease(lease("10.9.0.51/24")),
        _ => Answer::Nothing,
    }))
}

const AT_ONCE: Duration = Duration::from_millis(1500);

/// What ADD, CHECK, GC, STATUS and DEL say when they are called at the same time, and that none of them takes longer than that.
fn all_verbs(
    netns: &Netns,
    config: &Value,
    longest: Duration,
) -> [(&'static str, Option<(u64, String)>); 5] {
    let plugins = ours();
    let call = |verb| {
        let begun = Instant::now();
        let call = plugins.attachment("c1", netns, "eth0").call(verb, config);
        let outcome = call.run();
        let took = begun.elapsed();
        let longest = if verb == "STATUS" { AT_ONCE } else { longest };
        assert!(took < longest, "{verb} took {took:?}");
        (verb, (!outcome.output.ok()).then(|| outcome.failure()))
    };
    thread::scope(|scope| {
        ["ADD", "CHECK", "GC", "STATUS", "DEL"]
            .map(|verb| scope.spawn(move || call(verb)))
            .map(|thread| thread.join().unwrap())
    })
}

#[test]
fn without_a_daemon_every_verb_says_within_a_second_where_none_is_and_how_to_start_one() {
    sandbox(|host| {
        let netns = host.netns("a");
        let config = network(json!({}));
        let elsewhere = network(json!({ "daemonSocketPath": "/run/other.sock" }));
        let missing = |path| {
            format!(
                "error dialing DHCP daemon: dial unix {path}: connect: no such file or directory"
            )
        };
        for (config, path, advice) in [
            (
                &config,
                SOCKET,
                "systemctl enable --now linkspan-dhcp.socket",
            ),
            (
                &elsewhere,
                "/run/other.sock",
                "`dhcp daemon -socketpath /run/other.sock`",
            ),
        ] {
            for (verb, failure) in all_verbs(&netns, config, AT_ONCE) {
                match (verb, failure) {
                    ("ADD" | "CHECK", Some((11, words))) | ("STATUS", Some((50, words))) => {
                        assert!(
                            words.starts_with(&missing(path)) && words.contains(advice),
                            "{words}"
                        );
                    }
                    ("GC" | "DEL", None) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        let del = ours().del(&config, "c1", &netns, "eth0");
        assert!(
            del.output.stderr.contains(&missing(SOCKET)),
            "{}",
            del.output
        );
    });
}

#[test]
fn a_socket_at_which_nobody_listens_is_as_none() {
    sandbox(|host| {
        let netns = host.netns("a");
        drop(listen());
        for (verb, failure) in all_verbs(&netns, &network(json!({})), AT_ONCE) {
            let words = "error dialing DHCP daemon: dial unix /run/cni/dhcp.sock: connect: connection refused";
            match (verb, failure) {
                ("ADD" | "CHECK", Some((11, said))) | ("STATUS", Some((50, said))) => {
                    assert!(said.starts_with(words), "{said}")
                }
                ("GC" | "DEL", None) => {}
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn who_listens_and_says_nothing_or_something_else_is_no_daemon() {
    sandbox(|host| {
        let netns = host.netns("a");
        let config = network(json!({}));
        // Nobody is taken out of its queue.
        let listener = listen();
        for (verb, failure) in all_verbs(&netns, &config, Duration::from_secs(12)) {
            let (code, words) = failure.unwrap();
            assert_eq!(code, if verb == "STATUS" { 50 } else { 11 }, "{verb}");
            assert!(
                words.starts_with(
                    "error dialing DHCP daemon: dial unix /run/cni/dhcp.sock: nobody answers"
                ) && words.contains("may be busy"),
                "{words}"
            );
        }
        drop(listener);
        fs::remove_file(SOCKET).unwrap();
        let listener = listen();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 64]);
                let _ = stream.write_all(b"HTTP/1.0 404 Not Found\n\n");
            }
        });
        for (verb, failure) in all_verbs(&netns, &config, AT_ONCE) {
            let (code, words) = failure.unwrap();
            assert_eq!(code, if verb == "STATUS" { 50 } else { 5 }, "{verb}");
            let expected = "error dialing DHCP daemon: dial-http unix /run/cni/dhcp.sock: unexpected HTTP response: HTTP/1.0 404 Not Found";
            assert!(words.starts_with(expected), "{words}");
        }
    });
}

/// Hundreds of containers that start at once are served one after the other.
#[test]
fn a_daemon_that_is_busy_is_waited_for() {
    sandbox(|host| {
        let netns = host.netns("a");
        let listener = listen();
        let config = network(json!({}));
        thread::scope(|scope| {
            let add = scope.spawn(|| ours().add(&config, "c1", &netns, "eth0").success());
            let (stream, _) = listener.accept().unwrap();
            thread::park_timeout(Duration::from_secs(3));
            serve(stream, generous);
            assert_eq!(add.join().unwrap()["ips"][0]["address"], "10.9.0.51/24");
        });
    });
}

#[test]
fn a_daemon_is_told_what_the_plugin_was_told() {
    sandbox(|host| {
        let netns = host.netns("a");
        let requests = daemon(generous);
        let config =
            network(json!({ "provide": [{ "option": "host-name", "fromArg": "K8S_POD_NAME" }] }));
        let plugins = ours();
        let call = |verb: &str, config: &Value| {
            let call = plugins.attachment("c1", &netns, "eth0").call(verb, config);
            call.args("K8S_POD_NAME=web").run().success()
        };
        let result = call("ADD", &config);
        let request = requests.recv().unwrap();
        assert_eq!(request.method, Method::Allocate);
        let stdin: Value = serde_json::from_slice(&request.arguments.stdin_data).unwrap();
        assert_eq!(stdin, config);
        let expected = CmdArgs {
            container_id: "c1".to_owned(),
            netns: "/run/netns/a".to_owned(),
            ifname: "eth0".to_owned(),
            args: "K8S_POD_NAME=web".to_owned(),
            path: plugins.dir().to_str().unwrap().to_owned(),
            netns_override: String::new(),
            stdin_data: request.arguments.stdin_data.clone(),
        };
        assert_eq!(request.arguments, expected);

        call("CHECK", &with_prev_result(&config, &result));
        assert_eq!(requests.recv().unwrap().method, Method::Allocate);
        call("DEL", &with_prev_result(&config, &result));
        let request = requests.recv().unwrap();
        assert_eq!(request.method, Method::Release);
        assert_eq!(
            (
                request.arguments.container_id.as_str(),
                request.arguments.ifname.as_str()
            ),
            ("c1", "eth0")
        );
        plugins.gc(&config, &[("c2", "eth1")]).success();
        let request = requests.recv().unwrap();
        assert_eq!(request.method, Method::Collect);
        let stdin: Value = serde_json::from_slice(&request.arguments.stdin_data).unwrap();
        assert_eq!(
            stdin["cni.dev/valid-attachments"],
            json!([{ "containerID": "c2", "ifname": "eth1" }])
        );
        plugins.status(&config).success();
    });
}

#[test]
fn the_daemons_result_is_printed_in_every_version() {
    sandbox(|host| {
        let netns = host.netns("a");
        let _requests = daemon(generous);
        for version in VERSIONS {
            let config = with(&network(json!({})), json!({ "cniVersion": version }));
            let result = ours().add(&config, "c1", &netns, "eth0").success();
            assert_eq!(result["cniVersion"], version);
            assert_eq!(result["dns"], json!({ "nameservers": ["10.9.0.3"] }));
            if version < "0.3.0" {
                let route = json!({ "dst": "0.0.0.0/0", "gw": "10.9.0.1" });
                assert_eq!(
                    result["ip4"],
                    json!({ "ip": "10.9.0.51/24", "gateway": "10.9.0.1", "routes": [route] })
                );
            } else {
                assert_eq!(result["ips"][0]["address"], "10.9.0.51/24");
                assert_eq!(
                    result["routes"],
                    json!([{ "dst": "0.0.0.0/0", "gw": "10.9.0.1" }])
                );
                assert_eq!(result["interfaces"], Value::Null);
            }
        }
    });
}

/// The daemon is another process in another directory.
#[test]
fn the_path_of_the_namespace_leads_there_from_the_daemon_too() {
    sandbox(|host| {
        let netns = host.netns("a");
        let requests = daemon(generous);
        let call = ours()
            .attachment("c1", &netns, "eth0")
            .call("ADD", &network(json!({})));
        for (path, leads_to) in [
            ("netns/a", "/run/netns/a".to_owned()),
            ("/proc/self/fd/0", "/fd/0".to_owned()),
        ] {
            let call = call
                .clone()
                .env("CNI_NETNS", path)
                .env("CNI_NETNS_OVERRIDE", "1");
            let output = call.cmd().current_dir("/run").output();
            assert!(output.ok(), "{output}");
            let told = requests.recv().unwrap().arguments;
            assert!(
                told.netns.ends_with(&leads_to) && !told.netns.contains("self"),
                "{}",
                told.netns
            );
            assert_eq!(told.netns_override, "1");
        }
    });
}

#[test]
fn a_lease_that_has_moved_fails_check() {
    sandbox(|host| {
        let netns = host.netns("a");
        let _requests = daemon(generous);
        let config = network(json!({}));
        let result = ours().add(&config, "c1", &netns, "eth0").success();
        let mut other = result.clone();
        other["ips"][0]["address"] = "10.9.0.60/24".into();
        ours()
            .check(&with_prev_result(&config, &result), "c1", &netns, "eth0")
            .success();
        let moved = ours().check(&with_prev_result(&config, &other), "c1", &netns, "eth0");
        moved.fails(
            999,
            &["dhcp: the lease is for 10.9.0.51/24, the container was attached with 10.9.0.60/24"],
        );
    });
}

#[test]
fn what_the_daemon_says_is_told_in_its_words() {
    sandbox(|host| {
        let netns = host.netns("a");
        let requests = daemon(|request| match request.method {
            Method::Allocate => Some(Err("no more tries".to_owned())),
            _ => Some(Ok(Answer::Nothing)),
        });
        let config = network(json!({}));
        let words = ["error calling DHCP.Allocate: no more tries"];
        ours().add(&config, "c1", &netns, "eth0").fails(999, &words);
        ours()
            .check(&config, "c1", &netns, "eth0")
            .fails(999, &words);
        // The daemon has said that there is no lease: nothing is given back.
        let methods: Vec<Method> = requests.try_iter().map(|request| request.method).collect();
        assert_eq!(methods, [Method::Allocate, Method::Allocate]);
    });
}

#[test]
fn a_lease_of_which_nobody_was_told_is_given_back() {
    sandbox(|host| {
        let netns = host.netns("a");
        let requests = daemon(|request| match request.method {
            Method::Allocate => None,
            _ => Some(Ok(Answer::Nothing)),
        });
        let ended =
            ["error calling DHCP.Allocate: the daemon ended the connection before it answered"];
        ours()
            .add(&network(json!({})), "c1", &netns, "eth0")
            .fails(11, &ended);
        let methods = [
            requests.recv().unwrap().method,
            requests.recv().unwrap().method,
        ];
        assert_eq!(methods, [Method::Allocate, Method::Release]);
    });
}

#[test]
fn what_is_wrong_with_the_configuration_is_told_before_the_daemon_is_asked_and_never_on_del() {
    sandbox(|host| {
        let netns = host.netns("a");
        let requests = daemon(generous);
        let syntax = "Can not parse option \"dns\": Can not parse option: strconv.ParseUint: parsing \"dns\": invalid syntax";
        for (ipam, code, words) in [
            (json!({ "request": [{ "option": "dns" }] }), 7, syntax),
            (
                json!({ "provide": [{ "option": "dns", "value": "x" }] }),
                7,
                syntax,
            ),
            (
                json!({ "provide": [{ "option": "300" }] }),
                7,
                "parsing \"300\": value out of range",
            ),
            (
                json!({ "request": [{ "option": 3 }] }),
                6,
                "invalid \"ipam.request\"",
            ),
            (
                json!({ "priority": "high" }),
                6,
                "invalid \"ipam.priority\"",
            ),
            (
                json!({ "daemonSocketPath": 5 }),
                6,
                "invalid \"ipam.daemonSocketPath\"",
            ),
        ] {
            let config = network(ipam);
            for verb in ["ADD", "CHECK", "STATUS"] {
                let call = ours().attachment("c1", &netns, "eth0").call(verb, &config);
                call.run().fails(code, &[words]);
            }
            ours().del(&config, "c1", &netns, "eth0").success();
            assert_eq!(requests.recv().unwrap().method, Method::Release);
            ours().gc(&config, &[]).success();
            assert_eq!(requests.recv().unwrap().method, Method::Collect);
        }
        let without = json!({ "cniVersion": "1.1.0", "name": "net", "type": "dhcp" });
        ours()
            .add(&without, "c1", &netns, "eth0")
            .fails(7, &["IPAM config missing 'ipam' key"]);
        assert_eq!(requests.try_iter().count(), 0);
    });
}

/// Debian's daemon, with a server behind it.
#[test]
fn the_references_daemon_serves_our_plugin() {
    sandbox(|host| {
        let netns = host.netns("a");
        host.host().run(
            "ip link add server0 address 02:00:00:00:00:01 type veth peer eth0 netns a; ip link set server0 up",
        );
        let _daemon = DhcpDaemon::start(&Plugins::reference());
        let server = DhcpServer::start(
            Software::Dnsmasq,
            host.host(),
            "server0",
            host.dir(),
            Pool::default(),
        );
        let config = network(
            json!({ "request": [{ "option": "3" }], "provide": [{ "option": "12", "value": "web" }] }),
        );
        let gone = ["error calling DHCP.Allocate: error looking up \"eth9\": Link not found"];
        ours().add(&config, "c9", &netns, "eth9").fails(999, &gone);
        ours().status(&config).success();
        let result = ours().add(&config, "c1", &netns, "eth0").success();
        let [given] = server.leases().try_into().unwrap();
        assert_eq!(result["ips"][0]["address"], format!("{}/16", given.address));
        assert_eq!(given.client, "00:63:31:2f:6e:65:74:2f:65:74:68:30");
        let route = json!({ "dst": "0.0.0.0/0", "gw": "10.9.0.1" });
        assert_eq!(result["routes"], json!([route]));
        ours().gc(&config, &[]).success();
        let config = with_prev_result(&config, &result);
        ours().check(&config, "c1", &netns, "eth0").success();
        ours().del(&config, "c1", &netns, "eth0").success();
        server.wait_for_leases(0);
    });
}

/// What no runtime says: the plugin's file is the daemon's.
#[test]
fn the_word_daemon_behind_the_plugins_name_starts_the_daemon() {
    sandbox(|host| {
        let plugins = ours();
        let binary = fs::canonicalize(plugins.dir().join("dhcp")).unwrap();
        let copy = plugins.dir().join("cnv-dhcp");
        std::os::unix::fs::symlink(&binary, &copy).unwrap();
        for (file, words) in [
            (plugins.dir().join("dhcp"), &["daemon", "-nonsense"][..]),
            (copy, &["daemon", "-nonsense"]),
            (binary.clone(), &["dhcp", "daemon", "-nonsense"]),
        ] {
            let daemon = host.host().cmd(file.to_str().unwrap()).args(words);
            let output = daemon.env("CNI_COMMAND", "VERSION").output();
            assert!(
                output
                    .stderr
                    .contains("flag provided but not defined: -nonsense"),
                "{output}"
            );
            assert!(!output.ok() && output.stdout.is_empty(), "{output}");
        }
        // Other words are none to it.
        let version = host
            .host()
            .cmd(plugins.dir().join("dhcp").to_str().unwrap())
            .args(["demon"]);
        assert!(
            version
                .env("CNI_COMMAND", "VERSION")
                .output()
                .stdout
                .contains("supportedVersions")
        );
    });
}
