//! The check (ZooKeeperServer.checkACL), and what is shown of lists and identities.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::types::{Acl, AclList, ErrorCode, Identity, Perms, limits};

use super::schemes::{Policy, Scheme};

/// Proof that an identity may do what was asked. Only [`check`] makes one, so whatever demands a
/// permit cannot be reached by a way that forgot to ask.
#[derive(Debug)]
#[must_use]
pub struct Permit(());

/// Whether any of `identities` holds any of the permissions `needed` on a node with this list.
/// NoAuth otherwise.
pub fn check(
    policy: &Policy,
    list: &[Acl],
    needed: Perms,
    identities: &[Identity],
) -> Result<Permit, ErrorCode> {
    if policy.skip_acl || list.is_empty() {
        return Ok(Permit(()));
    }
    if identities.iter().any(|identity| &*identity.scheme == "super") {
        return Ok(Permit(()));
    }
    if list.len().saturating_mul(identities.len()) > PAIRS {
        return check_many(policy, list, needed, identities);
    }
    for acl in list.iter().filter(|acl| acl.perms.intersects(needed)) {
        if &*acl.scheme == "world" && &*acl.id == "anyone" {
            return Ok(Permit(()));
        }
        let Some(scheme) = policy.provider(&acl.scheme) else { continue };
        let mut same_scheme = identities.iter().filter(|who| who.scheme == acl.scheme);
        if same_scheme.any(|who| policy.matches(scheme, &who.id, &acl.id)) {
            return Ok(Permit(()));
        }
    }
    Err(ErrorCode::NoAuth)
}

/// Entries times identities up to which comparing each with each costs less than sorting.
const PAIRS: usize = 1024;

/// As [`check`]: clients choose the length of both lists, and each step of a multi asks again.
fn check_many(
    policy: &Policy,
    list: &[Acl],
    needed: Perms,
    identities: &[Identity],
) -> Result<Permit, ErrorCode> {
    let mut sorted: Vec<(&str, &str)> =
        identities.iter().map(|who| (&*who.scheme, &*who.id)).collect();
    sorted.sort_unstable();
    for acl in list.iter().filter(|acl| acl.perms.intersects(needed)) {
        let wanted = (&*acl.scheme, &*acl.id);
        if wanted == ("world", "anyone") {
            return Ok(Permit(()));
        }
        let found = match policy.provider(&acl.scheme) {
            None => false,
            // The one scheme of which a connection proves many.
            Some(Scheme::Digest) => sorted.binary_search(&wanted).is_ok(),
            Some(scheme @ (Scheme::Ip | Scheme::Sasl | Scheme::X509)) => {
                let from = sorted.partition_point(|(scheme, _)| *scheme < wanted.0);
                let same = sorted[from..].iter().take_while(|(scheme, _)| *scheme == wanted.0);
                same.into_iter().any(|(_, id)| policy.matches(scheme, id, wanted.1))
            }
        };
        if found {
            return Ok(Permit(()));
        }
    }
    Err(ErrorCode::NoAuth)
}

/// Decisions about long lists. The steps of a request may ask about the same list as often as its frame
/// has room for, and so may the requests behind it; each would read the whole list. So what was decided
/// is kept for the last requesters, known by what they have proven and not by who they are.
#[derive(Default)]
pub struct Decisions {
    /// What each requester has proven.
    requesters: Vec<Vec<Identity>>,
    /// Which of them asks, once the request in hand has asked.
    asking: Option<usize>,
    /// By list. It is kept, so that no other can come to lie in its place.
    by_list: BTreeMap<usize, (AclList, Made)>,
    kept: Kept,
    /// Entries read for the request in hand.
    read: usize,
}

/// What one list says to a requester, for the permissions that were needed.
type Made = BTreeMap<(usize, i32), Result<(), ErrorCode>>;

/// How much of that is kept: entries of lists, bytes of identities, decisions.
#[derive(Default)]
struct Kept {
    entries: usize,
    bytes: usize,
    decisions: usize,
}

