use super::*;

fn one(text: &str) -> Explained {
    let mut all = explain(text);
    assert_eq!(all.len(), 1, "{text}: {all:#?}");
    all.remove(0)
}

/// A line of each runtime, as it stands in its log.
const LOGS: [(&str, &str, &str, &str, &str); 12] = [
    // kubelet with containerd
    (
        r#"E0901 12:00:00.000000    1234 pod_workers.go:1298] "Error syncing pod, skipping" err="failed to \"CreatePodSandbox\" for \"web-0_default(3f)\" with CreatePodSandboxError: \"Failed to create sandbox for pod \\\"web-0_default(3f)\\\": rpc error: code = Unknown desc = failed to setup network for sandbox \\\"abc\\\": plugin type=\\\"bridge\\\" failed (add): failed to allocate for range 0: no IP addresses available in range set: 10.88.0.1-10.88.0.254\"" pod="default/web-0" podUID="3f""#,
        "bridge",
        "add",
        "10.88.0.1-10.88.0.254",
        "ipam show",
    ),
    // containerd
    (
        r#"time="2026-09-01T12:00:00Z" level=error msg="RunPodSandbox for &PodSandboxMetadata{Name:web-0,Uid:3f,Namespace:default,Attempt:0,} failed, error" error="failed to setup network for sandbox \"abc\": plugin type=\"macvlan\" failed (add): failed to lookup master \"eth7\": Link not found""#,
        "macvlan",
        "add",
        "eth7",
        "ip -br link",
    ),
    // CRI-O
    (
        r#"time="2026-09-01 12:00:00" level=error msg="Error adding network: plugin type=\"portmap\" failed (add): Another app is currently holding the xtables lock. Perhaps you want to use the -w option?""#,
        "portmap",
        "add",
        "lock",
        "nftables",
    ),
    // Podman
    (
        r#"ERRO[0000] error loading cached network config: network "podman" not found in CNI cache Error: plugin type="bridge" failed (add): cni plugin bridge failed: "cni-podman0" already has an IP address different from 10.88.0.1/16"#,
        "bridge",
        "add",
        "cni-podman0",
        "forceAddress",
    ),
    // Nomad
    (
        r#"failed to setup alloc: pre-run hook "network" failed: failed to configure networking for alloc: failed to configure network: plugin type="loopback" failed (add): failed to find plugin "loopback" in path [/opt/cni/bin]"#,
        "loopback",
        "add",
        "/opt/cni/bin",
        "linkspan install",
    ),
    // nerdctl, whose error is of a plugin below another
    (
        r#"time="2026-09-01T12:00:00Z" level=fatal msg="failed to create shim task: OCI runtime create failed: error during container init: plugin type=\"bridge\" failed (add): failed to allocate for range 0: 10.4.0.2 has been allocated to default-abc, duplicate allocation is not allowed""#,
        "bridge",
        "add",
        "default-abc",
        "linkspan del",
    ),
    // The same by a library since libcni 1.1, which names the network; more lines of the hook's output behind it
    (
        r#"level=fatal msg="error running hook: exit status 1, stderr: time=\"2026-12-01T10:00:05Z\" level=fatal msg=\"failed to call cni.Setup: plugin type=\\\"bridge\\\" name=\\\"bridge\\\" failed (add): failed to set bridge addr: \\\"nerdctl0\\\" already has an IP address different from 10.4.0.1/24\"\nFailed to write to log: unknown""#,
        "bridge",
        "add",
        "the bridge nerdctl0 has another address than the gateway 10.4.0.1/24 that",
        "`ip link del nerdctl0`",
    ),
    // containerd with a log of JSON, and Multus
    (
        r#"{"error":"failed to setup network for sandbox \"gg\": plugin type=\"multus\" name=\"multus-cni-network\" failed (add): Multus: [shop/pod-9/12-34]: error getting pod: Unauthorized","level":"error","msg":"RunPodSandbox failed","time":"2026-12-01T10:00:03Z"}"#,
        "multus",
        "add",
        "token of Multus",
        "daemonset",
    ),
    // StopPodSandbox
    (
        r#"level=error msg="StopPodSandbox for \"hh\" failed" error="failed to destroy network for sandbox \"hh\": plugin type=\"calico\" name=\"k8s-pod-network\" failed (delete): error getting ClusterInformation: Get \"https://10.96.0.1:443/apis\": dial tcp 10.96.0.1:443: connect: connection refused""#,
        "calico",
        "del",
        "nothing answers",
        "kube-proxy",
    ),
    (
        r#"failed to destroy network: plugin type="bridge" name="podman" failed (delete): running [/usr/sbin/iptables -t nat -D POSTROUTING -j CNI-11 -m comment --comment name: "podman" id: "hh" --wait]: exit status 2: iptables v1.8.7 (nf_tables): Couldn't load target `CNI-11':No such file or directory"#,
        "bridge",
        "del",
        "CNI-11",
        "nothing is left",
    ),
    (
        r#"failed to setup network for sandbox "gg": plugin type="aws-cni" name="aws-cni" failed (add): add cmd: failed to assign an IP address to container"#,
        "aws-cni",
        "add",
        "AWS",
        "aws-node",
    ),
    // Linkspan's own command line
    (
        r#"error: plugin type="firewall" failed (add), 3 of 3 in network "mynet", container "c1", interface "eth0": must be called as chained plugin"#,
        "firewall",
        "add",
        "prevResult",
        ".conflist",
    ),
];

