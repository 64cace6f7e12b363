//! MLflow's REST interface, version 2.0: the few calls that an export needs, with patience for servers that are busy.
//!
//! A call that may be repeated is repeated here. One that may not, because the server could have done it although no answer
//! came, is repeated only where it cannot have been done: the server could not be connected to, or answered 429.

use crate::http;
use reqwest::{
    Method, StatusCode, Url,
    blocking::{Client as HttpClient, RequestBuilder},
    header::{CONTENT_TYPE, LOCATION},
    redirect,
};
use serde_json::Value;
use std::time::Duration;

/// How patient exports are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub answer_timeout: Duration,
    /// How often a call is made before it is given up.
    pub attempts: u32,
    /// Pause after the first failure; it doubles with each further one.
    pub backoff: Duration,
    /// Whether to use the proxy that `HTTPS_PROXY` and its kin name.
    pub proxy: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_mins(1),
            attempts: 5,
            backoff: Duration::from_millis(500),
            proxy: true,
        }
    }
}

impl Patience {
    const MAX_PAUSE: Duration = Duration::from_secs(30);

    /// The pause after so many failures.
    pub fn pause(&self, failures: u32) -> Duration {
        self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(Self::MAX_PAUSE)
    }
}

/// Who is exporting.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    None,
    /// A user with a password.
    Basic {
        /// Name.
        user: String,
        /// Password.
        password: String,
    },
    /// The bearer of a token.
    Token(String),
}

impl Credentials {
    /// What `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or else `MLFLOW_TRACKING_TOKEN`, say: MLflow's own
    /// variables, in its own order.
    pub fn from_env() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let user = variable("MLFLOW_TRACKING_USERNAME").zip(variable("MLFLOW_TRACKING_PASSWORD"));
        match (user, variable("MLFLOW_TRACKING_TOKEN")) {
            (Some((user, password)), _) => Self::Basic { user, password },
            (None, Some(token)) => Self::Token(token),
            (None, None) => Self::None,
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic",
            Self::Token(_) => "Token",
        })
    }
}

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
pub enum MlflowError {
    /// No answer, or none that would do, however often it was asked.
    #[error(
        "the MLflow server {server} gives no usable answer to `{call}`: {reason} (asked {attempts} times); \
         is it running, and is the address right? The same command goes on from here"
    )]
    Unanswered {
        /// Its address.
        server: String,
        /// What it was asked for.
        call: &'static str,
        /// The latest reason.
        reason: String,
        /// How often it was asked.
        attempts: u32,
        /// Whether the call may have been done all the same.
        perhaps_done: bool,
    },
    /// The server refuses.
    #[error("the MLflow server {server} refuses `{call}`: {message}{}", remedy(*status))]
    Refused {
        /// Its address.
        server: String,
        /// What it was asked for.
        call: &'static str,
        /// HTTP status.
        status: u16,
        /// MLflow's name for what is wrong, e.g. `RESOURCE_DOES_NOT_EXIST`; empty where it gave none.
        code: String,
        /// What it says.
        message: String,
    },
    /// The answer is not MLflow's.
    #[error(
        "{server} answers `{call}` with something else than MLflow does ({found}); is it the address of an MLflow server?"
    )]
    Alien {
        /// Its address.
        server: String,
        /// What it was asked for.
        call: &'static str,
        /// What is wrong with the answer.
        found: String,
    },
    /// The experiment is in the trash, and its name with it.
    #[error(
        "the experiment `{name}` was deleted on the MLflow server {server}, which keeps its name; bring it back with \
         `MLFLOW_TRACKING_URI={server} mlflow experiments restore --experiment-id {id}`, or let the server's keeper remove \
         it for good with `mlflow gc --experiment-ids {id}`"
    )]
    Deleted {
        /// The server's address.
        server: String,
        /// The experiment's name.
        name: String,
        /// Its id.
        id: String,
    },
    /// What was sent is not there.
    #[error(
        "the MLflow server {server} took the run {run} and does not have it whole; was somebody else exporting or \
         deleting at the same time? Export again"
    )]
    Missing {
        /// Its address.
        server: String,
        /// The run's id.
        run: String,
    },
    /// No client can be made.
    #[error("cannot make an HTTPS client: {0}")]
    Client(String),
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to what it accepts"
        }
        _ => "",
    }
}

/// Whether a call may be made again when no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Making it twice is as good as once.
    Safe,
    /// It might be done twice.
    Unsafe,
}

/// A server.
#[derive(Debug)]
pub struct Client {
    http: HttpClient,
    base: Url,
    credentials: Credentials,
    /// How patient it is.
    pub patience: Patience,
}

/// How a call ended short of success.
enum Setback {
    /// The server has not done it and may do it later; the pause that it asks for.
    NotDone(String, Option<Duration>),
    /// The server may or may not have done it.
    Unknown(String, Option<Duration>),
    /// It will not.
    Final(MlflowError),
}

