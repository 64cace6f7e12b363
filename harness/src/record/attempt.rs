//! One attempt at a run: a folder of its own, into which one process writes.

use super::{
    event::{Event, RECORD_FORMAT},
    files::{At, StoreError, read_json, write_atomically},
    outcome::Outcome,
};
use std::{
    fs::{self, File, TryLockError},
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

const STOPPED: &str = "stopped";

/// The folder of one attempt at a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFolder {
    path: PathBuf,
}

impl AttemptFolder {
    /// An attempt's folder that already exists.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its latest checkpoint lies, if it has one.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// Its number among the attempts at its run. Clocks differ between machines, so their order is not told by time.
    pub fn ordinal(&self) -> u32 {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix(super::store::ORDINAL).and_then(|rest| rest.split('-').next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Marks that it was told to stop and did: what became of it is nobody's fault.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn mark_stopped(&self) -> Result<(), StoreError> {
        let path = self.path.join(STOPPED);
        File::create(&path).map(drop).at("create", &path)
    }

    /// Whether it was told to stop and did.
    pub fn is_stopped(&self) -> bool {
        self.path.join(STOPPED).exists()
    }

    /// The last epoch that it recorded, where it recorded any.
    pub fn last_epoch(&self) -> Option<u32> {
        self.readable_events().iter().rev().find_map(|event| match event {
            Event::Epoch(epoch) => Some(epoch.epoch),
            _ => None,
        })
    }

    pub(super) fn alive_path(&self) -> PathBuf {
        self.path.join("alive")
    }

    /// Marks the attempt as under way for as long as the file returned is open.
    ///
    /// # Errors
    /// When the mark cannot be written.
    pub fn mark_alive(&self) -> Result<File, StoreError> {
        let path = self.alive_path();
        let file = File::create(&path).at("create", &path)?;
        // A filesystem without locks makes a living attempt look dead, which only costs its remains.
        let _ = file.try_lock();
        Ok(file)
    }

    /// Whether a process of this machine is working on it.
    pub fn is_alive(&self) -> bool {
        File::open(self.alive_path())
            .is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Its outcome, where it ended.
    pub fn outcome(&self) -> Option<Outcome> {
        read_outcome(&self.path).ok()
    }

    /// Writes how it ended; the last thing that an attempt writes.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_outcome(&self, outcome: &Outcome) -> Result<(), StoreError> {
        let text = serde_json::to_string_pretty(outcome).expect("an outcome is plain data");
        write_atomically(&self.path.join("outcome.json"), text.as_bytes())
    }

    /// The events of this attempt so far.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn events(&self) -> Result<Vec<Event>, StoreError> {
        read_events(&self.path.join("events.jsonl"))
    }

    /// The events of this attempt up to the first line that cannot be read, if any.
    pub fn readable_events(&self) -> Vec<Event> {
        let text = fs::read(self.path.join("events.jsonl")).unwrap_or_default();
        text.split_inclusive(|byte| *byte == b'\n')
            .map_while(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    /// What it recorded last of an epoch, read from the end of a file that may be long.
    pub fn latest_epoch(&self) -> Option<Event> {
        const TAIL: u64 = 1 << 18;
        let mut file = File::open(self.path.join("events.jsonl")).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).ok()?;
        let mut lines = text.rsplit(|byte| *byte == b'\n');
        lines.find_map(|line| {
            serde_json::from_slice(line).ok().filter(|event| matches!(event, Event::Epoch(_)))
        })
    }

    /// A log of events that begins with `events`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn event_log(&self, events: &[Event]) -> Result<EventLog, StoreError> {
        let path = self.path.join("events.jsonl");
        let file = File::create(&path).at("create", &path)?;
        let mut log = EventLog { file, path };
        for event in events {
            log.append(event)?;
        }
        Ok(log)
    }
}

/// An append-only file of events, each handed to the system before the next is accepted.
#[derive(Debug)]
pub struct EventLog {
    file: File,
    path: PathBuf,
}

impl EventLog {
    /// Appends one event as one line.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append(&mut self, event: &Event) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(event).expect("an event is plain data");
        line.push(b'\n');
        self.file.write_all(&line).at("write", &self.path)
    }

    /// Makes sure that all of it is on the disk: a network filesystem may only then say that there was no room.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().at("write", &self.path)
    }
}

/// Reads a file of events. A last line without its end is what a kill leaves: it is passed over.
///
/// # Errors
/// When the file cannot be read, or a whole line is no event.
pub fn read_events(path: &Path) -> Result<Vec<Event>, StoreError> {
    let mut reader = BufReader::new(File::open(path).at("read", path)?);
    let mut events = Vec::new();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).at("read", path)? > 0 {
        if line.last() != Some(&b'\n') {
            break;
        }
        let event = serde_json::from_slice(&line).map_err(|error| StoreError::Corrupt {
            path: path.to_owned(),
            what: "file of events",
            reason: format!("line {}: {error}", events.len() + 1),
        })?;
        events.push(event);
        line.clear();
    }
    Ok(events)
}

pub(super) fn read_outcome(folder: &Path) -> Result<Outcome, StoreError> {
    let path = folder.join("outcome.json");
    let outcome: Outcome = read_json(&path, "outcome")?;
    if outcome.format == RECORD_FORMAT {
        return Ok(outcome);
    }
    let reason = format!("it has format {}, this program reads format {RECORD_FORMAT}", outcome.format);
    Err(StoreError::Corrupt { path, what: "outcome", reason })
}
