//! What the core needs of the world. Backup, Imports, Ledger and Lock have a conformance suite each, in
//! `tests/src/conformance`.

mod backup;
mod clock;
mod directory;
mod imports;
mod ledger;
mod lock;
mod queue;

pub use backup::{Backup, Change, Head, Observation, Version};
pub use clock::Clock;
pub use directory::{
    CallError, Directory, Factor, Fault, Identity, JobReport, NewJob, NewUser, Operation, PAGE_SIZE, Page,
    PoolDescription, RawAnswer, SettingsCall, UploadUrl, UserFilter,
};
pub use imports::{
    Compared, CreateWith, Import, ImportOptions, ImportStatus, Imports, Job, JobCounts, JobState, Mapping,
    MappingState, Outcome, Place, Sent, Step, Target, WithoutRow,
};
pub use ledger::{Cursor, DeadLetter, Ledger, Listing, ListingProgress, PageId, Phase};
pub use lock::{Lease, Lock};
pub use queue::{ListMessage, PageMessage, PageRecords, Queue, ReplayMessage, ReplayQueue};
