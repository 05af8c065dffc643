//! Carries out an operation, as a runtime does, and tells what was answered.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, Output, with_prev_result};
use serde_json::{Value, json};

use crate::host::{Host, addresses, id};
use crate::model::Answer;
use crate::networks;
use crate::schedule::{Attachment, Net, Op, Step, Who};

/// How long a call may take when nobody kills it.
const DEADLINE: Duration = Duration::from_secs(50);

/// The version that both implementations speak, and the one that has GC and STATUS.
const COMMON: &str = "1.0.0";
const LATEST: &str = "1.1.0";

/// What a program printed, or [`Answer::Failed`] or [`Answer::Killed`].
type Reply = Result<Value, Answer>;

/// What came of it, and what GC was told is in use; by who has the [turn](Host::turn) of that.
pub(crate) fn perform(host: &Host<'_>, step: &Step) -> (Answer, Vec<Attachment>) {
    let call = Call {
        host,
        who: step.who,
        is_killed: step.kill.is_some(),
        end: Instant::now() + step.kill.unwrap_or(DEADLINE),
    };
    let mut spared = Vec::new();
    let reply = match step.op {
        Op::Add(at, port) => call.add(at, port),
        Op::Check(at) => call.check(at),
        Op::Del(at) => call.del(at),
        Op::Gc(net) => call.gc(net, &mut spared),
        Op::Status(Net::Tool) => call.linkspan(&["status", "tool"]),
        Op::Status(net) => call.chain("STATUS", net, None, &json!({ "cniVersion": LATEST })),
        // Whose records are taken over by the one that is tested.
        Op::Reconcile if step.who == Who::Old => Err(Answer::Skipped),
        Op::Reconcile => call.linkspan(&["reconcile"]),
        Op::Lose(container) if host.lose(container) => Ok(Value::Null),
        Op::Lose(_) => Err(Answer::Skipped),
        Op::FlushNft => flush("nft flush ruleset"),
        Op::FlushIptables => flush(
            "for command in iptables ip6tables; do for table in nat filter; do
                 $command -w -t $table -F; $command -w -t $table -X
             done; done",
        ),
    };
    let answer = reply.map_or_else(|answer| answer, |result| Answer::Done(addresses(&result)));
    (answer, spared)
}

/// `linkspan gc tool --all`: nothing lives any more.
pub(crate) fn collect_all(host: &Host<'_>) -> Answer {
    let call = Call {
        host,
        who: Who::Ours,
        is_killed: false,
        end: Instant::now() + DEADLINE,
    };
    let reply = call.linkspan(&["gc", "tool", "--all"]);
    reply.map_or_else(|answer| answer, |_| Answer::Done(Vec::new()))
}

/// Others make rules meanwhile, so a chain may be in use when it is to go: whoever does this by hand has that as well.
fn flush(line: &str) -> Reply {
    match Cmd::new("sh").args(["-c", line]).output().timed_out {
        true => Err(Answer::Failed(0, "no end".to_owned())),
        false => Ok(Value::Null),
    }
}

/// One operation under way.
struct Call<'a> {
    host: &'a Host<'a>,
    who: Who,
    is_killed: bool,
    /// When its processes are killed.
    end: Instant,
}

