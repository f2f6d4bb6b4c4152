//! What takes its time: the server answers at once with an operation, which is waited for.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{Call, Error, Inner, PATIENCE};

/// How long the server is asked to wait at most before it answers: then it says how far it is.
const TURN: Duration = Duration::from_secs(5);
/// The code of an operation that has succeeded.
const SUCCESS: u16 = 200;
/// From here on an operation has ended.
const ENDED: u16 = 200;

/// Something that the server does.
#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    /// Its name.
    pub id: String,
    /// What it does, in words.
    #[serde(default)]
    pub description: String,
    /// How it stands: 103 while it goes on, 200 when it has succeeded, 400 when it has failed, 401
    /// when it was given up.
    pub status_code: u16,
    /// What it has to say: how far it is, or what came of it.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, Value>>,
    /// Why it failed.
    #[serde(default)]
    pub err: String,
    /// The member that it is done on.
    #[serde(default)]
    pub location: String,
}

impl Operation {
    /// How far it is, where it says that.
    pub fn progress(&self) -> Option<Progress> {
        let metadata = self.metadata.as_ref()?;
        let (_, text) = metadata.iter().find(|(key, _)| key.ends_with("_progress"))?;
        let text = text.as_str()?.to_owned();
        let percent = text.split('%').next().and_then(|start| {
            let digits = start.rsplit(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        });
        Some(Progress { text, percent })
    }

    /// A value that came of it.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.as_ref()?.get(key)
    }
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// In the server's words: `rootfs: 43% (12.34MB/s)`.
    pub text: String,
    /// The percentage in it.
    pub percent: Option<u8>,
}

impl Inner {
    /// Sends a request and waits until what it began has ended, for at most `patience`.
    pub(super) async fn settle(
        &self,
        call: Call<'_>,
        patience: Duration,
    ) -> Result<Option<Operation>, Error> {
        let doing = call.doing.to_owned();
        match self.begin(call).await? {
            Some(operation) => self.wait(operation, &doing, patience, &mut log).await.map(Some),
            None => Ok(None),
        }
    }

    /// Sends a request and returns the operation that it began, if it is not done at once.
    pub(super) async fn begin(&self, call: Call<'_>) -> Result<Option<Operation>, Error> {
        let doing = call.doing.to_owned();
        let response = self.send(call).await?;
        if response.status() != hyper::StatusCode::ACCEPTED {
            return Ok(None);
        }
        self.read(response.body(), &doing).map(Some)
    }

    /// Waits until an operation has ended, and tells how far it is in between.
    pub(super) async fn wait(
        &self,
        mut operation: Operation,
        doing: &str,
        patience: Duration,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Operation, Error> {
        let begun = tokio::time::Instant::now();
        while operation.status_code < ENDED {
            if begun.elapsed() > patience {
                // It would go on, and be done after all, when nobody expects it any more.
                self.give_up(&operation.id).await;
                return Err(Error::TimedOut {
                    server: self.http.address().to_string(),
                    doing: doing.to_owned(),
                    after: patience,
                });
            }
            let path = format!("/1.0/operations/{}/wait?timeout={}", operation.id, TURN.as_secs());
            let mut call = Call::new(Method::GET, &path, doing);
            call.patience = TURN + PATIENCE;
            let response = self.send(call).await.map_err(|error| gone(error, &operation, doing))?;
            operation = match self.read(response.body(), doing) {
                Err(failed @ Error::Failed { .. }) => self.behind(failed, &operation).await?,
                read => read?,
            };
            if let Some(progress) = operation.progress() {
                tell(progress);
            }
        }
        if operation.status_code == SUCCESS {
            return Ok(operation);
        }
        let reason = if operation.err.is_empty() { "it was given up" } else { &operation.err };
        Err(Error::Failed { doing: doing.to_owned(), reason: reason.to_owned() })
    }

    /// What is behind an error that came in the place of an operation. LXD answers with the
    /// operation however it stands; Incus only if it has succeeded, and calls it an error too when
    /// it has waited for as long as it was asked to.
    async fn behind(&self, failed: Error, operation: &Operation) -> Result<Operation, Error> {
        let path = format!("/1.0/operations/{}", operation.id);
        self.get(&path, "looking how far it is").await.map_err(|error| {
            tracing::debug!(%error, id = operation.id, "an operation cannot be looked at");
            failed
        })
    }

    async fn give_up(&self, id: &str) {
        let path = format!("/1.0/operations/{id}");
        if let Err(error) = self.send(Call::new(Method::DELETE, &path, "giving it up")).await {
            tracing::debug!(%error, id, "an operation cannot be given up");
        }
    }
}

/// An operation that nobody knows any more was its member's, and that one has ended.
fn gone(error: Error, operation: &Operation, doing: &str) -> Error {
    if !error.is_not_found() {
        return error;
    }
    let place = match operation.location.as_str() {
        "" | "none" => "the server".to_owned(),
        member => format!("the member {member}"),
    };
    Error::Failed {
        doing: doing.to_owned(),
        reason: format!("{place} forgot about it in the middle: it was started anew, or has ended"),
    }
}

pub(super) fn log(progress: Progress) {
    tracing::debug!(progress = progress.text, "an operation goes on");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_the_servers_words() {
        let operation = |metadata: Value| -> Operation {
            serde_json::from_value(serde_json::json!({
                "id": "x", "status_code": 103, "metadata": metadata,
            }))
            .unwrap()
        };
        let key = "create_instance_from_image_unpack_progress";
        let told = operation(serde_json::json!({ key: "Unpack: 43% (332.56MB/s)" })).progress();
        assert_eq!(told.as_ref().and_then(|it| it.percent), Some(43));
        let told =
            operation(serde_json::json!({ "download_progress": "metadata: 7MB" })).progress();
        assert_eq!(told.map(|it| it.percent), Some(None));
        assert_eq!(operation(Value::Null).progress(), None);
    }
}
