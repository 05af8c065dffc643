//! Delegation: an IPAM plugin is asked as the specification says.

use linkspan_spec::{Value, Version};

use super::{INTERFACE, only_if};
use crate::bench::Bench;
use crate::call::Call;
use crate::check::{Check, Fault, Level, Stop, Verdict};
use crate::container::{Attachment, Container};
use crate::ipam::{self, ADDRESS, GIVES, GOOD, Ipam, Record};
use crate::result::addresses;
use crate::section::Section;

/// A check about delegation.
macro_rules! about_delegation {
    ($id:literal, $level:ident, $since:ident, $asks:literal, $says:literal, $run:expr $(,)?) => {
        Check {
            id: $id,
            section: Section::Delegation,
            level: Level::$level,
            since: Version::$since,
            of: INTERFACE,
            asks: $asks,
            says: $says,
            run: $run,
        }
    };
}

pub(super) const CHECKS: &[Check] = &[
    about_delegation!(
        "ipam-add",
        Must,
        V0_3_0,
        "ADD with an IPAM plugin that is found in CNI_PATH, and its address in the result and in the container",
        "a delegated plugin is searched in CNI_PATH; what it returns is what the interface gets",
        |bench| {
            let attachment = attached(bench, &GOOD)?;
            let is_it = |net: &ipnet::IpNet| net.to_string() == ADDRESS;
            if !addresses(&attachment.result).iter().any(is_it) {
                return Err(attachment.answer.fault(format!(
                    "the result has not the IPAM plugin's address {ADDRESS}"
                )));
            }
            match attachment.container.addresses()?.iter().any(is_it) {
                true => Ok(()),
                false => Err(attachment.answer.fault(format!(
                    "the interface has not the IPAM plugin's address {ADDRESS}"
                ))),
            }
        },
    ),
    about_delegation!(
        "ipam-environment",
        Must,
        V0_3_0,
        "ADD, and the variables that the IPAM plugin gets",
        "a delegated plugin gets the same environment",
        environment,
    ),
    about_delegation!(
        "ipam-configuration",
        Must,
        V0_3_0,
        "ADD, and the configuration that the IPAM plugin gets",
        "a delegated plugin gets the complete configuration, not just its section ipam",
        configuration,
    ),
    about_delegation!(
        "ipam-check",
        Must,
        V0_4_0,
        "CHECK where the IPAM plugin tells an error",
        "with CHECK the delegated plugin is executed too; if it returns an error, so does the upper plugin",
        |bench| {
            bench.newest_since(Version::V0_4_0)?;
            passes_on(bench, "CHECK")
        },
    ),
    about_delegation!(
        "ipam-del",
        Must,
        V0_3_0,
        "DEL where the IPAM plugin tells an error",
        "with DEL the delegated plugin is executed too; if it returns an error, so does the upper plugin",
        |bench| passes_on(bench, "DEL"),
    ),
    about_delegation!(
        "ipam-del-always",
        Must,
        V0_3_0,
        "DEL after the namespace has gone, without CNI_NETNS, and whether the IPAM plugin is asked",
        "the plugin delegates DEL to the IPAM plugin even if the container's namespace no longer exists",
        |bench| {
            let attachment = attached(bench, &GOOD)?;
            attachment.container.end()?;
            let call = ipam::asked(bench.about("DEL", &attachment)).without("CNI_NETNS");
            let answer = call.asking("DEL without CNI_NETNS").run()?;
            answer.success()?;
            was_called("DEL").map_err(|stop| because(stop, &answer))
        },
    ),
    about_delegation!(
        "ipam-gc",
        Must,
        V1_1_0,
        "GC, and whether the IPAM plugin is asked, with the attachments in use",
        "GC is forwarded to delegated plugins; if one returns an error, so does the upper plugin",
        gc,
    ),
    about_delegation!(
        "ipam-status",
        Must,
        V1_1_0,
        "STATUS where the IPAM plugin is not available",
        "STATUS is executed for delegated plugins as well; if one returns an error, so does the upper plugin",
        status,
    ),
    about_delegation!(
        "ipam-failed-add",
        Should,
        V0_3_0,
        "ADD where the IPAM plugin tells an error, and whether it gets DEL",
        "if a delegated plugin fails on ADD, the upper plugin executes it again with DEL before it returns failure",
        |bench| {
            let error = failing(50, "no address is left");
            let answer = add(
                bench,
                &Ipam {
                    add: &error,
                    others: "exit 0",
                },
            )?
            .1;
            answer.refusal()?;
            was_called("DEL").map_err(|stop| because(stop, &answer))
        },
    ),
    about_delegation!(
        "ipam-released",
        Should,
        V0_3_0,
        "ADD that fails after the IPAM plugin gave an address, and whether it gets DEL",
        "what an ADD that failed was given is given back: the address of an interface that there is not is nobody's",
        released,
    ),
    about_delegation!(
        "ipam-stderr",
        Must,
        V0_3_0,
        "ADD, and what the IPAM plugin prints on standard error",
        "the plugin ensures that the delegated plugin's stderr is output to its own",
        |bench| {
            let words = "words of the IPAM plugin";
            let logs = format!("echo '{words}' >&2\n{GIVES}");
            let attachment = attached(
                bench,
                &Ipam {
                    add: &logs,
                    others: "exit 0",
                },
            )?;
            let stderr = String::from_utf8_lossy(&attachment.answer.stderr).into_owned();
            match stderr.contains(words) {
                true => Ok(()),
                false => Err(attachment.answer.fault(format!(
                    "what the IPAM plugin prints is lost; on stderr is {stderr:?}"
                ))),
            }
        },
    ),
];

