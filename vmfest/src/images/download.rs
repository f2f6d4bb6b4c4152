//! Downloads that go on where they ended.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::error::ImageError;
use super::events::{Event, Step, Watch};
use super::folder::Workshop;
use super::http::{Answer, Client, Failure};
use super::{digest, space, write_failed};
use crate::error::Error;

/// How often a download is tried without a single byte coming.
const MAX_FRUITLESS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Small files beside an image are small.
const MAX_TEXT: usize = 1024 * 1024;

/// Downloads to one model.
pub(super) struct Downloader<'a> {
    pub(super) client: Client,
    pub(super) workshop: &'a Workshop,
    pub(super) watch: &'a Watch,
}

/// A small text at an address; nothing if there is none.
pub(super) async fn text(client: &mut Client, url: &str) -> Result<Option<String>, Error> {
    let failed = |failure: Failure| refused(url, failure.problem);
    let answer = client.get(url, &[]).await.map_err(failed)?;
    if answer.status.is_client_error() {
        // "Not found" has many names: object stores say "forbidden".
        return Ok(None);
    }
    if !answer.status.is_success() {
        return Err(refused(url, format!("the server says {}", answer.status)));
    }
    answer.text(MAX_TEXT).await.map(Some).map_err(failed)
}

/// What is known of the part that is there.
#[derive(Debug, Default, PartialEq, Eq)]
struct Origin {
    url: String,
    /// The server's mark of this state of the file, for `If-Range`.
    mark: Option<String>,
}

impl Origin {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        let url = lines.next().unwrap_or_default().to_owned();
        Self { url, mark: lines.next().map(str::to_owned) }
    }

    fn write(&self, workshop: &Workshop) -> Result<(), Error> {
        let mark = self.mark.iter().flat_map(|mark| ["\n", mark]).collect::<String>();
        workshop.write(&workshop.origin(), &format!("{}{mark}", self.url))
    }
}

impl Downloader<'_> {
    /// Downloads into the workshop and gives the digest. `is_verified` says that a checksum will
    /// tell whether the parts of an interrupted download fit together.
    pub(super) async fn fetch(&mut self, url: &str, is_verified: bool) -> Result<String, Error> {
        let part = self.workshop.download();
        let mut origin = Origin::read(&self.workshop.origin());
        let fits = origin.url == url && (origin.mark.is_some() || is_verified);
        if !fits {
            origin = Origin { url: url.to_owned(), mark: None };
            super::folder::remove(&part)?;
            origin.write(self.workshop)?;
        }
        let mut progress = Part::open(&part).await?;
        if progress.length > 0 {
            self.watch.tell(Event::Resumed { bytes: progress.length });
        }
        let (mut fruitless, mut pause) = (0, FIRST_PAUSE);
        loop {
            let before = progress.length;
            let failure = match self.attempt(&mut origin, &mut progress, is_verified).await? {
                Ok(()) => return Ok(progress.digest()),
                Err(failure) => failure,
            };
            if progress.length > before {
                (fruitless, pause) = (0, FIRST_PAUSE);
            }
            fruitless += 1;
            if !failure.may_pass || fruitless == MAX_FRUITLESS {
                return Err(refused(url, failure.problem));
            }
            self.watch.tell(Event::Retrying { reason: failure.problem });
            tokio::time::sleep(pause).await;
            self.watch.check()?;
            pause *= 2;
        }
    }

    async fn attempt(
        &mut self,
        origin: &mut Origin,
        part: &mut Part,
        is_verified: bool,
    ) -> Result<Result<(), Failure>, Error> {
        let mut headers = Vec::new();
        if part.length > 0 && origin.mark.is_none() && !is_verified {
            // Nothing would tell whether the file is still the same.
            part.restart()?;
        }
        if part.length > 0 {
            headers.push(("range", format!("bytes={}-", part.length)));
            headers.extend(origin.mark.clone().map(|mark| ("if-range", mark)));
        }
        let answer = match self.client.get(&origin.url, &headers).await {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure)),
        };
        let total = match answer.status {
            StatusCode::PARTIAL_CONTENT => match continues(&answer, part.length) {
                Ok(total) => total,
                Err(failure) => {
                    part.restart()?;
                    return Ok(Err(failure));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if part.length > 0 => {
                if range_total(&answer) == Some(part.length) {
                    return Ok(Ok(()));
                }
                part.restart()?;
                return Ok(Err(Failure::passing("the file has changed on the server")));
            }
            status if status.is_success() => {
                part.restart()?;
                length(&answer)
            }
            status => {
                let may_pass = status.is_server_error()
                    || status == StatusCode::REQUEST_TIMEOUT
                    || status == StatusCode::TOO_MANY_REQUESTS;
                return Ok(Err(Failure { problem: format!("the server says {status}"), may_pass }));
            }
        };
        if part.length == 0 {
            origin.mark = mark(&answer);
            origin.write(self.workshop)?;
        }
        if let Some(total) = total {
            space::check(&self.workshop.path, total.saturating_sub(part.length))?;
        }
        self.receive(answer, part, total).await
    }

    async fn receive(
        &self,
        mut answer: Answer,
        part: &mut Part,
        total: Option<u64>,
    ) -> Result<Result<(), Failure>, Error> {
        let mut meter = self.watch.begin(Step::Download, total);
        meter.set(part.length)?;
        let sink = part.sink()?;
        let mut received = part.length;
        let outcome = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    received += chunk.len() as u64;
                    // A closed channel means that writing failed; the sink says why.
                    if sink.sender.send(chunk).await.is_err() {
                        break Ok(());
                    }
                    if let Err(abandoned) = meter.set(received) {
                        part.take_back(sink).await?;
                        return Err(abandoned.into());
                    }
                }
                Ok(None) => break Ok(()),
                Err(failure) => break Err(failure),
            }
        };
        part.take_back(sink).await?;
        match (outcome, total) {
            (Ok(()), Some(total)) if part.length < total => {
                Ok(Err(Failure::passing("the connection ended before the file did")))
            }
            (outcome, _) => Ok(outcome),
        }
    }
}

