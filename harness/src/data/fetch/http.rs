//! Downloads over HTTP that survive bad connections: resumed with Range, retried with back-off, stopped when they stall.
//!
//! Retried is what may pass: 408, 429 and 5xx answers, timeouts, connections that break. A host that cannot be
//! connected to at all (no DNS, refused, blocked) is given up at once, since another source comes next.

use std::{
    io::{Read, Write},
    time::Duration,
};

use reqwest::{
    StatusCode,
    blocking::{Client, Response},
    header::{CONTENT_RANGE, RANGE},
};

use super::{part::Part, progress::Progress};
use crate::http::{self, one_line};

/// How patient downloads are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long nothing may arrive.
    pub stall_timeout: Duration,
    /// Attempts in a row that may fail without bringing 1 MiB.
    pub attempts: u32,
    /// Pause after the first failure; it doubles with each further one.
    pub backoff: Duration,
    /// Whether to use the proxy that `HTTPS_PROXY` and its kin name.
    pub proxy: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(20),
            attempts: 4,
            backoff: Duration::from_millis(500),
            proxy: true,
        }
    }
}

const MAX_PAUSE: Duration = Duration::from_secs(30);
const REAL_PROGRESS: u64 = 1 << 20;

/// A client with its options.
#[derive(Debug)]
pub struct Http {
    client: Client,
    options: HttpOptions,
}

/// How an attempt ended short of success.
enum Setback {
    /// It may pass: the reason, and the pause that the host asks for.
    Passing(String, Option<Duration>),
    /// It will not.
    Final(String),
}

impl Http {
    /// A client; an error, in one line, if the machine has no usable TLS roots.
    pub fn new(options: HttpOptions) -> Result<Self, String> {
        let mut builder = http::client(options.connect_timeout, options.stall_timeout);
        if !options.proxy {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| one_line(&error))?;
        Ok(Self { client, options })
    }

    /// Completes `part` with what `url` serves, at most `max_bytes`. On failure what arrived stays in `part`.
    pub fn download(
        &self,
        url: &str,
        part: &mut Part,
        max_bytes: u64,
        report: &mut dyn FnMut(Progress),
    ) -> Result<(), String> {
        let file = url.rsplit('/').next().unwrap_or(url).to_owned();
        let mut failures = 0;
        loop {
            let before = part.len();
            let (reason, asked) = match self.attempt(url, &file, part, max_bytes, report) {
                Ok(()) => return Ok(()),
                Err(Setback::Final(reason)) => return Err(format!("{file}: {reason}")),
                Err(Setback::Passing(reason, asked)) => (reason, asked),
            };
            if part.len() >= before + REAL_PROGRESS {
                failures = 0;
            }
            failures += 1;
            if failures >= self.options.attempts {
                return Err(format!("{file}: {reason}, {failures} times"));
            }
            let doubled = self.options.backoff.saturating_mul(1 << (failures - 1).min(16));
            let wait = asked.unwrap_or(doubled).min(MAX_PAUSE);
            report(Progress::Retrying { file: file.clone(), reason, wait });
            std::thread::sleep(wait);
        }
    }

    fn attempt(
        &self,
        url: &str,
        file: &str,
        part: &mut Part,
        max_bytes: u64,
        report: &mut dyn FnMut(Progress),
    ) -> Result<(), Setback> {
        let mut request = self.client.get(url);
        if !part.is_empty() {
            request = request.header(RANGE, format!("bytes={}-", part.len()));
        }
        let mut response = request.send().map_err(|error| {
            if error.is_connect() || error.is_builder() || error.is_redirect() {
                Setback::Final(one_line(&error))
            } else if error.is_timeout() {
                Setback::Passing(self.stalled(), None)
            } else {
                Setback::Passing(one_line(&error), None)
            }
        })?;
        if !Self::begin(&response, part)? {
            return Ok(());
        }
        let total = response.content_length().map(|rest| part.len() + rest);
        if total.is_some_and(|total| total > max_bytes) {
            let total = total.unwrap_or_default();
            return Err(Setback::Final(format!(
                "the host offers {total} bytes, expected at most {max_bytes}"
            )));
        }
        let mut buffer = vec![0; 1 << 16];
        loop {
            report(Progress::Bytes { file: file.to_owned(), done: part.len(), total });
            let n = response.read(&mut buffer).map_err(|error| {
                let timed_out = error.kind() == std::io::ErrorKind::TimedOut
                    || error
                        .get_ref()
                        .and_then(|e| e.downcast_ref::<reqwest::Error>())
                        .is_some_and(reqwest::Error::is_timeout);
                let reason =
                    if timed_out { self.stalled() } else { format!("broke off at byte {}", part.len()) };
                Setback::Passing(reason, None)
            })?;
            if n == 0 {
                return match total {
                    Some(total) if part.len() != total => {
                        Err(Setback::Passing(format!("broke off at byte {} of {total}", part.len()), None))
                    }
                    _ => Ok(()),
                };
            }
            if part.len() + n as u64 > max_bytes {
                part.clear().map_err(|error| Setback::Final(error.to_string()))?;
                return Err(Setback::Final(format!("the host sends more than {max_bytes} bytes")));
            }
            part.write_all(&buffer[..n])
                .map_err(|error| Setback::Final(format!("cannot be written: {error}")))?;
        }
    }

    /// Judges the answer's head and brings `part` to where its body continues; `false` if there is nothing to add.
    fn begin(response: &Response, part: &mut Part) -> Result<bool, Setback> {
        let status = response.status();
        let restart = |part: &mut Part| part.clear().map_err(|error| Setback::Final(error.to_string()));
        let range =
            response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match status {
            // The host does not know Range, or there was nothing to resume.
            StatusCode::OK => restart(part).map(|()| true),
            StatusCode::PARTIAL_CONTENT if range.starts_with(&format!("bytes {}-", part.len())) => Ok(true),
            StatusCode::RANGE_NOT_SATISFIABLE if range == format!("bytes */{}", part.len()) => Ok(false),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                let had = part.len();
                restart(part)?;
                Err(Setback::Passing(
                    format!("the host will not continue at byte {had} ({status})"),
                    Some(Duration::ZERO),
                ))
            }
            _ if http::may_pass(status) => {
                Err(Setback::Passing(format!("HTTP {status}"), http::asked_pause(response)))
            }
            _ => Err(Setback::Final(format!("HTTP {status}"))),
        }
    }

    fn stalled(&self) -> String {
        format!("nothing arrived for {} s", self.options.stall_timeout.as_secs_f64())
    }
}
