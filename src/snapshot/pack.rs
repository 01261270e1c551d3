//! Snapshot files are plain, gzip or snappy, told apart by their names (SnapStream).
//!
//! Snappy is the stream format of snappy-java, which is not the framing format of the snappy
//! project:
//!
//! ```text
//! 82 "SNAPPY" 00 │ version 4 │ compatible with 4 │ { length 4 │ raw snappy block }…
//! ```
//!
//! Streams laid end to end are one stream: a length that reads as the first half of the magic
//! begins the next header.

use std::io::{self, Read, Write};

use flate2::Compression as Level;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// SnappyCodec.MAGIC_HEADER.
pub const SNAPPY_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// GZIPInputStream.GZIP_MAGIC, as it lies in the file.
pub const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// SnappyOutputStream.DEFAULT_BLOCK_SIZE; 32 KiB of input a block.
const SNAPPY_BLOCK: usize = 32 * 1024;
/// Largest block that is read, packed or not. snappy-java's own largest is 512 MiB, but nobody
/// writes other than the default, and a damaged length must not allocate (I10).
const SNAPPY_BLOCK_MAX: usize = 16 << 20;

/// How a snapshot file is packed (SnapStream.StreamMode).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
}

impl Compression {
    /// What follows the zxid in a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Snappy => ".snappy",
        }
    }
}

/// How the file of this name is packed: by what follows the last dot (SnapStream.getStreamMode).
pub fn compression_of(name: &str) -> Compression {
    match name.rsplit_once('.').map(|(_, last)| last.to_ascii_lowercase()).as_deref() {
        Some("gz") => Compression::Gzip,
        Some("snappy") => Compression::Snappy,
        _ => Compression::None,
    }
}

/// Packs what is written to it.
#[allow(missing_docs, reason = "the names say it")]
pub enum Packer<W: Write> {
    Plain(W),
    Gzip(Box<GzEncoder<W>>),
    Snappy(Box<SnappyWriter<W>>),
}

impl<W: Write> Packer<W> {
    /// Packs into `sink`; a header may be written at once.
    pub fn new(compression: Compression, mut sink: W) -> io::Result<Packer<W>> {
        Ok(match compression {
            Compression::None => Packer::Plain(sink),
            // Java's GZIPOutputStream has the default level too.
            Compression::Gzip => Packer::Gzip(Box::new(GzEncoder::new(sink, Level::default()))),
            Compression::Snappy => {
                sink.write_all(&SNAPPY_MAGIC)?;
                sink.write_all(&[0, 0, 0, 1, 0, 0, 0, 1])?;
                Packer::Snappy(Box::new(SnappyWriter {
                    sink,
                    block: Vec::with_capacity(SNAPPY_BLOCK),
                    packed: Vec::new(),
                    encoder: snap::raw::Encoder::new(),
                }))
            }
        })
    }

    /// Writes what is still held back and gives the sink.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Packer::Plain(sink) => Ok(sink),
            Packer::Gzip(gzip) => gzip.finish(),
            Packer::Snappy(mut snappy) => {
                snappy.put_block()?;
                Ok(snappy.sink)
            }
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packer::Plain(sink) => sink.write(bytes),
            Packer::Gzip(gzip) => gzip.write(bytes),
            Packer::Snappy(snappy) => snappy.put(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Nothing that is held back may leave early: the blocks' borders are the format's.
        Ok(())
    }
}

/// Blocks of snappy-java's stream.
pub struct SnappyWriter<W: Write> {
    sink: W,
    block: Vec<u8>,
    packed: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl<W: Write> SnappyWriter<W> {
    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = SNAPPY_BLOCK - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == SNAPPY_BLOCK {
                self.put_block()?;
            }
        }
        Ok(())
    }

    fn put_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.packed.resize(snap::raw::max_compress_len(self.block.len()), 0);
        let len = self.encoder.compress(&self.block, &mut self.packed).map_err(damaged)?;
        self.block.clear();
        self.sink.write_all(&(len as u32).to_be_bytes())?;
        self.sink.write_all(&self.packed[..len])
    }
}

/// Unpacks what it reads.
#[allow(missing_docs, reason = "the names say it")]
pub enum Unpacker<R: Read> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Snappy(SnappyReader<R>),
}

impl<R: Read> Unpacker<R> {
    /// Reads nothing yet.
    pub fn new(compression: Compression, source: R) -> Unpacker<R> {
        match compression {
            Compression::None => Unpacker::Plain(source),
            Compression::Gzip => Unpacker::Gzip(Box::new(MultiGzDecoder::new(source))),
            Compression::Snappy => Unpacker::Snappy(SnappyReader {
                source,
                begun: false,
                packed: Vec::new(),
                block: Vec::new(),
                taken: 0,
            }),
        }
    }

    /// What the bytes are read from: after the end of the stream, whatever follows it there.
    pub fn into_source(self) -> R {
        match self {
            Unpacker::Plain(source) => source,
            Unpacker::Gzip(gzip) => gzip.into_inner(),
            Unpacker::Snappy(snappy) => snappy.source,
        }
    }
}

impl<R: Read> Read for Unpacker<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpacker::Plain(source) => source.read(into),
            Unpacker::Gzip(gzip) => gzip.read(into),
            Unpacker::Snappy(snappy) => snappy.take(into),
        }
    }
}

/// The reverse of [`SnappyWriter`] (SnappyInputStream).
pub struct SnappyReader<R: Read> {
    source: R,
    begun: bool,
    packed: Vec<u8>,
    block: Vec<u8>,
    taken: usize,
}

