//! The list a client sends → the list a node gets (PrepRequestProcessor.fixupACL).

use std::sync::{Arc, LazyLock};

use crate::codec::request::RawAcl;
use crate::types::{Acl, AclList, ErrorCode, Identity, Perms, open_acl};

use super::schemes::Policy;

/// Nearly every node of nearly every tree has this list; one copy serves all.
static OPEN: LazyLock<AclList> = LazyLock::new(open_acl);

/// Drops duplicates, resolves "auth" to the asker's own identities, and refuses what no check
/// could ever use. InvalidAcl for what ZooKeeper finds wrong; MarshallingError where a null id
/// makes Java stumble.
pub fn fixup(
    policy: &Policy,
    raw: Option<&[RawAcl]>,
    identities: &[Identity],
) -> Result<AclList, ErrorCode> {
    let raw = raw.unwrap_or_default();
    if let [only] = raw
        && only.perms == Perms::ALL.0
        && only.scheme.as_deref() == Some("world")
        && only.id.as_deref() == Some("anyone")
    {
        return Ok(OPEN.clone());
    }
    let unique = without_duplicates(raw)?;
    if unique.is_empty() {
        return Err(ErrorCode::InvalidAcl);
    }
    let mut list = Vec::with_capacity(unique.len());
    for acl in unique {
        let scheme = acl.scheme.as_deref().ok_or(ErrorCode::InvalidAcl)?;
        let perms = Perms(acl.perms);
        if scheme == "auth" {
            let before = list.len();
            let named = identities.iter().filter(|who| {
                policy.provider(&who.scheme).is_some_and(|scheme| scheme.names_a_user())
            });
            list.extend(named.map(|who| Acl::new(perms, &who.scheme, &who.id)));
            if list.len() == before {
                return Err(ErrorCode::InvalidAcl);
            }
            continue;
        }
        let valid = match (scheme, acl.id.as_deref(), policy.provider(scheme)) {
            ("world", Some(id), _) => id == "anyone",
            ("world", None, _) | (_, None, Some(_)) => return Err(ErrorCode::MarshallingError),
            (_, Some(id), Some(provider)) => provider.accepts(id),
            (_, _, None) => false,
        };
        if !valid {
            return Err(ErrorCode::InvalidAcl);
        }
        list.push(Acl::new(perms, scheme, acl.id.as_deref().unwrap_or_default()));
    }
    Ok(Arc::from(list))
}

/// PrepRequestProcessor.removeDuplicates. Comparing entries with null parts fails in Java as soon
/// as it reaches them, and with it the request.
fn without_duplicates(raw: &[RawAcl]) -> Result<Vec<&RawAcl>, ErrorCode> {
    let mut unique: Vec<&RawAcl> = Vec::with_capacity(raw.len());
    for acl in raw {
        let mut known = false;
        for earlier in unique.iter().filter(|earlier| earlier.perms == acl.perms) {
            if acl.scheme.is_none() {
                return Err(ErrorCode::MarshallingError);
            }
            if earlier.scheme != acl.scheme {
                continue;
            }
            if acl.id.is_none() {
                return Err(ErrorCode::MarshallingError);
            }
            if earlier.id == acl.id {
                known = true;
                break;
            }
        }
        if !known {
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
        let fix = |list: Option<&[RawAcl]>| fixup(&policy, list, &[]).map(|l| l.len());
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
        let fixed = fixup(&Policy::default(), Some(&list), &[]).unwrap();
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
        let fixed = fixup(&Policy::default(), Some(&list), &who).unwrap();
        let ids: Vec<&str> = fixed.iter().map(|acl| &*acl.id).collect();
        assert_eq!(ids, ["a:1", "b:2"]);
        assert!(fixed.iter().all(|acl| acl.perms == Perms(3) && &*acl.scheme == "digest"));
    }
}
