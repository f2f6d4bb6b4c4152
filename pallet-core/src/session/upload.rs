//! Contents that travel on a channel of their own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use super::{Progress, Session, SessionError};
use crate::action::{Upload, UploadSource};

/// How much of a file is in memory at a time.
const PIECE: usize = 256 * 1024;
/// How long the node may take to read what it has got. That it takes what is sent is watched by
/// the connection.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

impl Session {
    /// Puts a content on the node, beginning where an earlier attempt was cut off, and returns the
    /// folder in which it is then, called by its digest.
    pub(crate) async fn put(
        &mut self,
        upload: &Upload,
        folder: Option<&str>,
    ) -> Result<String, SessionError> {
        let size = upload.size();
        let failed = |reason: String| SessionError::NotPut { size, reason };
        self.send_put(upload.sha256(), size, folder);
        let mut told = Some(self.answer().await?);
        if let Some(Progress::Has(there)) = told {
            told = match upload.source() {
                UploadSource::Bytes(bytes) => self.feed_bytes(bytes, there).await?,
                UploadSource::File(path) => {
                    let fed = self.feed_file(path, there, size).await;
                    fed.map_err(|error| match error {
                        Unfed::Session(error) => error,
                        Unfed::File(error) => {
                            failed(format!("{} cannot be read: {error}", path.display()))
                        }
                    })?
                }
            };
        }
        let last = match told {
            Some(progress) => progress,
            None => self.answer().await?,
        };
        match last {
            Progress::Put { folder } => Ok(folder),
            Progress::PutWrong => Err(failed(match upload.source() {
                UploadSource::File(path) => {
                    format!("{} has changed since the run began", path.display())
                }
                UploadSource::Bytes(_) => "what has arrived is something else".to_owned(),
            })),
            Progress::PutFailed => Err(failed(self.last_words())),
            other => Err(SessionError::Protocol { reason: format!("{other:?} after a content") }),
        }
    }

    async fn feed_bytes(
        &mut self,
        bytes: &[u8],
        from: u64,
    ) -> Result<Option<Progress>, SessionError> {
        let missing = usize::try_from(from).ok().and_then(|from| bytes.get(from..));
        for piece in missing.unwrap_or_default().chunks(PIECE) {
            if let Some(progress) = self.feed(piece).await? {
                return Ok(Some(progress));
            }
        }
        Ok(None)
    }

    /// Feeds the file from `from` on, piece by piece.
    async fn feed_file(
        &mut self,
        path: &Path,
        from: u64,
        size: u64,
    ) -> Result<Option<Progress>, Unfed> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut left = size - from;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let (returned, piece) = read(file, wanted).await?;
            file = returned;
            left -= piece.len() as u64;
            if let Some(progress) = self.feed(&piece).await? {
                return Ok(Some(progress));
            }
        }
        Ok(None)
    }

    async fn answer(&mut self) -> Result<Progress, SessionError> {
        let answer = tokio::time::timeout(PATIENCE, self.progress()).await;
        answer.unwrap_or(Err(SessionError::Overdue { what: "a content", after: PATIENCE }))
    }
}

/// Reads so many bytes on a thread of its own: disks may be slow.
async fn read(mut file: File, length: usize) -> io::Result<(File, Vec<u8>)> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut piece = vec![0; length];
        file.read_exact(&mut piece).map(|()| (file, piece))
    });
    reading.await.map_err(io::Error::other)?
}

/// Why a file was not fed.
enum Unfed {
    Session(SessionError),
    File(io::Error),
}

impl From<SessionError> for Unfed {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<io::Error> for Unfed {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}
