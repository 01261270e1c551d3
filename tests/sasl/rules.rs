//! What settings make of who is proven.

use crate::raw::{BOB, Raw};
use crate::support::server::{Kind, Server, free_port};
use crate::support::wire::Out;
use crate::{PROVIDER, both, client_section, jaas, scratch, server_section, start};

/// A connection of bob's, or of nobody's.
fn bob(server: &Server) -> Raw {
    let mut raw = Raw::open(server);
    let answer = raw.prove(BOB.0, BOB.1);
    assert_eq!(raw.told(answer), "proven; ip:127.0.0.1 sasl:bob");
    raw
}

#[test]
fn lists_of_sasl_users_hold() {
    // Goal: entries by name, "auth", "super" and letAnySaslUserDoX; who has proven nothing is kept out.
    let settings = [("letAnySaslUserDoX", "anyone")];
    let told = both("lists", &settings, |server| {
        let mut told = Vec::new();
        let (mut bob, mut nobody) = (bob(server), Raw::open(server));
        let mut other = Raw::open(server);
        let answer = other.prove("ops", "ops");
        told.push(other.told(answer));
        let mut all = Raw::open(server);
        let answer = all.prove("super", "adminsecret");
        told.push(all.told(answer));
        for (path, scheme, id) in [
            ("/bob", "sasl", "bob"),
            ("/auth", "auth", ""),
            ("/ops", "sasl", "ops"),
            ("/any", "sasl", "anyone"),
            ("/principal", "sasl", "zk/host@HOME"),
            ("/bad", "sasl", "a@b@c"),
        ] {
            told.push(format!("{path} created {}", bob.create(path, (scheme, id))));
            let read = [&mut bob, &mut nobody, &mut other, &mut all].map(|raw| raw.get(path));
            told.push(format!("{path} read by bob, nobody, ops, super: {read:?}"));
        }
        told.push(format!("nobody's auth {}", nobody.create("/n", ("auth", ""))));
        told
    });
    assert!(told.contains(&"/auth read by bob, nobody, ops, super: [0, -102, -102, 0]".to_owned()));
}

#[test]
fn super_users_may_do_everything() {
    // Goal: superUser and superUser.N, by name; superPassword takes the place of the file's.
    let settings = [
        ("superUser", "ops"),
        ("superUser.2", "zk/host@HOME"),
        ("SASLAuthenticationProvider.superPassword", "fromaflag"),
    ];
    let told = both("supers", &settings, |server| {
        let mut told = Vec::new();
        let mut bob = bob(server);
        assert_eq!(bob.create("/closed", ("digest", "x:y")), 0);
        for (user, password) in
            [("ops", "ops"), ("super", "adminsecret"), ("super", "fromaflag"), ("bob", BOB.1)]
        {
            let mut raw = Raw::open(server);
            let answer = raw.prove(user, password);
            let who = raw.told(answer);
            told.push(format!("{user}: {who}, reads {}", raw.get("/closed")));
        }
        told
    });
    assert_eq!(told[0], "ops: proven; ip:127.0.0.1 sasl:ops super:, reads 0");
}

#[test]
fn nothing_is_served_before_a_demanded_proof() {
    // Goal: enforce.auth with each scheme and the older key: every request but auth and SASL is -124 and the
    // end; one of the schemes suffices; a failed exchange is -124 where sasl is demanded, whatever is allowed.
    for (name, settings) in [
        ("required", vec![("sessionRequireClientSASLAuth", "true")]),
        ("sasl", vec![("enforce.auth.enabled", "true"), ("enforce.auth.schemes", "sasl")]),
        ("both", vec![("enforce.auth.enabled", "true"), ("enforce.auth.schemes", "digest, sasl")]),
        ("digest", vec![("enforce.auth.enabled", "true"), ("enforce.auth.schemes", "digest")]),
        ("ip", vec![("enforce.auth.enabled", "true"), ("enforce.auth.schemes", "ip")]),
    ] {
        let mut settings = settings;
        settings.push(("allowSaslFailedClients", "true"));
        let told = both(&format!("enforce-{name}"), &settings, |server| {
            let mut told = Vec::new();
            for (opcode, body) in [
                (1, Out::new().str("/e").buffer(Some(b"x")).acls(None).i32(0)),
                (4, Out::new().str("/").bool(false)),
                (11, Out::new()),
                (-11, Out::new()),
                (9, Out::new().str("/")),
            ] {
                let mut raw = Raw::open(server);
                let reply =
                    raw.call(opcode, body).map(|reply| (reply.xid, reply.zxid == 0, reply.err));
                told.push(format!("{opcode}: {reply:?}"));
            }
            let mut raw = Raw::open(server);
            let answer = raw.prove(BOB.0, BOB.1);
            told.push(raw.told(answer));
            let mut raw = Raw::open(server);
            let answer = raw.prove(BOB.0, "wrong");
            told.push(raw.told(answer));
            let mut raw = Raw::open(server);
            let digest = Out::new().i32(0).str("digest").buffer(Some(b"u:p"));
            told.push(format!("digest {:?}", raw.call(100, digest).map(|reply| reply.err)));
            told.push(raw.who());
            told
        });
        if name == "required" {
            assert!(told.contains(&"no token, -124; closed".to_owned()), "{told:#?}");
        }
    }
}

