//! What holds for everything that is shipped.
#![forbid(unsafe_code)]

use linkspan_packaging as packaging;
use linkspan_testkit::Cmd;

/// Who pins an artefact by its checksum has the file's name and the hash as the reference's releases have them: `sha256sum -c` reads it.
#[test]
fn each_artefact_has_its_checksums() {
    for artefact in packaging::artefacts() {
        for kind in ["sha256", "sha512"] {
            let name = artefact.file_name().unwrap().to_string_lossy();
            let sum = format!("{name}.{kind}");
            let text = std::fs::read_to_string(packaging::dist().join(&sum)).unwrap();
            let (hash, told) = text.trim_end().split_once("  ").unwrap();
            assert_eq!(told, name, "{sum}");
            assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sum}");
            let check = Cmd::new(format!("{kind}sum")).args(["--check", "--strict", &sum]);
            check.current_dir(packaging::dist()).run();
        }
    }
}
