//! The bytes between the gateway and a service.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection whose writing may fail without hiding what there is to read: a service that has answered
/// without waiting for the whole request may have closed it already.
pub struct Line {
    stream: TcpStream,
    is_cut: bool,
}

impl Line {
    /// Nothing has failed yet.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            is_cut: false,
        }
    }

    /// A failed write is nothing to report: reading will tell, after whatever came before the end.
    fn written(&mut self, went: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(went, Poll::Ready(Err(_))) {
            self.is_cut = true;
            return Poll::Pending;
        }
        went
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_cut {
            return Poll::Pending;
        }
        let went = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.written(went)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_cut {
            return Poll::Pending;
        }
        let went = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.written(went)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
