//! `get -x`: bytes as io.netty.buffer.ByteBufUtil.prettyHexDump draws them.

use std::fmt::Write;

const RULE: &str = "+--------+-------------------------------------------------+----------------+";

/// The picture; nothing for nothing.
pub(crate) fn hexdump(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "         +-------------------------------------------------+\n\
         \x20        |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n",
    );
    out.push_str(RULE);
    for (row, bytes) in bytes.chunks(16).enumerate() {
        let hex: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
        let text: String = bytes
            .iter()
            .map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' })
            .collect();
        // Writing to a String cannot fail.
        let _ = write!(out, "\n|{:08x}|{hex:<48} |{text:<16}|", row * 16);
    }
    out.push('\n');
    out.push_str(RULE);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_drawn_in_rows_of_sixteen() {
        let text = hexdump(b"hello\nworld, it is\xff");
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 6);
        assert_eq!(
            rows[3],
            "|00000000| 68 65 6c 6c 6f 0a 77 6f 72 6c 64 2c 20 69 74 20 |hello.world, it |"
        );
        assert_eq!(
            rows[4],
            "|00000010| 69 73 ff                                        |is.             |"
        );
        assert_eq!(hexdump(b""), "");
    }
}
