//! The list a client sends → the list a node gets (PrepRequestProcessor.fixupACL).

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use crate::codec::request::RawAcl;
use crate::types::{Acl, AclList, ErrorCode, Identity, Perms, open_acl};

use super::schemes::Policy;

/// Nearly every node of nearly every tree has this list; one copy serves all.
static OPEN: LazyLock<AclList> = LazyLock::new(open_acl);

/// Drops duplicates, resolves "auth" to the requester's own identities, and refuses what no check
/// could ever use. InvalidAcl for what ZooKeeper finds wrong; MarshallingError where a null id
/// makes Java stumble.
///
/// `room`: bytes that resolving may still write, as they are counted in a log entry; one request's
/// entries "auth" times one connection's identities is more than any memory. Past it
/// MarshallingError, as for every transaction that its readers would refuse.
pub fn fixup(
    policy: &Policy,
    raw: Option<&[RawAcl]>,
    identities: &[Identity],
    room: &mut usize,
) -> Result<AclList, ErrorCode> {
    let raw = raw.unwrap_or_default();
    if let [only] = raw
        && only.perms == Perms::ALL.0
        && only.scheme.as_deref() == Some("world")
        && only.id.as_deref() == Some("anyone")
    {
        return Ok(OPEN.clone());
    }
    let unique = judged(policy, raw, identities)?;
    let requester = Requester::of(policy, identities);
    let mut list = Vec::with_capacity(unique.len());
    for acl in unique {
        let (perms, scheme) = (Perms(acl.perms), acl.scheme.as_deref().unwrap_or_default());
        if scheme != AUTH {
            list.push(Acl::new(perms, scheme, acl.id.as_deref().unwrap_or_default()));
            continue;
        }
        *room = room.checked_sub(requester.bytes).ok_or(ErrorCode::MarshallingError)?;
        let named = identities.iter().filter(|who| names_a_user(policy, who));
        list.extend(named.map(|who| Acl::new(perms, &who.scheme, &who.id)));
    }
    Ok(Arc::from(list))
}

/// What [`fixup`] would refuse a list with, found without making it.
pub fn ill_formed(
    policy: &Policy,
    raw: Option<&[RawAcl]>,
    identities: &[Identity],
) -> Option<ErrorCode> {
    judged(policy, raw.unwrap_or_default(), identities).err()
}

/// Stands for the requester's own identities.
const AUTH: &str = "auth";

fn names_a_user(policy: &Policy, who: &Identity) -> bool {
    policy.provider(&who.scheme).is_some_and(|scheme| scheme.names_a_user())
}

/// Those of a requester's identities that "auth" stands for.
struct Requester {
    count: usize,
    /// As entries of a list in the log.
    bytes: usize,
}

impl Requester {
    fn of(policy: &Policy, identities: &[Identity]) -> Requester {
        let named = identities.iter().filter(|who| names_a_user(policy, who));
        named.fold(Requester { count: 0, bytes: 0 }, |all, who| Requester {
            count: all.count + 1,
            bytes: all.bytes + ENTRY_BYTES + who.scheme.len() + who.id.len(),
        })
    }
}

/// An entry's permissions, and the lengths of its texts.
const ENTRY_BYTES: usize = 12;

/// The entries without duplicates, each of which may stand in a list.
fn judged<'a>(
    policy: &Policy,
    raw: &'a [RawAcl],
    identities: &[Identity],
) -> Result<Vec<&'a RawAcl>, ErrorCode> {
    let unique = without_duplicates(raw)?;
    if unique.is_empty() {
        return Err(ErrorCode::InvalidAcl);
    }
    let mut named = None;
    for acl in &unique {
        let scheme = acl.scheme.as_deref().ok_or(ErrorCode::InvalidAcl)?;
        let valid = match (scheme, acl.id.as_deref(), policy.provider(scheme)) {
            (AUTH, _, _) => {
                *named.get_or_insert_with(|| Requester::of(policy, identities).count) > 0
            }
            ("world", Some(id), _) => id == "anyone",
            ("world", None, _) | (_, None, Some(_)) => return Err(ErrorCode::MarshallingError),
            (_, Some(id), Some(provider)) => provider.accepts(id),
            (_, _, None) => false,
        };
        if !valid {
            return Err(ErrorCode::InvalidAcl);
        }
    }
    Ok(unique)
}

