//! What an ensemble's survivors can go on with when the others are lost for good: which of them is the
//! newest, what may be gone, and the configuration of those that are left.
//!
//! ```text
//!   five voters, a quorum is three        1   2 │ 3   4   5
//!                                      survive  │   lost
//!   acknowledged by 2, 3, 4            kept: 2 has it, and so has the newest of 1 and 2
//!   acknowledged by 3, 4, 5            lost, if it lies behind the newest survivor's end
//! ```
//!
//! The newest is whom an election would choose: the epoch entered counts first, then the last
//! transaction (FastLeaderElection.totalOrderPredicate). Of an acknowledged write that one survivor has,
//! the newest has it, too: if both entered the epoch of the write, the newest has the longer part of one
//! leader's history; if the newest entered a later one, its leader was elected by a quorum, one of which
//! had the write.

use super::{Members, MembersError, Role, Unworkable};
use crate::types::{Epoch, ServerId, Zxid};

/// A server that is left, as its files are.
#[derive(Clone, Debug)]
pub struct Survivor {
    /// Its `myid`.
    pub id: ServerId,
    /// `currentEpoch`: the newest one entered.
    pub current: Epoch,
    /// `acceptedEpoch`: the newest one promised.
    pub accepted: Epoch,
    /// The end of its log and snapshots.
    pub last: Zxid,
    /// All up to there is known to be committed; a server of ZooKeeper's cannot tell.
    pub committed: Option<Zxid>,
    /// The configuration in force, if its files tell of one.
    pub config: Option<Members>,
    /// One that was proposed.
    pub next: Option<Members>,
}

/// How it is to go on.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// The configuration in force before.
    pub before: Members,
    /// Whom an election among the survivors chooses.
    pub newest: ServerId,
    /// Its end: what the survivors go on with.
    pub last: Zxid,
    /// Members of any configuration that a survivor knows which are no survivors, by number.
    pub lost: Vec<ServerId>,
    /// The lost could have acknowledged a write among themselves. If not, nothing acknowledged is lost.
    pub may_lose: bool,
    /// All up to there is known to be committed.
    pub committed: Option<Zxid>,
    /// Survivors whose end is cut off when they join: what lies there came to nothing.
    pub cut: Vec<ServerId>,
    /// The survivors, under a version of their own.
    pub members: Members,
}

