//! What a server's admin server answers: one question, one answer, both bounded.

use std::io::Read;

use ringkeeper::client::Host;

/// Seconds that an answer may take.
const PATIENCE: u64 = 5;
/// Bytes of an answer: `slow` and `configuration` have some hundred thousand at most.
const ANSWER_MAX: u64 = 16 << 20;
/// Bytes of an answer's head.
const HEAD_MAX: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminFault {
    #[error("its admin server does not answer at {at}: {error}")]
    Http { at: String, error: minreq::Error },
    #[error("its admin server at {at} answers {status} to {path}")]
    Status { at: String, path: String, status: u16 },
    #[error("its admin server at {at} answers {path} with more than {} bytes", ANSWER_MAX)]
    TooLong { at: String, path: String },
    #[error("its admin server at {at}: {error}")]
    Io { at: String, error: std::io::Error },
    #[error("its admin server at {at} answers {path} with what is no JSON: {error}")]
    Json { at: String, path: String, error: serde_json::Error },
}

/// The answer's body.
pub(crate) fn get(host: &Host, path: &str) -> Result<Vec<u8>, AdminFault> {
    let at = host.to_string();
    let failed = |error| AdminFault::Http { at: at.clone(), error };
    let answer = minreq::get(format!("http://{at}{path}"))
        .with_timeout(PATIENCE)
        .with_max_headers_size(HEAD_MAX)
        .with_follow_redirects(false)
        .send_lazy()
        .map_err(failed)?;
    if answer.status_code != 200 {
        let (path, status) = (path.to_owned(), answer.status_code);
        return Err(AdminFault::Status { at, path, status });
    }
    let mut body = Vec::new();
    // One byte more than may be tells that there is more.
    answer
        .take(ANSWER_MAX + 1)
        .read_to_end(&mut body)
        .map_err(|error| AdminFault::Io { at: at.clone(), error })?;
    if body.len() as u64 > ANSWER_MAX {
        return Err(AdminFault::TooLong { at, path: path.to_owned() });
    }
    Ok(body)
}

/// The same, as JSON.
pub(crate) fn json(host: &Host, path: &str) -> Result<serde_json::Value, AdminFault> {
    let body = get(host, path)?;
    serde_json::from_slice(&body).map_err(|error| {
        let (at, path) = (host.to_string(), path.to_owned());
        AdminFault::Json { at, path, error }
    })
}
