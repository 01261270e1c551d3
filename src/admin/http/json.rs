//! JSON in the form that Java's admin server gives it (Jackson's DefaultPrettyPrinter): two blanks a
//! level, ` : ` behind keys, lists on one line. People read it, and scripts compare it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Serializer, Value};

/// A value as text.
pub(super) fn text(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut out, Jackson::default()));
    match written {
        Ok(()) => out,
        // JsonOutputter.ERROR_RESPONSE. A value in memory has nothing that cannot be written.
        Err(_) => b"{\"error\": \"Exception writing command response to JSON\"}".to_vec(),
    }
}

#[derive(Default)]
struct Jackson {
    /// Objects around; lists do not indent.
    depth: usize,
    has_entries: bool,
}

impl Jackson {
    fn new_line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(b"  "))
    }
}

impl Formatter for Jackson {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b" " } else { b", " })
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" ]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.has_entries = false;
        out.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.new_line(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" : ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_entries = true;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.has_entries {
            self.new_line(out)?;
        } else {
            out.write_all(b" ")?;
        }
        // The object around has at least this one.
        self.has_entries = true;
        out.write_all(b"}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn the_form_is_jacksons() {
        // Goal: what Java 3.9.5 answered to `connections` and `dump`, byte by byte.
        let value = json!({
            "connections": [{"a": 1, "b": "x\"y"}, {"a": 2}],
            "secure_connections": [],
            "sessions": {"39130000": [72060155582545920_i64, 2]},
            "none": {},
            "avg": 0.0,
            "error": null,
        });
        let expected = "{\n  \"connections\" : [ {\n    \"a\" : 1,\n    \"b\" : \"x\\\"y\"\n  }, {\n    \
            \"a\" : 2\n  } ],\n  \"secure_connections\" : [ ],\n  \"sessions\" : {\n    \
            \"39130000\" : [ 72060155582545920, 2 ]\n  },\n  \"none\" : { },\n  \"avg\" : 0.0,\n  \
            \"error\" : null\n}";
        assert_eq!(String::from_utf8(super::text(&value)).unwrap(), expected);
    }
}
