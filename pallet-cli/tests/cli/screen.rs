//! A terminal of just what `pallet` uses, to see what people see.

/// What is on the screen.
#[derive(Debug, Default)]
pub struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    /// Everything that was ever shown between two frames, and what is there at the end.
    pub fn play(bytes: &str) -> (Vec<String>, String) {
        let mut screen = Self::default();
        let mut frames = Vec::new();
        let mut rest = bytes;
        while let Some(letter) = rest.chars().next() {
            rest = rest.split_at(letter.len_utf8()).1;
            match letter {
                '\u{1b}' => {
                    let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                    let (code, after) = rest.split_at(end + 1);
                    rest = after;
                    if screen.control(code.strip_prefix('[').unwrap()) {
                        frames.push(screen.text());
                    }
                }
                '\r' => screen.column = 0,
                '\n' => screen.row += 1,
                letter => screen.put(letter),
            }
        }
        let last = screen.text();
        (frames, last)
    }

    /// Carries out a sequence; says whether a frame is complete.
    fn control(&mut self, code: &str) -> bool {
        let (numbers, verb) = code.split_at(code.len() - 1);
        match verb {
            "A" => self.row = self.row.checked_sub(numbers.parse().unwrap()).expect("the top"),
            "K" => self.cut(),
            "J" => {
                self.cut();
                self.lines.truncate(self.row + 1);
            }
            "m" => {}
            "h" | "l" => assert_eq!(numbers, "?2026"),
            other => panic!("`{other}` is not known"),
        }
        verb == "l"
    }

    fn cut(&mut self) {
        let column = self.column;
        self.line().truncate(column);
    }

    fn line(&mut self) -> &mut Vec<char> {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, Vec::new());
        }
        let (row, column) = (self.row, self.column);
        let line = &mut self.lines[row];
        if line.len() < column {
            line.resize(column, ' ');
        }
        line
    }

    fn put(&mut self, letter: char) {
        let column = self.column;
        let line = self.line();
        match line.get_mut(column) {
            Some(place) => *place = letter,
            None => line.push(letter),
        }
        self.column += 1;
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>());
        lines.map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}