#[test]
fn names_are_cut_as_settings_say() {
    // Goal: host and realm removed, rules of auth_to_local; names without a realm stay.
    let rules = "RULE:[2:$1@$0](.*@HOME)s/@.*/-at-home/ DEFAULT";
    for (name, settings) in [
        ("rules", vec![("security.auth_to_local", rules)]),
        (
            "cut",
            vec![
                ("security.auth_to_local", rules),
                ("kerberos.removeHostFromPrincipal", "true"),
                ("kerberos.removeRealmFromPrincipal", "true"),
            ],
        ),
        (
            "host",
            vec![
                ("security.auth_to_local", "RULE:[2:$1] DEFAULT"),
                ("kerberos.removeHostFromPrincipal", "true"),
            ],
        ),
    ] {
        let told = both(&format!("names-{name}"), &settings, |server| {
            let mut told = Vec::new();
            for (user, password) in [("zk/host@HOME", "keytab"), ("ops", "ops")] {
                let mut raw = Raw::open(server);
                let answer = raw.prove(user, password);
                told.push(raw.told(answer));
            }
            told
        });
        assert!(told[0].starts_with("proven; ip:127.0.0.1 sasl:zk"), "{told:#?}");
    }
}

#[test]
fn a_name_that_no_rule_takes_is_nobodys() {
    // Goal: ours alone: 3.9.5 keeps the whole name of whoever no rule takes.
    let server = start(Kind::Ringkeeper, "no-rule", &[]);
    let mut raw = Raw::open(&server);
    let answer = raw.prove("zk/host@HOME", "keytab");
    assert_eq!(raw.told(answer), "no token, -115; closed");
    assert!(server.log().contains("no rule of security.auth_to_local takes"), "{}", server.log());
}

/// What comes of a start on such a file: exit code and log.
fn refused(name: &str, text: Option<&str>, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = scratch(&format!("sasl/refused-{name}"));
    let file = text.map(|text| jaas(&folder, "jaas.conf", text).display().to_string());
    let mut all = settings.to_vec();
    if let Some(file) = &file {
        all.push(("java.security.auth.login.config", file));
    }
    let mut server = Server::spawn(Kind::Ringkeeper, &folder, &all, free_port());
    (server.wait(), server.log())
}

#[test]
fn what_would_let_nobody_in_or_everybody_ends_the_start() {
    // Goal: exit code 2, key, value and remedy; no password in the line.
    let enforced = ("sessionRequireClientSASLAuth", "true");
    let kerberos =
        "Server { com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true; };";
    let broken = "Server { a.B required user_bob=\"verysecret\" };";
    for (name, text, settings, told) in [
        (
            "provider",
            Some(server_section("Server")),
            vec![enforced],
            "or authProvider.sasl=org.apache",
        ),
        ("users", None, vec![enforced, PROVIDER], "nobody could log in"),
        ("client", Some(client_section("b", "b")), vec![enforced, PROVIDER], "nobody could log in"),
        (
            "kerberos",
            Some(kerberos.to_owned()),
            vec![],
            "GSSAPI (Kerberos) is not served by this version",
        ),
        ("broken", Some(broken.to_owned()), vec![], "line 1: '}' where an option or ; should be"),
        ("module", Some("Server { a.B required; };".into()), vec![], "login module a.B is none of"),
        ("file", None, vec![("java.security.auth.login.config", "/nowhere/jaas")], "No such file"),
        (
            "section",
            Some(server_section("Server")),
            vec![("sasl.serverconfig", "Other")],
            "sasl.serverconfig=Other in",
        ),
        ("rules", None, vec![("security.auth_to_local", "NONE")], "no rule begins with \"NONE\""),
    ] {
        let (code, log) = refused(name, text.as_deref(), &settings);
        assert_eq!(code, Some(2), "{name}: {log}");
        assert!(log.contains(told), "{name}: {log}");
        assert!(!log.contains("verysecret"), "{name}: {log}");
    }
}
