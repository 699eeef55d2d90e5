//! Standard streams in memory, for wasmtime-wasi: input from the descriptor, output into bounded
//! buffers. They are always ready and never touch a file descriptor of the machine. Every byte that
//! crosses the border is counted here, and charged to the ledger when the host call ends.

use std::mem::take;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use coo_kernel::mission::failure::{Bound, Failure};
use coo_kernel::mission::ledger;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::effects::stop::Stop;

/// Most bytes that a guest may write at once, as `check-write` reports it.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// The three streams of one step. Clones share them.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Atomic instead of locked, because it is read after every host call and most often 0.
    crossed_bytes: AtomicU64,
}

#[derive(Debug)]
struct State {
    input: Bytes,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Bound on each of the two outputs.
    bytes_max: u64,
}

/// Standard input.
#[derive(Debug, Clone)]
pub struct Input(Streams);

/// Standard output or standard error.
#[derive(Debug, Clone)]
pub struct Output(Streams, Which);

#[derive(Debug, Clone, Copy)]
enum Which {
    Stdout,
    Stderr,
}

impl Streams {
    pub fn new(input: &str, output_bytes_max: u64) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                input: Bytes::copy_from_slice(input.as_bytes()),
                stdout: Vec::new(),
                stderr: Vec::new(),
                bytes_max: output_bytes_max,
            }),
            crossed_bytes: AtomicU64::new(0),
        }))
    }

    pub fn stdin(&self) -> Input {
        Input(self.clone())
    }

    pub fn stdout(&self) -> Output {
        Output(self.clone(), Which::Stdout)
    }

    pub fn stderr(&self) -> Output {
        Output(self.clone(), Which::Stderr)
    }

    /// Returns the bytes that have crossed since the last call.
    pub fn take_crossed_bytes(&self) -> u64 {
        match self.0.crossed_bytes.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.0.crossed_bytes.swap(0, Ordering::Relaxed),
        }
    }

    /// Takes the bytes written to standard output and to standard error.
    pub fn take_outputs(&self) -> (Vec<u8>, Vec<u8>) {
        let mut state = self.state();
        (take(&mut state.stdout), take(&mut state.stderr))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, bytes: usize) {
        let counter = &self.0.crossed_bytes;
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn read(&self, bytes_max: usize) -> Bytes {
        let mut state = self.state();
        let length = bytes_max.min(state.input.len());
        self.count(length);
        state.input.split_to(length)
    }

    fn write(&self, which: Which, bytes: &[u8]) -> Result<(), Failure> {
        self.count(bytes.len());
        let mut state = self.state();
        let bytes_max = state.bytes_max;
        let written = match which {
            Which::Stdout => &mut state.stdout,
            Which::Stderr => &mut state.stderr,
        };
        let wanted = written.len() as u64 + bytes.len() as u64;
        ledger::check(Bound::OutputBytes, wanted, bytes_max)?;
        written.extend_from_slice(bytes);
        Ok(())
    }
}

#[async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {}
}

#[async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.0.state().input.is_empty() {
            return Err(StreamError::Closed);
        }
        Ok(self.0.read(size))
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

/// Required by the trait for WASI 0.3, which is not linked.
impl AsyncRead for Input {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let bytes = self.0.read(buffer.remaining());
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let Self(streams, which) = self;
        let written = streams.write(*which, &bytes);
        written.map_err(|failure| StreamError::Trap(Stop::from(failure).into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

/// Required by the trait for WASI 0.3, which is not linked.
impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let Self(streams, which) = &*self;
        let written = streams.write(*which, bytes);
        Poll::Ready(written.map_err(std::io::Error::other).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