impl Client {
    /// A client of the server at `base`.
    ///
    /// # Errors
    /// When the machine has no usable TLS roots.
    pub fn new(base: Url, credentials: Credentials, patience: Patience) -> Result<Self, MlflowError> {
        let mut builder = http::client(patience.connect_timeout, patience.answer_timeout)
            // A redirected POST would become a GET.
            .redirect(redirect::Policy::none());
        if !patience.proxy {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| MlflowError::Client(http::one_line(&error)))?;
        Ok(Self { http, base, credentials, patience })
    }

    /// The server's address, without the password that may be in it.
    pub fn server(&self) -> String {
        let mut shown = self.base.clone();
        let _ = shown.set_password(None);
        let _ = shown.set_username("");
        shown.as_str().trim_end_matches('/').to_owned()
    }

    /// Asks for something.
    pub fn get(&self, call: &'static str, query: &[(&str, &str)]) -> Result<Value, MlflowError> {
        self.call(&Method::GET, call, query, None, Again::Safe)
    }

    /// Has something done.
    pub fn post(&self, call: &'static str, body: &Value, again: Again) -> Result<Value, MlflowError> {
        self.call(&Method::POST, call, &[], Some(body), again)
    }

    fn call(
        &self,
        method: &Method,
        call: &'static str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        again: Again,
    ) -> Result<Value, MlflowError> {
        let mut failures = 0;
        loop {
            let mut request = self.http.request(method.clone(), self.address(call, query));
            if let Some(body) = body {
                request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
            }
            let (reason, asked, repeatable) = match self.attempt(call, self.signed(request)) {
                Ok(answer) => return Ok(answer),
                Err(Setback::Final(error)) => return Err(error),
                Err(Setback::NotDone(reason, asked)) => (reason, asked, true),
                Err(Setback::Unknown(reason, asked)) => (reason, asked, again == Again::Safe),
            };
            failures += 1;
            if !repeatable || failures >= self.patience.attempts {
                let (server, attempts) = (self.server(), failures);
                let perhaps_done = !repeatable;
                return Err(MlflowError::Unanswered { server, call, reason, attempts, perhaps_done });
            }
            let pause = asked.unwrap_or_else(|| self.patience.pause(failures));
            std::thread::sleep(pause.min(Patience::MAX_PAUSE));
        }
    }

    fn address(&self, call: &str, query: &[(&str, &str)]) -> Url {
        let mut address = self.base.clone();
        let path = format!("{}/api/2.0/mlflow/{call}", self.base.path().trim_end_matches('/'));
        address.set_path(&path);
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        address
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Credentials::None => request,
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
            Credentials::Token(token) => request.bearer_auth(token),
        }
    }

    fn attempt(&self, call: &'static str, request: RequestBuilder) -> Result<Value, Setback> {
        let response = request.send().map_err(|error| {
            let reason = http::one_line(&error);
            if error.is_connect() {
                Setback::NotDone(reason, None)
            } else if error.is_builder() {
                Setback::Final(MlflowError::Client(reason))
            } else if error.is_timeout() {
                let seconds = self.patience.answer_timeout.as_secs_f64();
                Setback::Unknown(format!("no answer within {seconds} s"), None)
            } else {
                Setback::Unknown(reason, None)
            }
        })?;
        let status = response.status();
        let asked = http::asked_pause(&response);
        let elsewhere =
            response.headers().get(LOCATION).and_then(|place| place.to_str().ok()).map(str::to_owned);
        let text = response.text().map_err(|error| Setback::Unknown(http::one_line(&error), None))?;
        let answer: Option<Value> = serde_json::from_str(&text).ok().filter(Value::is_object);
        let said =
            |field: &str| answer.as_ref().and_then(|answer| answer[field].as_str()).unwrap_or_default();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Setback::NotDone(format!("HTTP {status}"), asked));
        }
        if http::may_pass(status) {
            let message = said("message");
            let colon = if message.is_empty() { "" } else { ": " };
            return Err(Setback::Unknown(format!("HTTP {status}{colon}{message}"), asked));
        }
        if status.is_success() {
            return answer.ok_or_else(|| self.alien(call, "no JSON object".to_owned()));
        }
        if let Some(place) = elsewhere {
            return Err(self.alien(call, format!("a redirection to {place}")));
        }
        if answer.is_none() && status == StatusCode::NOT_FOUND {
            return Err(self.alien(call, format!("HTTP {status}")));
        }
        let message = match said("message") {
            "" => format!("HTTP {status}"),
            message => format!("{message} (HTTP {status})"),
        };
        Err(Setback::Final(MlflowError::Refused {
            server: self.server(),
            call,
            status: status.as_u16(),
            code: said("error_code").to_owned(),
            message,
        }))
    }

    fn alien(&self, call: &'static str, found: String) -> Setback {
        Setback::Final(MlflowError::Alien { server: self.server(), call, found })
    }

    /// A text that an answer must hold.
    pub fn text(&self, answer: &Value, call: &'static str, pointer: &str) -> Result<String, MlflowError> {
        answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
            let found = format!("no text at {pointer}");
            MlflowError::Alien { server: self.server(), call, found }
        })
    }
}
