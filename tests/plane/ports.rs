//! Where the plane listens, and what becomes of a start where it cannot.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::support::http;
use super::support::scratch;
use super::support::server::{Kind, Server, free_port};
use super::{PROMETHEUS, start};

/// JettyAdminServer.DEFAULT_PORT. Nothing is connected to it: it is held.
const ADMIN_DEFAULT: u16 = 8080;

/// The log, once it has this text.
fn log_with(server: &Server, text: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let log = server.log();
        if log.contains(text) {
            return log;
        }
        assert!(Instant::now() < deadline, "no {text:?} in\n{log}");
        // Not synchronisation: the space between two looks at a file.
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_port_that_somebody_asked_for_and_that_is_taken_ends_the_start() {
    // Goal: as Java: exit code 4 for the admin server, 1 for the page of metrics.
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let admin = [
        ("admin.enableServer", "true"),
        ("admin.serverAddress", "127.0.0.1"),
        ("admin.serverPort", port.as_str()),
    ];
    let metrics = [
        ("metricsProvider.className", PROMETHEUS),
        ("metricsProvider.httpHost", "127.0.0.1"),
        ("metricsProvider.httpPort", port.as_str()),
    ];
    for kind in [Kind::Java, Kind::under_test()] {
        for (name, settings, code) in [("admin", &admin[..], 4), ("metrics", &metrics[..], 1)] {
            let folder = scratch(&format!("plane/taken-{kind:?}-{name}"));
            let mut server = Server::spawn(kind, &folder, settings, free_port());
            assert_eq!(server.wait(), Some(code), "{kind:?} {name}: {}", server.log());
            if kind == Kind::Ringkeeper {
                let expected = format!("cannot listen on 127.0.0.1:{port}: ");
                assert!(server.log().contains(&expected), "{}", server.log());
            }
        }
    }
}

#[test]
fn a_port_that_nobody_asked_for_ends_nothing() {
    // Goal: a second server of a machine whose files say nothing of an admin server starts.
    let _held = TcpListener::bind(("127.0.0.1", ADMIN_DEFAULT));
    let folder = scratch("plane/unasked");
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let text = format!(
        "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n",
        data.display(),
        free_port()
    );
    std::fs::write(folder.join("zoo.cfg"), text).unwrap();
    let server = Server::spawn_on_file(&[], Kind::Ringkeeper, &folder, &[], 0);
    let log = log_with(&server, "serving clients");
    assert!(log.contains("no admin server; admin.serverPort chooses another port"), "{log}");
}

#[test]
fn a_member_of_an_ensemble_goes_on_without() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = scratch("plane/member");
    std::fs::create_dir_all(folder.join("data")).unwrap();
    std::fs::write(folder.join("data/myid"), "1").unwrap();
    let lines = [1, 2, 3].map(|_| format!("127.0.0.1:{}:{}", free_port(), free_port()));
    let settings = [
        ("initLimit", "10"),
        ("syncLimit", "5"),
        ("server.1", lines[0].as_str()),
        ("server.2", lines[1].as_str()),
        ("server.3", lines[2].as_str()),
        ("admin.enableServer", "true"),
        ("admin.serverAddress", "127.0.0.1"),
        ("admin.serverPort", port.as_str()),
    ];
    let server = Server::spawn(Kind::Ringkeeper, &folder, &settings, free_port());
    let log = log_with(&server, "waiting for a leader");
    assert!(log.contains("no admin server") && log.contains("WARN"), "{log}");
}

#[test]
fn an_admin_server_that_is_switched_off_is_not_there() {
    let port = free_port().to_string();
    let settings = [("admin.enableServer", "false"), ("admin.serverPort", port.as_str())];
    let side = start(Kind::Ringkeeper, "off", &settings);
    assert!(TcpListener::bind(("127.0.0.1", side.admin)).is_ok());
    assert!(TcpListener::bind(("127.0.0.1", side.metrics)).is_ok());
}

#[test]
fn the_commands_may_be_elsewhere() {
    let side = start(Kind::Ringkeeper, "url", &[("admin.commandURL", "/zk/admin")]);
    assert_eq!(http::get(side.admin, "/zk/admin/ruok").json()["command"], "ruok");
    assert_eq!(http::get(side.admin, "/commands/ruok").status, 404);
    let links = http::get(side.admin, "/zk/admin").text();
    assert!(links.contains("<a href=\"/zk/admin/zabstate\">zabstate</a>"), "{links}");
}
