//! Noting on disk what this client holds in VirtualBox, so that others can give it back if the
//! client is killed.
//!
//! A web service cannot tell that its client was killed: the client's session lives on for its
//! idle time, and a lock on a machine for as long as the web service itself. So every client
//! writes down, in a file that it keeps locked, its session and the locks that it takes. Whoever
//! finds such a file without a lock on it ends that session in the dead client's stead.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use vbox_soap::ManagedObject;
use vbox_soap::api::ISession;

use super::Manager;
use super::locking::OnlyTurn;
use super::unfinished::{GATE, gate};
use crate::error::{Doing, Error};
use crate::tag::MachineId;

/// What this client holds, on disk.
#[derive(Debug)]
pub(super) struct ClientNote {
    path: PathBuf,
    inner: Mutex<NoteFile>,
}

#[derive(Debug)]
struct NoteFile {
    /// Locked for as long as this client lives.
    file: File,
    held: usize,
}

impl ClientNote {
    fn create(folder: &Path, url: &str, root: &str) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, e))?;
        let id = MachineId::random()?;
        let path = folder.join(id.as_str());
        let written = || -> std::io::Result<File> {
            // Without a lock it would be taken for a dead client's.
            let _gate = gate(folder)?;
            let mut options = File::options();
            options.create_new(true).append(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&path)?;
            file.lock()?;
            file.write_all(header(url, root).as_bytes())?;
            Ok(file)
        };
        let file = written().map_err(|e| Error::io("write the file", &path, e))?;
        Ok(Self { path, inner: Mutex::new(NoteFile { file, held: 0 }) })
    }

    fn write(&self, line: &str) -> std::io::Result<()> {
        self.inner().file.write_all(format!("{line}\n").as_bytes())
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, NoteFile> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, session: &str) {
        self.inner().held += 1;
        self.warn(self.write(&format!("lock {session}")));
    }

    fn give_back(&self, session: &str) {
        self.warn(self.write(&format!("free {session}")));
        let mut inner = self.inner();
        inner.held = inner.held.saturating_sub(1);
        if inner.held == 0 {
            // The two lines of the header stay.
            let shortened = header_length(&self.path).and_then(|length| inner.file.set_len(length));
            drop(inner);
            self.warn(shortened);
        }
    }

    /// Without the note, a kill at the wrong moment leaves a lock; that is no reason not to work.
    fn warn(&self, written: std::io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.path.display(), "cannot note what this client holds");
        }
    }
}

impl Drop for ClientNote {
    fn drop(&mut self) {
        // A session that was not logged off goes with its last handle, in the background.
        self.warn(std::fs::remove_file(&self.path));
    }
}

fn header(url: &str, root: &str) -> String {
    format!("{url}\n{root}\n")
}

fn header_length(path: &Path) -> std::io::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.lines().take(2).map(|line| line.len() as u64 + 1).sum())
}

/// What the note of a client that was killed says.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    url: String,
    root: String,
    locks: Vec<String>,
}

impl Held {
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (url, root) = (lines.next()?.to_owned(), lines.next()?.to_owned());
        let mut locks = BTreeSet::new();
        for line in lines {
            match line.split_once(' ') {
                Some(("lock", session)) => locks.insert(session.to_owned()),
                Some(("free", session)) => locks.remove(session),
                // Half a line: the lock was not taken yet.
                _ => false,
            };
        }
        Some(Self { url, root, locks: locks.into_iter().collect() })
    }
}

/// A session object to lock a machine with, noted on disk.
pub(crate) struct LockingSession {
    session: ISession,
    note: Option<Arc<ClientNote>>,
    _turn: OnlyTurn,
}

impl Deref for LockingSession {
    type Target = ISession;

    fn deref(&self) -> &ISession {
        &self.session
    }
}

impl LockingSession {
    /// Gives the lock back.
    pub(crate) async fn give_back(self) -> Result<(), vbox_soap::Error> {
        self.session.unlock_machine().await
    }
}