/// PrepRequestProcessor.removeDuplicates. Comparing entries with null parts fails in Java as soon
/// as it reaches them, and with it the request. Java compares in pairs; a request has room for a
/// hundred thousand entries, so here each looks for its like in order.
fn without_duplicates(raw: &[RawAcl]) -> Result<Vec<&RawAcl>, ErrorCode> {
    if raw.len() <= 1 {
        return Ok(raw.iter().collect());
    }
    let mut known: BTreeSet<(i32, Option<&str>, Option<&str>)> = BTreeSet::new();
    let mut unique: Vec<&RawAcl> = Vec::with_capacity(raw.len());
    for acl in raw {
        let (scheme, id) = (acl.scheme.as_deref(), acl.id.as_deref());
        // What stands first among the known ones from here on, were there one with equal parts.
        let like = |from| known.range(from..).next().copied();
        let is_compared = match (scheme, id) {
            (None, _) => like((acl.perms, None, None)).is_some_and(|k| k.0 == acl.perms),
            (_, None) => {
                like((acl.perms, scheme, None)).is_some_and(|k| (k.0, k.1) == (acl.perms, scheme))
            }
            (Some(_), Some(_)) => false,
        };
        if is_compared {
            return Err(ErrorCode::MarshallingError);
        }
        if known.insert((acl.perms, scheme, id)) {
            unique.push(acl);
        }
    }
    Ok(unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(perms: i32, scheme: Option<&str>, id: Option<&str>) -> RawAcl {
        RawAcl { perms, scheme: scheme.map(Into::into), id: id.map(Into::into) }
    }

    #[test]
    fn lists_are_refused_for_javas_reasons() {
        let policy = Policy::default();
        let fix = |list: Option<&[RawAcl]>| fixup(&policy, list, &[], &mut 0).map(|l| l.len());
        let (a, m) = (Err(ErrorCode::InvalidAcl), Err(ErrorCode::MarshallingError));
        assert_eq!(fix(None), a);
        assert_eq!(fix(Some(&[])), a);
        for (list, verdict) in [
            (vec![raw(31, Some("world"), Some("anyone"))], Ok(1)),
            (vec![raw(0, Some("world"), Some("anyone"))], Ok(1)),
            (vec![raw(31, Some("world"), Some("me"))], a),
            (vec![raw(31, Some("world"), None)], m),
            (vec![raw(31, None, Some("anyone"))], a),
            (vec![raw(31, Some("digest"), Some("u:h"))], Ok(1)),
            (vec![raw(31, Some("digest"), Some("u"))], a),
            (vec![raw(31, Some("digest"), None)], m),
            (vec![raw(31, Some("ip"), Some("1.2.3.4/8"))], Ok(1)),
            (vec![raw(31, Some("ip"), Some("1.2.3"))], a),
            (vec![raw(31, Some("auth"), None)], a),
            (vec![raw(31, Some("sasl"), Some("bob"))], a),
            (vec![raw(31, Some("sasl"), None)], a),
            (vec![raw(1, Some("world"), Some("anyone")), raw(1, None, None)], m),
            (vec![raw(1, Some("world"), Some("anyone")), raw(2, None, None)], a),
        ] {
            assert_eq!(fix(Some(&list)), verdict, "{list:?}");
        }
    }

    #[test]
    fn duplicates_go_and_order_stays() {
        let (x, y) = (raw(1, Some("ip"), Some("::1")), raw(2, Some("ip"), Some("::1")));
        let list = [x.clone(), y.clone(), x, raw(1, Some("world"), Some("anyone")), y];
        let fixed = fixup(&Policy::default(), Some(&list), &[], &mut 0).unwrap();
        let perms: Vec<i32> = fixed.iter().map(|acl| acl.perms.0).collect();
        assert_eq!(perms, [1, 2, 1]);
    }

    #[test]
    fn auth_becomes_everyone_the_asker_is_but_not_where_it_sits() {
        let who = [
            Identity::new("ip", "10.0.0.1"),
            Identity::new("digest", "a:1"),
            Identity::new("super", ""),
            Identity::new("digest", "b:2"),
        ];
        let list = [raw(3, Some("auth"), Some("ignored"))];
        let mut room = 100;
        let fixed = fixup(&Policy::default(), Some(&list), &who, &mut room).unwrap();
        assert_eq!(room, 100 - 2 * (12 + "digest".len() + "a:1".len()));
        let ids: Vec<&str> = fixed.iter().map(|acl| &*acl.id).collect();
        assert_eq!(ids, ["a:1", "b:2"]);
        assert!(fixed.iter().all(|acl| acl.perms == Perms(3) && &*acl.scheme == "digest"));
    }

    #[test]
    fn as_many_entries_as_a_frame_holds_are_looked_through_at_once() {
        // Compared in pairs, 40,000 entries stopped everybody for two seconds; these are 100,000.
        let list: Vec<RawAcl> = (0..100_000)
            .map(|n| {
                raw(31, Some("ip"), Some(&format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)))
            })
            .collect();
        let began = std::time::Instant::now();
        let fixed = fixup(&Policy::default(), Some(&list), &[], &mut 0).unwrap();
        assert_eq!(fixed.len(), list.len());
        // In pairs it takes minutes here.
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }

    #[test]
    fn auth_times_identities_is_refused_before_it_is_written() {
        // 640 KB of entries times 5,000 identities took 7 GiB.
        let who: Vec<Identity> =
            (0..1000).map(|n| Identity::new("digest", &format!("u{n}:h"))).collect();
        let list: Vec<RawAcl> = (1..40_000).map(|perms| raw(perms, Some("auth"), None)).collect();
        let policy = Policy::default();
        let each = 1000 * (12 + 6) + (0..1000).map(|n| format!("u{n}:h").len()).sum::<usize>();
        let mut room = 3 * each;
        let refused = fixup(&policy, Some(&list), &who, &mut room);
        assert_eq!(refused, Err(ErrorCode::MarshallingError));
        assert_eq!(ill_formed(&policy, Some(&list), &who), None, "well-formed, but too much");
        let mut room = 3 * each;
        assert_eq!(fixup(&policy, Some(&list[..3]), &who, &mut room).unwrap().len(), 3000);
        assert_eq!(room, 0, "what one list takes the next of the same request lacks");
        let refused = fixup(&policy, Some(&list[..1]), &who, &mut room);
        assert_eq!(refused, Err(ErrorCode::MarshallingError));
    }
}
