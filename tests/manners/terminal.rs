//! A pseudo-terminal of a fixed size, for tests of what a command shows on one. Standard error of the
//! command is the terminal and standard output a pipe, or the other way round.

#![allow(
    unsafe_code,
    reason = "opening a pseudo-terminal is a call of the C library"
)]

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

#[repr(C)]
struct Size {
    rows: u16,
    columns: u16,
    x: u16,
    y: u16,
}

unsafe extern "C" {
    fn openpty(
        main: *mut i32,
        other: *mut i32,
        name: *const u8,
        settings: *const u8,
        size: *const Size,
    ) -> i32;
}

/// The end of a terminal at which a person sits.
pub struct Terminal(File);

impl Terminal {
    pub const COLUMNS: u16 = 100;

    /// Starts `command` with standard error on a new terminal.
    pub fn start(mut command: Command) -> (Self, Child) {
        let (main, other) = Self::open();
        command.stdout(Stdio::piped()).stderr(other);
        Self::of(main, command)
    }

    /// Starts `command` with standard output on a new terminal, and nothing for standard error.
    pub fn of_output(mut command: Command) -> (Self, Child) {
        let (main, other) = Self::open();
        command.stdout(other).stderr(Stdio::null());
        Self::of(main, command)
    }

    fn of(main: OwnedFd, mut command: Command) -> (Self, Child) {
        let child = command.spawn().unwrap();
        // Else it would never see the end.
        drop(command);
        (Self(main.into()), child)
    }

    fn open() -> (OwnedFd, OwnedFd) {
        let (mut main, mut other) = (-1, -1);
        let size = Size {
            rows: 24,
            columns: Self::COLUMNS,
            x: 0,
            y: 0,
        };
        // SAFETY: both numbers are written before the call returns 0, and belong to nobody else.
        unsafe {
            let opened = openpty(
                &raw mut main,
                &raw mut other,
                std::ptr::null(),
                std::ptr::null(),
                &raw const size,
            );
            assert_eq!(opened, 0, "no pseudo-terminal");
            (OwnedFd::from_raw_fd(main), OwnedFd::from_raw_fd(other))
        }
    }

    /// Returns all that was written to the terminal, until the command has closed it.
    pub fn read_to_end(mut self) -> String {
        let mut seen = Vec::new();
        let mut part = [0; 4_096];
        // At the end the system reports an error.
        while let Ok(bytes @ 1..) = self.0.read(&mut part) {
            seen.extend_from_slice(&part[..bytes]);
        }
        String::from_utf8(seen).unwrap()
    }
}
