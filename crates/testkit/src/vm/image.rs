//! What a machine boots from: Debian's cloud kernel, its modules, and an initial file system.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{geteuid, getuid};

use crate::command::{Cmd, Output};

/// Debian's package that depends on the newest kernel of its kind.
const KERNEL: &str = "linux-image-cloud-amd64";

/// The variable with the file of another kernel's package.
const CHOSEN: &str = "LINKSPAN_VM_KERNEL";

/// How long apt may take.
const DOWNLOAD: Duration = Duration::from_secs(300);

/// The first process.
const INIT: &str = include_str!("init");

/// Where qemu's package puts the daemon that shows our files to the machine.
pub(super) const VIRTIOFSD: &str = "/usr/lib/qemu/virtiofsd";

/// What must be installed: the file, and Debian's package that has it.
const PROGRAMS: [(&str, &str); 7] = [
    ("/usr/bin/qemu-system-x86_64", "qemu-system-x86"),
    (VIRTIOFSD, "qemu-system-common"),
    ("/bin/busybox", "busybox-static"),
    ("/sbin/depmod", "kmod"),
    ("/usr/bin/cpio", "cpio"),
    ("/usr/bin/strace", "strace"),
    ("/usr/bin/apt-get", "apt"),
];

/// The drivers that the machine needs before it sees any file: its bus, our files, its ports.
const DRIVERS: [&str; 3] = ["virtio_mmio", "virtiofs", "virtio_console"];

/// The files of a machine, unpacked and built once, and again when the kernel's version or anything here changes.
pub(super) struct Image {
    dir: PathBuf,
}

impl Image {
    /// The image, built first when it must be; others who want it wait.
    #[track_caller]
    pub(super) fn ready() -> Self {
        require_programs();
        let built = cache().and_then(|cache| {
            let lock = File::create(cache.join("lock"))?;
            lock.lock()?;
            let kernel = Kernel::chosen().unwrap_or_else(Kernel::newest);
            let dir = kernel.place(&cache);
            if dir.is_dir() {
                return Ok(Self { dir });
            }
            remove_images(&cache)?;
            let new = cache.join("new");
            fs::create_dir_all(&new)?;
            let kernel = kernel.download(&new);
            let dir = kernel.place(&cache);
            build(&new, &kernel, &dir)?;
            Ok(Self { dir })
        });
        built.unwrap_or_else(|error| panic!("cannot build the virtual machine's image: {error}"))
    }

    pub(super) fn kernel(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    pub(super) fn initrd(&self) -> PathBuf {
        self.dir.join("initrd")
    }
}

#[track_caller]
fn require_programs() {
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    assert!(
        missing.is_empty(),
        "this test needs a virtual machine; install Debian's packages for it: {} (`make setup` does, as root)",
        missing.join(" ")
    );
}

/// One of Debian's kernels.
struct Kernel {
    package: String,
    version: String,
    /// Its package, where it is here already.
    file: Option<PathBuf>,
}

impl Kernel {
    /// That of the package in the file `LINKSPAN_VM_KERNEL`: `linux-image-5.10.0-46-cloud-amd64_5.10.262-1_amd64.deb`.
    #[track_caller]
    fn chosen() -> Option<Self> {
        let file = PathBuf::from(env::var_os(CHOSEN)?);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let mut parts = name.split('_');
        let (Some(package), Some(version), true) = (parts.next(), parts.next(), file.is_file())
        else {
            panic!(
                "{CHOSEN}={} is not the file of a package of Debian's",
                file.display()
            );
        };
        Some(Self {
            package: package.to_owned(),
            version: version.to_owned(),
            file: Some(file.clone()),
        })
    }

    /// The newest that apt knows.
    #[track_caller]
    fn newest() -> Self {
        let output = Cmd::new("apt-cache")
            .args(["show", "--no-all-versions", KERNEL])
            .output();
        let depends = output
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("Depends: "));
        // "linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)"
        let kernel =
            depends.and_then(|depends| depends.split(',').find_map(|one| one.split_once(" (= ")));
        match kernel {
            Some((package, version)) => Self {
                package: package.trim().to_owned(),
                version: version.trim_end_matches(')').to_owned(),
                file: None,
            },
            None => panic!("apt does not know {KERNEL}: run `apt-get update` as root\n{output}"),
        }
    }

