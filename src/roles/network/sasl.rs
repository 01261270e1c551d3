//! SASL packets, handled when they are received, ahead of whatever waits (ZooKeeperServer.processSasl).

use super::client::Client;
use super::reads::ReadContext;
use crate::acl;
use crate::codec::reply;
use crate::net::How;
use crate::sasl::{Accepted, CLIENTS, Credentials, Failure, Names, Nonce};
use crate::types::{ErrorCode, Millis, Xid};

/// How clients prove who they are by SASL; the same for all cores.
#[derive(Clone, Debug)]
pub struct SaslRules {
    /// Whom there is to prove.
    pub users: Credentials,
    /// A proven name into the one that access lists have.
    pub names: Names,
    /// Who fails is served like who never tried, unless SASL is required.
    pub allow_failed: bool,
    /// For nonces.
    pub entropy: fn() -> u64,
}

/// Why an exchange has proven nothing that counts.
#[derive(Debug, thiserror::Error)]
enum Unproven {
    #[error(transparent)]
    Failure(#[from] Failure),
    /// In Java such a user keeps the whole name.
    #[error("no rule of security.auth_to_local takes the name \"{0}\"")]
    Name(String),
    #[error("its identities are beyond their bounds")]
    Bounds,
}

/// One token. An error: the connection is to be closed, as after any failed authentication.
pub(super) fn exchange(
    context: &mut ReadContext<'_>,
    client: &mut Client,
    xid: Xid,
    token: &[u8],
    received: Millis,
    out: &mut Vec<u8>,
) -> Result<(), How> {
    let shared = context.shared;
    let Some(rules) = &shared.sasl else {
        // Java's server without a login: a null token and no error.
        reply::sasl(out, xid, ErrorCode::Ok, None);
        return Ok(());
    };
    let why = match accept(context, client, rules, token) {
        Ok(answer) => {
            reply::sasl(out, xid, ErrorCode::Ok, Some(&answer));
            return Ok(());
        }
        Err(why) => why,
    };
    let failed = shared
        .lines
        .auth_failed
        .note(received, || format!("{}: SASL authentication failed: {why}", client.peer));
    if let Some(line) = failed {
        tracing::warn!("{line}");
    }
    let is_required = acl::requires_sasl(&shared.policy);
    if rules.allow_failed && !is_required {
        context.gauges.auth_failed.add(1);
        reply::sasl(out, xid, ErrorCode::Ok, None);
        return Ok(());
    }
    let code = match is_required {
        true => ErrorCode::SessionClosedRequireSaslAuth,
        false => ErrorCode::AuthFailed,
    };
    reply::sasl(out, xid, code, None);
    Err(How::AfterFlush)
}

fn accept(
    context: &mut ReadContext<'_>,
    client: &mut Client,
    rules: &SaslRules,
    token: &[u8],
) -> Result<Vec<u8>, Unproven> {
    let nonce = || Nonce(std::array::from_fn(|_| (rules.entropy)()));
    let acceptor = client.sasl.get_or_insert_default();
    match acceptor.accept(&CLIENTS, &rules.users, token, nonce)? {
        Accepted::Challenge(challenge) => Ok(challenge),
        Accepted::Proven { user, token } => {
            let name = rules.names.of(&user).ok_or(Unproven::Name(user))?;
            let identities = acl::sasl_user(&context.shared.policy, &name);
            context.add_identities(client, identities).map_err(|_| Unproven::Bounds)?;
            tracing::debug!(peer = %client.peer, %name, "authenticated by SASL");
            Ok(token)
        }
    }
}
