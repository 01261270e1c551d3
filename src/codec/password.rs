//! Session passwords: every server of an ensemble computes the same one for a session id, so that a
//! client may reconnect to any (ZooKeeperServer.generatePasswd, java.util.Random).

use crate::types::SessionId;

/// What Java calls superSecret.
const SECRET: i64 = 0xB341_5C00;
const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

/// The 16 bytes a client must show to take up `session` again.
pub fn session_password(session: SessionId) -> [u8; 16] {
    let mut seed = ((session.0 ^ SECRET) as u64 ^ MULTIPLIER) & MASK;
    let mut password = [0; 16];
    for word in password.chunks_exact_mut(4) {
        seed = seed.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        // Random.nextBytes gives each 32-bit number lowest byte first.
        word.copy_from_slice(&((seed >> 16) as u32).to_le_bytes());
    }
    password
}

/// ZooKeeperServer.checkPasswd: session 0 has no password.
pub fn is_session_password(session: SessionId, shown: &[u8]) -> bool {
    session.0 != 0 && shown == session_password(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::generate::unhex;

    #[test]
    fn passwords_are_those_of_a_java_server() {
        for (session, password) in [
            (0x0100_0047_cef2_0000, "bcf3323f99e09135fae2f2410a8971ec"),
            (0x0100_0000_0000_0001, "054cc74a37327db215e702e20c73f005"),
        ] {
            let session = SessionId(session);
            assert_eq!(session_password(session).to_vec(), unhex(password));
            assert!(is_session_password(session, &unhex(password)));
            assert!(!is_session_password(session, &unhex(password)[..15]));
            assert!(!is_session_password(session, b""));
        }
        assert!(!is_session_password(SessionId(0), &session_password(SessionId(0))));
    }
}
