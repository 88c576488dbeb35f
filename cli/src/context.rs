//! What every command gets: where the backup is, where to write to, and word of Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;

use cognito_profiles::ports::Backup;
use cognito_profiles::read::Snapshot;
use tokio::sync::watch;

use crate::args::{Global, SourceArgs};
use crate::backup_url::{BackupUrl, StateUrl};
use crate::bars::Bars;
use crate::exit::{Failure, Status};
use crate::output::Output;
use crate::remarks::Remarks;
use crate::store::Store;

/// Said when a command that continues where it stopped was interrupted.
pub const CONTINUABLE: &str = "interrupted; run it again to continue";
/// Said when any other was.
pub const INTERRUPTED: &str = "interrupted";

#[derive(Clone)]
pub struct Context {
    pub backup: BackupUrl,
    /// Whose credentials the backup is read with, if not those for the pool.
    pub source_profile: Option<String>,
    /// Where imports are kept account of, if not in the backup.
    pub import_state: Option<PathBuf>,
    pub output: Arc<Output>,
    pub progress: Arc<Bars>,
    pub remarks: Arc<Remarks>,
    interrupted: watch::Receiver<bool>,
}

impl Context {
    pub fn new(global: Global) -> Self {
        let Global { backup, source_profile, import_state, json, quiet } = global;
        Self {
            backup,
            source_profile,
            import_state: import_state.map(StateUrl::into_path),
            output: Arc::new(Output::new(json)),
            progress: Arc::new(Bars::new(!quiet && !json)),
            remarks: Arc::default(),
            interrupted: listen_for_signals(),
        }
    }

    /// The same with another backup.
    pub fn at(&self, backup: BackupUrl) -> Self {
        Self { backup, ..self.clone() }
    }

    /// Does `work`, unless Ctrl-C or a termination signal comes first: then `work` is dropped
    /// where it waits. Nothing needs a cleanup: every write to a file is one transaction, and what
    /// an import writes to a table it can write again.
    pub async fn interruptible<T>(
        &self,
        said: &'static str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            biased;
            _ = interrupted.wait_for(|is| *is) => Err(Failure::Interrupted(said)),
            done = work => done,
        }
    }

    /// Fails once Ctrl-C or a termination signal came: for work that never waits.
    pub fn go_on(&self) -> Result<(), Failure> {
        if *self.interrupted.borrow() { Err(Failure::Interrupted(INTERRUPTED)) } else { Ok(()) }
    }

    /// The backup, to be read.
    pub async fn read(&self) -> Result<Store, Failure> {
        Store::read(self).await
    }

    /// The snapshot a person means, and word of what it does not hold.
    pub async fn snapshot(&self, backup: Arc<dyn Backup>, source: &SourceArgs) -> Result<Snapshot, Failure> {
        let snapshot = Snapshot::find(backup, source.from_pool.as_ref(), source.as_of.as_deref()).await?;
        self.remarks.left_out(&self.output, &snapshot.run);
        Ok(snapshot)
    }
}

/// The first signal is told to whoever waits; the second ends the process at once.
fn listen_for_signals() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        signal().await;
        sender.send_replace(true);
        signal().await;
        std::process::exit(Status::Interrupted.code().into());
    });
    receiver
}

/// Returns at the next Ctrl-C or termination signal; never, where none can be received.
async fn signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminate() => {}
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
