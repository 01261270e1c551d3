//! Who a certificate is about: its subject as text, as Java writes it, and the addresses it names.

use std::net::IpAddr;

use rustls::pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use super::stores::der;

/// The subject of a certificate (X500Principal.getName, RFC 2253).
pub fn of(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    name(certificate.subject())
}

/// Whether a certificate names an address or one of the hosts, among its alternative names.
pub(super) fn is_for(certificate: &CertificateDer<'_>, address: IpAddr, hosts: &[String]) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|certificate| {
        let hosts = hosts.iter().filter_map(|host| ServerName::try_from(host.as_str()).ok());
        let mut names = std::iter::once(ServerName::from(address)).chain(hosts);
        names.any(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    })
}

/// Keywords of RFC 2253, by object identifier; others are written as their numbers.
const KEYWORDS: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];

/// The text of a name, given as the inside of its RDNSequence; `None` when that is none. The last
/// part comes first.
pub fn name(sequence: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = sequence;
    while !rest.is_empty() {
        let (set, behind) = der::take(rest, der::SET)?;
        parts.push(relative(set)?);
        rest = behind;
    }
    parts.reverse();
    Some(parts.join(","))
}

/// RDN.toRFC2253String.
fn relative(set: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = set;
    while !rest.is_empty() {
        let (pair, behind) = der::take(rest, der::SEQUENCE)?;
        let (kind, value) = der::take(pair, der::OBJECT_IDENTIFIER)?;
        parts.push(attribute(kind, value)?);
        rest = behind;
    }
    Some(parts.join("+"))
}

/// AVA.toRFC2253String. `value`: with its tag.
fn attribute(kind: &[u8], value: &[u8]) -> Option<String> {
    let keyword = KEYWORDS.iter().find(|(known, _)| *known == kind).map(|(_, word)| *word);
    let (tag, content, _) = der::any(value)?;
    match keyword {
        Some(keyword) if is_text(tag) => {
            Some(format!("{keyword}={}", escape(&String::from_utf8_lossy(content))))
        }
        Some(keyword) => Some(format!("{keyword}=#{}", hex(value))),
        None => Some(format!("{}=#{}", dotted(kind)?, hex(value))),
    }
}

/// AVA.isDerString: what is written as text, read as UTF-8 whichever it is.
fn is_text(tag: u8) -> bool {
    const UTF8: u8 = 12;
    const PRINTABLE: u8 = 19;
    const T61: u8 = 20;
    const IA5: u8 = 22;
    const GENERAL: u8 = 27;
    const BMP: u8 = 30;
    matches!(tag, UTF8 | PRINTABLE | T61 | IA5 | GENERAL | BMP)
}

fn escape(text: &str) -> String {
    let is_blank = |c: char| c == ' ' || c == '\r';
    let lead = text.chars().take_while(|c| is_blank(*c)).count();
    let count = text.chars().count();
    let trail = count - text.chars().rev().take_while(|c| is_blank(*c)).count();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        if c == '\0' {
            out.push_str("\\00");
            continue;
        }
        if at < lead || at >= trail || ",=+<>#;\"\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `1.2.840.113549.1.9.1`.
fn dotted(identifier: &[u8]) -> Option<String> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number = 0u64;
    for byte in identifier {
        number = number.checked_mul(128)? + u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let (first, rest) = numbers.split_first()?;
    let top = (first / 40).min(2);
    let mut text = format!("{top}.{}", first - 40 * top);
    rest.iter().for_each(|number| text.push_str(&format!(".{number}")));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, content.len() as u8], content].concat()
    }

    fn part(kind: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        tlv(0x31, &tlv(0x30, &[tlv(6, kind), tlv(tag, value)].concat()))
    }

    #[test]
    fn names_are_written_as_java_writes_them() {
        // Goal: order, keywords, escapes, and numbers with bytes for what has no keyword. Java's own
        // words for the same are compared in tests/tls.
        let country = part(&[0x55, 4, 6], 19, b"DE");
        let common = part(&[0x55, 4, 3], 12, b" a, b=\"c\"+#<d>;\\ ");
        let mail = part(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], 22, b"a@b");
        let all = [country, mail, common].concat();
        let expected = "CN=\\ a\\, b\\=\\\"c\\\"\\+\\#\\<d\\>\\;\\\\\\ ,\
                        1.2.840.113549.1.9.1=#1603614062,C=DE";
        assert_eq!(name(&all).as_deref(), Some(expected));
        assert_eq!(name(&[]).as_deref(), Some(""));
        assert_eq!(name(&all[..all.len() - 1]), None);
        assert_eq!(name(&part(&[0x55, 4, 3], 4, b"x")).as_deref(), Some("CN=#040178"));
    }
}
