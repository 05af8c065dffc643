//! What is written, what is read of it, and what the file keeps.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use linkspan_kernel::netns::Identity;
use linkspan_spans::{Exchanges, Fault, Kind, Span, SpanId, Trace, TraceId};
use linkspan_testkit::sandbox;
use serde_json::{Value, json};

use super::*;

const TRACE: TraceId = TraceId([0xab; 16]);

fn span() -> Span {
    Span {
        id: SpanId([1; 8]),
        parent: Some(SpanId([2; 8])),
        name: "ADD bridge".into(),
        kind: Kind::Server,
        began: UNIX_EPOCH + Duration::from_nanos(1_796_090_009_332_899_146),
        took: Duration::from_nanos(5_000_000_001),
        attributes: vec![
            ("cni.network".into(), "my\"net\n".into()),
            ("linkspan.nftables.items".into(), 5.into()),
            (
                "linkspan.steps".into(),
                vec!["one".to_owned(), "two".to_owned()].into(),
            ),
        ],
        exchanges: Exchanges {
            count: 3,
            took: Duration::from_nanos(77),
        },
        fault: Some(Fault {
            code: Some(11),
            message: "the pool is full; free some".into(),
        }),
    }
}

fn trace(spans: Vec<Span>) -> Trace {
    Trace {
        id: TRACE,
        state: "vendor=1".into(),
        is_remote: true,
        spans,
        left_out: 0,
    }
}

fn source() -> Source {
    Source {
        plugin: Some("bridge".into()),
        process: 4711,
    }
}

fn written(trace: &Trace) -> Value {
    serde_json::from_slice(&request([(&source(), trace)])).unwrap()
}

fn attribute(key: &str, value: Value) -> Value {
    json!({ "key": key, "value": value })
}

/// As the protocol has it: numbers of 64 bits are texts, identifiers are hexadecimal, kinds and codes are numbers.
#[test]
fn a_request_is_otlp_json() {
    let resource = [
        attribute("service.name", json!({ "stringValue": "linkspan" })),
        attribute(
            "service.version",
            json!({ "stringValue": env!("CARGO_PKG_VERSION") }),
        ),
        attribute("process.pid", json!({ "intValue": "4711" })),
        attribute("cni.plugin.type", json!({ "stringValue": "bridge" })),
    ];
    let attributes = [
        attribute("cni.network", json!({ "stringValue": "my\"net\n" })),
        attribute("linkspan.nftables.items", json!({ "intValue": "5" })),
        attribute(
            "linkspan.steps",
            json!({ "arrayValue": { "values": [{ "stringValue": "one" }, { "stringValue": "two" }] } }),
        ),
        attribute("linkspan.netlink.requests", json!({ "intValue": "3" })),
        attribute("linkspan.netlink.duration", json!({ "intValue": "77" })),
        attribute("error.type", json!({ "stringValue": "cni.11" })),
        attribute("cni.error.code", json!({ "intValue": "11" })),
    ];
    let exception = [
        attribute("exception.type", json!({ "stringValue": "cni.11" })),
        attribute(
            "exception.message",
            json!({ "stringValue": "the pool is full; free some" }),
        ),
    ];
    let expected = json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{
            "scope": { "name": "linkspan", "version": env!("CARGO_PKG_VERSION") },
            "spans": [{
                "traceId": "abababababababababababababababab",
                "spanId": "0101010101010101",
                "parentSpanId": "0202020202020202",
                "traceState": "vendor=1",
                "flags": 0x301,
                "name": "ADD bridge",
                "kind": 2,
                "startTimeUnixNano": "1796090009332899146",
                "endTimeUnixNano": "1796090014332899147",
                "attributes": attributes,
                "events": [{ "name": "exception", "timeUnixNano": "1796090014332899147", "attributes": exception }],
                "status": { "code": 2, "message": "the pool is full; free some" },
            }],
        }],
    }] });
    assert_eq!(written(&trace(vec![span()])), expected);
}

#[test]
fn what_is_written_reads_the_same() {
    let bare = Span {
        id: SpanId([3; 8]),
        parent: Some(SpanId([1; 8])),
        kind: Kind::Client,
        attributes: Vec::new(),
        exchanges: Exchanges::default(),
        fault: None,
        ..span()
    };
    let written = trace(vec![span(), bare]);
    let json = self::written(&written);
    let export = Export {
        source: source(),
        trace: written,
    };
    assert_eq!(spans_of(TRACE, &json), [export]);
    assert_eq!(spans_of(TraceId([1; 16]), &json), []);
}

