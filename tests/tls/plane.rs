//! The admin server and the page of metrics over TLS, asked by curl: Java's admin server beside ours.

use std::process::{Command, Stdio};

use crate::pki::{PASSWORD, pki};
use crate::support::scratch;
use crate::support::server::{Kind, Server, free_port};

/// The stores that the admin server shares with connections between servers.
fn settings(admin: u16, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let admin = admin.to_string();
    let (keys, trust) = (pki().text("server.p12"), pki().text("trust.p12"));
    let password = pki().text("password");
    let all = [
        ("admin.enableServer", "true"),
        ("admin.serverAddress", "127.0.0.1"),
        ("admin.serverPort", &admin),
        ("ssl.quorum.keyStore.location", &keys),
        ("ssl.quorum.keyStore.password", PASSWORD),
        ("ssl.quorum.trustStore.location", &trust),
        ("ssl.quorum.trustStore.passwordPath", &password),
        // Whom Java's provider of x509 trusts.
        ("authProvider.x509", "org.apache.zookeeper.server.auth.X509AuthenticationProvider"),
        ("ssl.keyStore.location", &keys),
        ("ssl.keyStore.password", PASSWORD),
        ("ssl.trustStore.location", &trust),
        ("ssl.trustStore.password", PASSWORD),
    ];
    let all = all.iter().chain(more).map(|(key, value)| (key.to_string(), value.to_string()));
    all.collect()
}

fn start(kind: Kind, name: &str, settings: &[(String, String)]) -> Server {
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Server::start(kind, &scratch(&format!("tls/plane-{name}-{kind:?}")), &settings)
}

/// The status of an answer, and whether it asks for TLS from then on; `None`: there is no answer.
type Answer = Option<(String, bool)>;

fn curl(url: &str, certificate: Option<&str>, headers: &[&str]) -> Answer {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-m", "30", "-D", "-", "-o", "/dev/null", "--cacert", "ca.pem"]);
    if let Some(name) = certificate {
        curl.args(["--cert", &format!("{name}.pem"), "--key", &format!("{name}.key.pem")]);
    }
    for header in headers {
        curl.args(["-H", header]);
    }
    let output =
        curl.arg(url).current_dir(&pki().folder).stdin(Stdio::null()).output().expect("curl");
    let head = String::from_utf8_lossy(&output.stdout).to_lowercase();
    let status = head.lines().next()?.split(' ').nth(1)?.to_owned();
    let day = "strict-transport-security: max-age=86400; includesubdomains";
    output.status.success().then(|| (status, head.contains(day)))
}

fn outcomes(admin: u16) -> Vec<(&'static str, Answer)> {
    let ruok = format!("127.0.0.1:{admin}/commands/ruok");
    let snapshot = format!("127.0.0.1:{admin}/commands/snapshot?streaming=false");
    let (http, https) = (format!("http://{ruok}"), format!("https://{ruok}"));
    let x509 = ["Authorization: x509"];
    vec![
        ("plain", curl(&http, None, &[])),
        ("TLS", curl(&https, None, &[])),
        ("TLS with a certificate", curl(&https, Some("client"), &[])),
        ("TLS with a stranger's", curl(&https, Some("stranger"), &[])),
        ("plain x509", curl(&format!("http://{snapshot}"), None, &x509)),
        ("x509 without a certificate", curl(&format!("https://{snapshot}"), None, &x509)),
        ("x509", curl(&format!("https://{snapshot}"), Some("client"), &x509)),
    ]
}

