//! An auth packet → identities (ZooKeeperServer.processPacket and the providers'
//! handleAuthentication).

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::types::{ErrorCode, Identity};

use super::ip;
use super::schemes::{Policy, Scheme};

/// What a connection proves by an auth packet. AuthFailed (answered, then the connection closes)
/// for a scheme without a provider, a null scheme or null data, and for schemes that are not
/// proven this way: SASL has its own exchange, X.509 its handshake.
pub fn authenticate(
    policy: &Policy,
    scheme: Option<&str>,
    data: Option<&[u8]>,
) -> Result<Vec<Identity>, ErrorCode> {
    match policy.provider(scheme.unwrap_or_default()) {
        // The connection has had this identity since it was accepted.
        Some(Scheme::Ip) => Ok(Vec::new()),
        Some(Scheme::Digest) => {
            let text = String::from_utf8_lossy(data.ok_or(ErrorCode::AuthFailed)?);
            let digest = digest_id(policy, &text);
            let mut proven = Vec::with_capacity(2);
            if policy.super_digest.as_deref() == Some(digest.as_str()) {
                proven.push(Identity::new("super", ""));
            }
            proven.push(Identity::new("digest", &digest));
            Ok(proven)
        }
        Some(Scheme::Sasl) | Some(Scheme::X509) | None => Err(ErrorCode::AuthFailed),
    }
}

/// What a connection proves by the certificate of its TLS session, given its subject
/// (X509AuthenticationProvider.handleAuthentication).
pub fn certified(policy: &Policy, subject: &str) -> Vec<Identity> {
    let mut proven = Vec::with_capacity(2);
    if policy.provider("x509") == Some(Scheme::X509) {
        if policy.x509_super_user.as_deref() == Some(subject) {
            proven.push(Identity::new("super", subject));
        }
        proven.push(Identity::new("x509", subject));
    }
    proven
}

/// What a connection proves by a SASL exchange, given whom access lists call by the name that was proven
/// (ZooKeeperServer.processSasl). It has its name without a provider, too, by which no list can be met.
pub fn sasl_user(policy: &Policy, name: &str) -> Vec<Identity> {
    let mut proven = Vec::with_capacity(2);
    proven.push(Identity::new("sasl", name));
    if !name.is_empty() && policy.sasl_super_users.iter().any(|user| user == name) {
        proven.push(Identity::new("super", ""));
    }
    proven
}

/// Whether nothing may be asked before SASL has proven a name; a failed exchange has an error of its own
/// then (AuthenticationHelper.isSaslAuthRequired).
pub fn requires_sasl(policy: &Policy) -> bool {
    policy.enforced_schemes.as_ref().is_some_and(|schemes| schemes.iter().any(|s| s == "sasl"))
}

/// Whether `scheme` has a provider at all (`zookeeper.enforce.auth.schemes` is checked with it).
pub fn authenticates(policy: &Policy, scheme: &str) -> bool {
    policy.provider(scheme).is_some()
}

/// Whether a connection with these identities may ask for anything but its authentication
/// (AuthenticationHelper.isCnxnAuthenticated).
pub fn has_proven_enough(policy: &Policy, identities: &[Identity]) -> bool {
    policy.enforced_schemes.as_ref().is_none_or(|schemes| {
        identities.iter().any(|identity| schemes.iter().any(|s| *s == *identity.scheme))
    })
}

/// The identity every connection has from the start.
pub fn ip_identity(address: IpAddr) -> Identity {
    Identity::new("ip", &ip::host_address(address))
}

