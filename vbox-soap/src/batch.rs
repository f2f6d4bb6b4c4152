//! Many reads at the same time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::session::Session;

impl Session {
    /// Does the same for many things, as many at the same time as the session has connections
    /// ([`crate::Settings::connections`]), and returns what came of it in the things' order. At the first failure the
    /// rest is given up.
    ///
    /// ```no_run
    /// # async fn example(session: vbox_soap::Session) -> Result<(), vbox_soap::Error> {
    /// let machines = session.virtual_box().get_machines().await?;
    /// let rows = session
    ///     .batch(machines, async |machine| {
    ///         Ok::<_, vbox_soap::Error>((machine.get_name().await?, machine.get_state().await?))
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn batch<I, T, E, F>(
        &self,
        things: impl IntoIterator<Item = I>,
        work: impl Fn(I) -> F,
    ) -> Result<Vec<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let limit = self.connections();
        let mut waiting = things.into_iter();
        let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::with_capacity(limit);
        let mut results: Vec<Option<T>> = vec![];
        poll_fn(|context| {
            loop {
                while running.len() < limit {
                    let Some(thing) = waiting.next() else { break };
                    running.push((results.len(), Box::pin(work(thing))));
                    results.push(None);
                }
                let before = running.len();
                let mut at = 0;
                while let Some((place, future)) = running.get_mut(at) {
                    let place = *place;
                    match future.as_mut().poll(context) {
                        Poll::Pending => at += 1,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Ready(Ok(value)) => {
                            if let Some(result) = results.get_mut(place) {
                                *result = Some(value);
                            }
                            running.swap_remove(at);
                        }
                    }
                }
                if running.is_empty() && before == 0 {
                    return Poll::Ready(Ok(()));
                }
                if running.len() == before {
                    return Poll::Pending;
                }
            }
        })
        .await?;
        Ok(results.into_iter().flatten().collect())
    }
}