#[test]
fn the_admin_server_answers_as_javas_does() {
    // Goal: admin.portUnification, admin.forceHttps, admin.needClientAuth: who is answered over what, the
    // header that asks for TLS, and the certificate as what a command needs.
    let modes: [&[(&str, &str)]; 4] = [
        &[("admin.portUnification", "true")],
        &[("admin.portUnification", "true"), ("admin.needClientAuth", "true")],
        &[("admin.forceHttps", "true")],
        &[("admin.forceHttps", "true"), ("admin.needClientAuth", "true")],
    ];
    for (at, mode) in modes.iter().enumerate() {
        let told = |kind: Kind| {
            let admin = free_port();
            let server = start(kind, &at.to_string(), &settings(admin, mode));
            let outcomes = outcomes(admin);
            (outcomes, server.log())
        };
        let (theirs, _) = told(Kind::Java);
        let (ours, log) = told(Kind::under_test());
        assert_eq!(ours, theirs, "{mode:?}\n{log}");
        let is_plain_taken = theirs[0].1.is_some();
        assert_eq!(is_plain_taken, mode[0].0 == "admin.portUnification", "{theirs:?}");
        assert!(theirs[2].1.as_ref().is_some_and(|(status, _)| status == "200"), "{theirs:?}");
        let x509 = theirs[6].1.as_ref().map(|(status, _)| status.as_str());
        assert_eq!(x509, Some(if mode.len() == 2 { "200" } else { "401" }), "{theirs:?}");
    }
}

#[test]
fn the_page_of_metrics_has_a_port_for_tls() {
    // Goal: metricsProvider.httpsPort with stores of its own (3.10), alone and beside a plain port; a
    // certificate is needed unless the two keys for it say otherwise.
    let provider = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
    let (keys, trust) = (pki().text("server.jks"), pki().text("trust.jks"));
    for (open, beside) in [(false, false), (true, true)] {
        let (secure, plain) = (free_port(), free_port());
        let (secure_text, plain_text) = (secure.to_string(), plain.to_string());
        let switch = if open { "false" } else { "true" };
        let mut all = vec![
            ("metricsProvider.className", provider),
            ("metricsProvider.httpHost", "127.0.0.1"),
            ("metricsProvider.httpsPort", secure_text.as_str()),
            ("metricsProvider.ssl.keyStore.location", &keys),
            ("metricsProvider.ssl.keyStore.password", PASSWORD),
            ("metricsProvider.ssl.trustStore.location", &trust),
            ("metricsProvider.ssl.trustStore.password", PASSWORD),
            ("metricsProvider.ssl.need.client.auth", switch),
            ("metricsProvider.ssl.want.client.auth", switch),
        ];
        if beside {
            all.push(("metricsProvider.httpPort", &plain_text));
        }
        let folder = scratch(&format!("tls/metrics-{open}"));
        let server = Server::start(Kind::Ringkeeper, &folder, &all);
        let page = format!("https://127.0.0.1:{secure}/metrics");
        let status = |answer: Answer| answer.map(|(status, _)| status);
        let with = status(curl(&page, Some("client"), &[]));
        assert_eq!(with.as_deref(), Some("200"), "{}", server.log());
        assert_eq!(curl(&page, None, &[]).is_some(), open);
        assert_eq!(curl(&page, Some("stranger"), &[]).is_some(), open);
        assert_eq!(curl(&format!("http://127.0.0.1:{secure}/metrics"), None, &[]), None);
        let plain = curl(&format!("http://127.0.0.1:{plain}/metrics"), None, &[]);
        assert_eq!(plain.is_some(), beside);
    }
}

#[test]
fn an_admin_server_whose_stores_cannot_be_used_ends_the_start() {
    // Goal: whoever forces TLS is not served without, nor by a server that says nothing.
    let admin = free_port();
    let mut settings = settings(admin, &[("admin.forceHttps", "true")]);
    settings.retain(|(key, _)| key != "ssl.quorum.keyStore.password");
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let folder = scratch("tls/plane-wrong");
    let mut server = Server::spawn(Kind::Ringkeeper, &folder, &settings, free_port());
    assert_eq!(server.wait(), Some(1), "{}", server.log());
    assert!(server.log().contains("ssl.quorum.keyStore.location="), "{}", server.log());
}
