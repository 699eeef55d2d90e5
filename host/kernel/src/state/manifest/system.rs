//! Reads what a Linux system states about itself: `/proc/cpuinfo`, `os-release`,
//! `/proc/self/mountinfo`. The host reads the files and passes their text. A value that the text
//! does not have is `None`, never guessed, and no text makes this module panic.

use serde::Serialize;

/// A processor, as the first entry of `/proc/cpuinfo` describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Processor {
    /// `cpu family`, or on ARM the architecture.
    pub family: Option<String>,
    /// Number of logical processors.
    pub logical: usize,
    /// Revision of the microcode. ARM has none.
    pub microcode: Option<String>,
    /// `model`, or on ARM the part.
    pub model: Option<String>,
    /// The name that its maker gives it.
    pub model_name: Option<String>,
    /// `stepping`, or on ARM variant and revision, `r1p2`.
    pub stepping: Option<String>,
    /// `vendor_id`, or on ARM the implementer.
    pub vendor: Option<String>,
}

/// What the processor's flags state about virtualisation; `None` if flags are not listed, or are
/// those of another architecture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Virtualisation {
    /// Whether it runs under a hypervisor that announces itself.
    pub hypervisor: Option<bool>,
    /// Whether it has AMD's virtualisation extensions.
    pub svm: Option<bool>,
    /// Whether it has Intel's virtualisation extensions.
    pub vmx: Option<bool>,
}

/// Returns the first value of `name` in `/proc/cpuinfo`.
fn value<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(found, _)| found.trim() == name)?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

/// Reads `/proc/cpuinfo`.
pub fn processor(cpuinfo: &str) -> Processor {
    let either = |one: &str, other: &str| {
        let found = value(cpuinfo, one).or_else(|| value(cpuinfo, other));
        found.map(str::to_owned)
    };
    let arm_stepping = || {
        let variant = value(cpuinfo, "CPU variant")?;
        let variant = u32::from_str_radix(variant.trim_start_matches("0x"), 16).ok()?;
        Some(format!("r{variant}p{}", value(cpuinfo, "CPU revision")?))
    };
    let is_logical = |line: &&str| {
        let field = line.split_once(':');
        field.is_some_and(|(name, _)| name.trim() == "processor")
    };
    Processor {
        family: either("cpu family", "CPU architecture"),
        logical: cpuinfo.lines().filter(is_logical).count(),
        microcode: value(cpuinfo, "microcode").map(str::to_owned),
        model: either("model", "CPU part"),
        model_name: either("model name", "Model"),
        stepping: value(cpuinfo, "stepping")
            .map(str::to_owned)
            .or_else(arm_stepping),
        vendor: either("vendor_id", "CPU implementer"),
    }
}

/// Reads the virtualisation flags from `/proc/cpuinfo`.
pub fn virtualisation(cpuinfo: &str) -> Virtualisation {
    let Some(flags) = value(cpuinfo, "flags") else {
        return Virtualisation::default();
    };
    let has = |name: &str| Some(flags.split_ascii_whitespace().any(|flag| flag == name));
    Virtualisation {
        hypervisor: has("hypervisor"),
        svm: has("svm"),
        vmx: has("vmx"),
    }
}

/// The release of a system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Release {
    /// `ID`, such as `debian`.
    pub id: Option<String>,
    /// `PRETTY_NAME`, for people.
    pub pretty_name: Option<String>,
    /// `VERSION_ID`, such as `12`. Systems without releases have none.
    pub version_id: Option<String>,
}

/// Reads `os-release`.
pub fn release(text: &str) -> Release {
    let value = |name: &str| {
        // The last assignment counts, as in the shell whose syntax this is.
        let mut lines = text.lines().rev().filter_map(|line| line.split_once('='));
        let (_, value) = lines.find(|(found, _)| found.trim() == name)?;
        Some(unquoted(value.trim())).filter(|value| !value.is_empty())
    };
    Release {
        id: value("ID"),
        pretty_name: value("PRETTY_NAME"),
        version_id: value("VERSION_ID"),
    }
}

fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(value) = inside('\'') {
        return value.to_owned();
    }
    let mut characters = inside('"').unwrap_or(value).chars();
    let mut text = String::new();
    while let Some(c) = characters.next() {
        // A backslash makes the next character stand for itself.
        text.extend(if c == '\\' {
            characters.next()
        } else {
            Some(c)
        });
    }
    text
}