/// Beyond these nothing is kept for the next request: some tens of MiB of lists that the tree may have
/// no more, and what those have proven who write to nodes with long lists at one time.
const ENTRIES_KEPT: usize = limits::REQUEST_ENTRIES / 4;
const REQUESTERS_KEPT: usize = 256;
const REQUESTERS_BYTES: usize = 4 << 20;
const DECISIONS_KEPT: usize = 4096;

/// Entries up to which a list is read again.
const SHORT: usize = 16;

/// Whether reading the list costs more than remembering what was decided.
fn is_long(list: &[Acl]) -> bool {
    list.len() > SHORT
}

impl Decisions {
    /// As [`check`], by a policy that stays the same, and a requester that does until
    /// [`Decisions::next_request`]. MarshallingError where one request has had more read than
    /// [`limits::REQUEST_ENTRIES`]: see [`Decisions::is_spent`].
    pub fn decide(
        &mut self,
        policy: &Policy,
        list: &AclList,
        needed: Perms,
        identities: &[Identity],
    ) -> Result<Permit, ErrorCode> {
        if !is_long(list) {
            return check(policy, list, needed, identities);
        }
        let asking = self.asking(identities);
        let (at, place) = (list.as_ptr() as usize, (asking, needed.0));
        if let Some((_, made)) = self.by_list.get(&at)
            && let Some(made) = made.get(&place)
        {
            return made.map(Permit);
        }
        if self.is_spent() {
            return Err(ErrorCode::MarshallingError);
        }
        self.read += list.len();
        let answer = check(policy, list, needed, identities);
        let kept = &mut self.kept;
        let (_, made) = self.by_list.entry(at).or_insert_with(|| {
            kept.entries += list.len();
            (list.clone(), Made::new())
        });
        kept.decisions += 1;
        made.insert(place, answer.as_ref().map(|_| ()).map_err(|code| *code));
        answer
    }

    /// The place of who asks. It is sought once for a request: a connection may have proven a thousand
    /// things.
    fn asking(&mut self, identities: &[Identity]) -> usize {
        if let Some(asking) = self.asking {
            return asking;
        }
        let known = self.requesters.iter().position(|requester| requester == identities);
        let asking = known.unwrap_or_else(|| {
            let bytes: usize = identities.iter().map(|who| who.scheme.len() + who.id.len()).sum();
            if self.requesters.len() == REQUESTERS_KEPT
                || self.kept.bytes + bytes > REQUESTERS_BYTES
            {
                self.forget();
            }
            self.kept.bytes += bytes;
            self.requesters.push(identities.to_vec());
            self.requesters.len() - 1
        });
        self.asking = Some(asking);
        asking
    }

    /// Whether no further list is read for this request. The first always is.
    pub fn is_spent(&self) -> bool {
        self.read >= limits::REQUEST_ENTRIES
    }

    /// Another request begins. Gives how many entries the last one had read.
    pub fn next_request(&mut self) -> usize {
        self.asking = None;
        if self.kept.entries > ENTRIES_KEPT || self.kept.decisions > DECISIONS_KEPT {
            self.forget();
        }
        std::mem::take(&mut self.read)
    }

    /// The requester has proven more, or what is kept is too much.
    pub fn forget(&mut self) {
        self.requesters.clear();
        self.by_list.clear();
        (self.asking, self.kept) = (None, Kept::default());
    }
}

/// Who may hear of changes to nodes with long lists: it is asked for each change, of each who watches.
#[derive(Default)]
pub struct Verdicts {
    /// By list. It is kept, so that no other can come to lie in its place.
    by_list: BTreeMap<usize, (AclList, ByRequester)>,
    /// Entries of the lists that are kept, and pairs of a list and a requester.
    entries: usize,
    pairs: usize,
    /// Entries read since that was last asked.
    read: usize,
}

/// What one list says to each requester's identities, which are kept as the list is.
type ByRequester = BTreeMap<usize, (Arc<Vec<Identity>>, bool)>;

/// Pairs that are kept: those who watch in a usual herd.
const PAIRS_KEPT: usize = 1024;

