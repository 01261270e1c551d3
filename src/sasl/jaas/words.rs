//! A JAAS file's words (java.io.StreamTokenizer with ConfigFile's settings).

use std::iter::Peekable;
use std::str::Chars;

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// A word, or what stood between double quotes.
    Text(String),
    /// What begins as a number: Java takes it for none of its words.
    Number,
    /// Any other character.
    Sign(char),
    End,
}

pub(super) struct Words<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Words<'a> {
        Words { chars: text.chars().peekable(), line: 1 }
    }

    /// The next word, and the line in which it begins.
    pub(super) fn next(&mut self) -> (usize, Word) {
        loop {
            let Some(c) = self.advance() else { return (self.line, Word::End) };
            let line = self.line;
            match c {
                c if c <= ' ' => {}
                '/' => self.comment(),
                '"' => return (line, Word::Text(self.quoted('"'))),
                // Java's tokenizer knows these quotes, and its parser takes nothing that stands in them.
                '\'' => {
                    self.quoted('\'');
                    return (line, Word::Sign('\''));
                }
                '-' if !self.peek_is(is_digit_or_point) => return (line, Word::Sign('-')),
                c if is_digit_or_point(c) || c == '-' => {
                    self.number();
                    return (line, Word::Number);
                }
                c if is_letter(c) => return (line, Word::Text(self.word(c))),
                c => return (line, Word::Sign(c)),
            }
        }
    }

    fn advance(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        // The line counts from the character behind its end.
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn peek_is(&mut self, is: impl Fn(char) -> bool) -> bool {
        self.chars.peek().is_some_and(|c| is(*c))
    }

    /// Behind a slash: to the line's end, unless it is of the kind that has an end of its own.
    fn comment(&mut self) {
        if !self.peek_is(|c| c == '*') {
            while self.peek_is(|c| c != '\n' && c != '\r') {
                self.advance();
            }
            return;
        }
        self.advance();
        let mut before = ' ';
        while let Some(c) = self.advance() {
            if before == '*' && c == '/' {
                return;
            }
            before = c;
        }
    }

    /// To the other quote, or the line's end.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        while self.peek_is(|c| c != '\n' && c != '\r') {
            match self.advance() {
                Some(c) if c == quote => return text,
                Some('\\') => text.push(self.escaped()),
                Some(c) => text.push(c),
                None => return text,
            }
        }
        text
    }

    fn escaped(&mut self) -> char {
        match self.advance() {
            Some(first @ '0'..='7') => self.octal(first),
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(c) => c,
            None => '\u{ffff}',
        }
    }

    /// Up to three digits, and no number beyond \377.
    fn octal(&mut self, first: char) -> char {
        let digits_max = if first <= '3' { 3 } else { 2 };
        let mut value = first as u8 - b'0';
        for _ in 1..digits_max {
            if !self.peek_is(|c| ('0'..='7').contains(&c)) {
                break;
            }
            if let Some(digit) = self.advance() {
                value = value << 3 | (digit as u8 - b'0');
            }
        }
        char::from(value)
    }

    /// As many points and digits as a number has; what follows is a word of its own.
    fn number(&mut self) {
        while self.peek_is(is_digit_or_point) {
            self.advance();
        }
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while self.peek_is(|c| is_letter(c) || is_digit_or_point(c) || c == '-') {
            word.extend(self.advance());
        }
        word
    }
}

/// What a word may begin with.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '$' | '_' | '*') || c >= '\u{a0}'
}

fn is_digit_or_point(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}
