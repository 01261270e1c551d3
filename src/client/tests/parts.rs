//! Connect strings, chroots, watches.

use super::super::watches::{Watches, Watching};
use super::*;
use crate::types::{EventKind, PathError};

#[test]
fn connect_strings_are_read_as_java_reads_them() {
    let parsed = |text: &str| {
        let read = ConnectString::parse(text).unwrap();
        let hosts: Vec<String> = read.hosts.iter().map(Host::to_string).collect();
        (hosts.join(" "), read.chroot.to_server("/".into()).into_owned())
    };
    let as_is = |hosts: &str, root: &str| (hosts.to_owned(), root.to_owned());
    assert_eq!(parsed("zk"), as_is("zk:2181", "/"));
    assert_eq!(parsed("a:1, b ,,c:3/app/x"), as_is("a:1 b:2181 c:3", "/app/x"));
    assert_eq!(parsed("a:/"), as_is("a:2181", "/"));
    assert_eq!(parsed("[::1]:5,[fe80::1]"), as_is("[::1]:5 [fe80::1]:2181", "/"));
    let refused = |text: &str| ConnectString::parse(text).unwrap_err();
    assert_eq!(refused("/a"), ConnectStringError::NoHost("/a".into()));
    assert_eq!(refused("a:0"), ConnectStringError::Port("a:0".into()));
    assert_eq!(refused("a:x"), ConnectStringError::Port("a:x".into()));
    assert_eq!(refused("[::1"), ConnectStringError::Bracket("[::1".into()));
    let error = PathError::TrailingSlash;
    assert_eq!(refused("a/b/"), ConnectStringError::Chroot { chroot: "/b/".into(), error });
    let many = vec!["h"; settings::HOSTS_MAX + 1].join(",");
    let count = settings::HOSTS_MAX + 1;
    assert_eq!(refused(&many), ConnectStringError::TooMany { count });
}

#[test]
fn a_chroot_is_added_and_taken_away() {
    let chroot = Chroot::new("/app").unwrap();
    assert_eq!(chroot.to_server("/".into()), "/app");
    assert_eq!(chroot.to_server("/a".into()), "/app/a");
    assert_eq!(chroot.to_client("/app"), "/");
    assert_eq!(chroot.to_client("/app/a"), "/a");
    assert_eq!(chroot.to_client("/apple"), "/apple");
    assert_eq!(chroot.to_client("/zookeeper/config"), "/zookeeper/config");
    assert_eq!(Chroot::default().to_client("/a"), "/a");
}

#[test]
fn an_event_finds_the_watches_it_is_for() {
    use EventKind::*;
    let mut watches = Watches::default();
    watches.answered(Watching::Data("/d".into()), 0);
    watches.answered(Watching::Data("/none".into()), -101);
    watches.answered(Watching::Exists("/e".into()), -101);
    watches.answered(Watching::Children("/c".into()), 0);
    watches.answered(Watching::Persistent("/p".into()), 0);
    watches.answered(Watching::Recursive("/r".into()), 0);
    let mut fired = |kind, path| watches.fired(kind, path);
    assert!(!fired(NodeCreated, "/none"));
    assert!(fired(NodeCreated, "/e") && !fired(NodeCreated, "/e"));
    assert!(!fired(NodeDataChanged, "/c") && fired(NodeChildrenChanged, "/c"));
    assert!(fired(NodeDeleted, "/d") && !fired(NodeDeleted, "/d"));
    assert!(fired(NodeChildrenChanged, "/p") && fired(NodeDataChanged, "/p"));
    assert!(fired(NodeCreated, "/r/a/b") && fired(NodeDeleted, "/r"));
    assert!(!fired(NodeChildrenChanged, "/r") && !fired(NodeCreated, "/rr"));
    watches.answered(Watching::Recursive("/".into()), 0);
    assert!(watches.fired(NodeCreated, "/x"));
}
