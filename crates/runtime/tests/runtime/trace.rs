//! What plugins are told of a trace, and the spans of an operation.

use linkspan_runtime::TraceContext;
use linkspan_spans::{Collecting, Context, Kind};

use crate::world::{World, endpoint, network};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn context() -> TraceContext {
    TraceContext {
        parent: PARENT.to_owned(),
        state: "vendor=1".to_owned(),
        baggage: String::new(),
    }
}

/// cri-o#4734: the runtime has a trace, and it ends at the plugins.
#[test]
fn plugins_are_told_what_the_caller_says_and_none_of_it_is_inherited() {
    let world = World::new(&["one", "two"]);
    let network = network("1.0.0", &["one", "two"]);
    let runtime = world.runtime();
    runtime
        .with_trace(context())
        .add(&network, &endpoint("c1"))
        .unwrap();
    for plugin in ["one", "two"] {
        for (name, value) in [
            ("TRACEPARENT", PARENT),
            ("TRACESTATE", "vendor=1"),
            ("BAGGAGE", ""),
        ] {
            let told = world.env(plugin, "ADD", name);
            assert_eq!(told.as_deref(), Some(value), "{plugin}: {name}");
        }
    }
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(
        world.env("one", "DEL", "TRACESTATE"),
        std::env::var("TRACESTATE").ok()
    );
}

#[test]
fn where_spans_are_collected_each_plugin_is_told_of_its_own() {
    let world = World::new(&["one", "two"]);
    world.fail("two", "ADD", "no room");
    let network = network("1.0.0", &["one", "two"]);
    let collecting = Collecting::anew().unwrap();
    let runtime = world.runtime().with_trace(context());
    runtime.add(&network, &endpoint("c1")).unwrap_err();
    let trace = collecting.end();
    let names: Vec<_> = trace.spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["ADD net", "ADD one", "ADD two"]);
    let [all, one, two] = &trace.spans[..] else {
        panic!("{trace:?}")
    };
    for (span, plugin) in [(one, "one"), (two, "two")] {
        assert_eq!((span.kind, span.parent), (Kind::Client, Some(all.id)));
        let told = world.env(plugin, "ADD", "TRACEPARENT").unwrap();
        let told = Context::parse(&told, "").unwrap();
        assert!(told.is_sampled());
        assert_eq!((told.trace, told.span), (trace.id, span.id));
        assert_eq!(
            world.env(plugin, "ADD", "TRACESTATE").as_deref(),
            Some("vendor=1")
        );
    }
    assert_eq!(one.fault, None);
    for span in [all, two] {
        assert_eq!(span.fault.as_ref().unwrap().code, Some(100));
    }
}
