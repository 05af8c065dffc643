//! One running machine, and the jobs that it does.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tempfile::TempDir;

use super::image::{Image, VIRTIOFSD};
use crate::background::Background;
use crate::command::{Cmd, Output};

/// A machine that has not called by then never will: under emulation the kernel now and then fails to calibrate its clock.
const BOOT_PATIENCE: Duration = Duration::from_secs(30);

/// How often to boot before giving up.
const BOOT_ATTEMPTS: u32 = 4;

/// Longer than any test process.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// A machine's memory. It is taken only as it is used.
const MEMORY: &str = "1024M";

pub(super) struct Machine {
    qemu: Option<Background>,
    /// Ends by itself with qemu; kept so that nothing outlives the machine.
    _virtiofsd: Background,
    _sockets: TempDir,
    control: BufReader<UnixStream>,
    stdout: BufReader<UnixStream>,
    stderr: BufReader<UnixStream>,
    jobs: u32,
    parameters: String,
}

impl Machine {
    #[track_caller]
    pub(super) fn boot(image: &Image, parameters: &str) -> Self {
        let mut consoles = String::new();
        for _ in 0..BOOT_ATTEMPTS {
            match Self::try_boot(image, parameters) {
                Ok(machine) => return machine,
                Err(console) => consoles.push_str(&console),
            }
        }
        panic!("the virtual machine did not boot in {BOOT_ATTEMPTS} attempts\n{consoles}");
    }

