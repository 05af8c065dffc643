//! Which system calls can fail in life, and how.

use std::fs;

use linkspan_testkit::{Fault, Syscall, errno};

/// What happens at one system call of a run.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) syscall: &'static str,
    pub(crate) occurrence: u32,
    pub(crate) what: What,
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Error(&'static str),
    /// From this call of its name on each fails so.
    Stays(&'static str),
    Kill,
    Terminate,
    Shorten(u64),
}

impl Point {
    /// In words that find it again: `write 2 ENOSPC`.
    pub(crate) fn words(&self) -> String {
        let what = match self.what {
            What::Error(name) => name.to_owned(),
            What::Stays(name) => format!("{name} for ever"),
            What::Kill => "SIGKILL".to_owned(),
            What::Terminate => "SIGTERM".to_owned(),
            What::Shorten(to) => format!("short {to}"),
        };
        format!("{} {} {what}", self.syscall, self.occurrence)
    }

    /// What the tracer does, when it is this call's turn.
    pub(crate) fn fault(&self, syscall: &Syscall) -> Option<Fault> {
        let is_it = syscall.name == self.syscall && syscall.occurrence == self.occurrence;
        is_it.then(|| match self.what {
            // What is closed is closed, whatever close says.
            What::Error(name) if self.syscall == "close" => Fault::Answer(errno(name)),
            What::Error(name) => Fault::Error(errno(name)),
            What::Stays(name) => Fault::ErrorsFromNowOn(errno(name)),
            What::Kill => Fault::Kill,
            What::Terminate => Fault::Terminate,
            What::Shorten(to) => Fault::Shorten(2, to),
        })
    }
}

/// All that can happen at a call, and at no other.
pub(crate) fn points(syscall: &Syscall) -> impl Iterator<Item = Point> + use<> {
    let errors = errors(syscall).iter().map(|name| What::Error(name));
    let signals = [What::Kill, What::Terminate];
    let short = shortened(syscall).map(What::Shorten);
    at(syscall, errors.chain(signals).chain(short))
}

/// What can begin at a call, and stay: a broken disk, a host that is short of something. Not an interruption, after which anybody tries
/// again, nor what nobody can go on without: memory, and the way back from a namespace.
pub(crate) fn staying(syscall: &Syscall) -> impl Iterator<Item = Point> + use<> {
    let is_bearable = !matches!(
        syscall.name,
        "mmap" | "brk" | "mremap" | "mprotect" | "madvise" | "setns" | "unshare" | "close"
    );
    let errors = errors(syscall).iter();
    let errors = errors.filter(move |name| is_bearable && **name != "EINTR");
    at(syscall, errors.map(|name| What::Stays(name)))
}

fn at<W: Iterator<Item = What>>(syscall: &Syscall, all: W) -> impl Iterator<Item = Point> + use<W> {
    let (syscall, occurrence) = (syscall.name, syscall.occurrence);
    all.map(move |what| Point {
        syscall,
        occurrence,
        what,
    })
}

/// `O_CREAT` and `O_TMPFILE` of open(2).
const MAKES_A_FILE: u64 = 0o100 | 0o20_000_000;

/// The commands of fcntl(2) that make a descriptor: `F_DUPFD`, `F_DUPFD_CLOEXEC`.
const DUPLICATES: [u64; 2] = [0, 1030];

/// The errors that a call can have in life, on a host that is short of something, broken, read-only or restricted.
fn errors(syscall: &Syscall) -> &'static [&'static str] {
    match syscall.name {
        "open" if syscall.args[1] & MAKES_A_FILE != 0 => FILE_IS_MADE,
        "openat" if syscall.args[2] & MAKES_A_FILE != 0 => FILE_IS_MADE,
        "open" | "openat" | "openat2" => &["EMFILE", "ENFILE", "EACCES", "ENOMEM", "EINTR"],
        "read" if is_pipe(syscall) => &["EINTR"],
        "read" | "pread64" | "readv" => &["EIO", "EINTR"],
        "getdents64" | "readlink" | "readlinkat" | "getxattr" | "fgetxattr" => &["EIO"],
        "write" | "pwrite64" | "writev" => &["ENOSPC", "EIO", "EINTR"],
        "sendto" | "sendmsg" => &["ENOBUFS", "ENOMEM", "EPERM", "EINTR"],
        // iptables that misses one of the kernel's answers may leave the mask of a mark out of a rule, and says that all is well.
        "recvmsg" if is_of_iptables(syscall) => &["EINTR"],
        "recvfrom" | "recvmsg" => &["ENOBUFS", "ENOMEM", "EINTR", "EAGAIN"],
        "socket" | "socketpair" => &["EMFILE", "ENFILE", "ENOBUFS", "EPERM"],
        "connect" | "bind" => &["ENOMEM", "EPERM", "ETIMEDOUT"],
        "setsockopt" | "getsockopt" => &["ENOMEM", "EPERM"],
        // FIONBIO, which nothing keeps from what it does.
        "ioctl" if syscall.args[1] == 0x5421 => &[],
        "ioctl" => &["EMFILE", "ENOMEM", "EPERM"],
        "mmap" | "brk" | "mremap" | "mprotect" | "madvise" => &["ENOMEM"],
        "mkdir" | "mkdirat" => &["ENOSPC", "EROFS", "EACCES", "ENOMEM"],
        "link" | "linkat" | "rename" | "renameat" | "renameat2" | "symlink" | "symlinkat" => {
            &["ENOSPC", "EROFS", "EACCES", "EIO"]
        }
        // Not EROFS: where a file system has become read-only nothing can be removed, and DEL does not wait for it.
        "unlink" | "unlinkat" | "rmdir" => &["EACCES", "EPERM", "EIO"],
        "ftruncate" | "fallocate" => &["ENOSPC", "EIO", "EINTR"],
        "fsync" | "fdatasync" => &["ENOSPC", "EIO"],
        "fsetxattr" | "setxattr" => &["ENOSPC", "EOPNOTSUPP", "EPERM"],
        "flock" => &["ENOLCK", "EINTR"],
        "close" => &["EIO", "EINTR"],
        "stat" | "lstat" | "fstat" | "newfstatat" | "statx" | "access" | "faccessat" | "fchmod"
        | "fchmodat" | "chmod" => &["EACCES", "ENOMEM", "EIO"],
        "fcntl" if DUPLICATES.contains(&syscall.args[1]) => &["EMFILE"],
        "dup" | "dup2" | "dup3" | "pipe" | "pipe2" | "memfd_create" | "pidfd_open" | "eventfd2"
        | "epoll_create1" | "timerfd_create" => &["EMFILE", "ENFILE"],
        "setns" | "unshare" => &["EPERM", "ENOMEM"],
        "clone" | "clone3" | "fork" | "vfork" => &["EAGAIN", "ENOMEM"],
        "execve" => &["EACCES", "ENOMEM", "EIO"],
        "wait4" | "waitid" | "poll" | "ppoll" | "epoll_wait" | "epoll_pwait" | "nanosleep"
        | "clock_nanosleep" | "getrandom" => &["EINTR"],
        _ => &[],
    }
}

/// Whether a program of iptables makes it.
fn is_of_iptables(syscall: &Syscall) -> bool {
    let program = fs::read_link(format!("/proc/{}/exe", syscall.thread)).unwrap_or_default();
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("xtables") || name.starts_with("ip")
}

/// Whether it is from another process that is read, which no disk keeps from it.
fn is_pipe(syscall: &Syscall) -> bool {
    let path = format!("/proc/{}/fd/{}", syscall.thread, syscall.args[0]);
    fs::read_link(path).is_ok_and(|target| target.to_string_lossy().starts_with("pipe:"))
}

const FILE_IS_MADE: &[&str] = &["ENOSPC", "EROFS", "EACCES", "EMFILE", "EIO"];

/// How many bytes a call moves that could have moved more. Datagrams, netlink's among them, come whole.
fn shortened(syscall: &Syscall) -> Option<u64> {
    let streams = ["read", "pread64", "write", "pwrite64"];
    let length = syscall.args[2];
    (streams.contains(&syscall.name) && length > 1).then_some(length.min(64) / 2)
}
