//! The certificate authorities that an encrypted call trusts: those that ship with `coo`, or
//! instead those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, in the form that OpenSSL reads.
//! Invariant: a variable that is set but unusable is an error, never ignored. Only reads.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use coo_kernel::llm::protocol::Failure;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::endpoint::{Target, refuse};
use crate::machine;

/// Most bytes of one file. A system's whole bundle has some 250 KB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Most files of one folder. A system's folder has some hundreds, each of them twice.
const FILES_MAX: usize = 10_000;
const NEXT: &str = "name a file of PEM certificates, or unset it";

/// Returns the settings of TLS for calls to `target`. An unencrypted call trusts nobody.
pub(super) fn tls(target: &Target) -> Result<ClientConfig, Failure> {
    let roots = if target.encrypted {
        from_environment()?
    } else {
        RootCertStore::empty()
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse("TLS", &error.to_string(), NEXT))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Returns the authorities that the environment names, or those that ship with `coo`.
fn from_environment() -> Result<RootCertStore, Failure> {
    let file = machine::env_os("SSL_CERT_FILE");
    let folders = machine::env_os("SSL_CERT_DIR");
    if file.is_none() && folders.is_none() {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
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
    let mut roots = RootCertStore::empty();
    // Leaves out what is no certificate of an authority: a system's bundle has a few odd ones.
    roots.add_parsable_certificates(certificates);
    Ok(roots)
}

fn shown(path: &OsStr) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
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
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .filter_map(Result::ok)
        .collect();
    if certificates.is_empty() {
        return Err("it has no PEM certificate".to_owned());
    }
    Ok(certificates)
}

/// Reads every file of every folder in a `:`-separated list. Skips files without certificates,
/// because such folders also hold revocation lists.
fn of_folders(folders: &OsStr) -> Result<Vec<CertificateDer<'static>>, String> {
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