/// `user:base64(hash("user:password"))` (DigestAuthenticationProvider.generateDigest).
fn digest_id(policy: &Policy, user_and_password: &str) -> String {
    let user = user_and_password.split(':').next().unwrap_or_default();
    let hash = policy.digest_alg.hash(user_and_password.as_bytes());
    format!("{user}:{}", STANDARD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::super::digest::DigestAlgorithm;
    use super::*;

    #[test]
    fn digests_are_javas() {
        // Known pair of the programmer's guide: super:admin.
        let policy = Policy {
            super_digest: Some("super:xQJmxLMiHGwaqBvst5y6rkB6HQs=".into()),
            ..Policy::default()
        };
        let proven = authenticate(&policy, Some("digest"), Some(b"super:admin")).unwrap();
        assert_eq!(proven[0], Identity::new("super", ""));
        assert_eq!(proven[1], Identity::new("digest", "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="));
        let proven = authenticate(&policy, Some("digest"), Some(b"super:other")).unwrap();
        assert_eq!(proven.len(), 1);
        let policy = Policy {
            digest_alg: DigestAlgorithm::from_name("sha-256").unwrap(),
            ..Policy::default()
        };
        let proven = authenticate(&policy, Some("digest"), Some(b"super:admin")).unwrap();
        assert_eq!(proven[0].id.len(), "super:".len() + 44);
    }

    #[test]
    fn only_packet_schemes_can_be_proven_by_packet() {
        let policy = Policy { sasl_enabled: true, x509_enabled: true, ..Policy::default() };
        for scheme in [None, Some(""), Some("world"), Some("auth"), Some("super"), Some("sasl")] {
            let verdict = authenticate(&policy, scheme, Some(b"a:b"));
            assert_eq!(verdict, Err(ErrorCode::AuthFailed), "{scheme:?}");
        }
        assert_eq!(authenticate(&policy, Some("digest"), None), Err(ErrorCode::AuthFailed));
        assert_eq!(authenticate(&policy, Some("ip"), None), Ok(Vec::new()));
        let off = Policy { digest_enabled: false, ..Policy::default() };
        let verdict = authenticate(&off, Some("digest"), Some(b"a:b"));
        assert_eq!(verdict, Err(ErrorCode::AuthFailed));
    }

    #[test]
    fn a_certificate_proves_its_subject_and_may_prove_a_super_user() {
        let off = Policy::default();
        let on = Policy { x509_enabled: true, ..Policy::default() };
        let ops = Policy { x509_super_user: Some("CN=ops".into()), ..on.clone() };
        assert_eq!(certified(&off, "CN=ops"), []);
        assert_eq!(certified(&on, "CN=ops"), [Identity::new("x509", "CN=ops")]);
        assert_eq!(
            certified(&ops, "CN=ops"),
            [Identity::new("super", "CN=ops"), Identity::new("x509", "CN=ops")]
        );
        assert_eq!(certified(&ops, "CN=ops,O=x"), [Identity::new("x509", "CN=ops,O=x")]);
    }

    #[test]
    fn a_sasl_user_may_be_a_super_user() {
        let ops = Policy { sasl_super_users: vec!["ops".into(), "".into()], ..Policy::default() };
        assert_eq!(sasl_user(&ops, "bob"), [Identity::new("sasl", "bob")]);
        assert_eq!(
            sasl_user(&ops, "ops"),
            [Identity::new("sasl", "ops"), Identity::new("super", "")]
        );
        assert_eq!(sasl_user(&ops, ""), [Identity::new("sasl", "")]);
        assert!(!requires_sasl(&ops));
        let schemes = Some(vec!["digest".to_owned(), "sasl".to_owned()]);
        assert!(requires_sasl(&Policy { enforced_schemes: schemes, ..ops }));
    }

    #[test]
    fn an_enforced_scheme_must_be_proven() {
        let enforced = |schemes: &[&str]| Policy {
            enforced_schemes: Some(schemes.iter().map(|s| s.to_string()).collect()),
            ..Policy::default()
        };
        let mut who = vec![ip_identity("::1".parse().unwrap())];
        assert!(has_proven_enough(&Policy::default(), &who));
        assert!(has_proven_enough(&enforced(&["digest", "ip"]), &who));
        assert!(!has_proven_enough(&enforced(&["digest"]), &who));
        who.push(Identity::new("super", ""));
        assert!(!has_proven_enough(&enforced(&["digest"]), &who));
        who.push(Identity::new("digest", "a:1"));
        assert!(has_proven_enough(&enforced(&["digest"]), &who));
    }
}
