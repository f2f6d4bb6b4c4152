//! Work that is not torn in the middle when nobody waits for it any more.

use super::events::{Listener, Watch};
use crate::error::Error;
use crate::manager::Manager;

/// Does `work` as a task of its own. If the returned future is dropped, the work notices by its
/// [`Watch`], undoes what it did, and [`Manager::close`] waits for that.
pub(super) async fn run<T, F>(
    manager: &Manager,
    doing: String,
    listener: Option<Listener>,
    work: impl FnOnce(Manager, Watch) -> F,
) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let (watch, wanted) = Watch::new(listener);
    let unfinished = manager.unfinished().await;
    let work = work(manager.clone(), watch);
    let task = tokio::spawn(async move {
        let _unfinished = unfinished;
        work.await
    });
    let result = task.await;
    drop(wanted);
    result.unwrap_or(Err(Error::Interrupted { doing }))
}
