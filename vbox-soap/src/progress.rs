//! Waiting for what takes its time.

use std::time::{Duration, Instant};

use crate::ComCode;
use crate::api::IProgress;
use crate::error::{Error, Fault};
use crate::error_info;

/// The first pause between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How far a long operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgressState {
    /// Percent of the whole.
    pub percent: u32,
    /// Which of its steps is under way, counted from 0.
    pub operation: u32,
    /// How many steps it has.
    pub operations: u32,
    /// What VirtualBox calls that step.
    pub description: String,
}

impl IProgress {
    /// Waits until the operation is finished, for at most `timeout`.
    ///
    /// An operation that failed is an [`Error::Fault`] with VirtualBox's reason; one that takes longer is
    /// [`Error::NotFinished`] and goes on. While it waits, this holds no connection.
    pub async fn wait(&self, timeout: Duration) -> Result<(), Error> {
        self.wait_reporting(timeout, None::<fn(&ProgressState)>).await
    }

    /// Waits as [`IProgress::wait`] does, and tells `report` how far it is whenever that has changed.
    pub async fn wait_with(
        &self,
        timeout: Duration,
        report: impl FnMut(&ProgressState),
    ) -> Result<(), Error> {
        self.wait_reporting(timeout, Some(report)).await
    }

    async fn wait_reporting(
        &self,
        timeout: Duration,
        mut report: Option<impl FnMut(&ProgressState)>,
    ) -> Result<(), Error> {
        let begin = Instant::now();
        let mut reported = None;
        let mut pause = FIRST_PAUSE;
        // Not `wait_for_completion`: that keeps a connection, and a thread of the server, for as long as it waits.
        loop {
            let completed = self.get_completed().await?;
            if let Some(report) = &mut report {
                let state = self.state().await?;
                if reported.as_ref() != Some(&state) {
                    report(&state);
                    reported = Some(state);
                }
            }
            if completed {
                return self.outcome().await;
            }
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(Error::NotFinished {
                    description: self.get_description().await?,
                    percent: self.get_percent().await?,
                    after: timeout,
                });
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    /// How far it is.
    pub async fn state(&self) -> Result<ProgressState, Error> {
        Ok(ProgressState {
            percent: self.get_percent().await?,
            operation: self.get_operation().await?,
            operations: self.get_operation_count().await?,
            description: self.get_operation_description().await?,
        })
    }

    /// The outcome of a finished operation: a failure is an [`Error::Fault`] with VirtualBox's reason.
    pub async fn outcome(&self) -> Result<(), Error> {
        let code = ComCode(self.get_result_code().await?.cast_unsigned());
        if code.is_success() {
            return Ok(());
        }
        let mut fault = Fault {
            operation: self.get_description().await?,
            code,
            message: String::new(),
            component: String::new(),
            causes: vec![],
        };
        if let Some(info) = self.get_error_info().await? {
            error_info::describe(&mut fault, info).await;
        }
        Err(Error::Fault(Box::new(fault)))
    }
}
