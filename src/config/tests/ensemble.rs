//! Membership lines and what a server of an ensemble is told.

use std::path::Path;

use super::*;
use crate::membership::Role;
use crate::net::Security;
use crate::tls::{ClientAuth, Dials, Version};
use crate::types::ServerId;

const THREE: &str = "server.1=a:2888:3888\nserver.2=b:2888:3888;2182\nserver.3=c:2888:3888\n";
const LIMITS: &str = "initLimit=10\nsyncLimit=5\n";

/// A data folder whose `myid` is `id`.
fn folder(id: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("myid"), id).unwrap();
    dir
}

fn text(dir: &Path, rest: &str) -> String {
    format!("dataDir={}\nclientPort=2181\n{rest}", dir.display())
}

fn settings(id: &str, rest: &str) -> Result<Settings, ConfigError> {
    let dir = folder(id);
    read(&text(dir.path(), rest))
}

fn ensemble(rest: &str) -> EnsembleSettings {
    settings("1\n", &format!("{THREE}{LIMITS}{rest}")).unwrap().ensemble.unwrap()
}

fn refused(rest: &str) -> String {
    let error = settings("1\n", &format!("{THREE}{LIMITS}{rest}")).unwrap_err().to_string();
    error.split("zoo.cfg").last().unwrap_or_default().to_owned()
}

#[test]
fn a_lone_voter_is_standalone_and_more_are_an_ensemble() {
    let one = "server.1=a:2888:3888\n";
    assert!(with(one).ensemble.is_none());
    assert!(refusal(&format!("{one}server.2=b:2888:3888:observer")).contains("1 observers"));
    assert!(refusal("standaloneEnabled=false").contains("standaloneEnabled=false needs"));
    assert!(refusal("server.1=a:2888:3888:observer").contains("no voter"));
    let alone = format!("{one}{LIMITS}standaloneEnabled=false\n");
    assert_eq!(settings("1", &alone).unwrap().ensemble.unwrap().me, ServerId(1));
    for good in ["[::1]:2888:3888:participant;[::1]:2181", "a:1:2;0.0.0.0:2181"] {
        with(&format!("server.1={good}"));
    }
}

#[test]
fn a_bare_ensemble_has_javas_defaults() {
    let s = settings("2\n", &format!("{THREE}{LIMITS}clientPort=2182\n")).unwrap();
    assert!(s.unknown.is_empty() && s.no_effect.is_empty() && s.not_served.is_empty());
    let e = s.ensemble.unwrap();
    assert_eq!((e.me, e.role), (ServerId(2), Role::Participant));
    assert_eq!(
        e.electorate.committed.text(),
        "server.1=a:2888:3888:participant\nserver.2=b:2888:3888:participant;0.0.0.0:2182\n\
         server.3=c:2888:3888:participant\nversion=0"
    );
    assert!(e.electorate.next.is_none());
    assert_eq!(e.addresses()[0].election_text(), "b:3888");
    assert_eq!((e.timing.tick_ms, e.timing.init_ticks, e.timing.sync_ticks), (3000, 10, 5));
    assert_eq!((e.connect_ms, e.connect_retry_ms), (30_000, 100));
    assert_eq!((e.election_connect_ms, e.election_handshake_ms), (5000, 15_000));
    assert_eq!((e.notification_ms_min, e.notification_ms_max), (200, 60_000));
    assert_eq!((e.epoch_wait_ms, e.bind_retries), (None, Some(3)));
    assert!(e.leader_serves && !e.listen_on_all_addresses && !e.tcp_keep_alive);
    assert!(!e.several_addresses);
    assert_eq!(
        e.learner_sync,
        LearnerSyncSettings {
            snapshots: 10,
            diffs: 100,
            log_share: Some(0.33),
            always_snapshot: false
        }
    );
    assert_eq!(e.observer, ObserverSettings { reconnect_ms: 0, election_ms: 200 });
}