/// Why there is nothing to recover, or no way to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Unrecoverable {
    #[error("server {0} is named twice among the survivors")]
    Twice(i64),
    #[error(
        "no survivor knows of an ensemble: neither its configuration file nor its tree has members"
    )]
    NoConfiguration,
    #[error("server {id} is no member of the configuration {version:x} (servers {members})")]
    NoMember { id: i64, version: i64, members: String },
    #[error(
        "servers {survivors} are a quorum: nothing is lost. Start them as they are; what they miss of \
         the others they do not need"
    )]
    Quorum { survivors: String },
    #[error(
        "only observers are left, and nobody votes. --voter {newest} makes the newest of them a voter"
    )]
    ObserversOnly { newest: i64 },
    #[error(
        "observer {observer} ends with {its_last}, newer than all voters that are left, which end with \
         {last}: what it has was committed and would be lost. --voter {observer} makes it a voter"
    )]
    ObserverAhead { observer: i64, its_last: Zxid, last: Zxid },
    #[error("--voter {0}: the server is no observer among the survivors")]
    NoObserver(i64),
    #[error(
        "server {server} knows that all up to {upto} is committed, and the newest survivor, server \
         {newest}, ends with {last}: these files are not of one ensemble's history"
    )]
    OtherHistory { server: i64, upto: Zxid, newest: i64, last: Zxid },
    #[error(
        "one voter and {observers} observers are left, and with standaloneEnabled=true one voter is a \
         server on its own, without observers. Set standaloneEnabled=false in every survivor's file"
    )]
    ObserversOfOne { observers: usize },
    #[error("the survivors make no configuration: {0}")]
    Members(#[from] MembersError),
    #[error("the survivors make no configuration: {0}")]
    Unworkable(#[from] Unworkable),
}

/// Judges survivors. `promoted`: observers that are to vote. `standalone`: `standaloneEnabled`.
pub fn recover(
    survivors: &[Survivor],
    promoted: &[ServerId],
    standalone: bool,
) -> Result<Recovery, Unrecoverable> {
    let before = configuration_before(survivors)?;
    refuse_strangers(survivors, &before)?;
    let survives = |id: ServerId| survivors.iter().any(|survivor| survivor.id == id);
    if survivors.iter().all(|s| s.next.as_ref().is_none_or(|next| next.has_quorum(survives)))
        && before.has_quorum(survives)
    {
        return Err(Unrecoverable::Quorum { survivors: list(survivors.iter().map(|s| s.id)) });
    }
    let voters = voters_left(survivors, &before, promoted)?;
    let Some(newest) = voters.iter().copied().max_by_key(|survivor| rank(survivor)) else {
        let newest = survivors.iter().max_by_key(|survivor| rank(survivor));
        return Err(Unrecoverable::ObserversOnly { newest: newest.map_or(0, |s| s.id.0) });
    };
    refuse_other_histories(survivors, &voters, newest)?;
    let lost = lost(survivors);
    let members = left(&before, survivors, promoted)?;
    let observers = members.observers().count();
    if standalone && observers > 0 && members.voters().count() == 1 {
        return Err(Unrecoverable::ObserversOfOne { observers });
    }
    members.validate()?;
    Ok(Recovery {
        newest: newest.id,
        last: newest.last,
        may_lose: before.has_quorum(|id| lost.contains(&id)),
        committed: survivors.iter().filter_map(|survivor| survivor.committed).max(),
        cut: survivors.iter().filter(|s| s.last > newest.last).map(|s| s.id).collect(),
        members: members.with_version(version_after(survivors)),
        lost,
        before,
    })
}

/// Whom an election prefers.
fn rank(survivor: &Survivor) -> (Epoch, Zxid, ServerId) {
    (survivor.current, survivor.last, survivor.id)
}

/// Every configuration that a survivor knows.
fn known(survivors: &[Survivor]) -> impl Iterator<Item = &Members> {
    survivors.iter().flat_map(|survivor| survivor.config.iter().chain(&survivor.next))
}

/// The newest that is in force at a survivor; of equal versions the first one's.
fn configuration_before(survivors: &[Survivor]) -> Result<Members, Unrecoverable> {
    let mut newest: Option<&Members> = None;
    for config in survivors.iter().filter_map(|survivor| survivor.config.as_ref()) {
        if newest.is_none_or(|newest| config.version() > newest.version()) {
            newest = Some(config);
        }
    }
    newest.cloned().ok_or(Unrecoverable::NoConfiguration)
}

fn refuse_strangers(survivors: &[Survivor], before: &Members) -> Result<(), Unrecoverable> {
    for (at, Survivor { id, .. }) in survivors.iter().enumerate() {
        if survivors.iter().take(at).any(|other| other.id == *id) {
            return Err(Unrecoverable::Twice(id.0));
        }
        if before.get(*id).is_none() {
            let members = list(before.iter().map(|member| member.id));
            return Err(Unrecoverable::NoMember { id: id.0, version: before.version(), members });
        }
    }
    Ok(())
}

/// Those that vote among the survivors, and will.
fn voters_left<'a>(
    survivors: &'a [Survivor],
    before: &Members,
    promoted: &[ServerId],
) -> Result<Vec<&'a Survivor>, Unrecoverable> {
    let is_observer =
        |id: ServerId| survivors.iter().any(|survivor| survivor.id == id) && !before.is_voter(id);
    if let Some(other) = promoted.iter().find(|id| !is_observer(**id)) {
        return Err(Unrecoverable::NoObserver(other.0));
    }
    let votes =
        |survivor: &&Survivor| before.is_voter(survivor.id) || promoted.contains(&survivor.id);
    Ok(survivors.iter().filter(votes).collect())
}

fn refuse_other_histories(
    survivors: &[Survivor],
    voters: &[&Survivor],
    newest: &Survivor,
) -> Result<(), Unrecoverable> {
    let last = newest.last;
    // An observer is sent what is committed, and nothing else.
    let ahead = survivors.iter().filter(|survivor| {
        survivor.last > last && !voters.iter().any(|voter| voter.id == survivor.id)
    });
    if let Some(observer) = ahead.max_by_key(|survivor| survivor.last) {
        let (observer, its_last) = (observer.id.0, observer.last);
        return Err(Unrecoverable::ObserverAhead { observer, its_last, last });
    }
    for survivor in survivors {
        if let Some(upto) = survivor.committed.filter(|upto| *upto > last) {
            let (server, newest) = (survivor.id.0, newest.id.0);
            return Err(Unrecoverable::OtherHistory { server, upto, newest, last });
        }
    }
    Ok(())
}

