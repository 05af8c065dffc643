//! Containers that were attached by an earlier version.

use linkspan_testkit::sandbox;

use super::{RECORDS, World, chain, firewall, portmap};

/// What an earlier version would have left in place of what is there: one folder for all, names without a network, an
/// empty file for an interface.
const EARLIER: &str = r#"
    set -e
    cd /run/cni/linkspan
    mv netns-*/netfilter netfilter
    [ ! -d netns-*/host-device ] || mv netns-*/host-device host-device
    rm -r netns-*
    . $TMPDIR/as-earlier
"#;

/// The same of one container, beside what this version has of others.
const EARLIER_AGAIN: &str = r#"
    set -e
    cd /run/cni/linkspan
    mkdir netfilter
    cp -a netns-*/netfilter/ports netns-*/netfilter/route_localnet netfilter
    mv netns-*/netfilter/*:c2:* netfilter
    for there in netfilter netns-*/netfilter; do find $there -xtype l -delete; done
    . $TMPDIR/as-earlier
"#;

const AS_EARLIER: &str = r#"
    cd netfilter
    for old in *.json; do mv "$old" "${old#*:}"; done
    for claim in $(find ports -type l 2>/dev/null); do
        target=$(readlink $claim); ln -sf "../../${target#../../*:}" $claim
    done
    for interface in $(ls route_localnet 2>/dev/null); do
        rm -r route_localnet/$interface; : > route_localnet/$interface
    done
    chmod -R a+rX /run/cni
"#;

#[test]
fn what_an_earlier_version_attached_is_known_and_detached() {
    sandbox(|host| {
        let world = World::new(host);
        let tmp = host.run("echo -n $TMPDIR");
        std::fs::write(format!("{tmp}/as-earlier"), AS_EARLIER).unwrap();
        let config = |port| {
            chain(
                "one",
                "bridge",
                "10.22.0.0/16",
                &[portmap(&[port]), firewall()],
            )
        };
        let (one, two, three) = (host.netns("c1"), host.netns("c2"), host.netns("c3"));
        let first = world.add(&config(8080), &one, "eth0");
        let second = world.add(&config(8081), &two, "eth0");
        host.run(EARLIER);
        assert_eq!(
            host.run("ls /run/cni/linkspan/netfilter/*.json | grep -c /c1:eth0:"),
            "3"
        );
        // A port that is taken is taken.
        let result = world.add(&config(8082)[..1], &three, "eth0")[0]["prevResult"].clone();
        let refused = super::with_prev_result(&config(8080)[1], &result);
        let (code, text) = world.call("ADD", &refused, &three, "eth0").failure();
        assert!(
            code == 100 && text.contains("container c1 (network one"),
            "{code} {text}"
        );
        assert_eq!(
            host.run(&format!(
                "ls -d {RECORDS} /run/cni/linkspan/netfilter 2>/dev/null | wc -l"
            )),
            "1"
        );
        // Who goes back to it, attaches another and comes again.
        host.run(EARLIER_AGAIN);
        let told = linkspan_netfilter::reconcile().unwrap();
        assert_eq!(told.len(), 7, "{told:?}");
        let records = host.run(&format!("cd {RECORDS}; find . ! -type d | sort"));
        for container in ["c1", "c2"] {
            assert_eq!(
                records.matches(&format!("./one:{container}:")).count(),
                3,
                "{records}"
            );
        }
        let left = host.run(&format!("find {RECORDS} -xtype l; ls /run/cni/linkspan"));
        assert!(!left.contains("netfilter"), "{left}");
        world.check(&first, &one, "eth0");
        world.check(&second, &two, "eth0");
        let claimed = host.run(&format!("readlink {RECORDS}/ports/tcp-808[01]/0.0.0.0"));
        assert!(
            claimed.contains("one:c1:eth0:portmap") && claimed.contains("one:c2:eth0:portmap"),
            "{claimed}"
        );
        world.del(&first, &one, "eth0");
        assert_eq!(
            host.run("cat /proc/sys/net/ipv4/conf/br-one/route_localnet"),
            "1"
        );
        world.check(&second, &two, "eth0");
        world.gc(&config(8080), &[]);
        assert_eq!(
            host.run("cat /proc/sys/net/ipv4/conf/br-one/route_localnet"),
            "0"
        );
        assert_eq!(host.run(&format!("find {RECORDS} ! -type d")), "");
        // The filter table and the administrator's chain stay, as the reference's do, and nothing is in them.
        let left = host.run("nft list ruleset");
        let holds_nothing = |line: &str| {
            let words = [
                "table ip filter {",
                "chain ",
                "type filter hook forward",
                "}",
            ];
            line.trim().is_empty() || words.iter().any(|word| line.trim().starts_with(word))
        };
        assert!(left.lines().all(holds_nothing), "{left}");
        assert!(
            !left.contains("linkspan") && !left.contains("LINKSPAN"),
            "{left}"
        );
    });
}
