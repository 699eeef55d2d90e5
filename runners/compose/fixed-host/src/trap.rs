//! Installs the filter and the signal handler. The handler repeats a call with a mark that lets it pass
//! the filter, corrects what the kernel answered, and returns to the program. It changes nothing else.

use std::arch::asm;
use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::ptr;

use crate::metadata;

/// In the sixth argument, which none of the filtered calls has: the call comes from the handler.
const PASS: u32 = 0x5afe_ca11;

const SIGSYS: c_int = 31;
const SA_SIGINFO: c_int = 4;
const SA_NODEFER: c_int = 0x4000_0000;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const PR_SET_SECCOMP: c_int = 22;
const SECCOMP_MODE_FILTER: c_ulong = 2;

/// Places in the kernel's `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARGUMENT_6_LOW: u32 = 16 + 5 * 8;

/// Instructions of the filter's machine.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const TRAP: u32 = 0x0003_0000;

#[repr(C)]
#[derive(Clone, Copy)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// glibc's `struct sigaction`.
#[repr(C)]
struct Action {
    handler: extern "C" fn(c_int, *mut c_void, *mut c_void),
    mask: [u64; 16],
    flags: c_int,
    restorer: usize,
}

/// Registers of the interrupted program in glibc's `ucontext_t`, counted in words from its start.
#[repr(usize)]
#[derive(Clone, Copy)]
enum Register {
    R8 = 5,
    R10 = 7,
    Rdi = 13,
    Rsi = 14,
    Rdx = 17,
    Rax = 18,
}

unsafe extern "C" {
    fn sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
}

/// Ends the build if the machine does not let itself be filtered: bytes that may differ are worth less
/// than none.
pub fn install() {
    let mut filter = vec![
        load(ARGUMENT_6_LOW),
        jump(PASS, 0, 1),
        give(ALLOW),
        load(NUMBER),
    ];
    let calls = metadata::CALLS.len();
    for (index, &call) in metadata::CALLS.iter().enumerate() {
        let past_the_others = u8::try_from(calls - index).expect("a handful of calls");
        filter.push(jump(
            u32::try_from(call).expect("call numbers are small"),
            past_the_others,
            0,
        ));
    }
    filter.extend([give(ALLOW), give(TRAP)]);
    let program = Program {
        length: u16::try_from(filter.len()).expect("a handful of instructions"),
        instructions: filter.as_ptr(),
    };
    let action = Action {
        handler,
        mask: [0; 16],
        flags: SA_SIGINFO | SA_NODEFER,
        restorer: 0,
    };
    // SAFETY: both structures are as the C library and the kernel define them, and live until the calls return.
    let installed = unsafe {
        sigaction(SIGSYS, &raw const action, ptr::null_mut()) == 0
            && prctl(
                PR_SET_NO_NEW_PRIVS,
                1 as c_ulong,
                0 as c_ulong,
                0 as c_ulong,
                0 as c_ulong,
            ) == 0
            && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    assert!(installed, "fixed-host: the kernel takes no seccomp filter");
}

const fn load(place: u32) -> Instruction {
    Instruction {
        code: LOAD,
        if_true: 0,
        if_false: 0,
        value: place,
    }
}

const fn jump(value: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction {
        code: JUMP_IF_EQUAL,
        if_true,
        if_false,
        value,
    }
}

const fn give(value: u32) -> Instruction {
    Instruction {
        code: RETURN,
        if_true: 0,
        if_false: 0,
        value,
    }
}

extern "C" fn handler(_signal: c_int, _info: *mut c_void, context: *mut c_void) {
    let registers = context.cast::<c_long>();
    // SAFETY: the kernel gives the handler a context with all registers; the arguments are those that
    // the program itself passed to the kernel.
    unsafe {
        let read = |register: Register| registers.add(register as usize).read();
        let number = read(Register::Rax);
        let arguments = [
            read(Register::Rdi),
            read(Register::Rsi),
            read(Register::Rdx),
            read(Register::R10),
            read(Register::R8),
        ];
        let answer = call(number, arguments);
        if answer >= 0 {
            metadata::correct(number, arguments, answer);
        }
        registers.add(Register::Rax as usize).write(answer);
    }
}

/// Makes a system call that passes the filter.
unsafe fn call(number: c_long, arguments: [c_long; 5]) -> c_long {
    let answer;
    // SAFETY: a system call changes these registers alone, and the program made this call itself.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            in("r9") c_long::from(PASS),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    answer
}
