//! Standard streams over memory: input from the descriptor, output into bounded buffers.
//! They are always ready and never touch a descriptor of the host.

use coo_kernel::failure::Bound;
use coo_kernel::ledger;
use wasmtime::component::Resource;

use super::Guest;
use super::bindings::wasi::io::{error, streams};
use super::clock::Pollable;
use crate::stop::Stop;

/// Bytes a guest may write at once, as `check-write` tells it.
const WRITE_BYTES_MAX: u64 = 1 << 20;

/// Standard input; the position is the guest's, since all handles read one stream.
#[derive(Debug)]
pub struct Input;

/// An output stream.
#[derive(Debug, Clone, Copy)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// An error of a stream. These streams have none; the type exists to be named.
#[derive(Debug)]
pub enum StreamFault {}

/// What a guest has written.
#[derive(Debug)]
pub struct Capture {
    bytes: Vec<u8>,
    limit: u64,
}

impl Capture {
    pub fn new(limit: u64) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let wanted = self.bytes.len() as u64 + bytes.len() as u64;
        ledger::check(Bound::OutputBytes, wanted, self.limit)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

type Outcome<T> = wasmtime::Result<Result<T, streams::StreamError>>;

impl Guest {
    fn read_stdin(&mut self, length: u64) -> Outcome<Vec<u8>> {
        let rest = &self.stdin[self.stdin_read..];
        if rest.is_empty() {
            return Ok(Err(streams::StreamError::Closed));
        }
        let length = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let bytes = rest[..length].to_vec();
        self.stdin_read += length;
        self.charge_bytes(length as u64)?;
        Ok(Ok(bytes))
    }

    fn write_out(&mut self, stream: &Resource<Output>, bytes: &[u8]) -> Outcome<()> {
        self.charge_bytes(bytes.len() as u64)?;
        match *self.table.get(stream)? {
            Output::Stdout => self.stdout.write(bytes)?,
            Output::Stderr => self.stderr.write(bytes)?,
        }
        Ok(Ok(()))
    }

    fn write_zeroes_out(&mut self, stream: &Resource<Output>, length: u64) -> Outcome<()> {
        ledger::check(Bound::OutputBytes, length, self.stdout.limit).map_err(Stop::from)?;
        let zeroes = vec![0; usize::try_from(length)?];
        self.write_out(stream, &zeroes)
    }

    fn splice_in(&mut self, stream: &Resource<Output>, length: u64) -> Outcome<u64> {
        Ok(match self.read_stdin(length)? {
            Ok(bytes) => self.write_out(stream, &bytes)?.map(|()| bytes.len() as u64),
            Err(closed) => Err(closed),
        })
    }
}

impl error::Host for Guest {}

impl error::HostError for Guest {
    fn to_debug_string(&mut self, this: Resource<StreamFault>) -> wasmtime::Result<String> {
        match *self.table.get(&this)? {}
    }

    fn drop(&mut self, this: Resource<StreamFault>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl streams::Host for Guest {}

impl streams::HostInputStream for Guest {
    fn read(&mut self, this: Resource<Input>, length: u64) -> Outcome<Vec<u8>> {
        self.table.get(&this)?;
        self.read_stdin(length)
    }

    fn blocking_read(&mut self, this: Resource<Input>, length: u64) -> Outcome<Vec<u8>> {
        self.table.get(&this)?;
        self.read_stdin(length)
    }

    fn skip(&mut self, this: Resource<Input>, length: u64) -> Outcome<u64> {
        self.table.get(&this)?;
        Ok(self.read_stdin(length)?.map(|bytes| bytes.len() as u64))
    }

    fn blocking_skip(&mut self, this: Resource<Input>, length: u64) -> Outcome<u64> {
        streams::HostInputStream::skip(self, this, length)
    }

    fn subscribe(&mut self, this: Resource<Input>) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.table.push_child(Pollable::Ready, &this)?)
    }

    fn drop(&mut self, this: Resource<Input>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl streams::HostOutputStream for Guest {
    fn check_write(&mut self, this: Resource<Output>) -> Outcome<u64> {
        self.table.get(&this)?;
        Ok(Ok(WRITE_BYTES_MAX))
    }

    fn write(&mut self, this: Resource<Output>, contents: Vec<u8>) -> Outcome<()> {
        self.write_out(&this, &contents)
    }

    fn blocking_write_and_flush(
        &mut self,
        this: Resource<Output>,
        contents: Vec<u8>,
    ) -> Outcome<()> {
        self.write_out(&this, &contents)
    }

    fn flush(&mut self, this: Resource<Output>) -> Outcome<()> {
        self.table.get(&this)?;
        Ok(Ok(()))
    }

    fn blocking_flush(&mut self, this: Resource<Output>) -> Outcome<()> {
        self.table.get(&this)?;
        Ok(Ok(()))
    }

    fn subscribe(&mut self, this: Resource<Output>) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.table.push_child(Pollable::Ready, &this)?)
    }

    fn write_zeroes(&mut self, this: Resource<Output>, length: u64) -> Outcome<()> {
        self.write_zeroes_out(&this, length)
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        this: Resource<Output>,
        length: u64,
    ) -> Outcome<()> {
        self.write_zeroes_out(&this, length)
    }

    fn splice(
        &mut self,
        this: Resource<Output>,
        source: Resource<Input>,
        length: u64,
    ) -> Outcome<u64> {
        self.table.get(&source)?;
        self.splice_in(&this, length)
    }

    fn blocking_splice(
        &mut self,
        this: Resource<Output>,
        source: Resource<Input>,
        length: u64,
    ) -> Outcome<u64> {
        self.table.get(&source)?;
        self.splice_in(&this, length)
    }

    fn drop(&mut self, this: Resource<Output>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
