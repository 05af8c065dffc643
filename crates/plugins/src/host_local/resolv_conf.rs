//! `resolvConf`: the DNS settings of a resolv.conf(5).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use linkspan_plan::words;
use linkspan_plugin::spec::{Dns, Error, ErrorCode};

/// The largest file that is read, in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// Reads the settings from a file.
///
/// # Errors
/// [`ErrorCode::IO_FAILURE`] when it cannot be read.
pub fn read(path: &Path) -> Result<Dns, Error> {
    let text = text(path).map_err(|error| {
        let path = path.display();
        let own = Error::new(
            ErrorCode::IO_FAILURE,
            format!("cannot read resolvConf {path}: {error}"),
        )
        .with_details("correct ipam.resolvConf, or remove it to give no DNS settings");
        let attempted = match error.kind() {
            io::ErrorKind::IsADirectory => "read",
            _ => "open",
        };
        match words::cause(&error) {
            Some(cause) => words::in_words(format!("{attempted} {path}: {cause}"), own),
            None => own,
        }
    })?;
    Ok(parse(&text))
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SIZE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A later `domain` replaces an earlier one; everything else adds up. Comments begin a line with `#`
/// or `;`, unknown words and words without a value say nothing.
fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(keyword), Some(value)) = (words.next(), words.next()) else {
            continue;
        };
        match keyword.as_str() {
            "nameserver" => dns.nameservers.push(value),
            "domain" => dns.domain = value,
            "search" => dns.search.extend([value].into_iter().chain(words)),
            "options" => dns.options.extend([value].into_iter().chain(words)),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_read_and_the_rest_is_not() {
        let dns = parse(
            "# nameserver 1.1.1.1\n;nameserver 2.2.2.2\n\n  nameserver 192.0.2.1 ignored\nnameserver\n\
             nameserver\t192.0.2.2\r\ndomain a.test\ndomain b.test\nsearch x.test y.test\nsearch z.test\n\
             options timeout:1\noptions ndots:2 rotate\nsortlist 10.0.0.0\n",
        );
        assert_eq!(dns.nameservers, ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(dns.domain, "b.test");
        assert_eq!(dns.search, ["x.test", "y.test", "z.test"]);
        assert_eq!(dns.options, ["timeout:1", "ndots:2", "rotate"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nowhere/resolv.conf")).unwrap_err();
        assert_eq!(error.code, ErrorCode::IO_FAILURE);
        assert_eq!(
            error.msg,
            "open /nowhere/resolv.conf: no such file or directory"
        );
    }
}
