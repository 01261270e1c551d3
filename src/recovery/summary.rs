//! A survivor in one line, for it is read on one machine and judged on others:
//!
//! ```text
//! survivor id=2 current=5 accepted=5 last=500000007 committed=500000003 config=server.1=…,version=0 sum=1a2b3c4d
//! ```
//!
//! The sum is of all before it: a line that was cut or mistyped on its way is not taken for another server's
//! state.

use super::error::RecoveryError;
use crate::membership::Members;
use crate::membership::lost_quorum::Survivor;
use crate::types::{Epoch, ServerId, Zxid};

/// What a line begins with.
pub(super) const WORD: &str = "survivor ";

pub(super) fn line(survivor: &Survivor) -> String {
    let Survivor { id, current, accepted, last, committed, config, next } = survivor;
    let mut text = format!(
        "{WORD}id={} current={} accepted={} last={:x}",
        id.0, current.0, accepted.0, last.0
    );
    let one_line = |members: &Members| members.text().replace('\n', ",");
    let parts = [
        ("committed", committed.map(|upto| format!("{:x}", upto.0))),
        ("config", config.as_ref().map(one_line)),
        ("next", next.as_ref().map(one_line)),
    ];
    for (key, value) in parts {
        if let Some(value) = value {
            text.push_str(&format!(" {key}={value}"));
        }
    }
    let sum = crc32c::crc32c(text.as_bytes());
    format!("{text} sum={sum:08x}")
}

pub(super) fn parse(text: &str) -> Result<Survivor, RecoveryError> {
    let wrong = |what| RecoveryError::Line { text: text.to_owned(), what };
    let (body, sum) = text.trim().rsplit_once(" sum=").ok_or_else(|| wrong("it has no sum"))?;
    if format!("{:08x}", crc32c::crc32c(body.as_bytes())) != sum {
        return Err(wrong("its sum does not agree"));
    }
    let parts: Vec<(&str, &str)> =
        body.split(' ').skip(1).filter_map(|part| part.split_once('=')).collect();
    let part = |key: &str| parts.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let epoch = |key| Some(Epoch(part(key)?.parse().ok()?));
    let zxid = |text: &str| i64::from_str_radix(text, 16).map(Zxid).map_err(|_| wrong("a number"));
    let members = |key| {
        let members = part(key).map(|text| Members::parse(&text.replace(',', "\n")));
        members.transpose().map_err(|_| wrong("its members"))
    };
    Ok(Survivor {
        id: part("id")
            .and_then(|id| id.parse().ok())
            .map(ServerId)
            .ok_or_else(|| wrong("its id"))?,
        current: epoch("current").ok_or_else(|| wrong("its epoch"))?,
        accepted: epoch("accepted").ok_or_else(|| wrong("its epoch"))?,
        last: zxid(part("last").ok_or_else(|| wrong("its last transaction"))?)?,
        committed: part("committed").map(zxid).transpose()?,
        config: members("config")?,
        next: members("next")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_all_and_is_taken_whole_or_not_at_all() {
        // Goal: what was described is what is judged; of a cut or changed line nothing is.
        let text = "server.1=a:1:2:participant;0.0.0.0:3\nserver.2=[0:0:0:0:0:0:0:1]:1:2:observer\n\
                    group.1=1\nweight.1=1\nversion=500000001";
        let members = Members::parse(text).unwrap();
        let survivor = Survivor {
            id: ServerId(2),
            current: Epoch(5),
            accepted: Epoch(6),
            last: Zxid(0x5_0000_0007),
            committed: Some(Zxid(0x5_0000_0003)),
            next: Some(members.clone().with_version(0x5_0000_0008)),
            config: Some(members),
        };
        let written = line(&survivor);
        assert!(!written.contains('\n'), "{written}");
        let read = parse(&written).unwrap();
        assert_eq!(line(&read), written);
        assert_eq!(read.config.unwrap().text(), text);
        let bare = Survivor { committed: None, config: None, next: None, ..survivor };
        assert_eq!(line(&parse(&line(&bare)).unwrap()), line(&bare));
        for cut in 0..written.len() {
            assert!(parse(&written[..cut]).is_err(), "{cut}");
            let mut other = written.clone().into_bytes();
            other[cut] ^= 1;
            assert!(parse(&String::from_utf8(other).unwrap()).is_err(), "{cut}");
        }
    }
}
