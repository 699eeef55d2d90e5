//! The certificate authorities that an encrypted call trusts: those that ship with `coo`, or
//! instead those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, in the form that OpenSSL reads.
//! Invariant: a variable that is set but unusable is an error, never ignored. Only reads.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use coo_kernel::llm::protocol::Failure;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use super::endpoint::refuse;
use crate::machine;

/// Most bytes of one file. A system's whole bundle has some 250 KB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most files of one folder. A system's folder has some hundreds, each of them twice.
const FILES_MAX: usize = 10_000;
const NEXT: &str = "name a file of PEM certificates, or unset it";

/// Returns the authorities that the environment names, or those that ship with `coo`.
pub(super) fn from_environment() -> Result<RootCerts, Failure> {
    let set = |name| machine::env_os(name).filter(|value| !value.is_empty());
    let (file, folders) = (set("SSL_CERT_FILE"), set("SSL_CERT_DIR"));
    if file.is_none() && folders.is_none() {
        return Ok(RootCerts::WebPki);
    }
    let mut certificates = Vec::new();
    if let Some(file) = file {
        certificates.extend(of_file(Path::new(&file)).map_err(|found| {
            refuse("SSL_CERT_FILE", &format!("{}: {found}", shown(&file)), NEXT)
        })?);
    }
    if let Some(folders) = folders {
        certificates.extend(of_folders(&folders).map_err(|found| {
            refuse(
                "SSL_CERT_DIR",
                &format!("{}: {found}", shown(&folders)),
                NEXT,
            )
        })?);
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

fn shown(path: &OsStr) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

fn of_file(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    // Reading a pipe could block for ever.
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut text = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text))
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "more than {FILE_BYTES_MAX} bytes, which is the limit"
        ));
    }
    let certificates: Vec<Certificate<'static>> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err("it has no PEM certificate".to_owned());
    }
    Ok(certificates)
}

/// Reads every file of every folder in a `:`-separated list. Skips files without certificates,
/// because such folders also hold revocation lists.
fn of_folders(folders: &OsStr) -> Result<Vec<Certificate<'static>>, String> {
    let mut certificates = Vec::new();
    for folder in std::env::split_paths(folders) {
        let entries = fs::read_dir(&folder).map_err(|error| error.to_string())?;
        let mut paths: Vec<_> = entries
            .take(FILES_MAX)
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        paths.sort();
        certificates.extend(paths.iter().filter_map(|path| of_file(path).ok()).flatten());
    }
    if certificates.is_empty() {
        return Err("no file there has a PEM certificate".to_owned());
    }
    Ok(certificates)
}
