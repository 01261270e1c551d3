//! What is sent behind an answer's head: bytes in memory, or a snapshot's file.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinHandle, spawn_blocking};

use super::busy::UnderWay;
use crate::disk::File;
use crate::types::limits;

pub(super) struct PlaneBody {
    content: Content,
    /// Kept until the last byte is taken: a listing's permit, and the mark that its connection is busy.
    held: (Option<OwnedSemaphorePermit>, Option<UnderWay>),
}

enum Content {
    Whole(Option<Bytes>),
    File(FileBody),
}

impl PlaneBody {
    pub(super) fn whole(bytes: Vec<u8>, permit: Option<OwnedSemaphorePermit>) -> PlaneBody {
        let bytes = Bytes::from(bytes);
        let content = Content::Whole((!bytes.is_empty()).then_some(bytes));
        PlaneBody { content, held: (permit, None) }
    }

    pub(super) fn file(file: Arc<dyn File>, size: u64) -> PlaneBody {
        let content = Content::File(FileBody { file, offset: 0, size, reading: None });
        PlaneBody { content, held: (None, None) }
    }

    pub(super) fn hold(&mut self, under_way: UnderWay) {
        self.held.1 = Some(under_way);
    }
}

/// A file, read piece by piece on the plane's other thread.
struct FileBody {
    file: Arc<dyn File>,
    offset: u64,
    size: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.offset >= self.size {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let (file, offset) = (self.file.clone(), self.offset);
            let left = usize::try_from(self.size - self.offset).unwrap_or(usize::MAX);
            let len = left.min(limits::PLANE_CHUNK_BYTES);
            spawn_blocking(move || read(file.as_ref(), offset, len))
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let bytes = read.map_err(io::Error::other).and_then(|bytes| bytes);
        self.offset += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Poll::Ready(Some(bytes))
    }
}

fn read(file: &dyn File, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut piece = vec![0; len];
    match file.read_at(&mut piece, offset)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => {
            piece.truncate(read);
            Ok(piece.into())
        }
    }
}

impl Body for PlaneBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.get_mut().content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::File(file) => file.poll(context).map(|read| Some(read?.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::File(file) => file.offset >= file.size,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.content {
            Content::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Content::File(file) => file.size - file.offset,
        })
    }
}
