//! A socket that remembers when a byte went either way last.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// When a byte went last.
#[derive(Clone)]
pub(super) struct LastByte(Rc<Cell<Instant>>);

impl LastByte {
    pub(super) fn now() -> LastByte {
        LastByte(Rc::new(Cell::new(Instant::now())))
    }

    pub(super) fn at(&self) -> Instant {
        self.0.get()
    }
}

pub(super) struct Watched {
    socket: TcpStream,
    last: LastByte,
}

impl Watched {
    pub(super) fn new(socket: TcpStream, last: LastByte) -> Watched {
        Watched { socket, last }
    }

    /// The first byte, which stays where it is; `None` at the end.
    pub(super) async fn first(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let read = self.socket.peek(&mut first).await?;
        Ok((read > 0).then_some(first[0]))
    }

    fn seen<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(polled, Poll::Ready(Ok(_))) {
            self.last.0.set(Instant::now());
        }
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        self.seen(polled)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.seen(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(context, bytes);
        self.seen(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
