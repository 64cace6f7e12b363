//! A server for tests that answers as MLflow does, as far as an export asks, and misbehaves as told.
//!
//! Whether it answers as MLflow does is for `harness/tests/exports.rs` to say, which asks the real one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Such as `runs/create`.
    pub call: String,
    /// How many of this call came before.
    pub before: usize,
    /// Header lines, in lower case.
    pub headers: String,
    /// Bytes of the body.
    pub size: usize,
}

/// How a request is maltreated.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Not done; this status, header lines and body.
    Answer(u16, &'static str, String),
    /// Done, and the connection closed without an answer.
    DoneInSilence,
}

/// What the server holds.
#[derive(Debug, Default)]
pub struct State {
    pub experiments: Vec<Value>,
    /// Each with `id`, `deleted`, `status`, `tags`, `params` and `metrics`.
    pub runs: Vec<Value>,
    pub seen: Vec<Seen>,
}

impl State {
    /// The runs that are not in the trash.
    pub fn active(&self) -> Vec<&Value> {
        self.runs.iter().filter(|run| run["deleted"] == false).collect()
    }

    /// How often a call came.
    pub fn calls(&self, call: &str) -> usize {
        self.seen.iter().filter(|seen| seen.call == call).count()
    }
}

/// The server; it ends with the process.
pub struct Server {
    pub url: String,
    pub state: Arc<Mutex<State>>,
}

impl Server {
    /// One that does with each request as `fault` says.
    pub fn start(fault: impl Fn(&Seen) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that gives up in the middle is part of the tests.
                let _ = answer(stream, &shared, &fault);
            }
        });
        Self { url, state }
    }
}

fn answer(
    stream: TcpStream,
    state: &Mutex<State>,
    fault: &dyn Fn(&Seen) -> Option<Fault>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        headers += &line.to_lowercase();
    }
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length:"));
    let size: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    let mut body = vec![0; size];
    reader.read_exact(&mut body)?;
    let path = first.split(' ').nth(1).unwrap();
    let call = path.split('?').next().unwrap().trim_start_matches("/api/2.0/mlflow/").to_owned();
    let mut state = state.lock().unwrap();
    let seen = Seen { before: state.calls(&call), call, headers, size };
    state.seen.push(seen.clone());
    let (status, more, text) = match fault(&seen) {
        Some(Fault::Answer(status, more, text)) => (status, more, text),
        fault => {
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (status, value) = state.handle(&seen.call, &body);
            if fault.is_some() {
                return Ok(());
            }
            (status, "", value.to_string())
        }
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn refusal(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"error_code": code, "message": format!("because of {code}")}))
}

impl State {
    fn handle(&mut self, call: &str, body: &Value) -> (u16, Value) {
        if let Some(id) = body["run_id"].as_str() {
            let Some(run) = self.runs.iter_mut().find(|run| run["id"] == id) else {
                return refusal(404, "RESOURCE_DOES_NOT_EXIST");
            };
            if run["deleted"] == true {
                return refusal(400, "INVALID_PARAMETER_VALUE");
            }
            match call {
                "runs/log-batch" => {
                    for kind in ["params", "metrics"] {
                        let items = body[kind].as_array().cloned().unwrap_or_default();
                        run[kind].as_array_mut().unwrap().extend(items);
                    }
                }
                "runs/update" => run["status"] = body["status"].clone(),
                "runs/set-tag" => run["tags"].as_array_mut().unwrap().push(body.clone()),
                "runs/delete" => run["deleted"] = true.into(),
                _ => return refusal(404, "ENDPOINT_NOT_FOUND"),
            }
            return (200, json!({}));
        }
        match call {
            "experiments/get-by-name" => match self.experiments.first() {
                Some(experiment) => (200, json!({"experiment": experiment})),
                None => refusal(404, "RESOURCE_DOES_NOT_EXIST"),
            },
            "experiments/create" => {
                if !self.experiments.is_empty() {
                    return refusal(400, "RESOURCE_ALREADY_EXISTS");
                }
                let experiment =
                    json!({"experiment_id": "7", "name": body["name"], "lifecycle_stage": "active"});
                self.experiments.push(experiment);
                (200, json!({"experiment_id": "7"}))
            }
            "runs/create" => {
                let id = format!("r{}", self.runs.len());
                let run = json!({
                    "id": id, "deleted": false, "status": "RUNNING", "tags": body["tags"], "params": [], "metrics": [],
                });
                self.runs.push(run);
                (200, json!({"run": {"info": {"run_id": id}}}))
            }
            "runs/search" => {
                // Pages of three, whatever is asked for.
                let begin: usize = body["page_token"].as_str().map_or(0, |token| token.parse().unwrap());
                let of_page =
                    |run: &&Value| json!({"info": {"run_id": run["id"]}, "data": {"tags": run["tags"]}});
                let active = self.active();
                let page: Vec<Value> = active.iter().skip(begin).take(3).map(of_page).collect();
                let mut answer = json!({"runs": page});
                if begin + 3 < active.len() {
                    answer["next_page_token"] = (begin + 3).to_string().into();
                }
                (200, answer)
            }
            _ => refusal(404, "ENDPOINT_NOT_FOUND"),
        }
    }
}
