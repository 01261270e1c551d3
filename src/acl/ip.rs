//! Scheme "ip" (IPAuthenticationProvider of 3.9.5): addresses and prefixes as text.

use std::net::IpAddr;

/// An address of either family.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Address {
    V4(u32),
    V6(u128),
}

/// Whether an entry may carry this id: an address, or address/bits.
pub(super) fn is_entry(id: &str) -> bool {
    parse_entry(id).is_some()
}

/// Whether a connection's address lies in an entry's prefix.
pub(super) fn matches(id: &str, entry: &str) -> bool {
    let Some((prefix, bits)) = parse_entry(entry) else { return false };
    match (prefix, parse(id)) {
        (Address::V4(prefix), Some(Address::V4(id))) => {
            let beyond = 32 - bits;
            (prefix ^ id).checked_shr(beyond).unwrap_or(0) == 0
        }
        (Address::V6(prefix), Some(Address::V6(id))) => {
            let beyond = 128 - bits;
            (prefix ^ id).checked_shr(beyond).unwrap_or(0) == 0
        }
        (Address::V4(_), Some(Address::V6(_)))
        | (Address::V6(_), Some(Address::V4(_)))
        | (_, None) => false,
    }
}

fn parse_entry(id: &str) -> Option<(Address, u32)> {
    let (address, bits) = match id.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (id, None),
    };
    let address = parse(address)?;
    let width = match address {
        Address::V4(_) => 32,
        Address::V6(_) => 128,
    };
    let bits = match bits {
        Some(bits) => bits.parse::<i32>().ok().and_then(|b| u32::try_from(b).ok())?,
        None => width,
    };
    (bits <= width).then_some((address, bits))
}

fn parse(text: &str) -> Option<Address> {
    if text.contains(':') {
        parse_v6(text).map(Address::V6)
    } else {
        parse_v4(text).map(Address::V4)
    }
}

/// Four numbers of 0 to 255; signs and leading zeros pass, as Integer.parseInt lets them.
fn parse_v4(text: &str) -> Option<u32> {
    let mut parts = text.split('.');
    let mut address = 0;
    for _ in 0..4 {
        let part: i32 = parts.next()?.parse().ok()?;
        address = address << 8 | u32::from(u8::try_from(part).ok()?);
    }
    parts.next().is_none().then_some(address)
}

/// Up to eight groups with at most one "::" that stands for at least one group.
fn parse_v6(text: &str) -> Option<u128> {
    let mut halves = text.split("::");
    let (head, tail) = (halves.next()?, halves.next());
    if halves.next().is_some() {
        return None;
    }
    let (head, head_len) = parse_groups(head, tail.is_some())?;
    let Some(tail) = tail else {
        return (head_len == 8).then_some(head);
    };
    let (tail, tail_len) = parse_groups(tail, true)?;
    if head_len + tail_len >= 8 {
        return None;
    }
    let shift = 16 * (8 - head_len) as u32;
    Some(head.checked_shl(shift).unwrap_or(0) | tail)
}

/// Groups joined by ':' as one number, and how many there are.
fn parse_groups(text: &str, may_be_empty: bool) -> Option<(u128, usize)> {
    if text.is_empty() && may_be_empty {
        return Some((0, 0));
    }
    let mut value = 0u128;
    let mut groups = 0;
    for group in text.split(':') {
        if group.is_empty() || group.len() > 4 || groups == 8 {
            return None;
        }
        // Integer.parseInt takes a sign; two bytes of the result are used.
        let number = i32::from_str_radix(group, 16).ok()? as u16;
        value = value << 16 | u128::from(number);
        groups += 1;
    }
    Some((value, groups))
}

/// The text of InetAddress.getHostAddress: IPv6 in eight groups, never shortened; an IPv4 address
/// that came in through IPv6 is an IPv4 address.
pub(super) fn host_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let groups: Vec<String> = v6.segments().iter().map(|g| format!("{g:x}")).collect();
            groups.join(":")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_addresses_or_prefixes() {
        for good in
            ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "::/0", "fe80::/10", "1:2:3:4:5:6:7:8"]
        {
            assert!(is_entry(good), "{good}");
        }
        for bad in [
            "",
            "10.0.0",
            "10.0.0.256",
            "10.0.0.1/33",
            "10.0.0.1/-1",
            "10.0.0.1/x",
            "host",
            "::1/129",
            "1:2:3:4:5:6:7",
            "1::2::3",
            ":::",
            "1:2:3:4:5:6:7::8",
            "12345::",
            "g::",
            "1:2:3:4:5:6:7:8:9",
        ] {
            assert!(!is_entry(bad), "{bad}");
        }
    }

    #[test]
    fn prefixes_match_by_their_bits_within_one_family() {
        for (id, entry) in [
            ("10.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "99.0.0.0/0"),
            ("10.1.2.3", "10.1.2.2/31"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("fe80:0:0:0:0:0:0:9", "fe80::/10"),
            ("1:2:3:4:5:6:7:8", "1:2::/32"),
        ] {
            assert!(matches(id, entry), "{id} {entry}");
        }
        for (id, entry) in [
            ("11.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.4"),
            ("10.1.2.3", "::/0"),
            ("0:0:0:0:0:0:0:1", "0.0.0.0/0"),
            ("nonsense", "0.0.0.0/0"),
        ] {
            assert!(!matches(id, entry), "{id} {entry}");
        }
    }

    #[test]
    fn addresses_read_as_java_prints_them() {
        for (address, text) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("fe80::a:b", "fe80:0:0:0:0:0:a:b"),
        ] {
            assert_eq!(host_address(address.parse().unwrap()), text);
        }
    }
}