/// ADD with an IPAM plugin.
pub(super) fn add(
    bench: &Bench<'_>,
    ipam: &Ipam<'_>,
) -> Result<(Container, crate::answer::Answer), Stop> {
    if let Some(why) = ipam::is_not_asked(bench) {
        return Err(Stop::skip(why));
    }
    bench.newest_since(Version::V0_3_0)?;
    ipam::lay(ipam)?;
    let container = bench.container()?;
    let call = ipam::asked(bench.of("ADD", &container)?);
    let answer = call.asking("ADD with an IPAM plugin of the suite").run()?;
    Ok((container, answer))
}

/// The same, which is to succeed.
fn attached(bench: &Bench<'_>, ipam: &Ipam<'_>) -> Result<Attachment, Stop> {
    let (container, answer) = add(bench, ipam)?;
    let result = Value::Object(answer.object()?);
    Ok(Attachment {
        container,
        version: bench.newest()?,
        answer,
        result,
    })
}

/// Lines of shell that tell an error.
pub(super) fn failing(code: u32, msg: &str) -> String {
    format!(r#"echo '{{"cniVersion":"1.0.0","code":{code},"msg":"{msg}"}}'; exit 1"#)
}

/// The last call of the IPAM plugin with this command.
fn record(command: &str) -> Result<Option<Record>, Stop> {
    let records = ipam::records()?;
    Ok(records
        .into_iter()
        .rfind(|record| record.command == command))
}

fn was_called(command: &str) -> Verdict {
    match record(command)? {
        Some(_) => Ok(()),
        None => Err(Stop::Fault(Box::new(Fault {
            asked: String::new(),
            came: String::new(),
            wrong: format!("the IPAM plugin is not asked for {command}"),
            mild: false,
        }))),
    }
}

/// A fault that is told of an answer.
fn because(stop: Stop, answer: &crate::answer::Answer) -> Stop {
    match stop {
        Stop::Fault(fault) => answer.fault(fault.wrong),
        other => other,
    }
}

fn environment(bench: &Bench<'_>) -> Verdict {
    let attachment = attached(bench, &GOOD)?;
    let Some(record) = record("ADD")? else {
        return Err(attachment.answer.fault("the IPAM plugin is not asked"));
    };
    let container = &attachment.container;
    for (name, value) in [
        ("CNI_COMMAND", "ADD".to_owned()),
        ("CNI_CONTAINERID", container.id.clone()),
        ("CNI_NETNS", container.path.display().to_string()),
        ("CNI_IFNAME", container.ifname.clone()),
        ("CNI_PATH", bench.cni_path().to_owned()),
    ] {
        let line = format!("{name}={value}");
        if !record.env.lines().any(|one| one == line) {
            return Err(attachment
                .answer
                .fault(format!("the IPAM plugin does not get {line}")));
        }
    }
    Ok(())
}

fn configuration(bench: &Bench<'_>) -> Verdict {
    let attachment = attached(bench, &GOOD)?;
    let Some(record) = record("ADD")? else {
        return Err(attachment.answer.fault("the IPAM plugin is not asked"));
    };
    let got: Value = serde_json::from_str(&record.stdin).map_err(|error| {
        attachment
            .answer
            .fault(format!("the IPAM plugin gets no JSON: {error}"))
    })?;
    let given = ipam::asked(bench.of("ADD", &attachment.container)?).config;
    let lost: Vec<_> = given
        .iter()
        .filter(|(key, value)| got.get(key.as_str()) != Some(value))
        .map(|(key, _)| key.as_str())
        .collect();
    match lost.is_empty() {
        true => Ok(()),
        false => Err(attachment
            .answer
            .fault(format!("the IPAM plugin does not get {}", lost.join(", ")))),
    }
}

/// That an error of the IPAM plugin is one of the plugin.
fn passes_on(bench: &Bench<'_>, command: &str) -> Verdict {
    let attachment = attached(bench, &GOOD)?;
    let error = failing(100, "the IPAM plugin has an error");
    ipam::lay(&Ipam {
        add: GIVES,
        others: &error,
    })?;
    let call = ipam::asked(bench.about(command, &attachment));
    let answer = call
        .asking(format!("{command} where the IPAM plugin tells an error"))
        .run()?;
    answer.refusal().map(drop)
}

fn of_network(
    bench: &Bench<'_>,
    call: Call,
    ipam: &Ipam<'_>,
) -> Result<crate::answer::Answer, Stop> {
    if let Some(why) = ipam::is_not_asked(bench) {
        return Err(Stop::skip(why));
    }
    ipam::lay(ipam)?;
    Ok(ipam::asked(call).run()?)
}

fn gc(bench: &Bench<'_>) -> Verdict {
    let version = bench.newest_since(Version::V1_1_0)?;
    let attachment = attached(bench, &GOOD)?;
    let answer = of_network(bench, bench.gc(version, &[&attachment]), &GOOD)?;
    answer.success()?;
    let Some(record) = record("GC")? else {
        return Err(answer.fault("the IPAM plugin is not asked for GC"));
    };
    if !record.stdin.contains(&attachment.container.id) {
        return Err(answer.fault("the IPAM plugin is not told what is in use"));
    }
    let error = failing(100, "the IPAM plugin has an error");
    let failing = Ipam {
        add: GIVES,
        others: &error,
    };
    let call = bench.gc(version, &[&attachment]);
    let call = call.asking("GC where the IPAM plugin tells an error");
    of_network(bench, call, &failing)?.refusal().map(drop)
}

fn status(bench: &Bench<'_>) -> Verdict {
    let version = bench.newest_since(Version::V1_1_0)?;
    only_if(
        ipam::is_not_asked(bench).is_none(),
        "its configuration has no ipam that it asks",
    )?;
    let error = failing(50, "the IPAM plugin is not available");
    let call = bench.call("STATUS", version);
    let call = call.asking("STATUS where the IPAM plugin tells code 50");
    let answer = of_network(
        bench,
        call,
        &Ipam {
            add: GIVES,
            others: &error,
        },
    )?;
    answer.refusal()?;
    answer.refused(
        &[
            linkspan_spec::ErrorCode::PLUGIN_NOT_AVAILABLE,
            linkspan_spec::ErrorCode::LIMITED_CONNECTIVITY,
        ],
        &[],
    )
}

fn released(bench: &Bench<'_>) -> Verdict {
    if let Some(why) = ipam::is_not_asked(bench) {
        return Err(Stop::skip(why));
    }
    // A next hop that nothing leads to: no kernel takes such a route.
    let unreachable = GIVES.replace(
        r#"\"dst\":\"0.0.0.0/0\""#,
        r#"\"dst\":\"192.0.2.0/24\",\"gw\":\"203.0.113.1\""#,
    );
    let answer = add(
        bench,
        &Ipam {
            add: &unreachable,
            others: "exit 0",
        },
    )?
    .1;
    only_if(
        !answer.is_success(),
        "ADD with a route that cannot be made succeeds",
    )?;
    was_called("DEL").map_err(|stop| because(stop, &answer))
}