/// The file on disk, and the digest of what is in it.
struct Part {
    file: Option<File>,
    hasher: Sha256,
    length: u64,
    path: std::path::PathBuf,
}

/// Where bytes are written and digested, on a thread of its own.
struct Sink {
    sender: mpsc::Sender<Bytes>,
    work: tokio::task::JoinHandle<Result<(File, Sha256, u64), std::io::Error>>,
}

impl Part {
    async fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        let open = move || {
            let failed = |e| Error::io("open the part of the download", &path, e);
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            let mut file = options.open(&path).map_err(failed)?;
            let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
            let mut length = 0;
            loop {
                let count = file.read(&mut buffer).map_err(failed)?;
                if count == 0 {
                    return Ok(Self { file: Some(file), hasher, length, path });
                }
                hasher.update(buffer.get(..count).unwrap_or_default());
                length += count as u64;
            }
        };
        super::blocking("read the part of a download", open).await
    }

    fn restart(&mut self) -> Result<(), Error> {
        let truncated = self.file.as_mut().map(|file| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))
        });
        (self.hasher, self.length) = (Sha256::new(), 0);
        match truncated {
            Some(Err(e)) => Err(write_failed(&self.path, e)),
            _ => Ok(()),
        }
    }

    fn sink(&mut self) -> Result<Sink, Error> {
        let missing = || Error::Interrupted { doing: "write the download".to_owned() };
        let mut file = self.file.take().ok_or_else(missing)?;
        let (mut hasher, mut length) = (self.hasher.clone(), self.length);
        let (sender, mut chunks) = mpsc::channel::<Bytes>(64);
        let work = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = chunks.blocking_recv() {
                file.write_all(&chunk)?;
                hasher.update(&chunk);
                length += chunk.len() as u64;
            }
            Ok((file, hasher, length))
        });
        Ok(Sink { sender, work })
    }

    async fn take_back(&mut self, sink: Sink) -> Result<(), Error> {
        drop(sink.sender);
        match sink.work.await {
            Ok(Ok((file, hasher, length))) => {
                (self.file, self.hasher, self.length) = (Some(file), hasher, length);
                Ok(())
            }
            Ok(Err(e)) => Err(write_failed(&self.path, e)),
            Err(_) => Err(Error::Interrupted { doing: "write the download".to_owned() }),
        }
    }

    fn digest(self) -> String {
        digest::hex(self.hasher)
    }
}

fn refused(url: &str, problem: String) -> Error {
    ImageError::Download { url: url.to_owned(), problem }.into()
}

fn length(answer: &Answer) -> Option<u64> {
    answer.header("content-length")?.parse().ok()
}

/// `bytes 100-199/200`, which must begin where the part ends. Gives the total.
fn continues(answer: &Answer, at: u64) -> Result<Option<u64>, Failure> {
    let range = answer.header("content-range").and_then(|range| range.strip_prefix("bytes "));
    let begins = range.and_then(|range| range.split_once('-')).map(|(first, _)| first);
    if begins.and_then(|first| first.parse().ok()) != Some(at) {
        return Err(Failure::passing("the server went on at another place than asked"));
    }
    Ok(range_total(answer))
}

fn range_total(answer: &Answer) -> Option<u64> {
    answer.header("content-range")?.rsplit('/').next()?.parse().ok()
}

/// A strong entity tag, else the time of the last change.
fn mark(answer: &Answer) -> Option<String> {
    let tag = answer.header("etag").filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| answer.header("last-modified")).map(str::to_owned)
}
