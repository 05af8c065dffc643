//! Domain names in options: DNS's wire format (RFC 1035, 4.1.4) in the domain search option (RFC 3397), plain text in the
//! domain name option.

/// The longest name, written out, and how many are looked at: with pointers to pointers a datagram could have thousands
/// that take thousands of steps each.
const LONGEST: usize = 253;
const MOST: usize = 64;

/// The bits of a length that make it a pointer into the list.
const POINTER: u8 = 0xc0;

/// The names in the value of the domain search option, up to the first that is broken.
pub(super) fn list(bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    for _ in 0..MOST {
        let Some((name, after)) = name(bytes, at) else {
            break;
        };
        names.extend(checked(name.as_bytes()));
        at = after;
    }
    names
}

/// The name that begins at `start`, and where the next begins. A pointer leads back only, so that none leads in a circle.
fn name(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let (mut at, mut limit, mut after) = (start, start, None);
    loop {
        let length = *bytes.get(at)?;
        if length & POINTER == POINTER {
            let low = *bytes.get(at + 1)?;
            after = after.or(Some(at + 2));
            at = usize::from(length & !POINTER) << 8 | usize::from(low);
            if at >= limit {
                return None;
            }
            limit = at;
            continue;
        }
        if length & POINTER != 0 {
            return None;
        }
        at += 1;
        if length == 0 {
            return Some((name, after.unwrap_or(at)));
        }
        let label = bytes.get(at..at + usize::from(length))?;
        // A dot within a label would be another name.
        if label.contains(&b'.') || name.len() + label.len() >= LONGEST {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(std::str::from_utf8(label).ok()?);
        at += usize::from(length);
    }
}

/// The name without its trailing dot or NUL, if it has no other characters than names of hosts have: it ends up in
/// `resolv.conf`, where a line break would be another line.
pub(super) fn checked(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.trim_end_matches('\0');
    let text = text.strip_suffix('.').unwrap_or(text);
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (!text.is_empty() && text.len() <= LONGEST && text.chars().all(fits)).then(|| text.to_owned())
}
