//! Who may run a command that needs all permissions on the root (Commands.handleAuthentication,
//! handleAuthorization).

use super::request::Request;
use crate::acl::{self, Policy};
use crate::tree::Tree;
use crate::types::{Identity, Perms};

/// Why a command is not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Denied {
    /// There is no header `Authorization`.
    Missing,
    /// It proves nothing.
    NotAuthenticated,
    /// What it proves lacks a permission.
    NotAuthorized,
}

/// Every bit of [`Perms::ALL`] on "/" is asked for by itself: an entry that grants one of them is not
/// enough for the others (CVE-2025-58457).
pub(super) fn authorize(
    policy: &Policy,
    tree: &Tree,
    request: &Request,
    trusts_proxy: bool,
) -> Result<(), Denied> {
    let given = request.authorization.as_deref().filter(|text| !text.is_empty());
    let identities = identities(policy, given.ok_or(Denied::Missing)?, request, trusts_proxy)?;
    let (list, _) = tree.read("/", |node| node.map(|node| node.acl().clone()));
    let list = list.ok_or(Denied::NotAuthorized)?;
    let bits = [Perms::READ, Perms::WRITE, Perms::CREATE, Perms::DELETE, Perms::ADMIN];
    let lacks = |bit: &Perms| acl::check(policy, &list, *bit, &identities).is_err();
    if bits.iter().any(lacks) { Err(Denied::NotAuthorized) } else { Ok(()) }
}

/// `<scheme> [<what proves it>]`, with one blank between them.
pub(super) fn identities(
    policy: &Policy,
    given: &str,
    request: &Request,
    trusts_proxy: bool,
) -> Result<Vec<Identity>, Denied> {
    let mut parts = given.trim_end_matches(' ').split(' ');
    let (scheme, proof, rest) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if rest.is_some() {
        return Err(Denied::NotAuthenticated);
    }
    if scheme == "ip" && acl::authenticates(policy, scheme) {
        return Ok(vec![acl::ip_identity(request.client(trusts_proxy))]);
    }
    // X509AuthenticationProvider.handleAuthentication: whatever stands behind the scheme.
    if scheme == "x509" && acl::authenticates(policy, scheme) {
        let subject = request.subject.as_deref().ok_or(Denied::NotAuthenticated)?;
        return Ok(acl::certified(policy, subject));
    }
    let proven = acl::authenticate(policy, Some(scheme), proof.map(str::as_bytes));
    proven.ok().filter(|proven| !proven.is_empty()).ok_or(Denied::NotAuthenticated)
}
