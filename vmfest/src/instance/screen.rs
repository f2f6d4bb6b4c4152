//! The VM's screen and keyboard.

use std::time::{Duration, Instant};

use vbox_soap::ComCode;

use super::{Instance, State, operation};
use crate::error::{Doing, Error};
use crate::keyboard::{self, Typed};
use crate::versions;

/// Right after the start there is no picture yet.
const FIRST_PICTURE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// How long a guest may leave its keyboard full.
const FULL_KEYBOARD: Duration = Duration::from_secs(10);
/// Between two strokes: about as fast as a keyboard repeats. A guest that is slower loses some.
const BETWEEN_STROKES: Duration = Duration::from_millis(15);

impl Instance {
    /// A picture of the VM's first screen, as a PNG file; of a saved VM the one when it was saved.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is off.
    pub async fn screenshot(&self) -> Result<Vec<u8>, Error> {
        let operation = operation::SCREENSHOT;
        let state = self.settled_state().await?;
        if let operation::Verdict::Refuse(error) = operation.verdict(self.name(), &state) {
            return Err(error);
        }
        if state == State::Saved {
            let saved = versions::saved_picture(&self.machine.handle).await;
            return saved.doing(|| operation.doing(self.name()));
        }
        self.with_console(operation, async |console| {
            let display = console.get_display().await?;
            let begun = Instant::now();
            loop {
                let (width, height) = versions::screen_size(&display).await?;
                match versions::take_picture(&display, width.max(1), height.max(1)).await {
                    Err(e)
                        if e.com_code() == Some(ComCode::NOT_SUPPORTED)
                            && begun.elapsed() < FIRST_PICTURE =>
                    {
                        tokio::time::sleep(PAUSE).await;
                    }
                    taken => return taken,
                }
            }
        })
        .await
    }

    /// Types on the VM's keyboard, as a person would on a US keyboard: for what has to be done
    /// before a guest can be reached by network, such as answering a boot loader or an installer.
    ///
    /// Returns when all is typed; whether the guest listens, only its screen or console can tell.
    ///
    /// ```no_run
    /// # async fn example(instance: vmfest::Instance) -> Result<(), vmfest::Error> {
    /// use std::time::Duration;
    /// use vmfest::{Key, Typed};
    ///
    /// let pause = Typed::Pause(Duration::from_secs(2));
    /// instance.send_keyboard(&[Key::F12.into(), pause, "root\n".into()]).await?;
    /// instance.send_keyboard(&[Typed::Chord(vec![Key::LeftCtrl, Key::LeftAlt, Key::Delete])]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchKey`], before anything is typed; [`Error::WrongState`] if it does not run;
    /// [`Error::TimedOut`] if its keyboard takes nothing more.
    pub async fn send_keyboard(&self, typed: &[Typed]) -> Result<(), Error> {
        let strokes = keyboard::strokes(typed)?;
        let operation = operation::SEND_KEYBOARD;
        let state = self.settled_state().await?;
        if let operation::Verdict::Refuse(error) = operation.verdict(self.name(), &state) {
            return Err(error);
        }
        let typed = self.with_console(operation, async |console| {
            let keyboard = console.get_keyboard().await?;
            for stroke in &strokes {
                let mut codes = stroke.codes.as_slice();
                let mut last_taken = Instant::now();
                while !codes.is_empty() {
                    // A keyboard's buffer is small; it takes as much as it can.
                    let taken = keyboard.put_scancodes(codes).await?;
                    codes = codes.get(taken as usize..).unwrap_or_default();
                    if taken > 0 {
                        last_taken = Instant::now();
                    } else if last_taken.elapsed() > FULL_KEYBOARD {
                        return Ok(false);
                    }
                    tokio::time::sleep(BETWEEN_STROKES).await;
                }
                tokio::time::sleep(stroke.pause).await;
            }
            Ok(true)
        });
        if typed.await? {
            return Ok(());
        }
        Err(Error::TimedOut {
            doing: operation.doing(self.name()),
            waited: FULL_KEYBOARD,
            last_seen: "its keyboard is full, and the guest reads nothing from it".to_owned(),
        })
    }
}
