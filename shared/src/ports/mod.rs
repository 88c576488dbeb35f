//! What the core needs of the world. Backup and Ledger have a
//! conformance suite each, in `tests/src/conformance`.

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
pub use queue::{PageMessage, PageRecords, Queue};
