//! TLS between servers: `ssl.quorum.*`, in the file or as flags `zookeeper.ssl.quorum.*`
//! (QuorumX509Util), where `sslQuorum` or `portUnification` asks for it.

use super::family::Family;
use crate::config::source::{Found, Source, not_served};
use crate::config::value::strict;
use crate::config::{ConfigError, PeerTlsSettings};
use crate::net::Security;
use crate::tls::files::{Sources, StoreFile};
use crate::tls::{Dials, Options, Version};

pub(super) const SERVERS: Family =
    Family { prefix: "ssl.quorum.", revoked: "ringkeeper.ssl.quorum.crl.location" };

/// `None`: connections between servers are plain.
pub(in crate::config) fn servers(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<Option<PeerTlsSettings>, ConfigError> {
    let on = |found: Option<Found>| found.map_or(Ok(None), only_true);
    let (ssl, unified) = (on(s.file("sslQuorum"))?, on(s.file("portUnification"))?);
    let reload = strict(s.file("sslQuorumReloadCertFiles"), false)?;
    // Leader.createServerSocket, Learner.createSocket: the one says what is accepted beside TLS, the
    // other what is spoken to others.
    let (asked, accepts, dials) = match (ssl, unified) {
        (None, None) => return Ok(None),
        (Some(ssl), None) => (ssl, Security::Tls, true),
        (Some(ssl), Some(_)) => (ssl, Security::Either, true),
        (None, Some(unified)) => (unified, Security::Either, false),
    };
    SERVERS.refuse_what_is_not_served(s)?;
    let options = options(s, remarks)?;
    let key_store = key_store(s, &asked)?;
    let trust_store = Some(trust_store(s, &asked)?);
    let revoked = SERVERS.revoked(s)?;
    let handshake = SERVERS.handshake(s)?;
    let sources = Sources { key_store, trust_store, revoked, options };
    Ok(Some(PeerTlsSettings { sources, handshake, reload, accepts, dials }))
}

fn only_true(found: Found) -> Result<Option<Found>, ConfigError> {
    let is_true = found.strict_bool()?;
    Ok(is_true.then_some(found))
}

/// `asked`: the key that makes it needed.
pub(super) fn key_store(s: &mut Source<'_>, asked: &Found) -> Result<StoreFile, ConfigError> {
    SERVERS.store(s, "keyStore")?.ok_or_else(|| {
        asked.refuse(
            "false, or ssl.quorum.keyStore.location must name the server's key and certificate",
        )
    })
}

pub(super) fn trust_store(s: &mut Source<'_>, asked: &Found) -> Result<StoreFile, ConfigError> {
    SERVERS.store(s, "trustStore")?.ok_or_else(|| {
        asked.refuse("false, or ssl.quorum.trustStore.location must name whom to trust")
    })
}

fn options(s: &mut Source<'_>, remarks: &mut Vec<String>) -> Result<Options, ConfigError> {
    let client_auth = SERVERS.client_auth(s)?;
    // SSLContextAndOptions.getEnabledProtocols: what the JDK enables with that protocol.
    let upto = |protocol: Option<Version>| match protocol {
        Some(Version::Tls12) => vec![Version::Tls12],
        Some(Version::Tls13) | None => vec![Version::Tls12, Version::Tls13],
    };
    let spoken = SERVERS.spoken(s, upto, remarks)?;
    let checks_name = strict(SERVERS.get(s, "hostnameVerification"), true)?;
    let checks_address = strict(SERVERS.get(s, "clientHostnameVerification"), true)? && checks_name;
    if let Some(found) = SERVERS.get(s, "allowReverseDnsLookup").filter(Found::is_true)
        && checks_name
    {
        let instead =
            "set it to false: certificates name the addresses or the hosts of server lines";
        return Err(not_served(found, "the look-up of servers' names", instead));
    }
    let (versions, suites) = (spoken.versions, spoken.suites);
    let dials = Some(Dials { checks_name });
    Ok(Options { client_auth, versions, suites, checks_address, dials })
}
