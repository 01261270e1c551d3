//! SASL: tokens of whoever comes, the file of users, rules of names.

use ringkeeper::sasl::jaas::Jaas;
use ringkeeper::sasl::{
    Accepted, Acceptor, CLIENTS, Credentials, Failure, Initiator, Names, Next, Nonce, PeerAcceptor,
    PeerInitiator, Progress, Removed, SERVERS, Secret, client_login, server_login,
};

use crate::choose;

const NONCE: Nonce = Nonce([1, 2, 3, 4]);

fn users() -> Credentials {
    Credentials::new([("bob", "secret"), ("", ""), ("j\u{fc}", "\u{8a9e}")])
}

/// Tokens one after another, each ended by a zero byte, at a server (an even first byte) or a client. Nobody
/// here knows a password: whoever proves something all the same has broken the exchange. In an honest
/// response (a first byte from 128 on) bytes are replaced: pairs of a place and a value.
pub fn fuzz_sasl(data: &[u8]) {
    let Some((choice, rest)) = choose(data) else { return };
    let service = if choice & 2 == 0 { CLIENTS } else { SERVERS };
    if choice >= 128 {
        return damaged(rest);
    }
    if choice & 4 != 0 {
        return between_servers(choice, rest);
    }
    let (mut server, mut client) = (Acceptor::default(), Initiator::default());
    let password = Secret("secret".to_owned());
    for token in rest.split(|byte| *byte == 0) {
        if choice & 1 == 0 {
            match server.accept(&service, &users(), token, || NONCE) {
                Ok(Accepted::Challenge(challenge)) => assert!(challenge.len() < 256),
                // The empty password is known to everybody.
                Ok(Accepted::Proven { user, .. }) => assert!(user.is_empty(), "{user}"),
                Err(failure) => assert!(failure.to_string().len() < 512),
            }
        } else {
            match client.answer(&service, ("bob", &password), token, || NONCE) {
                Ok(Next::Send(answer)) => assert!(answer.len() < 1024 + 4 * token.len()),
                Ok(Next::Done) => panic!("a server is believed that knows no password"),
                Err(failure) => assert!(failure.to_string().len() < 512),
            }
        }
    }
}

/// Any bytes at a server's port, or from the server that was connected to; in pieces of two sizes.
fn between_servers(choice: usize, rest: &[u8]) {
    let (is_accepting, is_required) = (choice & 1 == 0, choice & 2 == 0);
    let (mut acceptor, mut initiator) = (PeerAcceptor::default(), PeerInitiator::default());
    let users = Credentials::new([("bob", "secret")]);
    let password = Secret("secret".to_owned());
    let (mut input, mut out) = (Vec::new(), Vec::new());
    for piece in rest.chunks(if choice & 8 == 0 { 7 } else { 1000 }) {
        input.extend_from_slice(piece);
        let (used, progress) = match is_accepting {
            true => acceptor.take((&users, is_required), &input, &mut out, &|| NONCE),
            false => initiator.take(("bob", &password), &input, &mut out, &|| NONCE),
        };
        assert!(used <= input.len());
        input.drain(..used);
        match progress {
            Progress::Waiting => assert!(input.len() < 4096 + 16, "{} bytes held", input.len()),
            Progress::Through(who, _) => {
                assert!(is_accepting && !is_required && who.is_none(), "{who:?}");
                return;
            }
            Progress::Ended(why) => return assert!(why.to_string().len() < 512),
        }
    }
    assert!(out.len() < 1024 + 4 * rest.len());
}

fn damaged(rest: &[u8]) {
    let (mut server, mut client) = (Acceptor::default(), Initiator::default());
    let Ok(Accepted::Challenge(challenge)) = server.accept(&CLIENTS, &users(), b"", || NONCE)
    else {
        panic!("no challenge");
    };
    let who = ("bob", &Secret("secret".to_owned()));
    let Ok(Next::Send(honest)) = client.answer(&CLIENTS, who, &challenge, || NONCE) else {
        panic!("no response");
    };
    let mut token = honest.clone();
    for pair in rest.chunks_exact(2) {
        let at = usize::from(pair[0]) % token.len();
        token[at] = pair[1];
    }
    match server.accept(&CLIENTS, &users(), &token, || NONCE) {
        Ok(Accepted::Proven { user, .. }) => assert_eq!(user, "bob"),
        Ok(Accepted::Challenge(_)) => panic!("a second challenge"),
        Err(failure) => {
            assert_ne!(token, honest, "{failure}");
            assert_ne!(failure, Failure::Over);
        }
    }
    assert!(server.is_over());
}

/// A JAAS file. Its passwords are shown by no message.
pub fn fuzz_jaas(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let property = |name: &str| (name.len() < 8).then(|| name.to_uppercase());
    let jaas = match Jaas::parse(&text, &property) {
        Ok(jaas) => jaas,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return assert_eq!(Jaas::parse(&text, &property), Err(error));
        }
    };
    for section in ["Server", "Client", "S"] {
        if let Some(modules) = jaas.section(section) {
            let _ = (server_login(modules), client_login(modules));
        }
    }
}

/// Rules of auth_to_local up to the first zero byte, behind it a name.
pub fn fuzz_names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (rules, name) = text.split_once('\0').unwrap_or((&text, "zk/host@HOME"));
    if rules.len() > 1024 {
        return;
    }
    let home = Names::new(Removed { host: true, realm: false }, "HOME".to_owned());
    match home.with_rules(rules) {
        Ok(names) => {
            if let Some(short) = names.of(name) {
                assert!(name.contains('@') || short == name);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
