//! From text to tree.

use crate::tree::{Error, MAX_DEPTH, Node, Notation, Position, Value};

/// Reads a text that holds exactly one value.
///
/// # Errors
/// The first thing that is wrong, with its line and column.
pub fn read(text: &str) -> Result<Node, Error> {
    let mut reader = Reader::new(text);
    let Some(node) = reader.value(0)? else {
        return Err(reader.error("the file holds no value; a map { … } was expected"));
    };
    reader.skip_blank(0)?;
    match reader.peek() {
        None => Ok(node),
        Some(c @ (')' | ']' | '}')) => {
            Err(reader.error(format!("`{c}` closes nothing; is there one too many?")))
        }
        Some(_) => Err(reader.error("text after the end of the value; a file holds one map")),
    }
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    position: Position,
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == ','
}

/// Characters that end a number, symbol, keyword or named character.
fn ends_token(c: char) -> bool {
    is_blank(c) || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';')
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest: text.chars(), position: Position { line: 1, column: 1, offset: 0 } }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.position.offset += c.len_utf8();
        if c == '\n' {
            self.position.line += 1;
            self.position.column = 1;
        } else {
            self.position.column += 1;
        }
        Some(c)
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::new(message, Some(self.position))
    }

    fn skip_blank(&mut self, depth: usize) -> Result<(), Error> {
        while let Some(c) = self.peek() {
            if is_blank(c) {
                self.next();
            } else if c == ';' {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.next();
                }
            } else if self.rest.as_str().starts_with("#_") {
                let start = self.position;
                self.next();
                self.next();
                // `#_ #_ a b` discards two values, so each discard reads one whole value.
                if self.value(depth + 1)?.is_none() {
                    return Err(Error::new("`#_` has no value after it to leave out", Some(start)));
                }
            } else {
                break;
            }
        }
        Ok(())
    }

    /// The next value, or nothing at the end of the text or of the enclosing collection.
    fn value(&mut self, depth: usize) -> Result<Option<Node>, Error> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.skip_blank(depth)?;
        let position = self.position;
        let Some(c) = self.peek() else { return Ok(None) };
        let value = match c {
            ')' | ']' | '}' => return Ok(None),
            '(' => Value::List(self.items(')', depth)?),
            '[' => Value::Vector(self.items(']', depth)?),
            '{' => self.map(depth)?,
            '"' => self.string()?,
            '\\' => self.character()?,
            ':' => self.keyword()?,
            '#' => self.dispatch(depth)?,
            '\'' | '`' | '~' | '@' | '^' | '%' => {
                return Err(self.error(format!(
                    "`{c}` belongs to programs; this file is read as data and never evaluated"
                )));
            }
            _ => self.atom()?,
        };
        Ok(Some(Node { value, position: Some(position), notation: Notation::Edn }))
    }

    fn items(&mut self, close: char, depth: usize) -> Result<Vec<Node>, Error> {
        let start = self.position;
        let open = self.next();
        let mut items = Vec::new();
        while let Some(item) = self.value(depth + 1)? {
            items.push(item);
        }
        match self.peek() {
            Some(c) if c == close => {
                self.next();
                Ok(items)
            }
            Some(c) => Err(self.error(format!(
                "`{c}` does not close the `{}` of {start}; `{close}` was expected",
                open.unwrap_or(close)
            ))),
            None => Err(Error::new(
                format!("`{}` is never closed; `{close}` is missing", open.unwrap_or(close)),
                Some(start),
            )),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Error> {
        let items = self.items('}', depth)?;
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(items.len() / 2);
        let mut items = items.into_iter();
        while let Some(key) = items.next() {
            let Some(value) = items.next() else {
                return Err(Error::new("this key has no value", key.position));
            };
            if let Some((first, _)) = entries.iter().find(|(known, _)| known.same_value(&key)) {
                let first = first.position.map_or_else(String::new, |at| format!(", at {at}"));
                let message = format!("this key stands in the map already{first}");
                return Err(Error::new(message, key.position));
            }
            entries.push((key, value));
        }
        Ok(Value::Map(entries))
    }

    fn dispatch(&mut self, depth: usize) -> Result<Value, Error> {
        let start = self.position;
        self.next();
        let problem = match self.peek() {
            Some('{') => return self.set(depth),
            Some('=' | '(' | '\'' | '^') => {
                "this is program text; the file is read as data and never evaluated".to_owned()
            }
            Some('"') => "regular expressions are not data; write a plain string".to_owned(),
            Some('#') => "symbolic numbers such as ##Inf have no meaning here".to_owned(),
            Some(c) if c.is_alphabetic() => {
                format!("tagged values (#{}) have no meaning here; write plain data", self.token())
            }
            _ => "`#` must be followed by `{` (a set) or `_` (leave out the next value)".to_owned(),
        };
        Err(Error::new(problem, Some(start)))
    }

    fn set(&mut self, depth: usize) -> Result<Value, Error> {
        let items = self.items('}', depth)?;
        for (index, item) in items.iter().enumerate() {
            if items.iter().take(index).any(|known| known.same_value(item)) {
                return Err(Error::new("this value stands in the set twice", item.position));
            }
        }
        Ok(Value::Set(items))
    }

    fn token(&mut self) -> String {
        let mut token = String::new();
        while let Some(c) = self.peek().filter(|c| !ends_token(*c)) {
            token.push(c);
            self.next();
        }
        token
    }

    fn string(&mut self) -> Result<Value, Error> {
        let start = self.position;
        self.next();
        let mut text = String::new();
        loop {
            let here = self.position;
            match self.next() {
                None => return Err(Error::new("this string is never closed", Some(start))),
                Some('"') => return Ok(Value::String(text)),
                Some('\\') => {
                    let c = self.escape().map_err(|message| Error::new(message, Some(here)))?;
                    text.push(c);
                }
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        match self.next() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some(c @ ('\\' | '"')) => Ok(c),
            Some('u') => {
                let digits: String = self.rest.clone().take(4).collect();
                let c = four_hex_digits(&digits)
                    .ok_or("`\\u` wants four hexadecimal digits that name a character")?;
                for _ in 0..4 {
                    self.next();
                }
                Ok(c)
            }
            Some(c) => Err(format!("unknown escape `\\{c}`; write `\\\\` for a backslash")),
            None => Err("the text ends inside an escape".to_owned()),
        }
    }

    fn character(&mut self) -> Result<Value, Error> {
        let start = self.position;
        self.next();
        // The first character may be one that would end a token, as in `\(`.
        let Some(first) = self.next() else {
            return Err(Error::new("`\\` has no character after it", Some(start)));
        };
        let mut name = String::from(first);
        name.push_str(&self.token());
        let c = match name.as_str() {
            "newline" => '\n',
            "space" => ' ',
            "tab" => '\t',
            "return" => '\r',
            "formfeed" => '\u{c}',
            "backspace" => '\u{8}',
            _ if name.chars().count() == 1 => first,
            _ => name
                .strip_prefix('u')
                .filter(|digits| digits.len() == 4)
                .and_then(four_hex_digits)
                .ok_or_else(|| Error::new(format!("unknown character `\\{name}`"), Some(start)))?,
        };
        Ok(Value::Char(c))
    }

    fn keyword(&mut self) -> Result<Value, Error> {
        let start = self.position;
        self.next();
        let name = self.token();
        if name.is_empty() || name.starts_with([':', '/']) || name.ends_with([':', '/']) {
            return Err(Error::new(format!("`:{name}` is not a keyword"), Some(start)));
        }
        Ok(Value::Keyword(name))
    }

    fn atom(&mut self) -> Result<Value, Error> {
        let start = self.position;
        let token = self.token();
        let digits = token.trim_start_matches(['+', '-']);
        let number =
            token.len() - digits.len() <= 1 && digits.starts_with(|c: char| c.is_ascii_digit());
        match token.as_str() {
            "nil" => Ok(Value::Nil),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ if number => number_of(&token)
                .map_err(|problem| Error::new(format!("`{token}` {problem}"), Some(start))),
            _ if token
                .contains(|c: char| c.is_control() || matches!(c, '\\' | '@' | '^' | '`')) =>
            {
                Err(Error::new(format!("{token:?} is not a symbol"), Some(start)))
            }
            _ => Ok(Value::Symbol(token)),
        }
    }
}

fn four_hex_digits(digits: &str) -> Option<char> {
    (digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit()))
        .then(|| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32))
        .flatten()
}

fn number_of(token: &str) -> Result<Value, &'static str> {
    let unsigned = token.trim_start_matches(['+', '-']);
    let whole = unsigned.strip_suffix('N').unwrap_or(unsigned);
    if whole.chars().all(|c| c.is_ascii_digit()) {
        if whole.len() > 1 && whole.starts_with('0') {
            return Err("begins with 0; write the number without it, or as a string");
        }
        return token
            .trim_end_matches('N')
            .parse()
            .map(Value::Integer)
            .map_err(|_| "is too large a number");
    }
    let plain = token.strip_suffix('M').unwrap_or(token);
    let shape =
        plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    match plain.parse::<f64>() {
        Ok(value) if shape && value.is_finite() => Ok(Value::Float(value)),
        _ => Err("is not a number; write it as a string if it is a text such as a version"),
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
