//! Corrects what the kernel says about files: times, inodes, sizes of folders, order of their entries.
//! Type, size and permissions of a file stay as they are.

use std::ffi::{c_long, c_ushort};

use crate::NOW_SECONDS;

const STAT: c_long = 4;
const FSTAT: c_long = 5;
const LSTAT: c_long = 6;
const GETDENTS64: c_long = 217;
const NEWFSTATAT: c_long = 262;
const STATX: c_long = 332;

/// The calls that `correct` knows.
pub const CALLS: [c_long; 6] = [STAT, FSTAT, LSTAT, GETDENTS64, NEWFSTATAT, STATX];

/// The inode of every file. 0 would be a deleted one.
const INODE: u64 = 1;
const TYPE_MASK: u32 = 0o170_000;
const TYPE_FOLDER: u32 = 0o040_000;

/// Corrects the answer that the kernel wrote to the place which the arguments name.
///
/// # Safety
/// The arguments are those of a call that succeeded.
pub unsafe fn correct(number: c_long, arguments: [c_long; 5], answer: c_long) {
    let address = |index: usize| arguments[index] as *mut u8;
    // SAFETY: the kernel has just written a structure of this form there.
    unsafe {
        match number {
            STAT | FSTAT | LSTAT => correct_stat(address(1)),
            NEWFSTATAT => correct_stat(address(2)),
            STATX => correct_statx(address(4)),
            GETDENTS64 => correct_entries(address(1), usize::try_from(answer).unwrap_or(0)),
            _ => {}
        }
    }
}

/// The kernel's `struct stat` of x86-64.
unsafe fn correct_stat(stat: *mut u8) {
    // SAFETY: the structure has 144 bytes, and these are the places of its fields.
    unsafe {
        let mode = stat.add(24).cast::<u32>().read_unaligned();
        stat.cast::<u64>().write_unaligned(0); // device
        stat.add(8).cast::<u64>().write_unaligned(INODE);
        stat.add(16).cast::<u64>().write_unaligned(1); // links
        if mode & TYPE_MASK == TYPE_FOLDER {
            stat.add(48).cast::<u64>().write_unaligned(0); // size
        }
        for time in [72, 88, 104] {
            stat.add(time).cast::<i64>().write_unaligned(NOW_SECONDS);
            stat.add(time + 8).cast::<i64>().write_unaligned(0);
        }
    }
}

/// The kernel's `struct statx`.
unsafe fn correct_statx(statx: *mut u8) {
    // SAFETY: the structure has 256 bytes, and these are the places of its fields.
    unsafe {
        let mode = u32::from(statx.add(28).cast::<c_ushort>().read_unaligned());
        statx.add(16).cast::<u32>().write_unaligned(1); // links
        statx.add(32).cast::<u64>().write_unaligned(INODE);
        if mode & TYPE_MASK == TYPE_FOLDER {
            statx.add(40).cast::<u64>().write_unaligned(0); // size
        }
        for time in [64, 80, 96, 112] {
            statx.add(time).cast::<i64>().write_unaligned(NOW_SECONDS);
            statx.add(time + 8).cast::<u32>().write_unaligned(0);
        }
        statx.add(136).cast::<u64>().write_unaligned(0); // device
    }
}

/// Sorts the entries of one answer by their names. A folder that needs several answers keeps the order
/// of these.
unsafe fn correct_entries(start: *mut u8, length: usize) {
    // SAFETY: the kernel has written `length` bytes of entries; each begins with inode, offset and length.
    unsafe {
        let bytes = std::slice::from_raw_parts_mut(start, length);
        let mut entries: Vec<Vec<u8>> = Vec::new();
        let mut at = 0;
        while at + 19 <= length {
            let size = usize::from(u16::from_le_bytes([bytes[at + 16], bytes[at + 17]]));
            let mut entry = bytes[at..at + size].to_vec();
            entry[..8].copy_from_slice(&INODE.to_le_bytes());
            entries.push(entry);
            at += size;
        }
        entries.sort_by(|a, b| name(a).cmp(name(b)));
        bytes[..at].copy_from_slice(&entries.concat());
    }
}

/// The bytes of an entry's name, which a zero ends.
fn name(entry: &[u8]) -> &[u8] {
    entry[19..]
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default()
}