#[test]
fn every_key_of_ensembles_is_read() {
    let e = ensemble(
        "tickTime=500\nconnectToLearnerMasterLimit=4\nleaderConnectDelayDuringRetryMs=7\n\
         cnxTimeout=8\nquorumCnxnTimeoutMs=9\nfastleader.minNotificationInterval=10\n\
         fastleader.maxNotificationInterval=11\nleader.maxTimeToWaitForEpoch=0\n\
         quorumListenOnAllIPs=True\nelectionPortBindRetry=0\ntcpKeepAlive=true\n\
         multiAddress.enabled=true\nleaderServes=no\nmaxConcurrentSnapSyncs=12\n\
         leader.maxConcurrentDiffSyncs=13\nsnapshotSizeFactor=-1\nforceSnapshotSync=true\n\
         syncEnabled=true\nobserver.syncEnabled=false\nobserver.reconnectDelayMs=14\n\
         observer.election.DelayMs=15\nserver.1=a:1:2|aa:3:4:observer\nelectionAlg=3\n",
    );
    assert_eq!((e.role, e.addresses().len()), (Role::Observer, 2));
    assert_eq!((e.connect_ms, e.connect_retry_ms), (2000, 7));
    assert_eq!((e.election_connect_ms, e.election_handshake_ms), (8, 9));
    assert_eq!((e.notification_ms_min, e.notification_ms_max), (10, 11));
    assert_eq!((e.epoch_wait_ms, e.bind_retries), (Some(0), None));
    assert!(!e.leader_serves && e.listen_on_all_addresses && e.tcp_keep_alive);
    assert!(e.several_addresses);
    let sync = e.learner_sync;
    assert_eq!((sync.snapshots, sync.diffs, sync.log_share), (12, 13, None));
    assert!(sync.always_snapshot);
    assert_eq!(e.observer, ObserverSettings { reconnect_ms: 14, election_ms: 15 });
}

#[test]
fn groups_and_weights_make_hierarchical_quorums() {
    let e = ensemble("group.1=1:2:3\nweight.1=2\n");
    let members = e.electorate.committed;
    assert!(members.is_hierarchical() && members.weight(ServerId(1)) == 2);
    assert!(refused("group.1=1:2\n").contains("server.3 votes and is in no group"));
    assert!(refused("group.1=1:2:3\nweight.1=x").contains(" line 9: must be a number"));
}

#[test]
fn wrong_values_and_impossible_ensembles_are_refused() {
    for (rest, told) in [
        ("server.1=a", " line 8: must be <host>:<quorum port>:<election port>"),
        ("server.x=a:1:2", " line 8: must be server.<number>=<host>:"),
        ("server.1=a:1:2|b:3:4", " line 8: must be a line with one address, unless multiAddress"),
        ("initLimit=0", " line 8: must be ticks from 1 to 2147483647"),
        ("syncLimit=x", " line 8: must be a whole number from"),
        ("electionAlg=1", " line 8: must be 3"),
        ("quorumListenOnAllIPs=1", " line 8: must be true or false"),
        ("electionPortBindRetry=-1", " line 8: must be tries, 0 for as many as it takes, from 0"),
        ("fastleader.minNotificationInterval=0", " line 8: must be milliseconds from 1"),
        ("snapshotSizeFactor=half", " line 8: must be a decimal number"),
        (
            "quorum.auth.enableSasl=true",
            " line 8: must be false, or java.security.auth.login.config",
        ),
        (
            "quorum.auth.learnerRequireSasl=true",
            " line 8: must be false, unless quorum.auth.enable",
        ),
        ("sslQuorum=true", " line 8: must be false, or ssl.quorum.keyStore.location must name"),
        ("portUnification=true", " line 8: must be false, or ssl.quorum.keyStore.location must"),
        ("sslQuorum=1", " line 8: must be true or false"),
        ("oraclePath=/o", " line 8: an oracle for two voters is not served by this version; add"),
        (
            "server.1=a:1:2;2181;2281",
            " line 8: a second client part is not served by this version; set sec",
        ),
        ("server.257=d:1:2", ": server.1 and server.257: session ids hold the last eight bits"),
        ("server.4=B:3888:3889", ": server.2 and server.4 are both at B port 3888"),
        ("server.1=a:1:2;2199", " line 8"),
    ] {
        let told_us = refused(rest);
        assert!(told_us.starts_with(told), "{rest}: {told_us}");
    }
    let missing = settings("1\n", &format!("{THREE}initLimit=10\n")).unwrap_err().to_string();
    assert_eq!(
        missing,
        "syncLimit is not set in zoo.cfg: ticks a server may lag behind, such as 5"
    );
    let stranger = settings("7\n", &format!("{THREE}{LIMITS}")).unwrap_err().to_string();
    assert!(stranger.ends_with("/myid: 7 is none of the servers 1, 2, 3 of zoo.cfg"), "{stranger}");
    let nobody = refusal(&format!("{THREE}{LIMITS}"));
    assert!(nobody.starts_with("/var/lib/zk/myid is missing: a server of an ensemble has its num"));
    let long = format!("{THREE}{LIMITS}server.255=d:1:2\nextendedTypesEnabled=true\n");
    assert!(settings("255", &long).unwrap_err().to_string().contains("at most 254"));
    assert!(settings("1", &long).is_ok());
}

