//! Configurations on disk, in the order of the reference's runtime.

use std::os::unix::fs::symlink;

use linkspan_runtime::{
    Error, NetworkList, load_all, load_default, load_first, load_network, load_network_bytes,
    load_network_file, load_network_folder,
};

use crate::world::{World, words};

fn load(world: &World, name: &str) -> Result<NetworkList, Error> {
    load_network(&world.path("net.d"), name)
}

fn types(network: &NetworkList) -> Vec<String> {
    let types = network.plugins.iter().map(|plugin| plugin.plugin_type());
    types.map(|name| name.unwrap().to_string()).collect()
}

fn list(name: &str, plugin: &str) -> String {
    format!(r#"{{"cniVersion":"1.0.0","name":"{name}","plugins":[{{"type":"{plugin}"}}]}}"#)
}

fn single(name: &str, plugin: &str) -> String {
    format!(r#"{{"cniVersion":"0.4.0","name":"{name}","type":"{plugin}"}}"#)
}

#[test]
fn lists_come_before_single_configurations_and_names_are_in_order() {
    let world = World::new(&[]);
    world.write("net.d/00-a.conf", &single("net", "first-conf"));
    world.write("net.d/20-b.conflist", &list("net", "second-list"));
    world.write("net.d/10-c.conflist", &list("net", "first-list"));
    world.write("net.d/05-d.json", &single("other", "json"));
    world.write("net.d/06-e.conf", &single("other", "conf"));
    assert_eq!(types(&load(&world, "net").unwrap()), ["first-list"]);
    assert_eq!(types(&load(&world, "other").unwrap()), ["json"]);
    let all = load_all(&world.path("net.d")).unwrap();
    let names: Vec<_> = all
        .iter()
        .map(|file| file.path.file_name().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "10-c.conflist",
            "20-b.conflist",
            "00-a.conf",
            "05-d.json",
            "06-e.conf"
        ]
    );
}

#[test]
fn other_files_are_nobodys_business() {
    let world = World::new(&[]);
    for name in ["net.conflist.bak", "network", ".temp", "README", "conflist"] {
        world.write(&format!("net.d/{name}"), &list("net", "wrong"));
    }
    world.write("net.d/dir.conflist/x.conf", &single("net", "wrong"));
    assert!(matches!(
        load(&world, "net"),
        Err(Error::NetworkNotFound { .. })
    ));
    // As emacs has it for a file that is being edited, and ansible for one that is being copied.
    world.write("net.d/10-net.conflist", &list("net", "right"));
    world.write("net.d/net/10.conf", r#"{"type":"more"}"#);
    for folder in ["net.d", "net.d/net"] {
        symlink("me@host.1:2", world.path(folder).join(".#10-net.conflist")).unwrap();
        symlink("me@host.1:2", world.path(folder).join(".#10.conf")).unwrap();
        for hidden in [".ansible_tmpa10-net.conflist", ".conflist", ".conf"] {
            world.write(&format!("{folder}/{hidden}"), r#"{"name":"net","#);
        }
    }
    assert_eq!(types(&load(&world, "net").unwrap()), ["right", "more"]);
    assert_eq!(load_all(&world.path("net.d")).unwrap().len(), 1);
}

#[test]
fn a_list_goes_on_in_the_folder_of_its_name() {
    let world = World::new(&[]);
    world.write("net.d/net.conflist", &list("net", "inlined"));
    world.write("net.d/net/20-b.conf", r#"{"type":"second"}"#);
    world.write("net.d/net/10-a.conf", r#"{"type":"first","key":[1]}"#);
    world.write("net.d/net/30-c.conflist", "not read");
    let network = load(&world, "net").unwrap();
    assert_eq!(types(&network), ["inlined", "first", "second"]);
    // What is kept with the result of ADD has to have all of them.
    assert_eq!(
        types(&NetworkList::parse(&network.source()).unwrap()),
        types(&network)
    );

    let only = r#"{"name":"net","loadOnlyInlinedPlugins":true,"plugins":[{"type":"inlined"}]}"#;
    world.write("net.d/net.conflist", only);
    assert_eq!(types(&load(&world, "net").unwrap()), ["inlined"]);

    world.write(
        "net.d/net.conflist",
        r#"{"cniVersion":"1.1.0","name":"net"}"#,
    );
    assert_eq!(types(&load(&world, "net").unwrap()), ["first", "second"]);

    world.write("net.d/net/10-a.conf", "{}");
    let error = words(&load(&world, "net").unwrap_err());
    assert!(
        error.contains("net/10-a.conf") && error.contains("\"type\" is missing"),
        "{error}"
    );
}

#[test]
fn a_network_needs_plugins() {
    let world = World::new(&[]);
    world.write("net.d/net.conflist", r#"{"name":"net"}"#);
    let error = load(&world, "net").unwrap_err();
    assert!(
        words(&error).starts_with("no plugin configs found"),
        "{error}"
    );
}

#[test]
fn a_network_that_is_not_there_is_told_with_those_that_are() {
    let world = World::new(&[]);
    let error = load(&world, "net").unwrap_err();
    assert!(
        words(&error).starts_with("no net configuration with name \"net\" in "),
        "{error}"
    );
    assert!(error.advice().unwrap().contains("no network at all"));
    world.write("net.d/a.conflist", &list("web", "p"));
    world.write("net.d/b.conf", &single("db", "p"));
    let error = load(&world, "net").unwrap_err();
    assert_eq!(error.advice().unwrap(), "The networks there are: web, db.");
    let nowhere = load_network(&world.path("nowhere"), "net").unwrap_err();
    assert!(
        matches!(nowhere, Error::NetworkNotFound { .. }),
        "{nowhere}"
    );
}

#[test]
fn a_file_that_is_not_json_ends_the_search() {
    let world = World::new(&[]);
    world.write("net.d/20-net.conflist", &list("net", "p"));
    world.write("net.d/10-broken.conflist", "{\n  \"name\": \"net\",\n}");
    let error = words(&load(&world, "net").unwrap_err());
    assert!(
        error.contains("10-broken.conflist") && error.contains("line 3"),
        "{error}"
    );
    let all = load_all(&world.path("net.d")).unwrap();
    assert_eq!(
        all.iter()
            .map(|file| file.network.is_ok())
            .collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn a_file_of_another_network_may_be_of_another_time() {
    let world = World::new(&[]);
    world.write(
        "net.d/10-future.conflist",
        r#"{"cniVersion":"9.0.0","name":"future","plugins":3}"#,
    );
    world.write("net.d/20-net.conflist", &list("net", "p"));
    assert_eq!(types(&load(&world, "net").unwrap()), ["p"]);
    let error = words(&load(&world, "future").unwrap_err());
    assert!(error.contains("unknown CNI version \"9.0.0\""), "{error}");
}

#[test]
fn the_highest_known_of_the_versions_is_used() {
    let world = World::new(&[]);
    world.write(
        "net.d/net.conflist",
        r#"{"cniVersion":"0.4.0","cniVersions":["0.3.1","9.0.0","1.1.0"],"name":"net","plugins":[{"type":"p"}]}"#,
    );
    assert_eq!(load(&world, "net").unwrap().cni_version.as_str(), "1.1.0");
}

#[test]
fn a_huge_file_is_refused() {
    let world = World::new(&[]);
    world.write("net.d/net.conflist", &" ".repeat(9 << 20));
    let error = words(&load(&world, "net").unwrap_err());
    assert!(error.contains("at most 2097152 are read"), "{error}");
}

/// The commonest mistake with the two kinds of file.
#[test]
fn a_list_and_a_single_plugin_are_told_apart_by_the_name_of_the_file() {
    let list = r#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"one"}]}"#;
    let single = r#"{"cniVersion":"1.0.0","name":"net","type":"one"}"#;
    for (file, text, holds, better) in [
        (
            "net.d/1.conf",
            list,
            "a list of plugins",
            "net.d/1.conflist",
        ),
        (
            "net.d/1.json",
            list,
            "a list of plugins",
            "net.d/1.conflist",
        ),
        (
            "net.d/1.conflist",
            single,
            "a single plugin",
            "net.d/1.conf",
        ),
    ] {
        let world = World::new(&[]);
        world.write(file, text);
        let error = load_network(&world.path("net.d"), "net").unwrap_err();
        assert!(error.to_string().contains(holds), "{error}");
        let advice = format!("Rename it to {}.", world.path(better).display());
        assert_eq!(error.advice(), Some(advice));
    }
    let world = World::new(&[]);
    world.write("net.d/1.conflist", r#"{"cniVersion":"1.0.0","name":"net"}"#);
    world.write("net.d/net/1.conf", list);
    let error = load_network(&world.path("net.d"), "net").unwrap_err();
    assert!(
        error.to_string().contains("net/1.conf holds a list"),
        "{error}"
    );
}

#[test]
fn a_byte_order_mark_is_named() {
    let world = World::new(&[]);
    world.write("net.d/1.conflist", "\u{feff}{}");
    let error = load_network(&world.path("net.d"), "net").unwrap_err();
    assert!(words(&error).contains("1.conflist"), "{error}");
    assert!(
        words(&error).contains("save it as UTF-8 without one"),
        "{error}"
    );
}

/// As containerd and CRI-O choose it, whatever kind of file it is; k8s#48798, k8s#43815.
#[test]
fn the_default_network_is_that_of_the_first_file_by_name() {
    let world = World::new(&[]);
    let directory = world.path("net.d");
    let name = |loaded: Result<NetworkList, Error>| loaded.unwrap().name.to_string();
    let none = load_default(&directory).unwrap_err();
    assert!(words(&none).starts_with("no network config found in "));
    assert!(none.advice().unwrap().contains("network provider"));
    assert!(load_first(&directory, usize::MAX).is_err());

    world.write("net.d/30-c.conflist", &list("c", "p"));
    assert_eq!(name(load_default(&directory)), "c");
    world.write("net.d/20-b.json", &single("b", "p"));
    assert_eq!(name(load_default(&directory)), "b");
    world.write("net.d/10-a.conf", &single("a", "p"));
    assert_eq!(name(load_default(&directory)), "a");
    // What editors and installers leave; the reference's would read the first two of them.
    for leftover in [".#10.conflist", ".conf", "05.conflist.temp", "05.conf~"] {
        world.write(&format!("net.d/{leftover}"), "{");
    }
    let names = |count| -> Vec<_> {
        let networks = load_first(&directory, count).unwrap();
        networks.iter().map(|one| one.name.to_string()).collect()
    };
    assert_eq!(names(1), ["a"]);
    assert_eq!(names(2), ["a", "b"]);
    assert_eq!(names(usize::MAX), ["a", "b", "c"]);
    // A broken one is no reason to attach containers elsewhere, unless it is behind those that are wanted.
    world.write("net.d/25-broken.conflist", "{");
    assert_eq!(names(2), ["a", "b"]);
    let error = words(&load_first(&directory, 3).unwrap_err());
    assert!(error.contains("25-broken.conflist"), "{error}");
    world.write("net.d/01-broken.conf", "{");
    let error = words(&load_default(&directory).unwrap_err());
    assert!(error.contains("01-broken.conf"), "{error}");
}

/// cni#1164.
#[test]
fn a_text_a_file_and_a_folder_are_read_by_themselves() {
    let world = World::new(&[]);
    let of_bytes = |text: &str| load_network_bytes(text.as_bytes());
    assert_eq!(types(&of_bytes(&list("net", "one")).unwrap()), ["one"]);
    assert_eq!(types(&of_bytes(&single("net", "one")).unwrap()), ["one"]);
    for (text, message) in [
        ("[]", "expected an object"),
        (r#"{"name":"net"}"#, r#""plugins" is missing"#),
        (r#"{"name":"net","type":"a/b"}"#, "a/b"),
        (r#"{"type":"a"}"#, r#""name" is missing"#),
    ] {
        let error = of_bytes(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }

    world.write("net.d/net/20-b.conf", r#"{"type":"second"}"#);
    world.write("net.d/net/10-a.conf", r#"{"type":"first"}"#);
    let folder = |name: &str| load_network_folder(&world.path("net.d"), &name.parse().unwrap());
    let of_folder = folder("net").unwrap();
    let named: Vec<_> = of_folder
        .iter()
        .map(|one| one.plugin_type().unwrap())
        .collect();
    assert_eq!(
        named.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        ["first", "second"]
    );
    assert!(folder("other").unwrap().is_empty());

    for (key, expected) in [
        ("", &["one", "first", "second"][..]),
        (
            r#""loadOnlyInlinedPlugins":false,"#,
            &["one", "first", "second"],
        ),
        (r#""loadOnlyInlinedPlugins":"true","#, &["one"]),
    ] {
        let text = format!(r#"{{"name":"net",{key}"plugins":[{{"type":"one"}}]}}"#);
        world.write("net.d/any.name", &text);
        let network = load_network_file(&world.path("net.d/any.name")).unwrap();
        assert_eq!(types(&network), expected, "{key}");
        assert_eq!(types(&of_bytes(&text).unwrap()), ["one"], "{key}");
    }
}
