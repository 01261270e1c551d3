//! What this server is: on its own, or one of an ensemble and then in one of four roles.

use super::ensemble::Ensemble;
use super::leading::Leading;
use super::learning::Learning;
use crate::zab::Alone;

pub(super) enum Server {
    /// There are no others: its log is agreed on as it becomes durable.
    Alone(Alone),
    Ensemble(Box<Ensemble>),
}

/// What a server of an ensemble is to the others.
pub(super) enum Role {
    /// A role has ended: what the log was given becomes durable and is applied.
    Settling,
    Looking,
    Leading(Box<Leading>),
    Learning(Box<Learning>),
}

impl Server {
    /// Whether requests go to a leader.
    pub(super) fn learns(&self) -> bool {
        match self {
            Server::Alone(_) => false,
            Server::Ensemble(ensemble) => ensemble.learns(),
        }
    }

    /// Whether this server makes transactions, and no other does.
    pub(super) fn makes_transactions(&self) -> bool {
        match self {
            Server::Alone(_) => true,
            Server::Ensemble(ensemble) => matches!(ensemble.role, Role::Leading(_)),
        }
    }

    /// Whether no change of history is pending.
    pub(super) fn disk_is_settled(&self) -> bool {
        match self {
            Server::Alone(_) => true,
            Server::Ensemble(ensemble) => ensemble.disk.is_settled(),
        }
    }

    /// Whether there is a log thread to be stopped.
    pub(super) fn log_runs(&self) -> bool {
        match self {
            Server::Alone(_) => true,
            Server::Ensemble(ensemble) => ensemble.disk.log_runs(),
        }
    }
}
