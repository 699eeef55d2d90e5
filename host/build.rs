//! Tells the program which compiler built it, in which profile, and for which machine. Reads nothing
//! but what cargo and the compiler say of themselves: the same toolchain gives the same text.

#![allow(
    clippy::disallowed_methods,
    reason = "cargo tells a build script everything through variables"
)]

use std::error::Error;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let rustc = std::env::var("RUSTC")?;
    let output = Command::new(&rustc).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=COO_RUSTC={}", version.trim());
    println!("cargo::rustc-env=COO_TARGET={}", std::env::var("TARGET")?);
    println!("cargo::rustc-env=COO_PROFILE={}", profile()?);
    Ok(())
}

/// Returns the name of the build profile. The variable `PROFILE` knows two names only, so the name
/// comes from the path of this script's folder: `…/<profile>/build/<package>/out`.
fn profile() -> Result<String, Box<dyn Error>> {
    let folder = std::env::var("OUT_DIR")?;
    let profile = Path::new(&folder).ancestors().nth(3);
    let name = profile
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    // The folder of profile `dev` has another name.
    Ok(match name.ok_or("OUT_DIR: no profile in it")? {
        "debug" => "dev".to_owned(),
        name => name.to_owned(),
    })
}