#[test]
fn remarks_tell_what_an_operator_may_not_have_meant() {
    let s = settings(
        "1",
        "server.1=a:1:2\nserver.2=b:1:2\ninitLimit=1\nsyncLimit=1\npeerType=observer\n\
         reconfigEnabled=true\nobserverMasterPort=2191\nsnapshotSizeFactor=2\n\
         leader.nodelay=true\nlearner.asyncSending=true\nssl.quorum.clientAuth=need\n",
    )
    .unwrap();
    let told = s.remarks.join("\n");
    for part in [
        "2 voters: the ensemble survives no failure",
        "peerType=observer in zoo.cfg line 7: the line of server.1 says otherwise",
        "observer masters are not served by this version",
        "snapshotSizeFactor=2 is above 1: 0.33 is used",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(s.ensemble.unwrap().learner_sync.log_share, Some(0.33));
    let keys = |list: &[Noted]| list.iter().map(|n| n.key.clone()).collect::<Vec<_>>();
    let idle = ["leader.nodelay", "learner.asyncSending", "ssl.quorum.clientAuth"];
    assert_eq!(keys(&s.no_effect), idle);
    assert!(s.no_effect[2].why.starts_with("none of sslQuorum, portUnification,"));
}

#[test]
fn a_dynamic_file_has_the_members_and_its_name_their_version() {
    let dir = folder("2");
    let dynamic = dir.path().join("zoo.cfg.dynamic.1a00000001");
    std::fs::write(&dynamic, THREE).unwrap();
    let base = format!("dataDir={}\n{LIMITS}", dir.path().display());
    let base = format!("{base}dynamicConfigFile={}\n", dynamic.display());
    let s = read(&base).unwrap();
    assert_eq!(s.client.listen, Some(Listen { ip: None, port: 2182 }));
    let members = s.ensemble.unwrap().electorate.committed;
    assert_eq!(members.version(), 0x1a_0000_0001);
    let error = |text: &str| read(text).unwrap_err().to_string();
    assert!(error(&format!("{base}server.1=a:1:2")).contains("must be in the dynamic"));
    std::fs::write(&dynamic, "server.1=a:1:2\ntickTime=5\n").unwrap();
    assert!(error(&base).contains("server., group and weight keys only"));
    std::fs::write(&dynamic, format!("{THREE}version=1\n")).unwrap();
    assert!(error(&base).contains("1a00000001 line 4: must be absent"));
    std::fs::write(&dynamic, "server.1=a:1\n").unwrap();
    assert!(error(&base).contains("1a00000001 line 1: must be <host>"));
}

/// What a leader proposed before a stop counts only where it may have been proposed.
#[test]
fn a_next_configuration_is_read_with_reconfig_only() {
    let dir = folder("2");
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("zoo.cfg.dynamic"), THREE).unwrap();
    let next = format!("{THREE}server.4=d:1:2\nversion=100000002\n");
    std::fs::write(path("zoo.cfg.dynamic.next"), next).unwrap();
    let base = format!("dataDir={}\n{LIMITS}", dir.path().display());
    let base = format!("{base}dynamicConfigFile={}\n", path("zoo.cfg.dynamic").display());
    let load = |rest: &str| {
        std::fs::write(path("zoo.cfg"), format!("{base}{rest}")).unwrap();
        Settings::load(&path("zoo.cfg"), &Flags::default()).unwrap().ensemble.unwrap().electorate
    };
    assert!(load("").next.is_none());
    let electorate = load("reconfigEnabled=true\n");
    assert_eq!(electorate.committed.version(), 0);
    assert_eq!(electorate.next.unwrap().version(), 0x1_0000_0002);
    // In force by now: a crash came before the end of the old file.
    std::fs::rename(path("zoo.cfg.dynamic"), path("zoo.cfg.dynamic.100000002")).unwrap();
    let base = base.replace("cfg.dynamic\n", "cfg.dynamic.100000002\n");
    let text = format!("{base}reconfigEnabled=true\n");
    std::fs::write(path("zoo.cfg"), text).unwrap();
    let settings = Settings::load(&path("zoo.cfg"), &Flags::default()).unwrap();
    assert!(settings.ensemble.unwrap().electorate.next.is_none());
}

