//! A decoded reply, as bytes again.

use ringkeeper::codec::reply::decode::{Reply, StepReply};
use ringkeeper::codec::reply::{self, MultiFrame};
use ringkeeper::codec::{jute, record};
use ringkeeper::types::{ErrorCode, Xid, Zxid};

/// Encodes any decoded reply again.
pub fn put(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, answer: &Reply<'_>) {
    match answer {
        Reply::Empty => reply::empty(out, xid, zxid),
        Reply::Path(path) => reply::sync(out, xid, zxid, path.as_deref()),
        Reply::PathStat(Some(path), stat) => reply::path_stat(out, xid, zxid, path, stat),
        Reply::PathStat(None, stat) => {
            // No server writes it; the decoder takes it as it takes any null.
            let mut frame = reply::begin(out, xid, zxid, ErrorCode::Ok);
            jute::put_null(frame.body());
            record::put_stat(frame.body(), stat);
            frame.finish();
        }
        Reply::Stat(stat) => reply::stat(out, xid, zxid, stat),
        Reply::Data(data, stat) => reply::data(out, xid, zxid, *data, stat),
        Reply::Acl(list, stat) => reply::acl(out, xid, zxid, list, stat),
        Reply::Strings(names) => reply::strings(out, xid, zxid, names.iter().map(|n| &**n)),
        Reply::Children(names, stat) => {
            reply::children2(out, xid, zxid, names.iter().map(|n| &**n), stat);
        }
        Reply::Int(number) => reply::int(out, xid, zxid, *number),
        Reply::Identities(all) => {
            reply::who_am_i(out, xid, zxid, all.iter().map(|(scheme, user)| (&**scheme, &**user)));
        }
        Reply::Token(token) => {
            let mut frame = reply::begin(out, xid, zxid, ErrorCode::Ok);
            jute::put_opt_buffer(frame.body(), *token);
            frame.finish();
        }
        Reply::Multi(steps) => put_multi(MultiFrame::begin(out, xid, zxid), steps),
    }
}

fn put_multi(mut frame: MultiFrame<'_>, steps: &[StepReply<'_>]) {
    for step in steps {
        match step {
            StepReply::Created(path, None) => frame.path(path),
            StepReply::Created(path, Some(stat)) => frame.path_stat(path, stat),
            StepReply::Deleted => frame.deleted(),
            StepReply::DataSet(stat) => frame.data_set(stat),
            StepReply::Checked => frame.checked(),
            StepReply::Data(data, stat) => frame.data(*data, stat),
            StepReply::Children(names) => frame.children(names.iter().map(|n| &**n)),
            StepReply::Failed(code) => frame.failed_with(*code),
        }
    }
    frame.finish();
}
