//! TLS of the management plane: the admin server has the servers' stores (JettyAdminServer), the page of
//! metrics its own (3.10's PrometheusMetricsProvider).

use super::family::{Family, Spoken};
use super::servers::{SERVERS, key_store, trust_store};
use crate::config::source::{Found, Source};
use crate::config::value::{flag, strict};
use crate::config::{ConfigError, PlaneTlsSettings};
use crate::net::Security;
use crate::tls::files::Sources;
use crate::tls::{ClientAuth, Options, Version};

const METRICS: Family =
    Family { prefix: "metricsProvider.ssl.", revoked: "ringkeeper.metrics.ssl.crl.location" };

fn of(client_auth: ClientAuth, spoken: Spoken) -> Options {
    let Spoken { versions, suites } = spoken;
    Options { client_auth, versions, suites, checks_address: false, dials: None }
}

fn both() -> Spoken {
    Spoken { versions: vec![Version::Tls12, Version::Tls13], suites: None }
}

/// Of the admin server. `None`: plain HTTP.
pub(in crate::config) fn admin(
    s: &mut Source<'_>,
) -> Result<Option<PlaneTlsSettings>, ConfigError> {
    let forced = s.property("admin.forceHttps").filter(Found::is_true);
    let unified = s.property("admin.portUnification").filter(Found::is_true);
    let needs = flag(s.property("admin.needClientAuth"), false);
    let (asked, accepts) = match (forced, unified) {
        (None, None) => return Ok(None),
        (Some(forced), _) => (forced, Security::Tls),
        (None, Some(unified)) => (unified, Security::Either),
    };
    SERVERS.refuse_what_is_not_served(s)?;
    let key_store = key_store(s, &asked)?;
    let client_auth = if needs { ClientAuth::Need } else { ClientAuth::None };
    // Whoever is asked for nothing is trusted by nothing; the key is known all the same.
    let trust_store = match needs {
        true => Some(trust_store(s, &asked)?),
        false => SERVERS.store(s, "trustStore")?,
    };
    let revoked = SERVERS.revoked(s)?;
    let sources = Sources { key_store, trust_store, revoked, options: of(client_auth, both()) };
    let reload = strict(s.file("sslQuorumReloadCertFiles"), false)?;
    Ok(Some(PlaneTlsSettings { sources, accepts, reload }))
}

/// Of the page of metrics; `asked`: the port for it.
pub(in crate::config) fn metrics(
    s: &mut Source<'_>,
    asked: &Found,
    remarks: &mut Vec<String>,
) -> Result<PlaneTlsSettings, ConfigError> {
    METRICS.refuse_what_is_not_served(s)?;
    let need = flag(METRICS.get(s, "need.client.auth"), true);
    let want = flag(METRICS.get(s, "want.client.auth"), true);
    let client_auth = match (need, want) {
        (true, _) => ClientAuth::Need,
        (false, true) => ClientAuth::Want,
        (false, false) => ClientAuth::None,
    };
    let key_store = METRICS.store(s, "keyStore")?.ok_or_else(|| {
        asked.refuse("absent, or metricsProvider.ssl.keyStore.location must name a key")
    })?;
    let trust_store = METRICS.store(s, "trustStore")?;
    if trust_store.is_none() && client_auth != ClientAuth::None {
        return Err(asked.refuse(
            "absent, or metricsProvider.ssl.trustStore.location must name whom to trust, or both \
             metricsProvider.ssl.need.client.auth and want.client.auth be false",
        ));
    }
    let spoken = METRICS.spoken(s, |_| both().versions, remarks)?;
    let revoked = METRICS.revoked(s)?;
    let sources = Sources { key_store, trust_store, revoked, options: of(client_auth, spoken) };
    let reload = strict(s.file("ringkeeper.metrics.ssl.reload"), false)?;
    Ok(PlaneTlsSettings { sources, accepts: Security::Tls, reload })
}
