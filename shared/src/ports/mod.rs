//! What the core needs of the world. Backup, Ledger and Lock have a conformance suite each, in
//! `tests/src/conformance`.

mod backup;
mod clock;
mod directory;
mod ledger;
mod lock;
mod queue;

pub use backup::{
    Backup, Change, Head, Import, ImportOptions, ImportStatus, Mapping, MappingState, Observation, Outcome,
    Version,
};
pub use clock::Clock;
pub use directory::{
    CallError, Directory, Fault, NewUser, Operation, PAGE_SIZE, Page, PoolDescription, RawAnswer,
    SettingsCall, UserFilter,
};
pub use ledger::{Cursor, DeadLetter, Ledger, Listing, ListingProgress, PageId};
pub use lock::{Lease, Lock};
pub use queue::{ListMessage, PageMessage, PageRecords, Queue};