impl<R: Read> SnappyReader<R> {
    fn take(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let n = into.len().min(self.block.len() - self.taken);
        into[..n].copy_from_slice(&self.block[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }

    /// False at the end of the file.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut word = [0; 4];
        if !read_or_end(&mut self.source, &mut word)? {
            return if self.begun { Ok(false) } else { Err(damaged("the file is empty")) };
        }
        if word == SNAPPY_MAGIC[..4] {
            self.read_header()?;
            return Ok(true);
        }
        if !self.begun {
            return Err(damaged("no snappy magic at the beginning"));
        }
        let len = u32::from_be_bytes(word) as usize;
        if len > SNAPPY_BLOCK_MAX {
            return Err(damaged(format!("a block of {len} bytes exceeds {SNAPPY_BLOCK_MAX}")));
        }
        self.packed.clear();
        (&mut self.source).take(len as u64).read_to_end(&mut self.packed)?;
        if self.packed.len() < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let unpacked = snap::raw::decompress_len(&self.packed).map_err(damaged)?;
        if unpacked > SNAPPY_BLOCK_MAX {
            return Err(damaged(format!("a block of {unpacked} bytes exceeds {SNAPPY_BLOCK_MAX}")));
        }
        self.block.resize(unpacked, 0);
        snap::raw::Decoder::new().decompress(&self.packed, &mut self.block).map_err(damaged)?;
        self.taken = 0;
        Ok(true)
    }

    /// The rest of the magic and the two versions, of which snappy-java only checks that the
    /// second is one it knows.
    fn read_header(&mut self) -> io::Result<()> {
        let mut rest = [0; 12];
        self.source.read_exact(&mut rest)?;
        if rest[..4] != SNAPPY_MAGIC[4..] {
            return Err(damaged("a broken snappy magic"));
        }
        let compatible = u32::from_be_bytes([rest[8], rest[9], rest[10], rest[11]]);
        if compatible > 1 {
            return Err(damaged(format!("snappy stream version {compatible} is above 1")));
        }
        self.begun = true;
        Ok(())
    }
}

/// Fills `into`; false if the source ended right at the start.
fn read_or_end(source: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    let mut got = 0;
    while got < into.len() {
        match source.read(&mut into[got..]) {
            Ok(0) if got == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

fn damaged(what: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut packer = Packer::new(compression, Vec::new()).unwrap();
        for part in bytes.chunks(1000) {
            packer.write_all(part).unwrap();
        }
        packer.finish().unwrap()
    }

    fn unpacked(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Unpacker::new(compression, bytes).read_to_end(&mut out).map(|_| out)
    }

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Snappy];

    #[test]
    fn what_is_packed_unpacks() {
        let bytes: Vec<u8> = (0..100_000u32).flat_map(|n| (n / 7).to_be_bytes()).collect();
        for compression in ALL {
            for len in [0, 1, SNAPPY_BLOCK, SNAPPY_BLOCK + 1, bytes.len()] {
                let small = packed(compression, &bytes[..len]);
                assert_eq!(
                    unpacked(compression, &small).unwrap(),
                    &bytes[..len],
                    "{compression:?}"
                );
            }
        }
        assert!(packed(Compression::Snappy, &bytes).len() < bytes.len() / 2);
    }

    #[test]
    fn streams_laid_end_to_end_are_one() {
        for compression in [Compression::Gzip, Compression::Snappy] {
            let both = [packed(compression, b"one, "), packed(compression, b"two")].concat();
            assert_eq!(unpacked(compression, &both).unwrap(), b"one, two");
        }
    }

    #[test]
    fn broken_streams_are_errors_and_allocate_little() {
        let whole = packed(Compression::Snappy, &[7; 50_000]);
        for cut in [0, 3, 8, 15, 17, 20, whole.len() - 1] {
            assert!(unpacked(Compression::Snappy, &whole[..cut]).is_err(), "{cut}");
        }
        let mut large = whole[..16].to_vec();
        large.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0]);
        assert!(unpacked(Compression::Snappy, &large).unwrap_err().to_string().contains("exceeds"));
        // A small block that claims to unpack to 4 GiB.
        large.truncate(16);
        large.extend_from_slice(&[0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(unpacked(Compression::Snappy, &large).is_err());
        let gzip = packed(Compression::Gzip, &[7; 50_000]);
        assert!(unpacked(Compression::Gzip, &gzip[..gzip.len() - 9]).is_err());
    }

    #[test]
    fn a_name_tells_how_its_file_is_packed() {
        assert_eq!(compression_of("snapshot.1f"), Compression::None);
        assert_eq!(compression_of("snapshot.1f.gz"), Compression::Gzip);
        assert_eq!(compression_of("snapshot.1f.bak.SNAPPY"), Compression::Snappy);
        assert_eq!(compression_of("snapshot.1f.zst"), Compression::None);
    }

    #[test]
    fn javas_own_streams_unpack_to_javas_plain_file() {
        let plain = include_bytes!("testdata/snapshot.3c");
        let gzip = include_bytes!("testdata/snapshot.3c.gz");
        let snappy = include_bytes!("testdata/snapshot.3c.snappy");
        assert_eq!(unpacked(Compression::Gzip, gzip).unwrap(), plain);
        assert_eq!(unpacked(Compression::Snappy, snappy).unwrap(), plain);
    }
}
