//! `shed_connections` of 3.10: which share of the clients' connections is to be closed
//! (ShedConnectionsCommand).

use serde_json::Value;

use super::reply::{Reply, status};
use crate::types::ConnId;

const NAME: &str = "shed_connections";

/// The share that a body asks for, in percent.
pub fn percentage(body: &[u8]) -> Result<u8, Reply> {
    let refuse = |text: &str| {
        let error = serde_json::Map::from_iter([("error".to_owned(), Value::from(text))]);
        Reply::json(status::BAD_REQUEST, NAME, None, error)
    };
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        refuse(&format!("Invalid JSON or failed to read request body: {error}"))
    })?;
    let field =
        body.get("percentage").ok_or_else(|| refuse("Missing required field: percentage"))?;
    // JsonNode.asInt: a text that is a number is one, and anything else is 0.
    let number = match field {
        Value::Number(number) => number.as_f64().unwrap_or(0.0),
        Value::String(text) => text.trim().parse().unwrap_or(0.0),
        Value::Bool(is_true) => f64::from(u8::from(*is_true)),
        Value::Null | Value::Array(_) | Value::Object(_) => 0.0,
    };
    if !(0.0..101.0).contains(&number.trunc()) && number.trunc() != 0.0 {
        return Err(refuse("Percentage must be between 0 and 100"));
    }
    Ok(number.trunc() as u8)
}

/// Those of `conns` that are closed, each by a throw of its own; `chance` gives random numbers.
pub fn choose(conns: Vec<ConnId>, percentage: u8, chance: &mut dyn FnMut() -> u64) -> Vec<ConnId> {
    conns.into_iter().filter(|_| chance() % 100 < u64::from(percentage)).collect()
}

/// What is answered.
pub fn reply(closed: usize, percentage: u8) -> Reply {
    let map = [
        ("connections_shed".to_owned(), Value::from(closed)),
        ("percentage_requested".to_owned(), Value::from(percentage)),
    ];
    Reply::json(status::OK, NAME, None, serde_json::Map::from_iter(map))
}
