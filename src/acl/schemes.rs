//! The schemes (ProviderRegistry and the authentication providers), as far as they are rules
//! about text: which exist, which ids they accept, when an id matches an entry.

use super::digest::DigestAlgorithm;
use super::ip;

/// Settings of access control. The default is a server without any of its properties set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// `zookeeper.skipACL=yes`: everybody may do everything.
    pub skip_acl: bool,
    /// `zookeeper.DigestAuthenticationProvider.enabled`.
    pub digest_enabled: bool,
    /// `zookeeper.DigestAuthenticationProvider.digestAlg`.
    pub digest_alg: DigestAlgorithm,
    /// `zookeeper.DigestAuthenticationProvider.superDigest`: `user:base64(hash)`.
    pub super_digest: Option<String>,
    /// `zookeeper.authProvider.N` names the SASL provider.
    pub sasl_enabled: bool,
    /// `zookeeper.letAnySaslUserDoX`: entries with this id hold for every SASL user.
    pub let_any_sasl_user_do: Option<String>,
    /// `zookeeper.superUser` and `zookeeper.superUser.*`: SASL users who may do everything.
    pub sasl_super_users: Vec<String>,
    /// `zookeeper.authProvider.N` names the X.509 provider.
    pub x509_enabled: bool,
    /// `zookeeper.X509AuthenticationProvider.superUser`.
    pub x509_super_user: Option<String>,
    /// `zookeeper.enforce.auth.schemes`, where `zookeeper.enforce.auth.enabled`: a connection may
    /// do nothing before it has an identity of one of these.
    pub enforced_schemes: Option<Vec<String>>,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            skip_acl: false,
            digest_enabled: true,
            digest_alg: DigestAlgorithm::Sha1,
            super_digest: None,
            sasl_enabled: false,
            let_any_sasl_user_do: None,
            sasl_super_users: Vec::new(),
            x509_enabled: false,
            x509_super_user: None,
            enforced_schemes: None,
        }
    }
}

/// A scheme that has a provider. "world", "auth" and "super" have none: they are rules of
/// [`super::check`] and [`super::fixup()`](super::fixup()).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scheme {
    Ip,
    Digest,
    Sasl,
    X509,
}

impl Policy {
    /// ProviderRegistry.getServerProvider.
    pub(super) fn provider(&self, scheme: &str) -> Option<Scheme> {
        match scheme {
            "ip" => Some(Scheme::Ip),
            "digest" => self.digest_enabled.then_some(Scheme::Digest),
            "sasl" => self.sasl_enabled.then_some(Scheme::Sasl),
            "x509" => self.x509_enabled.then_some(Scheme::X509),
            _ => None,
        }
    }

    /// AuthenticationProvider.matches, for an identity and an entry of the same scheme.
    pub(super) fn matches(&self, scheme: Scheme, id: &str, entry: &str) -> bool {
        match scheme {
            Scheme::Ip => ip::matches(id, entry),
            Scheme::Digest => id == entry,
            Scheme::Sasl => {
                id == "super" || id == entry || self.let_any_sasl_user_do.as_deref() == Some(entry)
            }
            Scheme::X509 => id == entry || self.x509_super_user.as_deref() == Some(id),
        }
    }
}

impl Scheme {
    /// AuthenticationProvider.isAuthenticated: may stand for the creator of a node.
    pub(super) fn names_a_user(self) -> bool {
        match self {
            Scheme::Ip => false,
            Scheme::Digest | Scheme::Sasl | Scheme::X509 => true,
        }
    }

    /// AuthenticationProvider.isValid: whether an entry may carry this id.
    pub(super) fn accepts(self, id: &str) -> bool {
        match self {
            Scheme::Ip => ip::is_entry(id),
            Scheme::Digest => split_like_java(id).count() == 2,
            Scheme::Sasl => is_kerberos_name(id),
            Scheme::X509 => is_distinguished_name(id),
        }
    }

    /// AuthenticationProvider.getUserName.
    pub(super) fn user_of(self, id: &str) -> &str {
        match self {
            Scheme::Digest => split_like_java(id).next().unwrap_or_default(),
            Scheme::Ip | Scheme::Sasl | Scheme::X509 => id,
        }
    }
}