    /// The directory of its image.
    fn place(&self, cache: &Path) -> PathBuf {
        let Self {
            package, version, ..
        } = self;
        let mut hasher = DefaultHasher::new();
        (INIT, DRIVERS, package, version).hash(&mut hasher);
        cache.join(format!("{version}-{:016x}", hasher.finish()))
    }

    /// Downloads its package; or the newest kernel's there is by now, when apt's lists are so old that the archive has no
    /// such package any more.
    #[track_caller]
    fn download(self, dir: &Path) -> Self {
        if let Some(file) = &self.file {
            let copied = fs::copy(file, dir.join("kernel.deb"));
            assert!(copied.is_ok(), "cannot copy {}: {copied:?}", file.display());
            return self;
        }
        let outcome = self.try_download(dir);
        if outcome.ok() {
            return self;
        }
        assert!(
            geteuid().is_root(),
            "the kernel of the virtual machine cannot be had; perhaps apt's lists are too old: run `apt-get update` as \
             root\n{outcome}"
        );
        Cmd::new("apt-get")
            .args(["--quiet", "update"])
            .deadline(DOWNLOAD)
            .run();
        let newest = Self::newest();
        let _ = newest.try_download(dir).success();
        newest
    }

    #[track_caller]
    fn try_download(&self, dir: &Path) -> Output {
        let Self {
            package, version, ..
        } = self;
        Cmd::new("apt-get")
            .args(["download", "--quiet", &format!("{package}={version}")])
            .current_dir(dir)
            .deadline(DOWNLOAD)
            .output()
    }
}

/// `target/vm`, as cargo puts the test's executable at `target/debug/deps`; or one of this user's when that cannot be
/// written to.
fn cache() -> io::Result<PathBuf> {
    let usable =
        |dir: &PathBuf| fs::create_dir_all(dir).is_ok() && File::create(dir.join("lock")).is_ok();
    let exe = env::current_exe()?;
    let deps = exe.parent().filter(|dir| dir.ends_with("deps"));
    let target = deps
        .and_then(|deps| deps.ancestors().nth(2))
        .map(|target| target.join("vm"));
    if let Some(dir) = target.filter(usable) {
        return Ok(dir);
    }
    let dir = env::temp_dir().join(format!("linkspan-vm-{}", getuid().as_raw()));
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Removes the images of earlier inputs, and what an interrupted build has left.
fn remove_images(cache: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Builds in the directory with the package, and moves it to its place when it is complete.
fn build(new: &Path, kernel: &Kernel, place: &Path) -> io::Result<()> {
    let root = new.join("initrd-root");
    let modules = root.join("modules");
    for dir in ["bin", "dev", "proc", "sys", "root", "modules"] {
        fs::create_dir_all(root.join(dir))?;
    }
    Cmd::shell("dpkg -x *.deb .; rm *.deb; mv boot/vmlinuz-* vmlinuz")
        .current_dir(new)
        .run();
    let release = kernel.package.trim_start_matches("linux-image-");
    Cmd::new("depmod")
        .arg("--basedir")
        .arg(new)
        .arg(release)
        .run();
    copy_drivers(new, release, &modules)?;
    fs::copy("/bin/busybox", root.join("bin/busybox"))?;
    let init = root.join("init");
    fs::write(&init, INIT.replace("@MODULES@", &place.to_string_lossy()))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    Cmd::shell("find . | cpio --create --format=newc --quiet | gzip -1 >../initrd")
        .current_dir(&root)
        .run();
    fs::remove_dir_all(&root)?;
    fs::rename(new, place)
}

/// Copies the drivers and what they depend on, and writes down in which order they are to be loaded.
fn copy_drivers(base: &Path, release: &str, modules: &Path) -> io::Result<()> {
    let mut order: Vec<String> = Vec::new();
    for driver in DRIVERS {
        let modprobe = Cmd::new("modprobe").arg("--dirname").arg(base);
        let list = modprobe
            .args(["--set-version", release, "--show-depends", driver])
            .run();
        for path in list.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let path = Path::new(path.trim());
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !order.contains(&name) {
                fs::copy(path, modules.join(&name))?;
                order.push(name);
            }
        }
    }
    fs::write(modules.join("order"), order.join("\n") + "\n")
}
