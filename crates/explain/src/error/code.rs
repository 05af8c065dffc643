//! The codes of errors.

use linkspan_spec::ErrorCode;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeMeaning {
    /// The code.
    pub code: ErrorCode,
    /// What a plugin says by it.
    pub meaning: &'static str,
    /// What to do where nothing more is known.
    pub next: &'static str,
    /// Where the specification speaks of it.
    pub section: &'static str,
}

const ERRORS: &str = "section 5, \"Error\"";

const CODES: [(ErrorCode, &str, &str); 12] = [
    (
        ErrorCode::INCOMPATIBLE_VERSION,
        "the plugin does not speak the \"cniVersion\" of the configuration",
        "ask the plugin what it speaks (`linkspan version PLUGIN`), and give the network a \"cniVersion\" of these",
    ),
    (
        ErrorCode::UNSUPPORTED_FIELD,
        "the plugin does not support a key or a value of the configuration; the message names both",
        "take the key away, or use a plugin that has it: `linkspan lint` shows the line",
    ),
    (
        ErrorCode::UNKNOWN_CONTAINER,
        "the container is not there, or no more; the runtime need not clean up",
        "nothing, if the container is gone; else see that the runtime names the right one",
    ),
    (
        ErrorCode::INVALID_ENVIRONMENT,
        "a variable that the runtime sets (CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS, CNI_PATH) is missing or malformed",
        "the message names the variable; it is the runtime, or the script in its place, that has to set it",
    ),
    (
        ErrorCode::IO_FAILURE,
        "reading or writing failed: a file, standard input, a socket",
        "see that the file system is there, writable and not full (`df`, `dmesg`), and that the program named is installed",
    ),
    (
        ErrorCode::DECODING_FAILURE,
        "something that was read is not what it should be: the configuration is no JSON, or a value has another type",
        "`linkspan lint` shows the place in the configuration; if that is well, the runtime's cache may be damaged",
    ),
    (
        ErrorCode::INVALID_NETWORK_CONFIG,
        "the configuration can be read, and cannot be: a value that is not possible, or keys that exclude each other",
        "`linkspan lint` shows the place, and `linkspan explain key PLUGIN.KEY` what may stand there",
    ),
    (
        ErrorCode::INVALID_NETNS,
        "CNI_NETNS is not a network namespace that can be used: it is gone, or it is the host's own",
        "see whether the container still runs; a runtime that restarts it makes a new namespace",
    ),
    (
        ErrorCode::TRY_AGAIN_LATER,
        "a condition that should pass: a lock, a daemon that starts, memory",
        "wait; the runtime should try again by itself. If it stays, the message says for what it waits",
    ),
    (
        ErrorCode::PLUGIN_NOT_AVAILABLE,
        "STATUS: the plugin cannot attach containers now",
        "`linkspan status NET` and `linkspan doctor` say what it lacks",
    ),
    (
        ErrorCode::LIMITED_CONNECTIVITY,
        "STATUS: the plugin cannot attach containers now, and those that are attached may not reach everything",
        "`linkspan status NET` and `linkspan doctor` say what it lacks",
    ),
    (
        ErrorCode::INTERNAL,
        "anything that has no code of its own; libraries and plugins use it for whatever the kernel refuses",
        "the message says what was attempted; `linkspan doctor` looks at what is usually behind it",
    ),
];

/// What a code means, any code.
pub fn meaning_of(code: ErrorCode) -> CodeMeaning {
    if let Some((_, meaning, next)) = CODES.iter().find(|(known, ..)| *known == code) {
        let section = match code {
            // The reference's library has these two, the specification has not.
            ErrorCode::INVALID_NETNS | ErrorCode::INTERNAL => "",
            ErrorCode::PLUGIN_NOT_AVAILABLE | ErrorCode::LIMITED_CONNECTIVITY => {
                "section 2, \"STATUS\""
            }
            _ => ERRORS,
        };
        return CodeMeaning {
            code,
            meaning,
            next,
            section,
        };
    }
    let (meaning, next) = if code.is_plugin_specific() {
        (
            "a code of the plugin's own (100 and above), which its documentation explains",
            "see the documentation of the plugin that reported it",
        )
    } else {
        (
            "a code that the specification reserves and gives no meaning",
            "see what the plugin that reported it says about it",
        )
    };
    CodeMeaning {
        code,
        meaning,
        next,
        section: ERRORS,
    }
}
