//! What operators are told of single requests. Each is off unless it was asked for.

use std::sync::Arc;

use crate::admin::audit::AuditSender;
use crate::admin::slow::SlowLog;

/// Where the roles note it.
#[derive(Clone, Default)]
pub struct Insight {
    /// The audit log's.
    pub audit: Option<AuditSender>,
    /// The slow-operation log.
    pub slow: Option<Arc<SlowLog>>,
}
