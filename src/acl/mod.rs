//! Who may do what: identities, schemes and decisions.
//!
//! Everything here is a function of its arguments. A decision in somebody's favour is a
//! [`Permit`], which only [`check`] can make: what needs a permit cannot be done without asking.
//!
//! * [`digest`]: the hashes of digest ids, by Java's names
//! * [`schemes`]: which schemes there are, their id syntax, how an id matches an entry
//! * [`decide`]: the check itself, what getACL shows, what whoAmI says
//! * [`fixup`](fixup()): the list a client sent → the list a node gets
//! * [`authenticate`](authenticate()): an auth packet, a certificate, a SASL user → identities

mod authenticate;
mod decide;
mod digest;
mod fixup;
mod ip;
mod schemes;

pub use authenticate::{
    authenticate, authenticates, certified, has_proven_enough, ip_identity, requires_sasl,
    sasl_user,
};
pub use decide::{Decisions, Permit, Verdicts, check, mask_digests, who_am_i};
pub use digest::DigestAlgorithm;
pub use fixup::{fixup, ill_formed};
pub use schemes::Policy;