impl Verdicts {
    /// Whether `who` may read a node with this list, by a policy that stays the same.
    pub fn may_read(
        &mut self,
        policy: &Policy,
        list: &AclList,
        who: &Arc<Vec<Identity>>,
    ) -> Option<Permit> {
        if !is_long(list) {
            return check(policy, list, Perms::READ, who).ok();
        }
        if self.entries > limits::REQUEST_ENTRIES || self.pairs > PAIRS_KEPT {
            self.forget();
        }
        let Verdicts { by_list, entries, pairs, read } = self;
        let (_, requesters) = by_list.entry(list.as_ptr() as usize).or_insert_with(|| {
            *entries += list.len();
            (list.clone(), ByRequester::new())
        });
        let (_, may) = requesters.entry(Arc::as_ptr(who) as usize).or_insert_with(|| {
            *pairs += 1;
            *read += list.len();
            (who.clone(), check(policy, list, Perms::READ, who).is_ok())
        });
        may.then_some(Permit(()))
    }

    /// Entries read since this was last asked.
    pub fn take_read(&mut self) -> usize {
        std::mem::take(&mut self.read)
    }

    /// A requester is gone.
    pub fn forget(&mut self) {
        self.by_list.clear();
        (self.entries, self.pairs) = (0, 0);
    }
}

/// What getACL shows to someone who may read but not administer the node: password hashes are
/// hidden (FinalRequestProcessor).
pub fn mask_digests(list: &[Acl]) -> Vec<Acl> {
    let masked = list.iter().map(|acl| match &*acl.scheme {
        "digest" => Acl::new(acl.perms, &acl.scheme, &mask(&acl.id)),
        _ => acl.clone(),
    });
    masked.collect()
}

/// Everything from the first ':' of a line to the line's end becomes ":x".
fn mask(id: &str) -> String {
    let mut shown = String::with_capacity(id.len());
    for line in id.split_inclusive(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        let text = line.trim_end_matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
        match text.find(':') {
            Some(colon) => {
                shown.push_str(&text[..colon]);
                shown.push_str(":x");
            }
            None => shown.push_str(text),
        }
        shown.push_str(&line[text.len()..]);
    }
    shown
}

