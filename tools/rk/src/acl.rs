//! Access lists as zkCli reads and prints them (AclParser, ZKUtil.getPermString).

use ringkeeper::codec::request::RawAcl;
use ringkeeper::types::{Acl, Perms};

/// A part of a list that is passed over, with zkCli's text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum AclFault {
    #[error("{0} does not have the form scheme:id:perm")]
    Form(String),
    #[error("Unknown perm type: {0}")]
    Perm(char),
}

const LETTERS: [(char, Perms); 5] = [
    ('c', Perms::CREATE),
    ('d', Perms::DELETE),
    ('r', Perms::READ),
    ('w', Perms::WRITE),
    ('a', Perms::ADMIN),
];

/// `scheme:id:perms,...`. What is no entry, or no permission, is passed over and told.
pub(crate) fn parse(text: &str) -> (Vec<RawAcl>, Vec<AclFault>) {
    let (mut list, mut faults) = (Vec::new(), Vec::new());
    for entry in text.split(',') {
        let parts = entry.split_once(':').and_then(|(scheme, rest)| {
            let (id, perms) = rest.rsplit_once(':')?;
            Some((scheme, id, perms))
        });
        let Some((scheme, id, letters)) = parts else {
            faults.push(AclFault::Form(entry.to_owned()));
            continue;
        };
        let mut perms = Perms(0);
        for letter in letters.chars() {
            match LETTERS.iter().find(|(known, _)| *known == letter) {
                Some((_, perm)) => perms = perms.or(*perm),
                None => faults.push(AclFault::Perm(letter)),
            }
        }
        let (scheme, id) = (Some(scheme.to_owned()), Some(id.to_owned()));
        list.push(RawAcl { perms: perms.0, scheme, id });
    }
    // String.split leaves trailing empty parts away.
    while text.ends_with(',') && faults.last() == Some(&AclFault::Form(String::new())) {
        faults.pop();
    }
    (list, faults)
}

/// `cdrwa`, those that are given.
pub(crate) fn letters(perms: Perms) -> String {
    LETTERS.iter().filter(|(_, perm)| perms.intersects(*perm)).map(|(letter, _)| letter).collect()
}

/// As [`parse`] reads it.
pub(crate) fn text(acl: &Acl) -> String {
    format!("{}:{}:{}", acl.scheme, acl.id, letters(acl.perms))
}

/// A line of getAcl.
pub(crate) fn line(acl: &Acl) -> String {
    format!("'{},'{}\n: {}", acl.scheme, acl.id, letters(acl.perms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_zkcli_reads_them() {
        let (list, faults) = parse("world:anyone:cdrwa,ip:fe80::1:r,broken,digest:a:b:xr");
        let read: Vec<_> = list.iter().map(|a| (a.id.as_deref().unwrap(), a.perms)).collect();
        assert_eq!(read, [("anyone", 31), ("fe80::1", 1), ("a:b", 1)]);
        assert_eq!(faults, [AclFault::Form("broken".into()), AclFault::Perm('x')]);
        assert_eq!(parse("world:anyone:r,").1, []);
        assert_eq!(parse("").1, [AclFault::Form(String::new())]);
        assert_eq!(letters(Perms::ALL), "cdrwa");
        assert_eq!(text(&Acl::new(Perms::READ, "ip", "::1")), "ip:::1:r");
    }
}
