//! What the tests of the crate `zookeeper-client` use of `testcontainers`, without Docker: a
//! "container" of the image `zookeeper` is one server process on a free loopback port, started by
//! the command `java` (tests/clients/shim/java: Java's server or ours).
//!
//! A server's folder is made under `$RK_TEST_FOLDER`; its file `server.pid` is there while the
//! process runs, so that who ran the tests can end what a killed test left behind. What a plain
//! process on one host cannot be (another network, other mounts) panics with its name.

/// How containers are started.
pub mod clients {
    pub use crate::docker::Cli;
}

/// Containers and what they are asked for.
pub mod core {
    pub use crate::docker::{Container, LogStream};
    pub use crate::image::{Healthcheck, RunnableImage, WaitFor};
}

/// Images.
pub mod images {
    /// Images named by a string.
    pub mod generic {
        pub use crate::image::GenericImage;
    }
}

mod docker;
mod image;
