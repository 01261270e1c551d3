//! The thread: a runtime of tokio's for this one thread, and one more for calls that may wait.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::process::{getpriority_process, setpriority_process};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::connections;
use super::gather::Sources;
use super::listen::Listener;
use super::service::Plane;
use crate::admin::http::server::{AdminServer, Served};

/// How much later than the roles' threads this one has its turn (nice(2)): a tenth of a CPU where all
/// of them want one.
const LATER: i32 = 10;

/// Between two slices that a role is asked for.
const REST: Duration = Duration::from_millis(2);

/// What reaches the plane from the thread that starts the server.
pub struct Handle {
    server: Arc<AdminServer>,
    sources: Arc<OnceLock<Arc<Sources>>>,
}

impl Handle {
    /// The roles run. Until then commands hear that nothing is served.
    pub fn serve(&self, served: Served, sources: Sources) {
        let sources = Sources { queries: sources.queries.resting(REST), ..sources };
        // Set once: a process has one server.
        let _ = self.sources.set(Arc::new(sources));
        self.server.serve(served);
    }
}

/// Starts the thread, which ends with the process.
pub(super) fn spawn(server: AdminServer, listeners: Vec<Listener>) -> io::Result<Handle> {
    let server = Arc::new(server);
    let sources: Arc<OnceLock<Arc<Sources>>> = Arc::default();
    let handle = Handle { server: server.clone(), sources: sources.clone() };
    // One thread for questions, and one for pieces of a snapshot that is sent.
    let mut builder = Builder::new_current_thread();
    builder.enable_io().enable_time().max_blocking_threads(2).thread_name("plane-files");
    let runtime = builder.build()?;
    std::thread::Builder::new().name("plane".into()).spawn(move || {
        stand_back();
        let plane = Rc::new(Plane::new(server, sources));
        LocalSet::new().block_on(&runtime, connections::serve(plane, listeners));
    })?;
    Ok(handle)
}

/// A thread's own priority, on Linux; those that it starts inherit it.
fn stand_back() {
    let own = getpriority_process(None);
    let lowered = own.and_then(|own| setpriority_process(None, (own + LATER).min(19)));
    if let Err(error) = lowered {
        tracing::warn!(%error, "the management plane has the priority of the roles");
    }
}