#[test]
fn what_is_not_understood_is_passed_over() {
    let written = written(&trace(vec![span()]));
    for (place, value, spans) in [
        (
            "/resourceSpans/0/scopeSpans/0/spans/0/spanId",
            json!("x"),
            0,
        ),
        (
            "/resourceSpans/0/scopeSpans/0/spans/0/startTimeUnixNano",
            json!(1),
            0,
        ),
        (
            "/resourceSpans/0/scopeSpans/0/spans/0/endTimeUnixNano",
            json!("0"),
            1,
        ),
        (
            "/resourceSpans/0/scopeSpans/0/spans/0/startTimeUnixNano",
            json!("18446744073709551615"),
            1,
        ),
        (
            "/resourceSpans/0/scopeSpans/0/spans/0/attributes",
            json!([null, { "key": "a", "value": { "boolValue": true } }]),
            1,
        ),
        ("/resourceSpans/0/resource", json!(null), 1),
    ] {
        let mut json = written.clone();
        *json.pointer_mut(place).unwrap() = value;
        let found = spans_of(TRACE, &json);
        assert_eq!(found[0].trace.spans.len(), spans, "{place}");
    }
    for json in [json!(null), json!([]), json!({ "resourceSpans": [1] })] {
        assert_eq!(spans_of(TRACE, &json), []);
    }
}

#[test]
fn texts_are_cut_and_of_too_many_spans_the_last_are_left_out() {
    let mut long = span();
    long.name = "ä".repeat(2000).into();
    let mut many = trace(vec![long; 500]);
    many.spans[0].id = SpanId([9; 8]);
    sandbox(|_| {
        Spool::leave(None, &source(), &many).unwrap();
        let spool = Spool::open_if_there().unwrap().unwrap();
        let found = spool.of(TRACE).unwrap();
        let kept = &found[0].trace;
        assert!(kept.spans.len() > 10, "{}", kept.spans.len());
        assert_eq!(kept.spans.len() + kept.left_out, 500);
        assert_eq!(kept.spans[0].id, SpanId([9; 8]));
        assert_eq!(kept.spans[0].name.len(), 1024);
    });
}

#[test]
fn the_file_has_a_bound_and_the_last_are_in_it() {
    sandbox(|host| {
        assert!(Spool::open_if_there().unwrap().is_none());
        let here = Identity::current().ok();
        let mut one = trace(vec![span(); 40]);
        for number in 0..200_u8 {
            one.id = TraceId([number.max(1); 16]);
            Spool::leave(here, &source(), &one).unwrap();
            if number % 20 == 0 {
                let spool = Spool::open_if_there().unwrap().unwrap();
                assert!(!spool.of(one.id).unwrap().is_empty(), "{number}");
            }
        }
        let sizes = host.run("stat -c %s /run/cni/linkspan/netns-*/traces/*");
        let sizes: Vec<u64> = sizes.lines().map(|size| size.parse().unwrap()).collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|size| *size <= 1 << 20), "{sizes:?}");
        assert_eq!(host.run("find /run/cni/linkspan -perm /077"), "");
    });
}

/// As somebody could have planted it while the folder was open to others.
#[test]
fn what_is_no_file_of_ours_is_neither_written_nor_read() {
    sandbox(|host| {
        let here = Identity::current().ok();
        let leave = || Spool::leave(here, &source(), &trace(vec![span()]));
        leave().unwrap();
        let folder = host.run("ls -d /run/cni/linkspan/netns-*/traces");
        let file = format!("{folder}/spans.json");
        let found = || {
            Spool::open_if_there()
                .unwrap()
                .unwrap()
                .of(TRACE)
                .unwrap()
                .len()
        };
        assert_eq!(found(), 1);
        let elsewhere = host.dir().join("elsewhere");
        fs::write(&elsewhere, "theirs").unwrap();
        fs::remove_file(&file).unwrap();
        symlink(&elsewhere, &file).unwrap();
        leave().unwrap_err();
        assert_eq!(
            (found(), fs::read_to_string(&elsewhere).unwrap().as_str()),
            (0, "theirs")
        );
        for planted in ["mkfifo", "mkdir"] {
            host.run(&format!("rm -r {file}; {planted} {file}"));
            leave().unwrap_err();
            assert_eq!(found(), 0, "{planted}");
        }
        host.run(&format!("rm -r {file}; mount -t tmpfs -o ro none {folder}"));
        leave().unwrap_err();
    });
}
