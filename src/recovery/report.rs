//! What an operator reads: how far each survivor goes, what may be lost and why, what is written, and what
//! has to be done afterwards.

use std::fmt::Write;
use std::path::Path;

use super::ask::Asked;
use crate::membership::Members;
use crate::membership::lost_quorum::{Recovery, Survivor, list};
use crate::types::ServerId;

/// What there is to tell.
pub(super) struct Findings<'a> {
    pub(super) survivors: &'a [Survivor],
    pub(super) recovery: &'a Recovery,
    pub(super) asked: &'a [Asked],
}

impl Findings<'_> {
    /// What was found.
    pub(super) fn state(&self, text: &mut String) {
        let Recovery { before, newest, last, lost, cut, .. } = self.recovery;
        line(text, format_args!("survivors, as an election compares them:"));
        let mut survivors: Vec<&Survivor> = self.survivors.iter().collect();
        survivors.sort_by_key(|survivor| survivor.id);
        for Survivor { id, current, last, committed, .. } in survivors {
            let known =
                committed.map_or("not known".to_owned(), |upto| format!("up to {upto} at least"));
            let role = if before.is_voter(*id) { "" } else { ", an observer" };
            line(
                text,
                format_args!(
                    "  server {}: epoch {}, last transaction {last}, committed {known}{role}",
                    id.0, current.0
                ),
            );
        }
        line(
            text,
            format_args!(
                "newest: server {}, which ends with {last}. The others are brought to that when they join",
                newest.0
            ),
        );
        for id in cut {
            line(
                text,
                format_args!(
                    "server {} ends behind that, in an epoch that others left: what it has beyond was \
                     acknowledged to nobody, and is cut off",
                    id.0
                ),
            );
        }
        line(
            text,
            format_args!(
                "lost: {} of configuration {:x} ({})",
                servers(lost),
                before.version(),
                sizes(before)
            ),
        );
        self.loss(text);
        self.silence(text);
    }

    /// Which acknowledged writes may be gone.
    fn loss(&self, text: &mut String) {
        let Recovery { last, lost, may_lose, committed, before, .. } = self.recovery;
        let voters: Vec<ServerId> =
            lost.iter().copied().filter(|id| before.is_voter(*id)).collect();
        if *may_lose {
            line(
                text,
                format_args!(
                    "MAY BE LOST: every acknowledged write behind {last}, if there was one. A write is \
                     acknowledged once a quorum has it, and the lost voters ({}) are a quorum by \
                     themselves: no survivor needs to have heard of it. Up to {last} nothing acknowledged \
                     is lost. No file that is left tells whether there was more",
                    list(voters.into_iter())
                ),
            );
        } else {
            line(
                text,
                format_args!(
                    "nothing acknowledged is lost: the lost voters ({}) are no quorum, so of every \
                     acknowledged write a survivor has it, and then the newest has it",
                    list(voters.into_iter())
                ),
            );
        }
        if let Some(upto) = committed.filter(|upto| upto < last) {
            line(
                text,
                format_args!(
                    "what lies between {upto} and {last} was proposed, and may not have been acknowledged; \
                     it takes effect now, as after any election"
                ),
            );
        }
    }

    /// Who was asked.
    fn silence(&self, text: &mut String) {
        let mut ids: Vec<ServerId> = self.survivors.iter().map(|survivor| survivor.id).collect();
        ids.extend(&self.recovery.lost);
        ids.sort_unstable();
        line(text, format_args!("asked, whether anybody answers:"));
        for id in ids {
            let of: Vec<&Asked> = self.asked.iter().filter(|asked| asked.server == id).collect();
            if of.is_empty() {
                line(text, format_args!("  server {}: no file here says where it is", id.0));
            }
            for asked in of {
                let answer = if asked.answers() { "ANSWERS" } else { asked.why() };
                line(text, format_args!("  server {}: {}: {answer}", id.0, asked.place()));
            }
        }
        line(
            text,
            format_args!(
                "a network that is cut looks the same as a machine that is gone: make sure that the lost \
                 servers are off, and never start them again with their files"
            ),
        );
    }

    /// What is to be written.
    pub(super) fn plan(&self, files: &[&Path], text: &mut String) {
        let members = &self.recovery.members;
        line(text, format_args!("members from now on ({}):", sizes(members)));
        for member in members.text().lines() {
            line(text, format_args!("  {member}"));
        }
        for file in files {
            line(text, format_args!("in {}", file.display()));
        }
    }

    pub(super) fn dry_run(&self, text: &mut String) {
        line(text, format_args!("nothing was written: --write does it"));
    }

    /// What comes next.
    pub(super) fn afterwards(&self, standalone: bool, text: &mut String) {
        let Recovery { members, lost, .. } = self.recovery;
        let others = self.survivors.len() > 1;
        if others {
            line(
                text,
                format_args!(
                    "next: the same command on every other survivor, with the same lines, then start all \
                     of them. A server that is not changed does not belong to this ensemble"
                ),
            );
        } else {
            line(text, format_args!("next: start it"));
        }
        if standalone && members.count() == 1 {
            line(
                text,
                format_args!(
                    "it is alone: with standaloneEnabled=true a server on its own, which grows by changed \
                     configuration files; with standaloneEnabled=false by reconfig"
                ),
            );
        }
        line(
            text,
            format_args!(
                "{}: may come back with an empty dataDir (but for myid), added by reconfig or in every \
                 configuration file",
                servers(lost)
            ),
        );
    }
}

fn servers(ids: &[ServerId]) -> String {
    let word = if ids.len() == 1 { "server" } else { "servers" };
    format!("{word} {}", list(ids.iter().copied()))
}

fn sizes(members: &Members) -> String {
    let (voters, observers) = (members.voters().count(), members.observers().count());
    let quorum = match members.is_hierarchical() {
        true => "a quorum by groups and weights".to_owned(),
        false => format!("a quorum is {}", voters / 2 + 1),
    };
    let voters = if voters == 1 { "1 voter".to_owned() } else { format!("{voters} voters") };
    match observers {
        0 => format!("{voters}, {quorum}"),
        1 => format!("{voters} and 1 observer, {quorum}"),
        _ => format!("{voters} and {observers} observers, {quorum}"),
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = writeln!(text, "{line}");
}
