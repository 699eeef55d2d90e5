//! Decompresses a response body. Compression is never requested, but some servers use it all the
//! same. Invariant: the output is bounded for any input. Never interprets the content.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// More layers of compression than any server uses.
const LAYERS_MAX: usize = 3;
/// Magic bytes of gzip: some servers compress without saying so.
const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];

/// Removes the layers that `encodings` (the header `content-encoding`) lists. `Err` completes a
/// sentence that begins with "whose body".
pub(super) fn unpack(body: Vec<u8>, encodings: &str, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut layers: Vec<String> = encodings
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    if layers.is_empty() && body.starts_with(GZIP) {
        layers.push("gzip".to_owned());
    }
    if layers.len() > LAYERS_MAX {
        return Err(format!(
            "is compressed {} times, limit {LAYERS_MAX}",
            layers.len()
        ));
    }
    layers.iter().rev().try_fold(body, |body, layer| {
        // An empty body stays empty, whatever its encoding.
        if body.is_empty() {
            return Ok(body);
        }
        match layer.as_str() {
            "gzip" | "x-gzip" => read(MultiGzDecoder::new(body.as_slice()), "gzip", bytes_max),
            // The name means zlib; some servers send raw deflate data instead.
            "deflate" => {
                read(ZlibDecoder::new(body.as_slice()), "deflate", bytes_max).or_else(|wrong| {
                    read(DeflateDecoder::new(body.as_slice()), "deflate", bytes_max)
                        .map_err(|_| wrong)
                })
            }
            other => Err(format!(
                "is compressed with '{}', which was not asked for and is not read here",
                other.escape_debug().take(40).collect::<String>()
            )),
        }
    })
}

fn read(packed: impl Read, name: &str, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    packed
        .take(bytes_max + 1)
        .read_to_end(&mut body)
        .map_err(|error| {
            format!(
                "is {name} data that breaks off or is damaged after {} bytes unpacked ({error})",
                body.len()
            )
        })?;
    if body.len() as u64 > bytes_max {
        return Err(format!(
            "is {name} data that unpacks to more than {bytes_max} bytes, which is the limit"
        ));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = b"{\"choices\": []}";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn every_layer_that_is_named_or_seen_is_taken_off() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(TEXT).unwrap();
        for (body, encodings) in [
            (TEXT.to_vec(), ""),
            (TEXT.to_vec(), "identity"),
            (gzip(TEXT), "gzip"),
            (gzip(TEXT), " X-GZIP "),
            (gzip(TEXT), ""),
            (zlib.finish().unwrap(), "deflate"),
            (raw.finish().unwrap(), "deflate"),
            (gzip(&gzip(TEXT)), "gzip, gzip"),
        ] {
            assert_eq!(unpack(body, encodings, 100).unwrap(), TEXT, "{encodings}");
        }
        assert_eq!(unpack(Vec::new(), "gzip", 100).unwrap(), b"");
    }

    #[test]
    fn what_can_not_be_unpacked_is_said_and_bounded() {
        let packed = gzip(&vec![b' '; 100_000]);
        for (body, encodings, words) in [
            (
                gzip(TEXT)[..20].to_vec(),
                "gzip",
                "gzip data that breaks off",
            ),
            (
                TEXT.to_vec(),
                "gzip",
                "gzip data that breaks off or is damaged after 0",
            ),
            (TEXT.to_vec(), "deflate", "deflate data that breaks off"),
            (packed, "gzip", "unpacks to more than 1000 bytes"),
            (
                TEXT.to_vec(),
                "br",
                "compressed with 'br', which was not asked",
            ),
            (
                TEXT.to_vec(),
                "gzip,gzip,gzip,gzip",
                "compressed 4 times, limit 3",
            ),
        ] {
            let wrong = unpack(body, encodings, 1_000).unwrap_err();
            assert!(wrong.contains(words), "{wrong}");
        }
    }
}