/// What whoAmI answers: scheme and user of every identity, without secrets
/// (AuthUtil.getClientInfos). A scheme without a provider has no user.
pub fn who_am_i(policy: &Policy, identities: &[Identity]) -> Vec<Identity> {
    let shown = identities.iter().map(|who| {
        let user = policy.provider(&who.scheme).map_or("", |scheme| scheme.user_of(&who.id));
        Identity::new(&who.scheme, user)
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policy: &Policy, list: &[Acl], needed: Perms, who: &[(&str, &str)]) -> bool {
        let who: Vec<Identity> = who.iter().map(|(s, i)| Identity::new(s, i)).collect();
        check(policy, list, needed, &who).is_ok()
    }

    #[test]
    fn the_list_decides_entry_by_entry() {
        let policy = Policy::default();
        let list = [
            Acl::new(Perms::READ, "world", "anyone"),
            Acl::new(Perms::WRITE, "digest", "u:h"),
            Acl::new(Perms::CREATE, "ip", "10.0.0.0/8"),
            Acl::new(Perms::DELETE, "sasl", "bob"),
            Acl::new(Perms::ADMIN, "world", "someone"),
        ];
        assert!(allowed(&policy, &list, Perms::READ, &[]));
        assert!(allowed(&policy, &list, Perms::WRITE, &[("digest", "u:h")]));
        assert!(!allowed(&policy, &list, Perms::WRITE, &[("digest", "u:g")]));
        assert!(!allowed(&policy, &list, Perms::WRITE, &[("sasl", "u:h")]));
        assert!(allowed(&policy, &list, Perms::CREATE, &[("ip", "10.9.9.9")]));
        assert!(!allowed(&policy, &list, Perms::DELETE, &[("sasl", "bob")]), "no provider");
        assert!(!allowed(&policy, &list, Perms::ADMIN, &[]));
        assert!(allowed(&policy, &list, Perms::ADMIN, &[("super", "")]));
        assert!(allowed(&policy, &list, Perms::READ.or(Perms::ADMIN), &[]), "any bit will do");
        assert!(allowed(&policy, &[], Perms::ADMIN, &[]), "no list, no limits");
        let skip = Policy { skip_acl: true, ..Policy::default() };
        assert!(allowed(&skip, &list, Perms::ADMIN, &[]));
    }

    #[test]
    fn long_lists_are_decided_as_short_ones() {
        let policy = Policy::default();
        let mut list: Vec<Acl> =
            (0..60_000).map(|n| Acl::new(Perms::READ, "digest", &format!("x{n}:h"))).collect();
        list.push(Acl::new(Perms::WRITE, "digest", "u7:h"));
        list.push(Acl::new(Perms::CREATE, "ip", "10.0.0.0/8"));
        list.push(Acl::new(Perms::DELETE, "sasl", "bob"));
        let ids: Vec<String> = (0..1000).map(|n| format!("u{n}:h")).collect();
        let mut who: Vec<(&str, &str)> = ids.iter().map(|id| ("digest", id.as_str())).collect();
        who.extend([("ip", "10.1.1.1"), ("sasl", "bob")]);
        let began = std::time::Instant::now();
        for _ in 0..10 {
            assert!(!allowed(&policy, &list, Perms::READ, &who));
            assert!(allowed(&policy, &list, Perms::WRITE, &who));
            assert!(allowed(&policy, &list, Perms::CREATE, &who));
            assert!(!allowed(&policy, &list, Perms::DELETE, &who), "no provider");
            assert!(!allowed(&policy, &list, Perms::ADMIN, &who));
        }
        assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
        list.push(Acl::new(Perms::ADMIN, "world", "anyone"));
        assert!(allowed(&policy, &list, Perms::ADMIN, &who));
    }

    #[test]
    fn a_request_reads_a_long_list_once() {
        // A multi of 58,000 checks of a node with 70,000 entries took forty seconds of everybody.
        let policy = Policy::default();
        let ids: Vec<Acl> =
            (0..70_000).map(|n| Acl::new(Perms::READ, "digest", &format!("x{n}:h"))).collect();
        let mut open = ids.clone();
        open.push(Acl::new(Perms::READ, "world", "anyone"));
        let lists = [AclList::from(ids), AclList::from(open)];
        let who = [Identity::new("ip", "10.1.1.1")];
        let mut decisions = Decisions::default();
        let began = std::time::Instant::now();
        for _ in 0..29_000 {
            assert!(decisions.decide(&policy, &lists[0], Perms::READ, &who).is_err());
            assert!(decisions.decide(&policy, &lists[1], Perms::READ, &who).is_ok());
            assert!(decisions.decide(&policy, &lists[1], Perms::WRITE, &who).is_err());
        }
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
        let super_user = [Identity::new("super", "")];
        assert_eq!(decisions.next_request(), 70_000 + 2 * 70_001);
        assert!(decisions.decide(&policy, &lists[0], Perms::READ, &super_user).is_ok());
    }

    #[test]
    fn requests_of_the_same_asker_read_a_long_list_once() {
        // 20,000 writes to a node with 38,000 entries kept everybody's writes waiting for 23 seconds.
        let policy = Policy::default();
        let list: AclList =
            (0..40_000).map(|n| Acl::new(Perms::ALL, "digest", &format!("x{n}:h"))).collect();
        let who = |n: usize| [Identity::new("digest", &format!("x{n}:h"))];
        let mut decisions = Decisions::default();
        let mut ask = |who: &[Identity]| {
            let answer = decisions.decide(&policy, &list, Perms::WRITE, who).map(|_| ());
            (answer.is_ok(), decisions.next_request())
        };
        assert_eq!(ask(&who(7)), (true, 40_000));
        assert_eq!(ask(&who(40_000)), (false, 40_000), "somebody else is judged anew");
        for _ in 0..1000 {
            assert_eq!((ask(&who(7)), ask(&who(40_000))), ((true, 0), (false, 0)));
        }
        for n in 0..1000 {
            assert!(ask(&who(n)).0, "any number of them");
        }
        assert!(
            decisions.requesters.len() <= REQUESTERS_KEPT
                && decisions.kept.bytes <= REQUESTERS_BYTES
        );
        assert_eq!(
            (decisions.by_list.len(), decisions.kept.entries),
            (1, 40_000),
            "one list is kept once"
        );
        for n in 0..20 {
            let other: AclList = list.iter().cloned().collect();
            assert!(decisions.decide(&policy, &other, Perms::WRITE, &who(n)).is_ok());
            decisions.next_request();
            assert!(decisions.kept.entries <= ENTRIES_KEPT, "and no more than so many");
        }
    }

    #[test]
    fn a_request_reads_so_many_entries_and_no_list_more() {
        let policy = Policy::default();
        let lists: Vec<AclList> = (0..20)
            .map(|_| (0..100_000).map(|n| Acl::new(Perms(n), "ip", "1.1.1.1")).collect())
            .collect();
        let (who, mut decisions) = ([Identity::new("ip", "10.1.1.1")], Decisions::default());
        let mut ask = |list| decisions.decide(&policy, list, Perms::READ, &who).map(|_| ());
        let answers: Vec<_> = lists.iter().map(&mut ask).collect();
        let read = limits::REQUEST_ENTRIES.div_ceil(100_000);
        assert!(answers[..read].iter().all(|a| *a == Err(ErrorCode::NoAuth)), "{answers:?}");
        assert!(answers[read..].iter().all(|a| *a == Err(ErrorCode::MarshallingError)));
        assert_eq!(ask(&lists[0]), Err(ErrorCode::NoAuth), "what is known is known");
        assert!(decisions.is_spent());
        assert_eq!(decisions.next_request(), read * 100_000);
        assert!(!decisions.is_spent());
    }

    #[test]
    fn what_a_list_says_to_an_asker_is_read_once_for_many_changes() {
        let policy = Policy::default();
        let mut entries: Vec<Acl> = (0..50).map(|n| Acl::new(Perms(n), "ip", "1.1.1.1")).collect();
        entries.push(Acl::new(Perms::READ, "digest", "u:h"));
        let list = AclList::from(entries);
        let (may, may_not) = (Identity::new("digest", "u:h"), Identity::new("digest", "v:h"));
        let (may, may_not) = (Arc::new(vec![may]), Arc::new(vec![may_not]));
        let mut verdicts = Verdicts::default();
        for _ in 0..10 {
            assert!(verdicts.may_read(&policy, &list, &may).is_some());
            assert!(verdicts.may_read(&policy, &list, &may_not).is_none());
        }
        assert_eq!((verdicts.take_read(), verdicts.take_read()), (2 * 51, 0));
        let others: Vec<_> = (0..2 * PAIRS_KEPT).map(|_| may.to_vec().into()).collect();
        assert!(others.iter().all(|who| verdicts.may_read(&policy, &list, who).is_some()));
        assert!(verdicts.pairs <= PAIRS_KEPT + 1 && Arc::strong_count(&may) == 1, "old ones go");
    }

    #[test]
    fn sasl_users_match_by_name_or_by_the_open_door() {
        let policy = Policy {
            sasl_enabled: true,
            let_any_sasl_user_do: Some("everyone".into()),
            ..Policy::default()
        };
        let list = [Acl::new(Perms::ALL, "sasl", "bob")];
        assert!(allowed(&policy, &list, Perms::READ, &[("sasl", "bob")]));
        assert!(!allowed(&policy, &list, Perms::READ, &[("sasl", "eve")]));
        let open = [Acl::new(Perms::ALL, "sasl", "everyone")];
        assert!(allowed(&policy, &open, Perms::READ, &[("sasl", "eve")]));
        assert!(!allowed(&policy, &open, Perms::READ, &[("ip", "10.0.0.1")]));
    }

    #[test]
    fn hashes_are_hidden_and_users_are_not() {
        let list =
            [Acl::new(Perms::ALL, "digest", "u:secret:s"), Acl::new(Perms::READ, "ip", "::1")];
        let shown = mask_digests(&list);
        assert_eq!(&*shown[0].id, "u:x");
        assert_eq!(shown[1], list[1]);
        let who = [
            Identity::new("ip", "10.0.0.1"),
            Identity::new("digest", "u:secret"),
            Identity::new("super", ""),
        ];
        let shown = who_am_i(&Policy::default(), &who);
        assert_eq!(shown[0], who[0]);
        assert_eq!(shown[1], Identity::new("digest", "u"));
        assert_eq!(shown[2], Identity::new("super", ""));
    }
}
