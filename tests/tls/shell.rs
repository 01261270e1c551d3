//! `rk` over TLS: against Java's server and ours.

use std::process::{Command, Output, Stdio};

use crate::pki::{pki, stores};
use crate::start;
use crate::support::rk::rk as binary;
use crate::support::server::Kind;

fn rk(port: u16, options: &[&str], words: &[&str]) -> Output {
    Command::new(binary())
        .args(["-s", &format!("localhost:{port}"), "--timeout", "10000", "--wait-for-connection"])
        .args(options)
        .args(words)
        .current_dir(&pki().folder)
        .stdin(Stdio::null())
        .output()
        .expect("rk")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[test]
fn the_command_line_speaks_tls_with_either_server() {
    // Goal: stores of each format, a client's certificate as an identity, and what is refused: no
    // certificate, one of another authority, a server whose certificate names another host.
    let settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    for kind in [Kind::Java, Kind::under_test()] {
        let secure = start(kind, "shell", &settings);
        let good = ["--tls", "--tls-trust", "trust.pem", "--tls-key", "client.store.pem"];
        let made = rk(secure.port, &good, &["create", "/shell", "x"]);
        assert!(made.status.success(), "{kind:?}: {}", text(&made));
        let password = ["--tls-password-file", "password"];
        for (trust, key) in [("trust.jks", "client.jks"), ("trust.p12", "client.p12")] {
            let mut options = vec!["--tls", "--tls-trust", trust, "--tls-key", key];
            options.extend(password);
            let read = rk(secure.port, &options, &["get", "/shell"]);
            assert!(read.status.success() && text(&read).contains('x'), "{}", text(&read));
        }
        let who = rk(secure.port, &good, &["whoami"]);
        assert!(text(&who).contains("CN=client,O=Ringkeeper,C=DE"), "{kind:?}: {}", text(&who));
        for (options, why) in [
            (&["--tls", "--tls-trust", "trust.pem"][..], ""),
            (&["--tls", "--tls-trust", "other.pem"][..], "of no authority in the trust store"),
            (&[][..], ""),
        ] {
            let refused = rk(secure.port, options, &["get", "/shell"]);
            let said = text(&refused);
            assert!(
                !refused.status.success() && said.contains(why),
                "{kind:?} {options:?}: {said}"
            );
        }
    }
    let elsewhere = stores(&pki().path("elsewhere.p12"), &pki().path("trust.jks"));
    let secure = start(Kind::under_test(), "shell-elsewhere", &elsewhere);
    let mut options = vec!["--tls", "--tls-trust", "trust.pem", "--tls-key", "client.store.pem"];
    let refused = rk(secure.port, &options, &["ls", "/"]);
    let said = text(&refused);
    assert!(!refused.status.success() && said.contains("names neither the address"), "{said}");
    options.push("--tls-any-host");
    assert!(rk(secure.port, &options, &["ls", "/"]).status.success());
}
