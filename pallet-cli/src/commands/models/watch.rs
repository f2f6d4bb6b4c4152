//! What goes on while a model is made: a bar on a terminal, lines elsewhere.

use std::sync::{Mutex, PoisonError};

use vmfest::images::{Event, Step};

use crate::output::Output;
use crate::screen::{self, Size, fit};
use crate::text::visible;

/// Columns of the bar.
const BAR: usize = 30;

/// Elsewhere than on a terminal, a line is written whenever so many percent more are done.
const PERCENT: u64 = 25;

#[derive(Default)]
struct Seen {
    total: Option<u64>,
    /// The last percentage that a line was written for.
    told: u64,
}

/// Tells on standard error what happens.
pub(super) fn watch(output: Output) -> impl Fn(&Event) + Send + Sync + 'static {
    let seen = Mutex::new(Seen::default());
    move |event| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { step, total } => {
                *seen = Seen { total: *total, told: 0 };
                if output.is_live() {
                    draw(*step, 0, *total);
                } else {
                    output.progress(step.as_str());
                }
            }
            Event::Advanced { step, done } if output.is_live() => draw(*step, *done, seen.total),
            Event::Advanced { step, done } => {
                let part = percent(*done, seen.total).unwrap_or(0) / PERCENT * PERCENT;
                if part > seen.told {
                    seen.told = part;
                    output.progress(&format!("{} {part} %", step.as_str()));
                }
            }
            Event::Resumed { bytes } => {
                output.progress(&format!("going on after {} that were there", size(*bytes)));
            }
            Event::Retrying { reason } => {
                output.progress(&format!("trying again: {}", visible(reason)));
            }
            Event::Note { text } => output.progress(&format!("note: {}", visible(text))),
            _ => {}
        }
    }
}

fn percent(done: u64, total: Option<u64>) -> Option<u64> {
    let part = u128::from(done) * 100 / u128::from(total.filter(|total| *total > 0)?);
    u64::try_from(part.min(100)).ok()
}

fn draw(step: Step, done: u64, total: Option<u64>) {
    let Some(columns) = Size::now().map(|size| size.columns) else { return };
    screen::draw(vec![fit(&line(step, done, total), columns)], columns);
}

fn line(step: Step, done: u64, total: Option<u64>) -> String {
    let word = step.as_str();
    let Some(part) = percent(done, total) else { return format!("{word}  {}", size(done)) };
    let full = usize::try_from(part).unwrap_or(0) * BAR / 100;
    let bar = "█".repeat(full) + &"░".repeat(BAR - full);
    match total {
        // This step counts in percents.
        Some(_) if step == Step::Convert => format!("{word}  {bar} {part:>3} %"),
        _ => format!("{word}  {bar} {part:>3} %  {}", size(done)),
    }
}

/// `512 B`, `3.4 MiB`, `1.2 GiB`.
pub(super) fn size(bytes: u64) -> String {
    let in_unit = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{:.1} KiB", in_unit(0x400)),
        0x10_0000..0x4000_0000 => format!("{:.1} MiB", in_unit(0x10_0000)),
        _ => format!("{:.1} GiB", in_unit(0x4000_0000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_bars() {
        assert_eq!([size(5), size(1 << 20), size(3 << 29)], ["5 B", "1.0 MiB", "1.5 GiB"]);
        let half = line(Step::Download, 50, Some(100));
        assert!(
            half.starts_with("downloading  ███████████████░░░") && half.ends_with("50 %  50 B")
        );
        assert_eq!(line(Step::Digest, 2048, None), "taking the digest  2.0 KiB");
        assert!(line(Step::Unpack, 300, Some(100)).contains("100 %"));
    }
}