#[test]
fn large_ensembles_are_whole() {
    let many: String = (0..40).map(|id| format!("server.{}=h{id}:1:2\n", id * 6)).collect();
    let e = settings("6", &format!("{many}{LIMITS}")).unwrap().ensemble.unwrap();
    assert_eq!(e.electorate.committed.count(), 40);
}

const STORES: &str = "ssl.quorum.keyStore.location=/k.p12\nssl.quorum.keyStore.password=p4ss\n\
                      ssl.quorum.trustStore.location=/t.pem\n";

#[test]
fn servers_speak_tls_as_the_two_keys_say() {
    let of = |rest: &str| ensemble(&format!("{STORES}{rest}")).tls;
    assert_eq!(of(""), None);
    assert_eq!(of("sslQuorum=false\nportUnification=false\n"), None);
    let tls = of("sslQuorum=true\n").unwrap();
    assert_eq!((tls.accepts, tls.dials, tls.reload), (Security::Tls, true, false));
    let options = &tls.sources.options;
    assert_eq!((options.client_auth, options.checks_address), (ClientAuth::Need, true));
    assert_eq!(options.dials, Some(Dials { checks_name: true }));
    // What the JDK enables where nobody says.
    assert_eq!(options.versions, [Version::Tls12, Version::Tls13]);
    assert_eq!(tls.sources.key_store.key, "ssl.quorum.keyStore");
    assert_eq!(tls.handshake, Duration::from_secs(5));
    let both = of("sslQuorum=true\nportUnification=true\nsslQuorumReloadCertFiles=true\n").unwrap();
    assert_eq!((both.accepts, both.dials, both.reload), (Security::Either, true, true));
    let first = of("portUnification=true\nssl.quorum.hostnameVerification=false\n").unwrap();
    assert_eq!((first.accepts, first.dials), (Security::Either, false));
    // The one switches both off.
    assert!(!first.sources.options.checks_address);
    assert_eq!(first.sources.options.dials, Some(Dials { checks_name: false }));
    let older = of("sslQuorum=true\nssl.quorum.protocol=TLSv1.2\nssl.quorum.clientAuth=want\n");
    let older = older.unwrap().sources.options;
    assert_eq!((&older.versions[..], older.client_auth), (&[Version::Tls12][..], ClientAuth::Want));
}

#[test]
fn what_cannot_be_honoured_between_servers_ends_the_start_by_name() {
    for (line, text) in [
        ("ssl.quorum.ocsp=true", "OCSP is not served by this version; set the crl key beside"),
        ("ssl.quorum.crl=true", "must be false, or ringkeeper.ssl.quorum.crl.location must name"),
        ("ringkeeper.ssl.quorum.crl.location=/c", "must be absent unless ssl.quorum.crl=true"),
        ("ssl.quorum.clientAuth=maybe", "must be none, want or need"),
        ("ssl.quorum.enabledProtocols=TLSv1.1", "must be TLSv1.2 or TLSv1.3; older ones"),
        ("ssl.quorum.ciphersuites=HIGH", "must be suites in Java's spelling; \"HIGH\" is none"),
        ("ssl.quorum.context.supplier.class=a.B", "a class of your own is not served"),
        ("ssl.quorum.allowReverseDnsLookup=true", "the look-up of servers' names is not served"),
        ("ssl.quorum.hostnameVerification=yes", "must be true or false"),
        ("ssl.quorum.keyStore.type=BCFKS", "Bouncy Castle's store is not served"),
        ("sslQuorumReloadCertFiles=1", "must be true or false"),
        ("fips-mode=true", "FIPS mode is not served by this version; set it to false"),
    ] {
        let told = refused(&format!("sslQuorum=true\n{STORES}{line}"));
        assert!(told.contains(text), "{line}: {told}");
    }
    let trust = refused("sslQuorum=true\nssl.quorum.keyStore.location=/k.p12\n");
    assert!(trust.contains("or ssl.quorum.trustStore.location must name whom to trust"), "{trust}");
}
