//! A webhook: a summary posted as JSON to an address of the user's, after the work is done.
//!
//! Whoever listens there may be slow, restarting or gone, and none of that is the work's fault: an answer that may pass is
//! waited out, a bounded number of times, and what remains is an error that callers turn into a warning. Addresses of
//! webhooks are secrets, so no message shows more of one than its host.

use reqwest::{StatusCode, Url, blocking::Client, header};
use serde::Serialize;
use std::{error::Error, time::Duration};

/// How patient a notification is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How often it is tried.
    pub attempts: u32,
    /// Pause after the first failure; it doubles with each further one.
    pub backoff: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), attempts: 4, backoff: Duration::from_millis(500) }
    }
}

const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Why a notification was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// It is no address to post to.
    #[error("the address to notify is no http or https URL")]
    Address,
    /// No client can be made, e.g. without TLS roots.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
    /// Every attempt failed.
    #[error("{host} was not notified: {reason}, {}", times(*attempts))]
    Undelivered {
        /// The host; the rest of the address is a secret.
        host: String,
        /// What the last attempt met.
        reason: String,
        /// How often it was tried.
        attempts: u32,
    },
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") }
}

/// How an attempt ended short of success.
enum Setback {
    /// It may pass; and the pause that the host asks for.
    Passing(String, Option<Duration>),
    /// It will not.
    Final(String),
}

/// Posts `body` as JSON to `address`.
///
/// # Errors
/// When the address is none, or nobody took it.
pub fn post(address: &str, body: &impl Serialize, patience: &Patience) -> Result<(), NotifyError> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or(NotifyError::Address)?;
    let host = url.host_str().unwrap_or("the host").to_owned();
    // Fails only if a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .user_agent(concat!("apical/", env!("CARGO_PKG_VERSION")))
        .timeout(patience.timeout)
        .build()
        .map_err(|error| NotifyError::Client(innermost(error)))?;
    let body = serde_json::to_vec(body).map_err(|error| NotifyError::Client(error.to_string()))?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (reason, asked) = match attempt(&client, &url, &body) {
            Ok(()) => return Ok(()),
            Err(Setback::Final(reason)) => {
                return Err(NotifyError::Undelivered { host, reason, attempts });
            }
            Err(Setback::Passing(reason, asked)) => (reason, asked),
        };
        if attempts >= patience.attempts {
            return Err(NotifyError::Undelivered { host, reason, attempts });
        }
        let doubled = patience.backoff.saturating_mul(1 << (attempts - 1).min(16));
        std::thread::sleep(asked.unwrap_or(doubled).min(MAX_PAUSE));
    }
}

fn attempt(client: &Client, url: &Url, body: &[u8]) -> Result<(), Setback> {
    let request =
        client.post(url.clone()).header(header::CONTENT_TYPE, "application/json").body(body.to_vec());
    let response = request.send().map_err(|error| {
        if error.is_timeout() {
            Setback::Passing("no answer in time".to_owned(), None)
        } else {
            Setback::Passing(innermost(error), None)
        }
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let reason = format!("HTTP {status}");
    let passing = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    if !passing {
        return Err(Setback::Final(reason));
    }
    let asked =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Setback::Passing(reason, asked.map(Duration::from_secs)))
}

/// The innermost reason of an error, which says most and never the address.
fn innermost(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().replace('\n', " ")
}