/// Whoever is a member by any configuration and is not left, by number.
fn lost(survivors: &[Survivor]) -> Vec<ServerId> {
    let members = known(survivors).flat_map(Members::iter).map(|member| member.id);
    let mut lost: Vec<ServerId> =
        members.filter(|id| !survivors.iter().any(|survivor| survivor.id == *id)).collect();
    lost.sort_unstable();
    lost.dedup();
    lost
}

/// The survivors' lines, groups and weights.
fn left(
    before: &Members,
    survivors: &[Survivor],
    promoted: &[ServerId],
) -> Result<Members, Unrecoverable> {
    let survives = |id: i64| survivors.iter().any(|survivor| survivor.id.0 == id);
    let mut lines: Vec<(String, String)> = Vec::new();
    for member in before.iter().filter(|member| survives(member.id.0)) {
        let mut member = member.clone();
        if promoted.contains(&member.id) {
            member.role = Role::Participant;
        }
        lines.push((format!("server.{}", member.id.0), member.to_string()));
    }
    for (key, value) in before.text().lines().filter_map(|line| line.split_once('=')) {
        let number = key.split_once('.').and_then(|(_, number)| number.parse().ok());
        if key.starts_with("weight") && number.is_some_and(survives) {
            lines.push((key.to_owned(), value.to_owned()));
        } else if key.starts_with("group") {
            let servers = value.split(':').filter(|id| id.parse().is_ok_and(survives));
            let servers: Vec<&str> = servers.collect();
            if !servers.is_empty() {
                lines.push((key.to_owned(), servers.join(":")));
            }
        }
    }
    Ok(Members::from_lines(lines.iter().map(|(key, value)| (key.as_str(), value.as_str())))?)
}

/// Newer than every configuration a survivor knows, and than all that the lost may have agreed on in the
/// epochs that the survivors know of: the number of the next epoch's beginning, which no transaction has.
fn version_after(survivors: &[Survivor]) -> i64 {
    let epochs = survivors.iter().map(|s| s.current.max(s.accepted).max(s.last.epoch()));
    let next = Zxid::new(Epoch(epochs.max().unwrap_or_default().0.saturating_add(1)), 0).0;
    known(survivors).map(|config| config.version().saturating_add(1)).fold(next, i64::max)
}

