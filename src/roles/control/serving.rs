//! What clients of an ensemble's server get: everything, reads alone, nothing.

use std::sync::atomic::Ordering;

use super::base::Base;
use super::ensemble::Ensemble;
use super::role::Role;
use crate::roles::message::{Service, ServingEpoch, ToNetwork};
use crate::types::Zxid;

impl Ensemble {
    /// Tells the network cores, in stream order, what clients get.
    pub(super) fn set_service(&mut self, base: &mut Base, service: Service) {
        if base.service == service {
            return;
        }
        base.service = service;
        match service {
            Service::All => {
                base.gauges.quorum.serving(base.now);
                tracing::info!("serving clients");
            }
            Service::Reads => base.gauges.quorum.read_only(base.now),
            Service::Off => {}
        }
        let abstains =
            matches!(self.role, Role::Leading(_)) && self.settings.clients.leader_abstains;
        let service = if abstains { Service::Off } else { service };
        base.gauges.running.store(service != Service::Off, Ordering::Relaxed);
        let zxid = base.pipeline.tree.applied();
        let epoch = self.serving_epoch(base).filter(|_| service == Service::All);
        for stream_sender in &mut base.pipeline.stream_senders {
            stream_sender.send(ToNetwork::Serving { service, zxid, epoch });
        }
    }

    /// All of the epoch's initial history is agreed by the time it is served in.
    fn serving_epoch(&self, base: &Base) -> Option<ServingEpoch> {
        let epoch = match &self.role {
            Role::Leading(leading) => leading.leader.epoch(),
            Role::Learning(learning) => learning.learner.epoch(),
            Role::Settling | Role::Looking => return None,
        };
        Some(ServingEpoch { first: Zxid::new(epoch, 0), history: base.pipeline.queue.agreed() })
    }

    /// QuorumPeer.run: the election goes on too long to leave readers without an answer. They have
    /// the tree as it is, and sessions that end with this.
    pub(super) fn serve_read_only(&mut self, base: &mut Base) {
        self.reads_at = None;
        tracing::warn!("read-only mode: no leader");
        self.set_service(base, Service::Reads);
    }

    pub(super) fn end_read_only(&mut self, base: &mut Base) {
        self.reads_at = None;
        if base.service == Service::Reads {
            self.set_service(base, Service::Off);
            base.sessions.forget_all();
        }
    }
}
