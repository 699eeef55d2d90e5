//! The rest of WASI: environment, exit, random, and the places where a terminal or a file
//! would be and nothing is. No folder is ever opened to a guest, so no file descriptor can
//! exist; every file operation is written against a type without values.

use rand_chacha::rand_core::Rng as _;
use wasmtime::component::Resource;

use super::Guest;
use super::bindings::wasi::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
    terminal_stdin, terminal_stdout,
};
use super::bindings::wasi::filesystem::{preopens, types};
use super::bindings::wasi::random::{insecure, insecure_seed, random};
use super::streams::{Input, Output, StreamFault};
use crate::stop::Stop;

/// A file descriptor: there is none.
#[derive(Debug)]
pub enum NoFile {}

/// A terminal: there is none.
#[derive(Debug)]
pub enum NoTerminal {}

impl environment::Host for Guest {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.environment.clone())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.arguments.clone())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for Guest {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(Stop::Exit(u8::from(status.is_err())).into())
    }

    fn exit_with_code(&mut self, status: u8) -> wasmtime::Result<()> {
        Err(Stop::Exit(status).into())
    }
}

impl stdin::Host for Guest {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<Input>> {
        Ok(self.table.push(Input)?)
    }
}

impl stdout::Host for Guest {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<Output>> {
        Ok(self.table.push(Output::Stdout)?)
    }
}

impl stderr::Host for Guest {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<Output>> {
        Ok(self.table.push(Output::Stderr)?)
    }
}

impl terminal_stdin::Host for Guest {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<NoTerminal>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for Guest {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<NoTerminal>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for Guest {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<NoTerminal>>> {
        Ok(None)
    }
}

impl terminal_input::Host for Guest {}

impl terminal_input::HostTerminalInput for Guest {
    fn drop(&mut self, this: Resource<NoTerminal>) -> wasmtime::Result<()> {
        match self.table.delete(this)? {}
    }
}

impl terminal_output::Host for Guest {}

impl terminal_output::HostTerminalOutput for Guest {
    fn drop(&mut self, this: Resource<NoTerminal>) -> wasmtime::Result<()> {
        match self.table.delete(this)? {}
    }
}

impl Guest {
    fn random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.charge_bytes(length)?;
        let mut bytes = vec![0; usize::try_from(length)?];
        self.rng.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl random::Host for Guest {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.rng.next_u64())
    }
}

impl insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.rng.next_u64())
    }
}

impl insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.rng.next_u64(), self.rng.next_u64()))
    }
}

impl preopens::Host for Guest {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<NoFile>, String)>> {
        Ok(Vec::new())
    }
}

impl types::Host for Guest {
    fn filesystem_error_code(
        &mut self,
        error: Resource<StreamFault>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        match *self.table.get(&error)? {}
    }
}

type Outcome<T> = wasmtime::Result<Result<T, types::ErrorCode>>;
type File = Resource<NoFile>;

/// Methods of a resource without values: looking the handle up fails, since none was ever
/// given out, and there is nothing to go on with.
macro_rules! without_files {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {$(
        fn $name(&mut self, this: File, $($arg: $ty),*) -> $ret {
            $(let _ = $arg;)*
            match *self.table.get(&this)? {}
        }
    )*};
}

impl types::HostDescriptor for Guest {
    without_files! {
        read_via_stream(offset: u64) -> Outcome<Resource<Input>>;
        write_via_stream(offset: u64) -> Outcome<Resource<Output>>;
        append_via_stream() -> Outcome<Resource<Output>>;
        advise(offset: u64, length: u64, advice: types::Advice) -> Outcome<()>;
        sync_data() -> Outcome<()>;
        get_flags() -> Outcome<types::DescriptorFlags>;
        get_type() -> Outcome<types::DescriptorType>;
        set_size(size: u64) -> Outcome<()>;
        set_times(accessed: types::NewTimestamp, modified: types::NewTimestamp) -> Outcome<()>;
        read(length: u64, offset: u64) -> Outcome<(Vec<u8>, bool)>;
        write(bytes: Vec<u8>, offset: u64) -> Outcome<u64>;
        read_directory() -> Outcome<Resource<NoFile>>;
        sync() -> Outcome<()>;
        create_directory_at(path: String) -> Outcome<()>;
        stat() -> Outcome<types::DescriptorStat>;
        stat_at(flags: types::PathFlags, path: String) -> Outcome<types::DescriptorStat>;
        set_times_at(flags: types::PathFlags, path: String, accessed: types::NewTimestamp, modified: types::NewTimestamp) -> Outcome<()>;
        link_at(flags: types::PathFlags, path: String, to: File, to_path: String) -> Outcome<()>;
        open_at(flags: types::PathFlags, path: String, how: types::OpenFlags, access: types::DescriptorFlags) -> Outcome<File>;
        readlink_at(path: String) -> Outcome<String>;
        remove_directory_at(path: String) -> Outcome<()>;
        rename_at(path: String, to: File, to_path: String) -> Outcome<()>;
        symlink_at(path: String, to_path: String) -> Outcome<()>;
        unlink_file_at(path: String) -> Outcome<()>;
        is_same_object(other: File) -> wasmtime::Result<bool>;
        metadata_hash() -> Outcome<types::MetadataHashValue>;
        metadata_hash_at(flags: types::PathFlags, path: String) -> Outcome<types::MetadataHashValue>;
    }

    fn drop(&mut self, this: File) -> wasmtime::Result<()> {
        match self.table.delete(this)? {}
    }
}

impl types::HostDirectoryEntryStream for Guest {
    without_files! {
        read_directory_entry() -> Outcome<Option<types::DirectoryEntry>>;
    }

    fn drop(&mut self, this: File) -> wasmtime::Result<()> {
        match self.table.delete(this)? {}
    }
}