    /// Boots, or tells what stood on the console.
    fn try_boot(image: &Image, parameters: &str) -> Result<Self, String> {
        let (sockets, listeners) =
            listen().map_err(|error| format!("cannot make sockets: {error}"))?;
        let [files, control, stdout, stderr] = listeners;
        let virtiofsd = keep(virtiofsd(files));
        let qemu = keep(qemu(image, sockets.path(), parameters));
        let connected = || -> io::Result<_> {
            let [control, stdout, stderr] =
                [&control, &stdout, &stderr].map(|port| accept(port, &qemu));
            let (mut control, stdout, stderr) = (control?, stdout?, stderr?);
            control.get_ref().set_read_timeout(Some(BOOT_PATIENCE))?;
            let mut ready = String::new();
            control.read_line(&mut ready)?;
            if ready == "ready\n" {
                Ok((control, stdout, stderr))
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        };
        match connected() {
            Ok((control, stdout, stderr)) => {
                let qemu = Some(qemu);
                Ok(Self {
                    qemu,
                    _virtiofsd: virtiofsd,
                    _sockets: sockets,
                    control,
                    stdout,
                    stderr,
                    jobs: 0,
                    parameters: parameters.to_owned(),
                })
            }
            Err(error) => Err(format!(
                "no answer from init ({error})\n{}{}\n",
                qemu.kill(),
                virtiofsd.kill()
            )),
        }
    }

    /// What its kernel was started with beside the usual.
    pub(super) fn parameters(&self) -> &str {
        &self.parameters
    }

    /// Whether it can do another job.
    pub(super) fn is_sound(&self) -> bool {
        self.qemu.is_some()
    }

    /// Runs a program in the machine, with this process's environment and working directory.
    ///
    /// When the program does not end in time, or the machine dies, the output ends with what stands on the console, and the
    /// machine is of no more use.
    pub(super) fn run(&mut self, program: &Cmd, deadline: Duration) -> Output {
        self.jobs += 1;
        let end = format!("\n<end of job {}>\n", self.jobs);
        let started = Instant::now();
        let Self {
            qemu,
            control,
            stdout,
            stderr,
            ..
        } = self;
        let mut status = None;
        let (stdout, mut stderr) = thread::scope(|scope| {
            let stdout = scope.spawn(|| read_to(stdout, &end));
            let stderr = scope.spawn(|| read_to(stderr, &end));
            status = order(control, &program.script(), deadline);
            if status.is_none()
                && let Some(qemu) = qemu.take()
            {
                // Its ports close, and the readers come to an end.
                let console = qemu.kill();
                return (
                    join(stdout),
                    join(stderr) + "\nthe virtual machine's console:\n" + &console.stdout,
                );
            }
            (join(stdout), join(stderr))
        });
        let timed_out = status.is_none() && started.elapsed() >= deadline;
        if status.is_none() && !timed_out {
            stderr.push_str("\nthe virtual machine died");
        }
        Output {
            command: format!("in the virtual machine: {}", program.line()),
            status: ExitStatus::from_raw(status.unwrap_or(1) << 8),
            stdout,
            stderr,
            elapsed: started.elapsed(),
            timed_out,
        }
    }
}

/// Sends a job and waits for its status; `None` when there is none in time.
fn order(control: &mut BufReader<UnixStream>, job: &str, deadline: Duration) -> Option<i32> {
    control.get_mut().write_all(job.as_bytes()).ok()?;
    control.get_ref().set_read_timeout(Some(deadline)).ok()?;
    let mut status = String::new();
    control.read_line(&mut status).ok()?;
    status.trim().parse().ok()
}

/// Reads up to the line that ends a job, or to the end.
fn read_to(stream: &mut BufReader<UnixStream>, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        if matches!(stream.read_until(b'\n', &mut bytes), Ok(0) | Err(_)) {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    bytes.truncate(bytes.len() - end.len());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn join(reader: thread::ScopedJoinHandle<'_, String>) -> String {
    reader
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The sockets that the machine's parts connect to: files, control, stdout, stderr.
fn listen() -> io::Result<(TempDir, [UnixListener; 4])> {
    let dir = tempfile::tempdir()?;
    let bind = |name: &str| UnixListener::bind(dir.path().join(name));
    let listeners = [
        bind("files")?,
        bind("control")?,
        bind("stdout")?,
        bind("stderr")?,
    ];
    Ok((dir, listeners))
}

/// Accepts the connection of one of qemu's ports; an error when qemu has ended.
fn accept(listener: &UnixListener, qemu: &Background) -> io::Result<BufReader<UnixStream>> {
    qemu.wait_to_accept(listener, BOOT_PATIENCE);
    listener.set_nonblocking(true)?;
    let (stream, _) = listener.accept()?;
    Ok(BufReader::new(stream))
}

/// Starts a program that is killed when this process ends.
///
/// The kernel watches the thread that started it, and the threads of tests come and go; this one stays.
fn keep(program: Cmd) -> Background {
    let (started, program_started) = mpsc::channel();
    thread::spawn(move || {
        // The receiver waits for exactly this.
        let _ = started.send(
            program
                .under(&["setpriv", "--pdeathsig", "KILL", "--"])
                .deadline(FOREVER)
                .start(),
        );
        loop {
            thread::park();
        }
    });
    match program_started.recv() {
        Ok(program) => program,
        Err(error) => panic!("a program of the virtual machine did not start: {error}"),
    }
}

/// The daemon that shows this machine's files. It gets its socket as standard input: when it makes one itself it also
/// writes to /run, which only root may. For an ordinary user it is root of a user namespace, where giving up one's groups,
/// which it does first, is allowed to nobody; strace tells it that it has.
fn virtiofsd(files: UnixListener) -> Cmd {
    // A file that the machine has seen does not change while it runs, so nothing is asked twice.
    let daemon = Cmd::new(VIRTIOFSD).args([
        "--fd=0",
        "-o",
        "source=/",
        "-o",
        "cache=always",
        "-o",
        "sandbox=chroot",
    ]);
    let daemon = daemon.stdin_from(OwnedFd::from(files));
    if geteuid().is_root() {
        daemon
    } else {
        daemon
            .under(&[
                "strace",
                "-f",
                "--seccomp-bpf",
                "--trace=setgroups",
                "--inject=setgroups:retval=0",
                "--output=/dev/null",
                "--",
            ])
            .under(&["unshare", "--user", "--map-root-user", "--"])
    }
}

fn qemu(image: &Image, sockets: &Path, parameters: &str) -> Cmd {
    // KVM, where it works, is many times faster; a nested one may hang, so it is used only on demand.
    let accelerator = env::var("LINKSPAN_VM_ACCEL").unwrap_or_else(|_| "tcg".to_owned());
    // One processor: with more, every third boot hangs under emulation.
    let mut qemu = Cmd::new("qemu-system-x86_64")
        .args([
            "-M",
            &format!("microvm,acpi=on,accel={accelerator},memory-backend=memory"),
        ])
        .args(["-cpu", "max", "-smp", "1", "-m", MEMORY])
        .args([
            "-object",
            &format!("memory-backend-memfd,id=memory,size={MEMORY},share=on"),
        ])
        .arg("-kernel")
        .arg(image.kernel())
        .arg("-initrd")
        .arg(image.initrd())
        .args(["-append", &kernel_parameters(parameters)])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-nic",
            "none",
            "-no-reboot",
        ])
        .args([
            "-serial",
            "stdio",
            "-global",
            "virtio-mmio.force-legacy=false",
        ])
        .args([
            "-chardev",
            &format!("socket,id=files,path={}", sockets.join("files").display()),
        ])
        .args(["-device", "vhost-user-fs-device,chardev=files,tag=host"])
        .args(["-device", "virtio-serial-device"]);
    for (number, port) in (1..).zip(["control", "stdout", "stderr"]) {
        qemu = qemu
            .args([
                "-chardev",
                &format!("socket,id={port},path={}", sockets.join(port).display()),
            ])
            .args([
                "-device",
                &format!("virtserialport,chardev={port},nr={number}"),
            ]);
    }
    qemu
}

fn kernel_parameters(more: &str) -> String {
    let mut parameters = format!("console=ttyS0 panic=-1 reboot=t quiet mitigations=off {more}");
    // An emulated clock is hard to calibrate on a busy machine; told its frequency, the kernel need not try.
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let megahertz = info
        .lines()
        .find_map(|line| line.strip_prefix("cpu MHz")?.split_once(':'));
    if let Some(Ok(megahertz)) = megahertz.map(|(_, value)| value.trim().parse::<f64>()) {
        parameters.push_str(&format!(" tsc_early_khz={:.0}", megahertz * 1000.0));
    }
    parameters
}
