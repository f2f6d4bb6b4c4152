//! What a session tells while it works.

use std::time::Duration;

use super::{Holder, SessionError};

/// What a session did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A section of the program begins.
    Began(usize),
    /// A section ended with this exit status, having written this. How long it took is known of
    /// those that are told of late.
    Ended { section: usize, status: u32, output: Vec<u8>, took: Option<Duration> },
    /// The program was stopped before its next section.
    Stopped,
    /// The program is over; nothing more comes of it.
    Done,
    /// Another run has the node; it is waited for.
    Waiting(Holder),
    /// The node has no program to lock with.
    Unlockable,
    /// The node is this run's; these are the lines of its log that a resumed run asked for.
    Locked { log: String },
    /// A line was written to the run log.
    Noted,
    /// So many bytes of a content are there already.
    Has(u64),
    /// A content has arrived, in this folder.
    Put { folder: String },
    /// A content has arrived, but it is another one.
    PutWrong,
    /// A content could not be written.
    PutFailed,
}

/// Reads a mark; `data` is what was written before it, `last_words` are those on standard error.
pub(super) fn parse(
    mark: &str,
    data: Vec<u8>,
    last_words: &dyn Fn() -> String,
) -> Result<Progress, SessionError> {
    let odd = || SessionError::Protocol { reason: format!("the mark `{mark}`") };
    let number = |word: &str| word.parse::<usize>().map_err(|_| odd());
    let status = |word: &str| word.parse::<u32>().map_err(|_| odd());
    let text = |data: Vec<u8>| String::from_utf8_lossy(&data).into_owned();
    let words: Vec<&str> = mark.splitn(3, ' ').collect();
    let ended = |section: &str, rest: &str, output| -> Result<Progress, SessionError> {
        let (word, micros) = rest.split_once(' ').unwrap_or((rest, ""));
        // A clock that is set back in the meantime gives a negative number.
        let took = micros.parse().ok().map(Duration::from_micros);
        Ok(Progress::Ended { section: number(section)?, status: status(word)?, output, took })
    };
    Ok(match words.as_slice() {
        ["begin", section] => Progress::Began(number(section)?),
        ["end", section, rest] => ended(section, rest, data)?,
        ["stopped"] => Progress::Stopped,
        ["done", "0"] => Progress::Done,
        ["done", word] => {
            let status = status(word)?;
            let last_words = last_words();
            let reason = format!("a program could not be run (status {status}): {last_words}");
            return Err(SessionError::Protocol { reason });
        }
        ["lock", "busy", holder] => Progress::Waiting(Holder::parse(holder)),
        ["lock", "missing"] => Progress::Unlockable,
        ["lock", "held"] => Progress::Locked { log: text(data) },
        ["lock", "refused", holder] => {
            return Err(SessionError::Locked { holder: Holder::parse(holder) });
        }
        ["lock", "failed"] => return Err(SessionError::NoLock { reason: last_words() }),
        ["noted"] => Progress::Noted,
        ["put", "have", count] => Progress::Has(count.parse().map_err(|_| odd())?),
        ["put", "done"] => Progress::Put { folder: text(data) },
        ["put", "wrong"] => Progress::PutWrong,
        ["put", "failed"] => Progress::PutFailed,
        _ => return Err(odd()),
    })
}
