//! Reading the console while the guest writes to it.

use std::collections::VecDeque;
use std::time::Duration;

use super::Instance;
use crate::console::{self, LineReader};
use crate::error::Error;

/// How often the console is looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// After how many looks without anything new the VM itself is looked at.
const LOOKS: u32 = 5;

/// The lines of a guest's serial console, as they come. See [`Instance::console_lines`].
pub struct ConsoleLines {
    instance: Instance,
    reader: LineReader,
    lines: VecDeque<String>,
}

impl Instance {
    /// The lines that the guest has printed on its serial console since the VM was started, and
    /// then those that it prints from now on.
    ///
    /// ```no_run
    /// # async fn example(instance: vmfest::Instance) -> Result<(), vmfest::Error> {
    /// let mut lines = instance.console_lines();
    /// while let Some(line) = lines.next().await? {
    ///     println!("{line}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn console_lines(&self) -> ConsoleLines {
        ConsoleLines {
            instance: self.clone(),
            reader: LineReader::new(self.console()),
            lines: VecDeque::new(),
        }
    }
}

impl ConsoleLines {
    /// Waits for the next line, without its line break and without anything that could act on a
    /// terminal. Nothing, when the VM is off and all has been read. May be dropped while it waits.
    ///
    /// # Errors
    /// [`Error::Gone`] when the VM is destroyed meanwhile; when the file cannot be read.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        let mut looks = 0;
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Ok(Some(console::clean(&line)));
            }
            // Asked before the file is read: what was written before the end must not be missed.
            let is_over =
                looks % LOOKS == LOOKS - 1 && !self.instance.settled_state().await?.is_online();
            let (lines, any) = self.reader.read()?;
            self.lines.extend(lines);
            if is_over && !any {
                let rest = self.reader.take_rest();
                return Ok((!rest.is_empty()).then(|| console::clean(&rest)));
            }
            if self.lines.is_empty() {
                looks += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
