//! Tells the program which compiler built it, and for which machine. Reads nothing but what
//! cargo and the compiler say of themselves: the same toolchain gives the same text.

#![allow(
    clippy::disallowed_methods,
    reason = "cargo tells a build script everything through variables"
)]

use std::error::Error;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let rustc = std::env::var("RUSTC")?;
    let output = Command::new(&rustc).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=COO_RUSTC={}", version.trim());
    println!("cargo::rustc-env=COO_TARGET={}", std::env::var("TARGET")?);
    Ok(())
}
