//! What is to be run: environment, mounted files, how long to wait for it.

use std::marker::PhantomData;
use std::time::Duration;

/// How long a container may take to serve. Its command is not run: serving is answering `srvr`.
#[derive(Debug, Clone)]
pub struct Healthcheck {
    interval: Duration,
    retries: u32,
}

impl Default for Healthcheck {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), retries: 60 }
    }
}

impl Healthcheck {
    pub fn with_cmd<T>(self, _command: impl Iterator<Item = T>) -> Self {
        self
    }

    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    pub fn with_retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    pub(crate) fn patience(&self) -> Duration {
        self.interval * self.retries
    }
}

/// What a container has to reach before it is handed out.
#[derive(Debug, Clone, Copy)]
pub enum WaitFor {
    Healthcheck,
}

/// An image by name. Every one is a ZooKeeper of the version under test: the tag is not looked at.
#[derive(Debug, Clone, Default)]
pub struct GenericImage {
    pub(crate) env: Vec<(String, String)>,
    pub(crate) healthcheck: Healthcheck,
}

impl GenericImage {
    pub fn new(name: &str, _tag: &str) -> Self {
        assert_eq!(name, "zookeeper", "the only image there is");
        Self::default()
    }

    pub fn with_env_var(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    pub fn with_healthcheck(self, healthcheck: Healthcheck) -> Self {
        Self { healthcheck, ..self }
    }

    pub fn with_wait_for(self, _what: WaitFor) -> Self {
        self
    }
}

/// An image with its mounts.
#[derive(Debug, Clone)]
pub struct RunnableImage<I> {
    pub(crate) image: GenericImage,
    pub(crate) volumes: Vec<(String, String)>,
    kind: PhantomData<I>,
}

impl From<GenericImage> for RunnableImage<GenericImage> {
    fn from(image: GenericImage) -> Self {
        Self { image, volumes: Vec::new(), kind: PhantomData }
    }
}

impl<I> RunnableImage<I> {
    /// Mounts a file of the host at a path of the container.
    pub fn with_volume(mut self, (host, inside): (impl Into<String>, impl Into<String>)) -> Self {
        self.volumes.push((host.into(), inside.into()));
        self
    }

    pub fn with_network(self, name: impl Into<String>) -> Self {
        panic!("network {:?}: a plain process has none of its own", name.into());
    }
}
