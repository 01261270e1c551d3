//! What clients and those without any permission may try, Apache ZooKeeper 3.9.5 and ours side by side.

use std::path::Path;

use crate::serving;
use crate::support::client::Session;
use crate::support::ensemble::{Ensemble, Plan};
use crate::support::http;
use crate::support::scratch;
use crate::support::server::{Kind, Server, free_port, super_settings};
use crate::support::wire::{Out, RawAcl};

/// A server whose file says nothing of words.
fn plain(kind: Kind, folder: &Path) -> Server {
    let port = free_port();
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let text = format!(
        "tickTime=2000\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n\
         admin.enableServer=false\n",
        data.display()
    );
    std::fs::write(folder.join("zoo.cfg"), text).unwrap();
    serving(Server::spawn_on_file(&[], kind, folder, &[], port))
}

#[test]
fn cve_2017_5637_costly_words_are_for_those_who_list_them() {
    // Goal: a server whose file lists no words answers srvr alone, as Java's does: no stranger has it look
    // through its watches, sessions and connections.
    let refused =
        |word: &str| format!("{word} is not executed because it is not in the whitelist.");
    for kind in [Kind::Java, Kind::under_test()] {
        let server = plain(kind, &scratch(&format!("cves/words-{kind:?}")));
        for word in [
            "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok",
            "srst", "stat", "wchc", "wchp", "wchs",
        ] {
            let answer = server.word(word).unwrap_or_default();
            assert_eq!(answer.trim_end(), refused(word), "{kind:?}");
        }
    }
}

#[test]
fn cve_2024_51504_a_header_is_nobodys_address() {
    // Goal: a command that asks for the root's permissions goes by the address of the connection: neither
    // server believes X-Forwarded-For unless told to. With the list that has this address it is run.
    for kind in [Kind::Java, Kind::under_test()] {
        let admin = free_port();
        let port = admin.to_string();
        let settings = [
            super_settings(),
            ("admin.enableServer", "true"),
            ("admin.serverAddress", "127.0.0.1"),
            ("admin.serverPort", port.as_str()),
        ];
        let server = Server::start(kind, &scratch(&format!("cves/header-{kind:?}")), &settings);
        let mut session = Session::open(server.port, 30_000);
        assert_eq!(session.auth("digest", "super:secret"), 0);
        let mut ask = |listed: &str| {
            let list: &[RawAcl<'_>] = &[(31, Some("ip"), Some(listed))];
            let body = Out::new().str("/").acls(Some(list)).i32(-1);
            assert_eq!(session.call(7, body).err, 0);
            let headers = [("Authorization", "ip"), ("X-Forwarded-For", "10.1.2.3")];
            http::ask(admin, "GET", "/commands/snapshot?streaming=false", &headers, b"").status
        };
        assert_eq!(ask("10.1.2.3"), 403, "{kind:?}");
        // Refused for its rate, perhaps, and not for its address.
        assert!(matches!(ask("127.0.0.1"), 200 | 429), "{kind:?}");
    }
}

/// Nobody but a super user.
const SHUT: &[RawAcl<'static>] = &[(31, Some("digest"), Some("nobody:x"))];

#[test]
fn cve_2026_79993_clients_do_not_delete_containers() {
    // Goal: opcode 20 is the server's own. Ours refuses it, with or without a session's rights, and the
    // node stays; Java 3.9.5 deletes a node for a client that has no permission whatever.
    for kind in [Kind::Java, Kind::under_test()] {
        let folder = scratch(&format!("cves/container-{kind:?}"));
        let server = Server::start(kind, &folder, &[super_settings()]);
        let mut owner = Session::open(server.port, 30_000);
        assert_eq!(owner.auth("digest", "super:secret"), 0);
        for (path, flags, opcode) in [("/p", 0, 1), ("/p/node", 0, 1), ("/p/box", 4, 19)] {
            let body = Out::new().str(path).buffer(Some(b"x")).acls(Some(SHUT)).i32(flags);
            assert_eq!(owner.call(opcode, body).err, 0, "{path}");
        }
        let mut stranger = Session::open(server.port, 30_000);
        assert_eq!(stranger.call(2, Out::new().str("/p/node").i32(-1)).err, -102, "no DELETE");
        let is_java = kind != Kind::Ringkeeper;
        for path in ["/p/node", "/p/box"] {
            let wanted = if is_java { 0 } else { -6 };
            assert_eq!(stranger.call(20, Out::new().str(path)).err, wanted, "{kind:?} {path}");
            assert_eq!(owner.get(path).is_err(), is_java, "{kind:?} {path}");
        }
        assert_eq!(stranger.create("/served-on", b""), 0, "{kind:?}");
    }
}

#[test]
fn cve_2026_79993_not_by_way_of_a_java_follower_either() {
    // Goal: Java's follower passes the request on, as any client's; a leader of ours refuses it there.
    let kinds = [Kind::Java, Kind::under_test(), Kind::under_test()];
    let mut ensemble = Ensemble::start("cves/container-ensemble", &Plan::new(&kinds));
    ensemble.make_leader(3);
    let mut session = Session::open(ensemble.port(1), 30_000);
    assert_eq!(session.create("/node", b""), 0);
    assert_eq!(session.call(20, Out::new().str("/node")).err, -6);
    session.sync("/");
    assert!(session.get("/node").is_ok());
}