/// Returns the type of the file system that holds `path` (absolute, without links), from
/// `/proc/self/mountinfo`.
pub fn file_system(mountinfo: &str, path: &str) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in mountinfo.lines() {
        let mut fields = line.split(' ');
        let (Some(point), Some(kind)) = (
            fields.nth(4).map(unescaped),
            fields.skip_while(|&field| field != "-").nth(1),
        ) else {
            continue;
        };
        let is_above = point == "/"
            || path
                .strip_prefix(point.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        // A later mount hides an earlier one at the same place.
        if is_above && best.is_none_or(|(length, _)| point.len() >= length) {
            best = Some((point.len(), kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// Replaces the kernel's escapes (`\040` and the like) for blank, tab, line break and backslash.
fn unescaped(field: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(field.to_owned(), |text, (escape, c)| {
            text.replace(escape, c)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTEL: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz\nstepping\t: 7\nmicrocode\t: 0x5003604\ncpu MHz\t\t: 2500.000\nflags\t\t: fpu vme sse2 vmx hypervisor lahf_lm\nvmx flags\t: vnmi\n\nprocessor\t: 1\nvendor_id\t: GenuineIntel\nmicrocode\t: 0x5003604\n";
    const AMD: &str = "processor : 0\nvendor_id : AuthenticAMD\ncpu family : 25\nmodel : 1\nmodel name : AMD EPYC 7763 64-Core Processor\nstepping : 1\nmicrocode : 0xa0011d1\nflags : fpu svm\n";
    const ARM: &str = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd evtstrm aes sha2 crc32\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\nprocessor\t: 1\nBogoMIPS\t: 243.75\n";

    #[test]
    fn processors_of_three_makers_are_told() {
        assert_eq!(
            processor(INTEL),
            Processor {
                family: Some("6".into()),
                logical: 2,
                microcode: Some("0x5003604".into()),
                model: Some("85".into()),
                model_name: Some("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz".into()),
                stepping: Some("7".into()),
                vendor: Some("GenuineIntel".into()),
            }
        );
        let amd = processor(AMD);
        assert_eq!((amd.vendor, amd.logical), (Some("AuthenticAMD".into()), 1));
        assert_eq!(
            processor(ARM),
            Processor {
                family: Some("8".into()),
                logical: 2,
                microcode: None,
                model: Some("0xd0c".into()),
                model_name: None,
                stepping: Some("r3p1".into()),
                vendor: Some("0x41".into()),
            }
        );
        assert_eq!(processor(""), Processor::default());
    }

    #[test]
    fn flags_are_told_where_there_are_flags() {
        let told = |text: &str| {
            let flags = virtualisation(text);
            (flags.hypervisor, flags.vmx, flags.svm)
        };
        assert_eq!(told(INTEL), (Some(true), Some(true), Some(false)));
        assert_eq!(told(AMD), (Some(false), Some(false), Some(true)));
        assert_eq!(told(ARM), (None, None, None));
    }

    #[test]
    fn releases_are_read_as_a_shell_would() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n# ID=no\n";
        assert_eq!(
            release(debian),
            Release {
                id: Some("debian".into()),
                pretty_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
                version_id: Some("12".into()),
            }
        );
        let odd = "ID='arch'\nPRETTY_NAME=\"A \\\"quoted\\\" \\$name\"\nBUILD_ID=rolling\n";
        assert_eq!(
            release(odd),
            Release {
                id: Some("arch".into()),
                pretty_name: Some("A \"quoted\" $name".into()),
                version_id: None,
            }
        );
    }

    #[test]
    fn the_nearest_and_latest_mount_counts() {
        let mounts = "22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
            30 27 0:30 / /home rw master:1 propagate_from:2 - btrfs /dev/vdb rw\n\
            31 27 0:31 / /home/a\\040b rw - tmpfs tmpfs rw\n\
            32 27 0:32 / /home/a\\040b rw - overlay none rw\n\
            not a mount\n";
        let at = |path: &str| file_system(mounts, path);
        assert_eq!(at("/srv/x"), Some("ext4".into()));
        assert_eq!(at("/home"), Some("btrfs".into()));
        assert_eq!(at("/homes"), Some("ext4".into()));
        assert_eq!(at("/home/a b/.coo"), Some("overlay".into()));
        assert_eq!(file_system("", "/"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(
            text in prop_oneof![
                ".{0,200}",
                "(processor|vendor_id|CPU variant|flags|ID|PRETTY_NAME|[0-9/ -]{1,9}|[:= \t\n\"'\\\\])*",
            ],
            path in "(/[a-é]{0,3}){0,3}",
        ) {
            let _ = processor(&text);
            let _ = virtualisation(&text);
            let _ = release(&text);
            let _ = file_system(&text, &path);
        }
    }
}
