//! TLS towards clients: `ssl.*`, in the file or as flags `zookeeper.ssl.*` (ClientX509Util).

use super::family::Family;
use crate::config::listen::speaks_tls;
use crate::config::source::{Found, Source, not_served};
use crate::config::value::strict;
use crate::config::{ConfigError, TlsSettings};
use crate::tls::files::Sources;
use crate::tls::{ClientAuth, Options, Version};

const CLIENTS: Family = Family { prefix: "ssl.", revoked: "ringkeeper.ssl.crl.location" };

/// `None`: no port of the clients' speaks it.
pub(in crate::config) fn clients(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<Option<TlsSettings>, ConfigError> {
    let Some(asked) = speaks_tls(s) else { return Ok(None) };
    CLIENTS.refuse_what_is_not_served(s)?;
    refuse_other_identities(s)?;
    let options = options(s, remarks)?;
    let key_store = CLIENTS.store(s, "keyStore")?.ok_or_else(|| {
        asked.refuse("absent, or ssl.keyStore.location must name the server's key and certificate")
    })?;
    let trust_store = CLIENTS.store(s, "trustStore")?;
    if trust_store.is_none() && options.client_auth != ClientAuth::None {
        return Err(asked.refuse(
            "absent, or ssl.trustStore.location must name whom to trust, or ssl.clientAuth=none",
        ));
    }
    let revoked = CLIENTS.revoked(s)?;
    let reload = strict(s.property("client.certReload"), false)?;
    let handshake = CLIENTS.handshake(s)?;
    let sources = Sources { key_store, trust_store, revoked, options };
    Ok(Some(TlsSettings { sources, handshake, reload }))
}

fn refuse_other_identities(s: &mut Source<'_>) -> Result<(), ConfigError> {
    if let Some(found) = s.property("ssl.authProvider").filter(|found| found.value != "x509") {
        return Err(found.refuse("x509, the scheme of certificates"));
    }
    let id_type = s.property("ssl.x509.clientCertIdType");
    match id_type.filter(|f| !f.value.eq_ignore_ascii_case("SUBJECT_DN")) {
        Some(found) => {
            Err(not_served(found, "an identity by other than the subject", "remove the key"))
        }
        None => Ok(()),
    }
}

fn options(s: &mut Source<'_>, remarks: &mut Vec<String>) -> Result<Options, ConfigError> {
    let client_auth = CLIENTS.client_auth(s)?;
    // ClientX509Util.getEnabledProtocols: that of ssl.protocol alone.
    let alone = |protocol: Option<Version>| vec![protocol.unwrap_or(Version::Tls13)];
    let spoken = CLIENTS.spoken(s, alone, remarks)?;
    // Hosts' names are asked of servers; here it is what switches off the other.
    let hosts = strict(s.property("ssl.hostnameVerification"), true)?;
    let checks_address = strict(s.property("ssl.clientHostnameVerification"), false)? && hosts;
    if let Some(found) = s.property("ssl.allowReverseDnsLookup").filter(Found::is_true)
        && checks_address
    {
        let instead = "set it to false: certificates of clients name their addresses then";
        return Err(not_served(found, "the look-up of clients' names", instead));
    }
    let (versions, suites) = (spoken.versions, spoken.suites);
    Ok(Options { client_auth, versions, suites, checks_address, dials: None })
}