/// Numbers, as texts name servers.
pub fn list(ids: impl Iterator<Item = ServerId>) -> String {
    let mut ids: Vec<ServerId> = ids.collect();
    ids.sort_unstable();
    ids.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Members {
        Members::replaced(text).unwrap()
    }

    fn five(version: i64) -> Members {
        let lines: Vec<String> = (1..=5).map(|id| format!("server.{id}=h{id}:1:2")).collect();
        members(&format!("{},server.6=h6:1:2:observer,version={version:x}", lines.join(",")))
    }

    fn survivor(id: i64, current: u32, last: (u32, u32)) -> Survivor {
        Survivor {
            id: ServerId(id),
            current: Epoch(current),
            accepted: Epoch(current),
            last: Zxid::new(Epoch(last.0), last.1),
            committed: None,
            config: Some(five(0)),
            next: None,
        }
    }

    fn ids(members: &Members) -> Vec<i64> {
        members.iter().map(|member| member.id.0).collect()
    }

    #[test]
    fn the_newest_is_whom_an_election_chooses() {
        // Goal: the epoch entered before the last transaction, the number last; whose end is cut is named.
        let of = |survivors: &[Survivor]| recover(survivors, &[], true).unwrap();
        let found = of(&[survivor(1, 3, (3, 7)), survivor(2, 4, (3, 5))]);
        assert_eq!((found.newest.0, found.last), (2, Zxid::new(Epoch(3), 5)));
        assert_eq!(found.cut, [ServerId(1)]);
        let found = of(&[survivor(1, 3, (3, 7)), survivor(2, 3, (3, 5))]);
        assert_eq!((found.newest.0, found.cut.len()), (1, 0));
        assert_eq!(of(&[survivor(1, 3, (3, 7)), survivor(2, 3, (3, 7))]).newest.0, 2);
        assert_eq!(found.lost, [3, 4, 5, 6].map(ServerId));
        assert_eq!(ids(&found.members), [1, 2]);
        // The beginning of the next epoch, which no transaction has.
        assert_eq!(found.members.version(), 4 << 32);
    }

    #[test]
    fn a_write_may_be_lost_where_the_lost_are_a_quorum() {
        // Goal: of five, three lost could have agreed alone; of four, two could not.
        let mut two = [survivor(1, 3, (3, 7)), survivor(2, 3, (3, 5))];
        assert!(recover(&two, &[], true).unwrap().may_lose);
        for survivor in &mut two {
            survivor.config =
                Some(members("server.1=a:1:2,server.2=b:1:2,server.3=c:1:2,server.4=d:1:2"));
        }
        assert!(!recover(&two, &[], true).unwrap().may_lose);
    }

    #[test]
    fn a_quorum_has_nothing_to_recover() {
        let three = [1, 2, 3].map(|id| survivor(id, 3, (3, 7)));
        let refused = recover(&three, &[], true).unwrap_err();
        assert_eq!(refused, Unrecoverable::Quorum { survivors: "1, 2, 3".into() });
        // A proposed configuration needs a quorum of its own.
        let mut three = three;
        three[0].next =
            Some(members("server.7=x:1:2,server.8=y:1:2,server.1=a:1:2,version=300000009"));
        let found = recover(&three, &[], true).unwrap();
        assert_eq!(found.lost, [4, 5, 6, 7, 8].map(ServerId));
        assert_eq!(found.members.version(), 4 << 32);
        three[0].next = Some(members("server.7=x:1:2,version=900000009"));
        assert_eq!(recover(&three, &[], true).unwrap().members.version(), 0x9_0000_000a);
    }

    #[test]
    fn observers_neither_count_nor_are_passed_over() {
        // Goal: an observer's vote is nobody's; what it alone has was committed, and is not left behind.
        let ahead = [survivor(1, 3, (3, 7)), survivor(6, 3, (3, 9))];
        let refused = recover(&ahead, &[], false).unwrap_err();
        assert!(matches!(refused, Unrecoverable::ObserverAhead { observer: 6, .. }), "{refused}");
        let found = recover(&ahead, &[ServerId(6)], false).unwrap();
        assert_eq!(found.newest, ServerId(6));
        assert!(found.members.is_voter(ServerId(6)));
        let alone = recover(&[survivor(6, 3, (3, 9))], &[], false).unwrap_err();
        assert_eq!(alone, Unrecoverable::ObserversOnly { newest: 6 });
        let behind = [survivor(1, 3, (3, 7)), survivor(6, 3, (3, 6))];
        let refused = recover(&behind, &[], true).unwrap_err();
        assert_eq!(refused, Unrecoverable::ObserversOfOne { observers: 1 });
        assert_eq!(ids(&recover(&behind, &[], false).unwrap().members), [1, 6]);
        let refused = recover(&behind, &[ServerId(1)], false).unwrap_err();
        assert_eq!(refused, Unrecoverable::NoObserver(1));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let of = |survivors: &[Survivor]| recover(survivors, &[], true).unwrap_err();
        let twice = [survivor(1, 3, (3, 7)), survivor(1, 3, (3, 7))];
        assert_eq!(of(&twice), Unrecoverable::Twice(1));
        let stranger = of(&[survivor(9, 3, (3, 7))]);
        assert!(matches!(stranger, Unrecoverable::NoMember { id: 9, .. }));
        let mut none = survivor(1, 3, (3, 7));
        none.config = None;
        assert_eq!(of(&[none]), Unrecoverable::NoConfiguration);
        let mut knows = survivor(1, 3, (3, 7));
        knows.committed = Some(knows.last);
        let other = of(&[knows, survivor(2, 4, (3, 5))]);
        assert!(matches!(other, Unrecoverable::OtherHistory { server: 1, newest: 2, .. }));
    }

    #[test]
    fn groups_lose_their_lost_servers() {
        let lines: Vec<String> = (1..=6).map(|id| format!("server.{id}=h{id}:1:2")).collect();
        let groups = "group.1=1:2:3,group.2=4:5,group.3=6,weight.1=2,weight.4=1,version=5";
        let config = members(&format!("{},{groups}", lines.join(",")));
        let of = |id| Survivor { config: Some(config.clone()), ..survivor(id, 3, (3, 7)) };
        let found = recover(&[of(1), of(4)], &[], true).unwrap();
        let mut text: Vec<String> = found.members.text().lines().map(str::to_owned).collect();
        text.sort();
        assert_eq!(
            text,
            [
                "group.1=1",
                "group.2=4",
                "server.1=h1:1:2:participant",
                "server.4=h4:1:2:participant",
                "version=400000000",
                "weight.1=2",
                "weight.4=1",
            ]
        );
    }
}
