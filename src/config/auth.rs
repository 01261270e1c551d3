//! Who may do what: schemes, super users, what every connection must prove.

use super::sasl::sasl;
use super::source::{Found, Source, not_served};
use super::value::{flag, text};
use super::{AuthSettings, ConfigError};
use crate::acl::DigestAlgorithm;

/// `tls`: a port of the clients' speaks it, which brings its scheme (QuorumPeerConfig.configureSSLAuth).
pub(super) fn auth(s: &mut Source<'_>, tls: bool) -> Result<AuthSettings, ConfigError> {
    let digest_alg = match s.property("DigestAuthenticationProvider.digestAlg") {
        None => DigestAlgorithm::default(),
        Some(found) => DigestAlgorithm::from_name(&found.value)
            .ok_or_else(|| found.refuse(DigestAlgorithm::NAMES))?,
    };
    let digest_enabled = flag(s.property("DigestAuthenticationProvider.enabled"), true);
    let named = providers(s)?;
    let (x509_enabled, sasl_enabled) = (named.x509 || tls, named.sasl);
    let super_users = s.family("superUser").into_iter().filter(|found| {
        found
            .key
            .strip_prefix("superUser")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let sasl_super_users = super_users.map(|found| found.value).collect();
    let sasl = sasl(s)?;
    let schemes = Schemes { digest: digest_enabled, x509: x509_enabled, sasl: sasl_enabled };
    Ok(AuthSettings {
        skip_acl: s.property("skipACL").is_some_and(|f| f.value == "yes"),
        eager_acl_check: flag(s.property("enableEagerACLCheck"), false),
        digest_enabled,
        super_digest: text(s.property("DigestAuthenticationProvider.superDigest")),
        digest_alg,
        enforce_schemes: enforced(s, schemes, sasl.is_some())?,
        sasl_enabled,
        let_any_sasl_user_do: text(s.property("letAnySaslUserDoX")),
        sasl_super_users,
        sasl,
        allow_sasl_failed: flag(s.property("allowSaslFailedClients"), false),
        x509_enabled,
        x509_super_user: text(s.property("X509AuthenticationProvider.superUser")),
    })
}

/// Schemes that there may be or not.
#[derive(Clone, Copy, Default)]
struct Schemes {
    digest: bool,
    x509: bool,
    sasl: bool,
}

/// `authProvider.<anything>=<class>` (ProviderRegistry). A class that cannot be loaded is a warning
/// in Java; here it is refused, for nobody asks for a scheme without relying on it.
fn providers(s: &mut Source<'_>) -> Result<Schemes, ConfigError> {
    const OWN: &str = "the schemes are world, ip, digest, sasl, x509 and auth";
    let mut named = Schemes::default();
    for found in s.family("authProvider.") {
        let (feature, instead) = match found.value.rsplit('.').next().unwrap_or_default() {
            // Always there.
            "IPAuthenticationProvider" | "DigestAuthenticationProvider" => continue,
            "SASLAuthenticationProvider" => {
                named.sasl = true;
                continue;
            }
            "X509AuthenticationProvider" => {
                named.x509 = true;
                continue;
            }
            "EnsembleAuthenticationProvider" => {
                ("the scheme \"ensemble\"", "remove the line, and keep ensembles apart by network")
            }
            "KeyAuthenticationProvider" => ("the scheme \"key\"", "use digest authentication"),
            _ => ("an authentication class of your own", OWN),
        };
        return Err(not_served(found, feature, instead));
    }
    Ok(named)
}

/// AuthenticationHelper. A scheme that cannot be had would lock everybody out, or if it were
/// passed over, let everybody in: refused, as in Java.
fn enforced(
    s: &mut Source<'_>,
    served: Schemes,
    has_users: bool,
) -> Result<Option<Vec<String>>, ConfigError> {
    const PROVIDER: &str = "false, or authProvider.sasl=org.apache.zookeeper.server.auth.\
                            SASLAuthenticationProvider must be set";
    const USERS: &str = "absent, or java.security.auth.login.config must name a JAAS file with users \
                         in its section Server: nobody could log in";
    let require_sasl = s.property("sessionRequireClientSASLAuth");
    let enabled = s.property("enforce.auth.enabled");
    let schemes = s.property("enforce.auth.schemes");
    // The older key wins (AuthenticationHelper.initConfigurations).
    if let Some(found) = require_sasl.filter(Found::is_true) {
        return match (served.sasl, has_users) {
            (true, true) => Ok(Some(vec!["sasl".to_owned()])),
            (true, false) => Err(found.refuse(USERS)),
            (false, _) => Err(found.refuse(PROVIDER)),
        };
    }
    let Some(enabled) = enabled.filter(Found::is_true) else { return Ok(None) };
    let schemes = schemes.ok_or_else(|| {
        enabled.refuse("false, or enforce.auth.schemes must name the schemes to enforce")
    })?;
    let names: Vec<String> = schemes.value.split(',').map(|n| n.trim().to_owned()).collect();
    for name in &names {
        let known = match name.as_str() {
            "ip" => true,
            "digest" => served.digest,
            "x509" => served.x509,
            "sasl" => served.sasl,
            _ => false,
        };
        if !known {
            return Err(schemes.refuse(format!("schemes this server has; \"{name}\" is none")));
        }
    }
    if names.iter().all(|name| name == "sasl") && !has_users {
        return Err(schemes.refuse(USERS));
    }
    Ok(Some(names))
}
