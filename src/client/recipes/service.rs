//! Where a service can be had, as Curator's x-discovery writes it (org.apache.curator.x.discovery.ServiceInstance
//! by JsonInstanceSerializer): one node for each instance, `<base>/<service>/<instance>`.

use serde_json::{Value, json};

use super::layout::join;

/// One instance of a service.
#[derive(Clone, PartialEq, Debug)]
pub struct Instance {
    /// Of the service.
    pub service: String,
    /// Of this instance, different from the others.
    pub id: String,
    /// A name or an address.
    pub address: String,
    /// Where it listens, if it does.
    pub port: Option<u16>,
    /// The same for TLS.
    pub ssl_port: Option<u16>,
    /// What else clients should know.
    pub payload: Value,
    /// When it came, in milliseconds since 1970.
    pub registered_ms: i64,
}

impl Instance {
    /// Where its node is.
    pub fn path(&self, base: &str) -> String {
        join(&join(base, &self.service), &self.id)
    }

    /// What its node holds.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.service,
            "id": self.id,
            "address": self.address,
            "port": self.port,
            "sslPort": self.ssl_port,
            "payload": self.payload,
            "registrationTimeUTC": self.registered_ms,
            "serviceType": "DYNAMIC",
            "uriSpec": null,
            "enabled": true,
        })
    }
}

/// Whether clients should be sent there: one that is disabled should not be.
pub fn is_enabled(instance: &Value) -> bool {
    instance.get("enabled").and_then(Value::as_bool).unwrap_or(true)
}
