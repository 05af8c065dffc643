//! Texts and messages.

use linkspan_dhcp::gob::Decoder;
use linkspan_dhcp::message::Message;
use linkspan_dhcp::rpc::server::Connection;
use linkspan_plugin::CniArgs;
use linkspan_plugins::PLUGINS;
use linkspan_spec::{Error, NetworkList, PluginConfig, Success, Version, pretty};

/// A configuration is read by the types and by lint; one that is read is written so that it is read again as the same.
pub(crate) fn config(bytes: &[u8]) {
    if let Ok(list) = NetworkList::parse(bytes) {
        for plugin in &list.plugins {
            let written = plugin.to_string();
            let again = PluginConfig::parse(written.as_bytes());
            assert_eq!(
                again.as_ref(),
                Ok(plugin),
                "of a plugin's configuration that was written"
            );
        }
    }
    let documents = linkspan_lint::input::text("fuzz.conflist", bytes);
    for report in linkspan_lint::lint(&documents, None) {
        if let Ok(text) = std::str::from_utf8(bytes) {
            let _ = linkspan_lint::fix::fixed(text, &report.findings);
        }
    }
}

/// Every plugin says what it thinks of its keys; what is common to all is read.
pub(crate) fn plugin_config(bytes: &[u8]) {
    let Ok(config) = PluginConfig::parse(bytes) else {
        return;
    };
    let _ = (
        config.prev_result(),
        config.valid_attachments(),
        config.dns(),
    );
    let _ = (
        config.capabilities(),
        config.runtime_config(),
        config.ipam_type(),
    );
    for plugin in PLUGINS {
        let _ = plugin.judge(&config);
    }
}

/// A result that is read says the same in its version after it was written, and is told or refused in each other.
pub(crate) fn result(bytes: &[u8]) {
    for version in Version::ALL.iter().copied() {
        let Ok(success) = Success::parse(bytes, version) else {
            continue;
        };
        for other in Version::ALL.iter().copied() {
            let Ok(json) = success.to_json(other) else {
                continue;
            };
            let text = pretty(&json);
            let again = Success::parse(text.as_bytes(), other);
            let again = again.ok().and_then(|success| success.to_json(other).ok());
            assert_eq!(
                again.as_ref(),
                Some(&json),
                "of a result that was written in {other}"
            );
        }
    }
}

/// An error as a plugin prints it, and any text that is to be explained.
pub(crate) fn error(bytes: &[u8]) {
    if let Ok(error) = Error::parse(bytes) {
        let text = pretty(&error.to_json(Version::V1_1_0));
        assert_eq!(
            Error::parse(text.as_bytes()).as_ref(),
            Ok(&error),
            "of an error that was written"
        );
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = linkspan_explain::error::explain(text);
    }
}

/// CNI_ARGS, of which a plugin knows two.
pub(crate) fn cni_args(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(args) = CniArgs::parse(text, "bridge", &["MAC", "IP"])
    {
        let _ = (args.get("MAC"), args.get("IP"));
    }
}

/// OTLP JSON, of any trace.
pub(crate) fn trace(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice(bytes) {
        let _ = linkspan_traces::spans_of(linkspan_spans::TraceId([1; 16]), &value);
    }
}

/// What `iptables-save` prints.
pub(crate) fn iptables_save(bytes: &[u8]) {
    linkspan_netfilter::fuzzing::saved(&String::from_utf8_lossy(bytes));
}

/// A stream of gob.
pub(crate) fn gob(bytes: &[u8]) {
    let mut decoder = Decoder::new();
    decoder.feed(bytes);
    while let Ok(Some(_)) = decoder.read() {}
}

/// What a client sends, in pieces as long as the first byte says.
pub(crate) fn rpc(bytes: &[u8]) {
    let Some((piece, bytes)) = bytes.split_first() else {
        return;
    };
    let mut connection = Connection::new();
    for piece in bytes.chunks(usize::from(*piece) + 1) {
        let Ok(requests) = connection.feed(piece) else {
            return;
        };
        for request in &requests {
            connection.answer_unknown(request);
        }
        connection.output();
    }
}

/// A message that is read is written so that it is read as the same, and each of its options says something or nothing.
pub(crate) fn dhcp(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let options = &message.options;
    let _ = (
        options.kind(),
        options.server_id(),
        options.lease_time(),
        options.prefix(),
    );
    let _ = (
        options.routers(),
        options.dns(),
        options.domain(),
        options.search(),
    );
    let _ = (options.mtu(), options.routes(), options.text());
    let again = Message::parse(&message.to_bytes());
    assert_eq!(
        again.as_ref(),
        Ok(&message),
        "of a message that was written"
    );
}
