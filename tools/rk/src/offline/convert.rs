//! `rk convert`: a snapshot packed otherwise. The bytes inside stay what they are, and are read to their end
//! on the way: no damaged file becomes one that looks whole.

use std::fs::File as StdFile;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use clap::Parser;
use ringkeeper::codec::snapfile::SnapshotReader;
use ringkeeper::snapshot::pack::{Packer, compression_of};

use super::fault::OfflineError;
use super::tree::{file_name, unpacked};
use crate::out::Out;

/// A snapshot packed as TARGET's name says: .gz, .snappy, or plain.
#[derive(Parser, Debug)]
#[command(name = "convert")]
struct Arguments {
    /// The snapshot
    snapshot: String,
    /// The file to make
    target: String,
}

/// Passes on what is read.
struct Tee<R, W> {
    source: R,
    sink: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(into)?;
        self.sink.write_all(&into[..got])?;
        Ok(got)
    }
}

/// `rk convert`.
pub(super) fn convert(words: &[String], limit: usize, out: &mut Out) -> Result<(), OfflineError> {
    let name = "convert".to_owned();
    let Arguments { snapshot, target } =
        Arguments::try_parse_from(std::iter::once(&name).chain(words)).map_err(super::arguments)?;
    if Path::new(&target).exists() {
        return Err(OfflineError::Exists(target));
    }
    // Under its own name only once it is whole.
    let temporary = format!("{target}.tmp");
    let done = copy(&snapshot, &temporary, &target, limit);
    if done.is_err() {
        // What is wrong has been found already.
        let _ = std::fs::remove_file(&temporary);
    }
    let nodes = done?;
    out.line(format_args!("{target}: {nodes} nodes"));
    Ok(())
}

fn copy(source: &str, temporary: &str, target: &str, limit: usize) -> Result<u64, OfflineError> {
    let bytes = unpacked(source)?;
    let io = |error| OfflineError::Io { file: target.to_owned(), error };
    let bad = |error| OfflineError::Snapshot { file: source.to_owned(), error };
    let file = BufWriter::new(StdFile::create(temporary).map_err(io)?);
    let mut packer = Packer::new(compression_of(&file_name(target)), file).map_err(io)?;
    let tee = Tee { source: bytes, sink: &mut packer };
    let (mut reader, _) = SnapshotReader::begin(tee, limit).map_err(bad)?;
    let mut nodes = 0;
    while reader.node().map_err(bad)?.is_some() {
        nodes += 1;
    }
    reader.finish().map_err(bad)?;
    let file = packer.finish().map_err(io)?;
    let file = file.into_inner().map_err(|error| io(error.into_error()))?;
    file.sync_all().map_err(io)?;
    std::fs::rename(temporary, target).map_err(io)?;
    let folder = match Path::new(target).parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    StdFile::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(nodes)
}
