//! Digests of bytes, for `node:crypto` and `crypto.subtle`.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

/// Returns the digest of `content` by the algorithm of this name; none if there is no such here.
pub fn digest(algorithm: &str, content: &[u8]) -> Option<Vec<u8>> {
    Some(match algorithm {
        "md5" => Md5::digest(content).to_vec(),
        "sha1" => Sha1::digest(content).to_vec(),
        "sha224" => Sha224::digest(content).to_vec(),
        "sha256" => Sha256::digest(content).to_vec(),
        "sha384" => Sha384::digest(content).to_vec(),
        "sha512" => Sha512::digest(content).to_vec(),
        _ => return None,
    })
}
