//! Certificates that would do, but for a list or for the address that they come from.

use std::fs;

use crate::pki::{pki, stores};
use crate::raw::{Raw, config};
use crate::start;
use crate::support::scratch;
use crate::support::server::Kind;

/// Who is let in.
fn let_in(port: u16, names: &[&str]) -> Vec<bool> {
    names.iter().map(|name| Raw::session(port, &config(Some(name))).is_ok()).collect()
}

#[test]
fn a_revoked_certificate_is_refused_and_so_is_one_that_no_list_covers() {
    // Goal: ssl.crl with its file: who is on the authority's list, who is not, and who is of an authority
    // without a list; a list that is replaced holds for the next handshake.
    let folder = scratch("tls/lists");
    let (lists, trust) = (folder.join("lists.pem"), folder.join("trust.pem"));
    fs::copy(pki().path("ca.crl.pem"), &lists).unwrap();
    fs::write(&trust, [pki().read("ca.pem"), pki().read("other.pem")].concat()).unwrap();
    let mut settings = stores(&pki().path("server.store.pem"), &trust);
    let names = ["client", "revoked", "stranger"];
    let without = start(Kind::Ringkeeper, "no-lists", &settings);
    assert_eq!(let_in(without.port, &names), [true, true, true]);
    settings.push(("ssl.crl", "true".to_owned()));
    settings.push(("ringkeeper.ssl.crl.location", lists.display().to_string()));
    let with = start(Kind::Ringkeeper, "lists", &settings);
    assert_eq!(let_in(with.port, &names), [true, false, false], "{}", with.server.log());
    let log = with.server.log();
    assert!(log.contains("its certificate has been revoked"), "{log}");
}

#[test]
fn a_clients_certificate_names_its_address_where_that_is_asked() {
    // Goal: ssl.clientHostnameVerification: as on Java, by address, and the one switch turns off the other.
    let names = ["client", "elsewhere", "odd"];
    for (all, clients) in [("true", "true"), ("true", "false"), ("false", "true")] {
        let mut settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
        settings.push(("fips-mode", "false".to_owned()));
        settings.push(("ssl.hostnameVerification", all.to_owned()));
        settings.push(("ssl.clientHostnameVerification", clients.to_owned()));
        let told = |kind: Kind| {
            let secure = start(kind, &format!("addresses-{all}-{clients}"), &settings);
            (let_in(secure.port, &names), secure.server.log())
        };
        let (theirs, _) = told(Kind::Java);
        let (ours, log) = told(Kind::under_test());
        assert_eq!(ours, theirs, "{all}, {clients}\n{log}");
        let asked = all == "true" && clients == "true";
        assert_eq!(theirs, [true, !asked, true], "{all}, {clients}");
    }
}
