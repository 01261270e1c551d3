//! TLS between servers: who the others may be, and who was refused.

use std::sync::Arc;

use super::shell::Peers;
use crate::net::{CloseReason, Net};
use crate::types::ConnId;

impl Peers {
    /// Once, and whenever the configuration is another: whoever connects shows a certificate that names
    /// its address or a host of these (`ssl.quorum.clientHostnameVerification`). Java looks up which name
    /// the address has; what a name server says of a stranger's address is the stranger's to choose.
    pub(super) fn name_peers(&self, net: &mut Net) {
        let Some(tls) = &self.settings.tls else { return };
        let electorate = &self.settings.electorate;
        let configurations = std::iter::once(&electorate.committed).chain(&electorate.next);
        let members = configurations.flat_map(|members| members.iter());
        let mut hosts: Vec<String> =
            members.flat_map(|member| &member.addresses).map(|at| at.host.clone()).collect();
        hosts.sort();
        hosts.dedup();
        net.serve_peer_tls(tls.current.clone());
        net.name_peers(Arc::from(hosts));
    }

    /// A session has failed: whoever looks after the ensemble hears of it, however often it is tried.
    pub(super) fn note_failed_session(&self, net: &Net, conn: ConnId, reason: CloseReason) {
        let CloseReason::Tls(failure) = reason else { return };
        let peer = net.peer(conn).map_or_else(String::new, |peer| peer.to_string());
        let line = || format!("TLS with the server at {peer} failed: {failure}");
        if let Some(line) = self.tls_failed.note(self.now, line) {
            tracing::warn!("{line}");
        }
    }
}
