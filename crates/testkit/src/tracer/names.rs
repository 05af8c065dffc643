//! The names of system calls and of errors.

/// `known!(read write)` makes a function of their numbers.
macro_rules! known {
    ($($(#[$on:meta])? $name:ident: $constant:ident;)+) => {
        /// The name of the system call with this number.
        pub(super) fn name(number: u64) -> &'static str {
            let Ok(number) = libc::c_long::try_from(number) else {
                return UNKNOWN;
            };
            match number {
                $($(#[$on])? libc::$constant => stringify!($name),)+
                _ => UNKNOWN,
            }
        }
    };
}

const UNKNOWN: &str = "unknown";

known! {
    read: SYS_read;
    write: SYS_write;
    close: SYS_close;
    fstat: SYS_fstat;
    lseek: SYS_lseek;
    mmap: SYS_mmap;
    mprotect: SYS_mprotect;
    munmap: SYS_munmap;
    brk: SYS_brk;
    rt_sigaction: SYS_rt_sigaction;
    rt_sigprocmask: SYS_rt_sigprocmask;
    rt_sigreturn: SYS_rt_sigreturn;
    ioctl: SYS_ioctl;
    pread64: SYS_pread64;
    pwrite64: SYS_pwrite64;
    readv: SYS_readv;
    writev: SYS_writev;
    sched_yield: SYS_sched_yield;
    madvise: SYS_madvise;
    dup: SYS_dup;
    nanosleep: SYS_nanosleep;
    getpid: SYS_getpid;
    socket: SYS_socket;
    connect: SYS_connect;
    accept: SYS_accept;
    accept4: SYS_accept4;
    sendto: SYS_sendto;
    recvfrom: SYS_recvfrom;
    sendmsg: SYS_sendmsg;
    recvmsg: SYS_recvmsg;
    sendmmsg: SYS_sendmmsg;
    recvmmsg: SYS_recvmmsg;
    shutdown: SYS_shutdown;
    bind: SYS_bind;
    listen: SYS_listen;
    getsockname: SYS_getsockname;
    getpeername: SYS_getpeername;
    socketpair: SYS_socketpair;
    setsockopt: SYS_setsockopt;
    getsockopt: SYS_getsockopt;
    clone: SYS_clone;
    clone3: SYS_clone3;
    execve: SYS_execve;
    execveat: SYS_execveat;
    exit: SYS_exit;
    wait4: SYS_wait4;
    waitid: SYS_waitid;
    kill: SYS_kill;
    tkill: SYS_tkill;
    tgkill: SYS_tgkill;
    uname: SYS_uname;
    fcntl: SYS_fcntl;
    flock: SYS_flock;
    fsync: SYS_fsync;
    fdatasync: SYS_fdatasync;
    truncate: SYS_truncate;
    ftruncate: SYS_ftruncate;
    fallocate: SYS_fallocate;
    getcwd: SYS_getcwd;
    chdir: SYS_chdir;
    fchdir: SYS_fchdir;
    fchmod: SYS_fchmod;
    fchown: SYS_fchown;
    umask: SYS_umask;
    gettimeofday: SYS_gettimeofday;
    getrusage: SYS_getrusage;
    getuid: SYS_getuid;
    getgid: SYS_getgid;
    geteuid: SYS_geteuid;
    getegid: SYS_getegid;
    setpgid: SYS_setpgid;
    setsid: SYS_setsid;
    getppid: SYS_getppid;
    getpgid: SYS_getpgid;
    sigaltstack: SYS_sigaltstack;
    statfs: SYS_statfs;
    fstatfs: SYS_fstatfs;
    prctl: SYS_prctl;
    setrlimit: SYS_setrlimit;
    getrlimit: SYS_getrlimit;
    prlimit64: SYS_prlimit64;
    mount: SYS_mount;
    umount2: SYS_umount2;
    setns: SYS_setns;
    unshare: SYS_unshare;
    gettid: SYS_gettid;
    futex: SYS_futex;
    set_tid_address: SYS_set_tid_address;
    set_robust_list: SYS_set_robust_list;
    clock_gettime: SYS_clock_gettime;
    clock_nanosleep: SYS_clock_nanosleep;
    exit_group: SYS_exit_group;
    epoll_create1: SYS_epoll_create1;
    epoll_ctl: SYS_epoll_ctl;
    epoll_pwait: SYS_epoll_pwait;
    openat: SYS_openat;
    openat2: SYS_openat2;
    mkdirat: SYS_mkdirat;
    fchownat: SYS_fchownat;
    newfstatat: SYS_newfstatat;
    unlinkat: SYS_unlinkat;
    renameat: SYS_renameat;
    renameat2: SYS_renameat2;
    linkat: SYS_linkat;
    symlinkat: SYS_symlinkat;
    readlinkat: SYS_readlinkat;
    fchmodat: SYS_fchmodat;
    faccessat: SYS_faccessat;
    faccessat2: SYS_faccessat2;
    ppoll: SYS_ppoll;
    pselect6: SYS_pselect6;
    utimensat: SYS_utimensat;
    getdents64: SYS_getdents64;
    fsetxattr: SYS_fsetxattr;
    setxattr: SYS_setxattr;
    getxattr: SYS_getxattr;
    fgetxattr: SYS_fgetxattr;
    lgetxattr: SYS_lgetxattr;
    listxattr: SYS_listxattr;
    flistxattr: SYS_flistxattr;
    removexattr: SYS_removexattr;
    fremovexattr: SYS_fremovexattr;
    copy_file_range: SYS_copy_file_range;
    sendfile: SYS_sendfile;
    splice: SYS_splice;
    getrandom: SYS_getrandom;
    memfd_create: SYS_memfd_create;
    pidfd_open: SYS_pidfd_open;
    pidfd_send_signal: SYS_pidfd_send_signal;
    statx: SYS_statx;
    rseq: SYS_rseq;
    close_range: SYS_close_range;
    dup3: SYS_dup3;
    pipe2: SYS_pipe2;
    eventfd2: SYS_eventfd2;
    timerfd_create: SYS_timerfd_create;
    timerfd_settime: SYS_timerfd_settime;
    signalfd4: SYS_signalfd4;
    inotify_init1: SYS_inotify_init1;
    inotify_add_watch: SYS_inotify_add_watch;
    sched_getaffinity: SYS_sched_getaffinity;
    sched_setaffinity: SYS_sched_setaffinity;
    sysinfo: SYS_sysinfo;
    getsid: SYS_getsid;
    capget: SYS_capget;
    capset: SYS_capset;
    personality: SYS_personality;
    syslog: SYS_syslog;
    fadvise64: SYS_fadvise64;
    mremap: SYS_mremap;
    msync: SYS_msync;
    bpf: SYS_bpf;
    seccomp: SYS_seccomp;
    name_to_handle_at: SYS_name_to_handle_at;
    open_by_handle_at: SYS_open_by_handle_at;
    #[cfg(target_arch = "x86_64")] open: SYS_open;
    #[cfg(target_arch = "x86_64")] stat: SYS_stat;
    #[cfg(target_arch = "x86_64")] lstat: SYS_lstat;
    #[cfg(target_arch = "x86_64")] poll: SYS_poll;
    #[cfg(target_arch = "x86_64")] access: SYS_access;
    #[cfg(target_arch = "x86_64")] pipe: SYS_pipe;
    #[cfg(target_arch = "x86_64")] select: SYS_select;
    #[cfg(target_arch = "x86_64")] dup2: SYS_dup2;
    #[cfg(target_arch = "x86_64")] fork: SYS_fork;
    #[cfg(target_arch = "x86_64")] vfork: SYS_vfork;
    #[cfg(target_arch = "x86_64")] rename: SYS_rename;
    #[cfg(target_arch = "x86_64")] mkdir: SYS_mkdir;
    #[cfg(target_arch = "x86_64")] rmdir: SYS_rmdir;
    #[cfg(target_arch = "x86_64")] creat: SYS_creat;
    #[cfg(target_arch = "x86_64")] link: SYS_link;
    #[cfg(target_arch = "x86_64")] unlink: SYS_unlink;
    #[cfg(target_arch = "x86_64")] symlink: SYS_symlink;
    #[cfg(target_arch = "x86_64")] readlink: SYS_readlink;
    #[cfg(target_arch = "x86_64")] chmod: SYS_chmod;
    #[cfg(target_arch = "x86_64")] chown: SYS_chown;
    #[cfg(target_arch = "x86_64")] lchown: SYS_lchown;
    #[cfg(target_arch = "x86_64")] arch_prctl: SYS_arch_prctl;
    #[cfg(target_arch = "x86_64")] epoll_wait: SYS_epoll_wait;
    #[cfg(target_arch = "x86_64")] getdents: SYS_getdents;
}

/// The errors that are known by their names.
const ERRORS: [(&str, i32); 40] = [
    ("E2BIG", libc::E2BIG),
    ("EACCES", libc::EACCES),
    ("EADDRINUSE", libc::EADDRINUSE),
    ("EADDRNOTAVAIL", libc::EADDRNOTAVAIL),
    ("EAFNOSUPPORT", libc::EAFNOSUPPORT),
    ("EAGAIN", libc::EAGAIN),
    ("EBADF", libc::EBADF),
    ("EBUSY", libc::EBUSY),
    ("ECONNREFUSED", libc::ECONNREFUSED),
    ("ECONNRESET", libc::ECONNRESET),
    ("EEXIST", libc::EEXIST),
    ("EFBIG", libc::EFBIG),
    ("EINTR", libc::EINTR),
    ("EINVAL", libc::EINVAL),
    ("EIO", libc::EIO),
    ("EISDIR", libc::EISDIR),
    ("ELOOP", libc::ELOOP),
    ("EMFILE", libc::EMFILE),
    ("ENETDOWN", libc::ENETDOWN),
    ("ENETUNREACH", libc::ENETUNREACH),
    ("ENFILE", libc::ENFILE),
    ("ENOBUFS", libc::ENOBUFS),
    ("ENODEV", libc::ENODEV),
    ("ENOENT", libc::ENOENT),
    ("ENOLCK", libc::ENOLCK),
    ("ENOMEM", libc::ENOMEM),
    ("ENOSPC", libc::ENOSPC),
    ("ENOSYS", libc::ENOSYS),
    ("ENOTDIR", libc::ENOTDIR),
    ("ENOTEMPTY", libc::ENOTEMPTY),
    ("ENXIO", libc::ENXIO),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
    ("EPERM", libc::EPERM),
    ("EPIPE", libc::EPIPE),
    ("EROFS", libc::EROFS),
    ("ESRCH", libc::ESRCH),
    ("ESTALE", libc::ESTALE),
    ("ETIMEDOUT", libc::ETIMEDOUT),
    ("ETXTBSY", libc::ETXTBSY),
    ("EXDEV", libc::EXDEV),
];

/// The number of an error (`ENOSPC`).
///
/// # Panics
/// When there is none of that name in the table.
#[track_caller]
#[must_use]
pub fn errno(name: &str) -> i32 {
    match ERRORS.iter().find(|(known, _)| *known == name) {
        Some((_, number)) => *number,
        None => panic!("no error is called {name}"),
    }
}
