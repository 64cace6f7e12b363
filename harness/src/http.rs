//! What every part that speaks HTTP shares: the client, which answers may pass, and errors in one line.

use reqwest::{
    StatusCode,
    blocking::{ClientBuilder, Response},
    header::RETRY_AFTER,
};
use std::{error::Error, time::Duration};

/// A client's beginnings: our name, TLS, and how long connecting may take and nothing may arrive.
pub fn client(connect_timeout: Duration, stall_timeout: Duration) -> ClientBuilder {
    // Fails only if a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    ClientBuilder::new()
        .user_agent(concat!("apical/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        // The blocking client applies this to each wait, for the answer and for every read: a stall timeout.
        .timeout(stall_timeout)
}

/// Whether an answer may be another one when asked again: 408, 429 and 5xx.
pub fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// The pause that a server asks for, if it does.
pub fn asked_pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The innermost reason of an error: the one that says something.
pub fn one_line(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().replace('\n', " ")
}
