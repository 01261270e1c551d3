//! `/live` and `/ready` of servers that serve, that have no leader, whose leader stands still, and whose
//! disk hangs.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::client::Session;
use super::support::ensemble::Plan;
use super::support::http;
use super::support::server::Kind;
use super::support::wire::{OPEN, Out};
use super::{start, with_admin_ports};

/// The status, and what it says.
fn ask(port: u16, path: &str) -> (u16, Value) {
    let answer = http::get(port, path);
    (answer.status, answer.json())
}

/// Asks until the answer will do.
fn await_answer(port: u16, path: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (status, said) = ask(port, path);
        if wanted(status, &said) {
            return said;
        }
        assert!(Instant::now() < deadline, "{path}: {status} {said}");
    }
}

#[test]
fn a_server_on_its_own_is_alive_and_ready() {
    let side = start(Kind::Ringkeeper, "probes-one", &[]);
    assert_eq!(ask(side.admin, "/live").0, 200);
    let (status, said) = ask(side.admin, "/ready");
    assert_eq!((status, &said["ready"], &said["reason"]), (200, &Value::Bool(true), &Value::Null));
    assert_eq!(said["state"], "standalone");
    assert!(said["behind_ms"].as_u64().unwrap() < 2_000);
    assert_eq!(http::ask(side.admin, "HEAD", "/ready", &[], b"").status, 200);
    assert_eq!(http::ask(side.admin, "POST", "/ready", &[], b"").status, 405);
}

#[test]
fn a_member_is_ready_while_what_it_serves_is_the_present() {
    // Goal: leader and followers are ready; a follower whose leader stands still is not, though it serves
    // and takes turns; nor is a leader whose followers stand still; without a leader nobody is.
    let plan = Plan::new(&[Kind::Ringkeeper; 3]).set("ringkeeper.ready.ms", "400");
    let plan = plan.set("syncLimit", "60").set("tickTime", "1000");
    let (mut ensemble, ports) = with_admin_ports("plane-probes", plan);
    for port in &ports {
        let said = await_answer(*port, "/ready", |status, _| status == 200);
        let state = said["state"].as_str().unwrap();
        assert!(["leader", "follower"].contains(&state), "{said}");
        assert_eq!(ask(*port, "/live").0, 200);
    }
    let leader = ensemble.wait_all();
    let follower = ensemble.ids().into_iter().find(|id| *id != leader).unwrap();
    let [of_leader, of_follower] = [leader, follower].map(|id| ports[id as usize - 1]);
    let late = "behind by more than 400 ms, or its leader has no quorum";
    ensemble.member(leader).pause();
    let (status, said) = ask(of_follower, "/ready");
    assert_eq!((status, said["reason"].as_str().unwrap()), (503, late), "{said}");
    assert_eq!(said["state"], "follower");
    assert_eq!(ask(of_follower, "/live").0, 200);
    ensemble.member(leader).proceed();
    await_answer(of_follower, "/ready", |status, _| status == 200);
    let others: Vec<u64> = ensemble.ids().into_iter().filter(|id| *id != leader).collect();
    for id in &others {
        ensemble.member(*id).pause();
    }
    let (status, said) = ask(of_leader, "/ready");
    assert_eq!((status, said["reason"].as_str().unwrap()), (503, late), "{said}");
    for id in &others {
        ensemble.member(*id).kill();
    }
    let said = await_answer(of_leader, "/ready", |_, said| {
        said["reason"] == "there is no leader: an election is under way"
    });
    assert_eq!(said["ready"], false);
    assert_eq!(ask(of_leader, "/live").0, 200);
}

#[test]
fn a_server_whose_roles_hang_is_not_alive() {
    // Goal: a control role that waits for its disk is told by name, as soon as it has waited for so long;
    // afterwards the server is alive again.
    let plan = Plan::new(&[Kind::Ringkeeper; 3])
        .set("ringkeeper.live.ms", "300")
        .set("ringkeeper.log.io", "calls")
        .set("preAllocSize", "65536")
        .set("tickTime", "500")
        .set("syncLimit", "4")
        .hanging_disks();
    let (ensemble, ports) = with_admin_ports("plane-probes-hang", plan);
    let member = &ensemble.members[0];
    assert_eq!(ask(ports[0], "/live").0, 200);
    let mut session = Session::open(member.port, 40_000);
    member.hung_disk().hang();
    // A write that the control role flushes itself, or else the promise of the next epoch.
    let body = Out::new().str("/hangs").buffer(None).acls(Some(OPEN)).i32(0);
    session.conn.send_request(1, 1, &body.0);
    // A busy machine may keep another role from its turn for so long.
    let by_control = |said: &Value| {
        let reason = said["reason"].as_str();
        reason.is_some_and(|why| why.starts_with("no turn was taken for 300 ms by: control"))
    };
    await_answer(ports[0], "/live", |status, said| status == 503 && by_control(said));
    assert_eq!(ask(ports[0], "/ready").0, 503);
    assert_eq!(ask(ports[1], "/live").0, 200);
    member.hung_disk().go_on();
    await_answer(ports[0], "/live", |status, _| status == 200);
}
