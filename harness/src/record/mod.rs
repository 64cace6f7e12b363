//! What runs leave behind: events while they run, an outcome when they end, in directories that are the
//! only truth about what has been done.

pub mod attempt;
pub mod checkpoint;
pub mod event;
pub mod files;
pub mod outcome;
pub mod results;
pub mod store;

pub use attempt::AttemptFolder;
pub use checkpoint::Checkpoint;
pub use event::{Epoch, Event, Metrics};
pub use files::StoreError;
pub use outcome::{Outcome, Provenance, Resources, RunResult, State};
pub use results::{RecordedRun, Results};
pub use store::{Standing, Store};