impl Call<'_> {
    fn add(&self, at: Attachment, port: Option<u16>) -> Reply {
        let is_attached = self.result(at).is_some();
        // No runtime does that, and the reference makes something of it.
        if is_attached && self.who == Who::Reference {
            return Err(Answer::Skipped);
        }
        let netns = self.host.make_netns(at.container);
        let result = if at.net == Net::Tool {
            let wanted = port
                .map_or_else(|| json!({}), networks::mappings)
                .to_string();
            let path = netns.path().to_string_lossy();
            let name = id(at.container);
            self.linkspan(&[
                "add",
                "tool",
                &path,
                "--container-id",
                &name,
                "--cap-args",
                &wanted,
            ])
        } else {
            self.chain("ADD", at.net, Some(at), &runtime_config(port))
        };
        let mut kept = self.host.kept();
        let kept = kept.entry(at).or_default();
        // What is attached already keeps its port, unless another's DEL has taken half of it and this is an attachment anew.
        if !is_attached || result.is_ok() {
            kept.port = port;
        }
        if let Ok(result) = &result {
            kept.result = Some(result.clone());
        }
        result
    }

    fn check(&self, at: Attachment) -> Reply {
        let Some(result) = self.result(at) else {
            return Err(Answer::Skipped);
        };
        if at.net == Net::Tool {
            let path = format!("/run/netns/{}", id(at.container));
            return self.linkspan(&["check", "tool", &path, "--container-id", &id(at.container)]);
        }
        let keys = with_prev_result(&runtime_config(self.port(at)), &result);
        self.chain("CHECK", at.net, Some(at), &keys)
    }

    fn del(&self, at: Attachment) -> Reply {
        let reply = if at.net == Net::Tool {
            let path = format!("/run/netns/{}", id(at.container));
            self.linkspan(&["del", "tool", &path, "--container-id", &id(at.container)])
        } else {
            let keys = runtime_config(self.port(at));
            let keys = self
                .result(at)
                .map_or(keys.clone(), |result| with_prev_result(&keys, &result));
            self.chain("DEL", at.net, Some(at), &keys)
        };
        if reply.is_ok() {
            self.host.kept().entry(at).or_default().result = None;
        }
        reply
    }

    fn gc(&self, net: Net, spared: &mut Vec<Attachment>) -> Reply {
        if net == Net::Tool {
            return self.linkspan(&["gc", "tool"]);
        }
        spared.extend(self.host.in_use().into_iter().filter(|at| at.net == net));
        let valid = spared
            .iter()
            .map(|at| json!({ "containerID": id(at.container), "ifname": net.ifname() }));
        let valid: Vec<Value> = valid.collect();
        self.chain(
            "GC",
            net,
            None,
            &json!({ "cniVersion": LATEST, "cni.dev/valid-attachments": valid }),
        )
    }

    fn result(&self, at: Attachment) -> Option<Value> {
        self.host
            .kept()
            .get(&at)
            .and_then(|kept| kept.result.clone())
    }

    fn port(&self, at: Attachment) -> Option<u16> {
        self.host.kept().get(&at).and_then(|kept| kept.port)
    }

    /// The plugins of a network, one after the other, as libcni runs them.
    fn chain(&self, verb: &str, net: Net, at: Option<Attachment>, keys: &Value) -> Reply {
        let mut configs = networks::chain(net);
        if verb == "DEL" {
            configs.reverse();
        }
        let mut result = Value::Null;
        for mut config in configs {
            config["cniVersion"] = COMMON.into();
            config["name"] = net.name().into();
            for (key, value) in keys.as_object().into_iter().flatten() {
                if key != "runtimeConfig" || config["capabilities"].is_object() {
                    config[key] = value.clone();
                }
            }
            if !result.is_null() {
                config["prevResult"] = result;
            }
            let printed = self.plugin(verb, &config, at)?;
            result = if verb == "ADD" { printed } else { Value::Null };
        }
        Ok(result)
    }

    fn plugin(&self, verb: &str, config: &Value, at: Option<Attachment>) -> Reply {
        let plugins = self.host.plugins(self.who);
        let mut call = plugins.call(verb, config);
        if let Some(at) = at {
            let netns = self.host.netns(at.container);
            let path = netns.map_or_else(String::new, |netns| {
                netns.path().to_string_lossy().into_owned()
            });
            call = call
                .container(&id(at.container))
                .ifname(at.net.ifname())
                .env("CNI_NETNS", path);
        }
        self.reply(call.cmd())
    }

    fn linkspan(&self, args: &[&str]) -> Reply {
        let dir = self.host.plugins(self.who).dir();
        self.reply(
            Cmd::new(linkspan_proof::linkspan())
                .args(args)
                .env("CNI_PATH", dir),
        )
    }

    fn reply(&self, cmd: Cmd) -> Reply {
        let left = self.end.saturating_duration_since(Instant::now());
        if self.is_killed && left.is_zero() {
            return Err(Answer::Killed);
        }
        let output = cmd.deadline(left).output();
        match (output.timed_out, output.ok()) {
            (true, _) if self.is_killed => Err(Answer::Killed),
            (true, _) => Err(Answer::Failed(0, format!("no answer within {DEADLINE:?}"))),
            (false, true) => Ok(serde_json::from_str(&output.stdout).unwrap_or_default()),
            (false, false) => Err(failure(&output)),
        }
    }
}

/// The code and the message of an error of the specification, or the exit status and what was said.
fn failure(output: &Output) -> Answer {
    let error: Value = serde_json::from_str(&output.stdout).unwrap_or_default();
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    match error["code"].as_u64() {
        Some(code) => Answer::Failed(code, format!("{}: {}", text("msg"), text("details"))),
        None => {
            let status = output
                .status
                .code()
                .and_then(|status| u64::try_from(status).ok());
            Answer::Failed(
                status.unwrap_or_default(),
                format!("{}{}", output.stdout, output.stderr),
            )
        }
    }
}

fn runtime_config(port: Option<u16>) -> Value {
    port.map_or_else(
        || json!({}),
        |port| json!({ "runtimeConfig": networks::mappings(port) }),
    )
}

/// Whether a result has these addresses, for who looks at an attachment.
pub(crate) fn result_addresses(host: &Host<'_>, at: Attachment) -> Vec<IpAddr> {
    let kept = host.kept();
    kept.get(&at)
        .and_then(|kept| kept.result.as_ref())
        .map(addresses)
        .unwrap_or_default()
}