#[test]
fn lines_of_logs_are_understood() {
    for (line, plugin, command, in_cause, in_next) in LOGS {
        let explained = one(line);
        let reported = &explained.reported;
        assert_eq!(reported.plugin.as_deref(), Some(plugin), "{reported:#?}");
        assert_eq!(reported.command.as_deref(), Some(command), "{reported:#?}");
        let known = explained
            .known
            .unwrap_or_else(|| panic!("unknown: {reported:#?}"));
        assert!(known.cause.contains(in_cause), "{known:#?}");
        assert!(known.next.contains(in_next), "{known:#?}");
    }
}

#[test]
fn a_plugin_is_told_with_its_network() {
    let reported = one(r#"plugin type="bridge" name="mynet" failed (add): it broke"#).reported;
    assert_eq!(reported.network.as_deref(), Some("mynet"));
    assert_eq!(reported.msg, "it broke");
    let line = r#"{"error":"plugin type=\"bridge\" failed (add): it broke","level":"error"}"#;
    assert_eq!(one(line).reported.msg, "it broke");
}

/// A line is read to where a message may end, however long it is, and each line once, however many there are.
#[test]
fn megabytes_take_a_moment() {
    let word = |n: usize| {
        char::from(b'a' + u8::try_from(n % 26).unwrap())
            .to_string()
            .repeat(1 + n / 26 % 40)
    };
    let different: String = (0..20_000)
        .map(|n| format!("plugin type=\"bridge\" failed (add): {}\n", word(n)))
        .collect();
    let began = std::time::Instant::now();
    for text in [
        format!(
            "plugin type=\"bridge\" failed (add): {}",
            "a".repeat(MAX_TEXT / 2)
        ),
        format!("{{\"code\":1,\"msg\":\"{}\"}}", "é".repeat(MAX_TEXT / 4)),
        "{\"a\":".repeat(MAX_TEXT / 10),
        different,
    ] {
        for explained in explain(&text) {
            assert!(explained.reported.msg.len() < 20_000);
        }
    }
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}

#[test]
fn an_object_is_taken_as_it_is() {
    let explained =
        one(r#"{"cniVersion":"1.0.0","code":7,"msg":"invalid \"vlan\" 5000","details":"why"}"#);
    assert_eq!(explained.reported.msg, "invalid \"vlan\" 5000");
    assert_eq!(explained.reported.details, "why");
    assert_eq!(explained.code.unwrap().section, "section 5, \"Error\"");
    let in_a_log = r#"Sep 01 node crio[1]: stdout of plugin: {"code": 11, "msg": "again", "details": ""} (exit status 1), plugin type="calico" failed (add)"#;
    let explained = one(in_a_log);
    assert_eq!(
        (
            explained.reported.msg.as_str(),
            explained.code.unwrap().code.0
        ),
        ("again", 11)
    );
}

#[test]
fn the_same_error_of_many_is_told_once() {
    let line = |n: u32| {
        format!(
            "t={n} error adding pod default_web-{n} to CNI network \"mynet\": plugin type=\"bridge\" failed (add): failed to open netns \"/proc/{n}/ns/net\": no such file or directory\n"
        )
    };
    let log: String = (0..300).map(line).collect::<String>() + "another line\n";
    let explained = one(&log);
    assert_eq!(explained.times, 300);
    assert_eq!(explained.reported.network.as_deref(), Some("mynet"));
    assert_eq!(
        explained.reported.container.as_deref(),
        Some("default_web-0")
    );
}

#[test]
fn what_is_no_error_of_cni_is_none() {
    for text in [
        "",
        "\n\n",
        "{}",
        "{\"msg\": 5}",
        &"Started containerd.\n".repeat(30),
        "{\"level\":\"info\",\"msg\":\"Starting\"}\n{\"level\":\"info\",\"msg\":\"Started\"}\n{\"a\":1}\n".repeat(10).as_str(),
    ] {
        assert!(explain(text).is_empty(), "{text:.80}: {:#?}", explain(text));
    }
    // One line that somebody pasted is the message, known or not.
    assert!(one("something that nobody has seen").known.is_none());
}

#[test]
fn entries_say_what_they_should_and_hide_none_behind_them() {
    let mut patterns = Vec::new();
    for (group, entry) in known::all() {
        assert!(
            !entry.cause.is_empty() && !entry.next.is_empty(),
            "{}",
            entry.pattern
        );
        let stars = entry.pattern.matches('*').count();
        for text in [entry.cause, entry.next] {
            for number in 1..=9 {
                let is_used = text.contains(&format!("{{{number}}}"));
                assert!(
                    !is_used || number <= stars,
                    "{}: {{{number}}}",
                    entry.pattern
                );
            }
        }
        // Said by itself, the message leads to its own entry.
        let message = entry.pattern.replace('*', "XYZ");
        let found = known::look_up(&Reported {
            msg: message.clone(),
            ..Reported::default()
        })
        .unwrap();
        let own = pattern::filled(entry.cause, &vec!["XYZ"; stars]);
        assert_eq!((found.about, found.cause), (group, own), "{message}");
        patterns.push(entry.pattern);
    }
    assert!(patterns.len() >= 90, "{}", patterns.len());
    patterns.sort_unstable();
    patterns.dedup();
    assert_eq!(patterns.len(), all_known().count());
}

#[test]
fn nothing_in_a_log_breaks_it() {
    let pieces = [
        "plugin type=",
        "\"",
        "\\\"",
        "failed (",
        ")",
        ":",
        "{",
        "}",
        "{\"code\":",
        "msg",
        "é",
        "\u{0}",
        "CNI network \"",
        " ",
        "\n",
    ];
    let mut seed = 7_usize;
    for _ in 0..3_000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) % pieces.len()]);
        }
        let _ = explain(&text);
    }
}