impl Drop for LockingSession {
    fn drop(&mut self) {
        if let Some(note) = &self.note {
            note.give_back(self.session.object().id());
        }
    }
}

impl Manager {
    /// A session object to lock a machine with. On servers that have only one, it is waited for.
    pub(crate) async fn locking_session(&self) -> Result<LockingSession, Error> {
        let doing = || "open a session to lock a VM with".to_owned();
        let note = self.client_note().await;
        let (session, turn) = self.session_object().await.doing(doing)?;
        if let Some(note) = &note {
            note.take(session.object().id());
        }
        Ok(LockingSession { session, note, _turn: turn })
    }

    async fn client_note(&self) -> Option<Arc<ClientNote>> {
        let made = self.inner.note.get_or_try_init(|| async {
            let root = self.vbox().object().id();
            ClientNote::create(&self.location().clients(), &self.inner.client.url(), root)
                .map(Arc::new)
        });
        match made.await {
            Ok(note) => Some(Arc::clone(note)),
            Err(error) => {
                tracing::warn!(%error, "cannot note what this client holds");
                None
            }
        }
    }

    /// Ends the sessions of clients that were killed, and with them their locks on machines.
    pub(crate) async fn end_dead_clients(&self) {
        for entry in std::fs::read_dir(self.location().clients()).into_iter().flatten().flatten() {
            if entry.file_name() == GATE {
                continue;
            }
            if let Err(error) = self.end_if_dead(&entry.path()).await {
                tracing::warn!(%error, note = %entry.path().display(), "cannot end a dead client's session");
            }
        }
    }

    async fn end_if_dead(&self, path: &Path) -> Result<(), Error> {
        let failed = |e| Error::io("read the file", path, e);
        let opened = || -> std::io::Result<Option<File>> {
            let _gate = gate(&self.location().clients())?;
            let file = File::open(path)?;
            Ok(file.try_lock().is_ok().then_some(file))
        };
        let mut file = match opened() {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(failed(e)),
        };
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        if let Some(held) = Held::read(&text) {
            let client = &self.inner.client;
            if held.url != client.url() {
                return Ok(());
            }
            let ended = client.end_session(&held.root, &held.locks).await;
            ended.doing(|| "end the session of a client that was killed".to_owned())?;
            tracing::info!(
                locks = held.locks.len(),
                "ended the session of a client that was killed"
            );
        }
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("delete the file", path, e))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_is_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let note = ClientNote::create(folder.path(), "http://a/", "1-1").expect("written");
        let read = || Held::read(&std::fs::read_to_string(&note.path).expect("reads"));
        let held = |locks: &[&str]| {
            let locks = locks.iter().map(|lock| (*lock).to_owned()).collect();
            Some(Held { url: "http://a/".to_owned(), root: "1-1".to_owned(), locks })
        };
        assert_eq!(read(), held(&[]));
        note.take("1-2");
        note.take("1-3");
        note.give_back("1-2");
        assert_eq!(read(), held(&["1-3"]));
        note.give_back("1-3");
        assert_eq!(read(), held(&[]));
        assert_eq!(std::fs::read_to_string(&note.path).expect("reads"), "http://a/\n1-1\n");
        let other = File::open(&note.path).expect("opens");
        assert!(other.try_lock().is_err(), "it is locked while the client lives");
        drop(note);
        let left = std::fs::read_dir(folder.path()).expect("reads").flatten();
        assert_eq!(left.map(|entry| entry.file_name()).collect::<Vec<_>>(), [GATE]);
    }

    #[test]
    fn half_written_notes() {
        assert_eq!(Held::read(""), None);
        assert_eq!(Held::read("http://a/\n"), None);
        let held = Held::read("http://a/\n1-1\nlock 1-2\nloc").expect("a note");
        assert_eq!(held.locks, ["1-2"]);
    }
}