/// Java's `split(":")` drops empty parts at the end: "a:b::" has two, ":" none.
fn split_like_java(id: &str) -> impl Iterator<Item = &str> {
    let body = id.trim_end_matches(':');
    // A text without any ':' is one part even when it is empty.
    let parts = (!body.is_empty() || id.is_empty()).then(|| body.split(':'));
    parts.into_iter().flatten()
}

/// `name`, or `service[/host]@realm` (KerberosName).
fn is_kerberos_name(id: &str) -> bool {
    let Some((name, realm)) = id.split_once('@') else { return true };
    !realm.contains(['/', '@']) && name.matches('/').count() <= 1
}

/// Attribute types X500Principal knows by name; others must be written as numbers.
const DN_KEYWORDS: [&str; 24] = [
    "CN",
    "C",
    "L",
    "S",
    "ST",
    "O",
    "OU",
    "T",
    "IP",
    "STREET",
    "DC",
    "DNQUALIFIER",
    "DNQ",
    "SURNAME",
    "GIVENNAME",
    "INITIALS",
    "GENERATION",
    "EMAIL",
    "EMAILADDRESS",
    "UID",
    "SERIALNUMBER",
    "TITLE",
    "OID",
    "GENERATIONQUALIFIER",
];

/// A distinguished name as X500Principal's constructor reads one: `type=value` joined by ',',
/// ';' or '+', values quoted or with backslashes where they hold such characters.
fn is_distinguished_name(id: &str) -> bool {
    if id.trim().is_empty() {
        return id.is_empty();
    }
    let mut quoted = false;
    let mut escaped = false;
    let mut start = 0;
    for (at, c) in id.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' | '+' if !quoted => {
                if !is_attribute(&id[start..at]) {
                    return false;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    !quoted && !escaped && is_attribute(&id[start..])
}

fn is_attribute(text: &str) -> bool {
    let Some((kind, _)) = text.split_once('=') else { return false };
    let kind = kind.trim().to_ascii_uppercase();
    let numbers = kind.strip_prefix("OID.").unwrap_or(&kind);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    DN_KEYWORDS.contains(&kind.as_str())
        || (numbers.contains('.') && numbers.split('.').all(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_ids_need_exactly_two_parts_as_java_splits() {
        for good in ["user:hash", ":b", "a:b::"] {
            assert!(Scheme::Digest.accepts(good), "{good}");
        }
        for bad in ["", "user", "a:", ":", "::", "a:b:c"] {
            assert!(!Scheme::Digest.accepts(bad), "{bad}");
        }
        assert_eq!(Scheme::Digest.user_of("user:hash"), "user");
        assert_eq!(Scheme::Digest.user_of(":"), "");
    }

    #[test]
    fn kerberos_names_may_have_one_host_and_one_realm() {
        for good in ["bob", "a/b/c", "zk/host@REALM", "bob@REALM", "@", "/@"] {
            assert!(Scheme::Sasl.accepts(good), "{good}");
        }
        for bad in ["a/b/c@R", "a@b@c", "a@b/c"] {
            assert!(!Scheme::Sasl.accepts(bad), "{bad}");
        }
    }

    #[test]
    fn distinguished_names_are_told_from_other_text() {
        for good in
            ["CN=bob", "cn=bob, O=\"a, b\"+OU=x", "1.2.3=x", "OID.2.5=y", "CN=a\\,b", "", "CN="]
        {
            assert!(Scheme::X509.accepts(good), "{good}");
        }
        for bad in ["bob", "CN=a,", "XX=1", "CN=\"open", " ", "CN=a\\"] {
            assert!(!Scheme::X509.accepts(bad), "{bad:?}");
        }
    }

    #[test]
    fn schemes_without_a_provider_are_unknown() {
        let policy = Policy::default();
        for unknown in ["sasl", "x509", "world", "auth", "super", "ensemble", ""] {
            assert_eq!(policy.provider(unknown), None, "{unknown}");
        }
        let policy = Policy { digest_enabled: false, ..Policy::default() };
        assert_eq!(policy.provider("digest"), None);
        assert_eq!(policy.provider("ip"), Some(Scheme::Ip));
    }
}
