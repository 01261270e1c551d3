//! `ssl.*`: what it comes to, and what a wrong value is answered.

use super::*;
use crate::tls::files::{Password, Secret};
use crate::tls::{ClientAuth, StoreKind, Version};

const SECURE: &str = "secureClientPort=2281\nssl.keyStore.location=/k.jks\n\
                      ssl.keyStore.password=p4ss\nssl.trustStore.location=/t.pem\n";

#[test]
fn a_secure_port_has_javas_defaults() {
    let s = with(SECURE);
    assert_eq!(s.client.secure, Some(Listen { ip: None, port: 2281 }));
    assert!(s.client.listen.is_some() && !s.client.unification && s.auth.x509_enabled);
    let tls = s.tls.unwrap();
    let (keys, options) = (&tls.sources.key_store, &tls.sources.options);
    assert_eq!((keys.kind, keys.path.as_path()), (StoreKind::Java, Path::new("/k.jks")));
    assert_eq!(keys.password, Password::Given(Secret("p4ss".into())));
    assert_eq!(tls.sources.trust_store.as_ref().unwrap().kind, StoreKind::Pem);
    assert_eq!(options.client_auth, ClientAuth::Need);
    // ClientX509Util.getEnabledProtocols: the one of ssl.protocol.
    assert_eq!((&options.versions[..], &options.suites), (&[Version::Tls13][..], &None));
    assert!(!options.checks_address && !tls.reload && tls.sources.revoked.is_none());
    assert_eq!(tls.handshake, Duration::from_secs(5));
    assert!(s.unknown.is_empty() && s.no_effect.is_empty() && s.not_served.is_empty());
    // A server may have no other port, and one port may take both.
    let text = format!("dataDir=/d\n{SECURE}");
    assert_eq!(read(&text).unwrap().client.listen, None);
    let both = with(&SECURE.replace("secureClientPort=2281", "client.portUnification=true"));
    assert!(both.client.unification && both.client.secure.is_none() && both.tls.is_some());
}

#[test]
fn keys_may_be_flags_and_the_password_a_file() {
    let flags = "-Dzookeeper.ssl.keyStore.location=/k -Dzookeeper.ssl.keyStore.type=pkcs12 \
                 -Dzookeeper.ssl.keyStore.passwordPath=/p -Dzookeeper.ssl.clientAuth=none \
                 -Dzookeeper.client.certReload=true";
    let text = format!("{BASE}secureClientPort=2281\nssl.keyStore.password=other\n");
    let tls = read_with(&text, flags).unwrap().tls.unwrap();
    assert_eq!(tls.sources.key_store.kind, StoreKind::Java);
    assert_eq!(tls.sources.key_store.password, Password::File("/p".into()));
    assert!(tls.sources.trust_store.is_none() && tls.reload);
    assert!(!format!("{tls:?}").contains("other"));
}

#[test]
fn protocols_and_suites_are_javas_words() {
    let of = |lines: &str| with(&format!("{SECURE}{lines}"));
    let options = |lines: &str| of(lines).tls.unwrap().sources.options;
    assert_eq!(options("ssl.protocol=TLSv1.2\n").versions, [Version::Tls12]);
    let both = options("ssl.enabledProtocols=TLSv1.3,TLSv1.2\n");
    assert_eq!(both.versions, [Version::Tls12, Version::Tls13]);
    let lines = "ssl.enabledProtocols=TLSv1.2,TLSv1.3\n\
                 ssl.ciphersuites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,\
                 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\n";
    let settings = of(lines);
    assert!(settings.remarks[0].contains("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA not served"));
    let options = settings.tls.unwrap().sources.options;
    // No suite of TLS 1.3 is left: it is not offered, as in Java.
    assert_eq!((options.versions, options.suites), (vec![Version::Tls12], Some(vec![7])));
}

#[test]
fn what_cannot_be_honoured_ends_the_start_by_name() {
    // Goal: nobody is served by less than was asked for: among it a look-up of names in place of those in
    // certificates (CVE-2026-24281).
    for (line, text) in [
        ("ssl.clientAuth=maybe", "must be none, want or need"),
        ("ssl.protocol=TLSv1.1", "must be TLSv1.2 or TLSv1.3; older ones are broken"),
        ("ssl.enabledProtocols=TLSv1.3,SSLv3", "must be TLSv1.2 or TLSv1.3"),
        ("ssl.ciphersuites=HIGH", "must be suites in Java's spelling; \"HIGH\" is none"),
        ("ssl.ciphersuites=TLS_RSA_WITH_AES_128_CBC_SHA", "must be at least one of TLS_AES_256"),
        ("ssl.keyStore.type=BCFKS", "Bouncy Castle's store is not served"),
        ("ssl.keyStore.type=DER", "must be JKS, PKCS12 or PEM"),
        ("fips-mode=true", "FIPS mode is not served by this version; set it to false"),
        ("ssl.ocsp=true", "OCSP is not served by this version; set the crl key beside it to true"),
        ("ssl.crl=true", "must be false, or ringkeeper.ssl.crl.location must name"),
        ("ssl.crl=yes", "must be true or false"),
        ("ringkeeper.ssl.crl.location=/c", "must be absent unless ssl.crl=true"),
        ("ssl.context.supplier.class=a.B", "a class of your own is not served"),
        ("ssl.authProvider=a.B", "must be x509, the scheme of certificates"),
        ("ssl.x509.clientCertIdType=SAN", "an identity by other than the subject is not served"),
        ("client.portUnification=1", "must be true or false"),
        ("client.certReload=1", "must be true or false"),
        ("ssl.handshakeDetectionTimeoutMillis=0", "must be milliseconds from 1"),
    ] {
        let refused = refusal(&format!("{SECURE}{line}\n"));
        let (place, wanted) = refused.split_once(" in zoo.cfg line 7: ").unwrap_or_default();
        assert!(place == line && wanted.starts_with(text), "{line}: {refused}");
    }
    let names = "ssl.clientHostnameVerification=true\nssl.allowReverseDnsLookup=true\n";
    let refused = refusal(&format!("{SECURE}{names}"));
    assert!(refused.contains("line 8: the look-up of clients' names is not served"), "{refused}");
    let unnamed = refusal("secureClientPort=2281\nssl.keyStore.location=/keys\n");
    assert!(unnamed.contains("must be a file .jks, .p12 or .pem, unless"), "{unnamed}");
    let trust = refusal("secureClientPort=2281\nssl.keyStore.location=/k.p12\n");
    assert!(trust.contains("or ssl.trustStore.location must name whom to trust"), "{trust}");
    let address = refusal("secureClientPortAddress=127.0.0.1\n");
    assert!(address.contains("must be absent while secureClientPort is not set"), "{address}");
}

#[test]
fn the_scheme_of_certificates_is_there_with_its_port_or_its_provider() {
    let provider =
        "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider\n";
    let s = with(&format!("{provider}X509AuthenticationProvider.superUser=CN=ops\n"));
    assert!(s.auth.x509_enabled && s.tls.is_none());
    assert_eq!(s.auth.x509_super_user.as_deref(), Some("CN=ops"));
    let enforced = "enforce.auth.enabled=true\nenforce.auth.schemes=x509\n";
    assert!(refusal(enforced).contains("\"x509\" is none"));
    let schemes = with(&format!("{SECURE}{enforced}")).auth.enforce_schemes;
    assert_eq!(schemes, Some(vec!["x509".to_owned()]));
}
