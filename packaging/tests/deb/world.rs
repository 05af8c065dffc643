//! The packages, and others made for a test.

use std::path::PathBuf;
use std::time::Duration;

use linkspan_packaging::artefact;
use linkspan_packaging::machine::Machine;
use linkspan_testkit::{Sandbox, Setup};

/// Packages take their time where much else is done.
const DEADLINE: Duration = Duration::from_secs(240);

/// Runs the body of a test in a sandbox.
#[track_caller]
pub(crate) fn sandbox<F: FnOnce(&Sandbox)>(body: F) {
    Setup::default().deadline(DEADLINE).sandbox(body);
}

/// The program for people.
pub(crate) fn program() -> PathBuf {
    artefact("linkspan_", "_amd64.deb")
}

/// The plugins.
pub(crate) fn plugins() -> PathBuf {
    artefact("linkspan-cni-plugins_", "_amd64.deb")
}

/// Brings both to a machine; their paths there, as arguments of a command.
pub(crate) fn bring(machine: &Machine) -> String {
    format!(
        "{} {}",
        machine.bring(&program()),
        machine.bring(&plugins())
    )
}

/// The same packages as a release to come has them, as arguments of a command.
pub(crate) fn bring_next(machine: &Machine) -> String {
    let packages = bring(machine);
    machine.run(&format!(
        "mkdir -p /tmp/next
         for deb in {packages}; do
             name=/tmp/next/$(basename $deb)
             rm -rf /tmp/unpacked && dpkg-deb --raw-extract $deb /tmp/unpacked
             sed -i 's/^Version: .*/Version: 99.0/' /tmp/unpacked/DEBIAN/control
             dpkg-deb --root-owner-group -Znone --build /tmp/unpacked $name >/dev/null
         done"
    ));
    packages.replace("/tmp/", "/tmp/next/")
}

/// A package of nothing but its control file's lines; its path.
pub(crate) fn fake(machine: &Machine, name: &str, lines: &str) -> String {
    let path = format!("/tmp/{name}.deb");
    machine.run(&format!(
        "rm -rf /tmp/fake && mkdir -p /tmp/fake/DEBIAN
         cat >/tmp/fake/DEBIAN/control <<'END'
Package: {name}
Version: 1:99
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: stands for another
{lines}
END
         dpkg-deb -Znone --build /tmp/fake {path} >/dev/null"
    ));
    path
}

/// Debian's package of the reference plugins, made anew from what is installed: there is no network in a sandbox.
pub(crate) fn reference(machine: &Machine) -> String {
    machine.run(
        "name=containernetworking-plugins
         rm -rf /tmp/reference && mkdir -p /tmp/reference/DEBIAN
         dpkg --listfiles $name | while read -r file; do
             [ -d $file ] || cp -a --parents $file /tmp/reference
         done
         dpkg --status $name | grep -v '^Status:' >/tmp/reference/DEBIAN/control
         for script in preinst postinst prerm postrm; do
             cp /var/lib/dpkg/info/$name.$script /tmp/reference/DEBIAN/$script 2>/dev/null || true
         done
         dpkg-deb -Znone --build /tmp/reference /tmp/$name.deb >/dev/null",
    );
    "/tmp/containernetworking-plugins.deb".to_owned()
}
