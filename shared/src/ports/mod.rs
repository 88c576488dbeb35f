//! What the core needs of the world. Each port has one conformance suite in `tests/`.

mod backup;
mod clock;
mod directory;
mod ledger;
mod queue;

pub use backup::{
    Backup, Change, Head, Import, ImportOptions, ImportStatus, Mapping, MappingState, Observation, Outcome,
    Version,
};
pub use clock::Clock;
pub use directory::{CallError, Directory, Fault, NewUser, Operation, Page, PoolDescription, UserFilter};
pub use ledger::{Cursor, Ledger, Listing, ListingProgress, PageId};
pub use queue::{ListMessage, PageMessage, PageRecords, Queue};
