//! Standard error as a screen: lines that stay, and below them an area that is drawn anew while
//! something goes on.
//!
//! Everything that is written to standard error goes through here, so that nothing is written into
//! the area: it is taken away, the text is written, and it is drawn again, in one write.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::tcgetwinsize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Terminals that know it show what is between the two at once.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";
/// Erases from the cursor to the end of its line, and of the screen.
const REST_OF_LINE: &str = "\u{1b}[K";
const REST_OF_SCREEN: &str = "\u{1b}[J";

static AREA: Mutex<Area> = Mutex::new(Area { lines: Vec::new(), columns: 0 });

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Letters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

impl Size {
    /// How large the terminal behind standard error is now, if it is one and says so.
    pub fn now() -> Option<Self> {
        let size = tcgetwinsize(std::io::stderr()).ok()?;
        let size = Self { columns: size.ws_col.into(), rows: size.ws_row.into() };
        (size.columns > 0 && size.rows > 0).then_some(size)
    }
}

/// What is drawn; the cursor is at its end.
struct Area {
    lines: Vec<String>,
    /// How wide the terminal was then.
    columns: usize,
}

/// Writes a text that stays, above the area.
pub fn say(text: &str) {
    let mut area = lock();
    if area.lines.is_empty() {
        return write(text);
    }
    let columns = Size::now().map_or(area.columns, |size| size.columns);
    let (top, lines) = (area.to_top(columns), std::mem::take(&mut area.lines));
    // A text that ends within a line would be drawn over.
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    write(&format!("{BEGIN}{top}{REST_OF_SCREEN}{text}{newline}{}{END}", lines.join("\n")));
    *area = Area { lines, columns };
}

/// Draws the area anew, unless it is so already. Lines must fit the terminal: see [`fit`].
pub fn draw(lines: Vec<String>, columns: usize) {
    let mut area = lock();
    if area.lines == lines && area.columns == columns {
        return;
    }
    let top = area.to_top(columns);
    let ends = format!("{REST_OF_LINE}\n");
    write(&format!("{BEGIN}{top}{}{REST_OF_LINE}{REST_OF_SCREEN}{END}", lines.join(&ends)));
    *area = Area { lines, columns };
}

/// Takes the area away.
pub fn clear() {
    let mut area = lock();
    if !area.lines.is_empty() {
        write(&format!("{}{REST_OF_SCREEN}", area.to_top(area.columns)));
        area.lines.clear();
    }
}

impl Area {
    /// From the end of the area to its beginning, on a terminal that may have become narrower and
    /// has folded its lines then.
    fn to_top(&self, columns: usize) -> String {
        let rows = |line: &String| width(line).div_ceil(columns.max(1)).max(1);
        let up = self.lines.iter().map(rows).sum::<usize>().saturating_sub(1);
        if up == 0 { "\r".to_owned() } else { format!("\r\u{1b}[{up}A") }
    }
}

fn lock() -> MutexGuard<'static, Area> {
    AREA.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody has to read to the end: a closed pipe is no error of ours.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// How many columns a text takes, colours apart.
pub fn width(text: &str) -> usize {
    let mut width = 0;
    let mut is_colour = false;
    for letter in text.chars() {
        match letter {
            '\u{1b}' => is_colour = true,
            'm' if is_colour => is_colour = false,
            _ if is_colour => {}
            letter => width += letter.width().unwrap_or(0),
        }
    }
    width
}

/// The beginning of a text without colours that fits into so many columns.
pub fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut fitting = String::new();
    let mut taken = 0;
    for letter in text.chars() {
        taken += letter.width().unwrap_or(0);
        // One column is for the mark that there is more.
        if taken >= columns {
            break;
        }
        fitting.push(letter);
    }
    if columns > 0 {
        fitting.push('…');
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(width("\u{1b}[31mred\u{1b}[0m 日"), 6);
    }

    #[test]
    fn the_way_to_the_top_counts_folded_lines() {
        let lines = vec!["x".repeat(100), "y".to_owned()];
        let area = Area { lines, columns: 120 };
        assert_eq!(area.to_top(120), "\r\u{1b}[1A");
        // Narrower than it was: the first line takes three rows now.
        assert_eq!(area.to_top(40), "\r\u{1b}[3A");
        assert_eq!(Area { lines: Vec::new(), columns: 0 }.to_top(40), "\r");
    }
}
