//! The hashes of digest ids, under the names Java's MessageDigest has for them
//! (`zookeeper.DigestAuthenticationProvider.digestAlg`). Settings and decisions read names here.

use md2::Md2;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};

/// What JDK 17 has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "the JDK's names")]
pub enum DigestAlgorithm {
    Md2,
    Md5,
    #[default]
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512_224,
    Sha512_256,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

use DigestAlgorithm as Alg;

/// Names and aliases of the JDK's providers; letters of either case. The numbers are also known
/// with `OID.` before them.
const NAMES: [(&str, Alg); 32] = [
    ("MD2", Alg::Md2),
    ("MD5", Alg::Md5),
    ("SHA", Alg::Sha1),
    ("SHA1", Alg::Sha1),
    ("SHA-1", Alg::Sha1),
    ("1.3.14.3.2.26", Alg::Sha1),
    ("SHA224", Alg::Sha224),
    ("SHA-224", Alg::Sha224),
    ("2.16.840.1.101.3.4.2.4", Alg::Sha224),
    ("SHA256", Alg::Sha256),
    ("SHA-256", Alg::Sha256),
    ("2.16.840.1.101.3.4.2.1", Alg::Sha256),
    ("SHA384", Alg::Sha384),
    ("SHA-384", Alg::Sha384),
    ("2.16.840.1.101.3.4.2.2", Alg::Sha384),
    ("SHA512", Alg::Sha512),
    ("SHA-512", Alg::Sha512),
    ("2.16.840.1.101.3.4.2.3", Alg::Sha512),
    ("SHA512/224", Alg::Sha512_224),
    ("SHA-512/224", Alg::Sha512_224),
    ("2.16.840.1.101.3.4.2.5", Alg::Sha512_224),
    ("SHA512/256", Alg::Sha512_256),
    ("SHA-512/256", Alg::Sha512_256),
    ("2.16.840.1.101.3.4.2.6", Alg::Sha512_256),
    ("SHA3-224", Alg::Sha3_224),
    ("2.16.840.1.101.3.4.2.7", Alg::Sha3_224),
    ("SHA3-256", Alg::Sha3_256),
    ("2.16.840.1.101.3.4.2.8", Alg::Sha3_256),
    ("SHA3-384", Alg::Sha3_384),
    ("2.16.840.1.101.3.4.2.9", Alg::Sha3_384),
    ("SHA3-512", Alg::Sha3_512),
    ("2.16.840.1.101.3.4.2.10", Alg::Sha3_512),
];

impl DigestAlgorithm {
    /// Those of [`DigestAlgorithm::from_name`], for whoever wrote another.
    pub const NAMES: &str = "MD2, MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224, \
        SHA-512/256, SHA3-224, SHA3-256, SHA3-384 or SHA3-512";

    /// `None` for a name that MessageDigest.getInstance does not know: Java's server does not start
    /// with it.
    pub fn from_name(name: &str) -> Option<DigestAlgorithm> {
        let number = name.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("OID."));
        let bare = number.map_or(name, |_| &name[4..]);
        let (known, algorithm) =
            NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(bare))?;
        let is_number = known.starts_with(|c: char| c.is_ascii_digit());
        (number.is_none() || is_number).then_some(*algorithm)
    }

    pub(super) fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Alg::Md2 => Md2::digest(bytes).to_vec(),
            Alg::Md5 => Md5::digest(bytes).to_vec(),
            Alg::Sha1 => Sha1::digest(bytes).to_vec(),
            Alg::Sha224 => Sha224::digest(bytes).to_vec(),
            Alg::Sha256 => Sha256::digest(bytes).to_vec(),
            Alg::Sha384 => Sha384::digest(bytes).to_vec(),
            Alg::Sha512 => Sha512::digest(bytes).to_vec(),
            Alg::Sha512_224 => Sha512_224::digest(bytes).to_vec(),
            Alg::Sha512_256 => Sha512_256::digest(bytes).to_vec(),
            Alg::Sha3_224 => Sha3_224::digest(bytes).to_vec(),
            Alg::Sha3_256 => Sha3_256::digest(bytes).to_vec(),
            Alg::Sha3_384 => Sha3_384::digest(bytes).to_vec(),
            Alg::Sha3_512 => Sha3_512::digest(bytes).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// Expectations from OpenJDK 17.0.
    #[test]
    fn names_and_hashes_are_javas() {
        for (names, hash) in [
            (&["MD2", "md2"][..], "PVzdShJsB3RJaDSR0prmcg=="),
            (&["MD5", "md5"], "vmvqb9Jqk1r+pQsU7OKtLQ=="),
            (
                &["SHA", "sha1", "SHA-1", "1.3.14.3.2.26", "oid.1.3.14.3.2.26"],
                "xQJmxLMiHGwaqBvst5y6rkB6HQs=",
            ),
            (&["SHA224", "sha-224"], "TKEn5Y1mky3Uh6A7+bMh1TPJgKlkcRututL4gg=="),
            (
                &["SHA256", "SHA-256", "OID.2.16.840.1.101.3.4.2.1"],
                "wtZw1Um4mq1rRKbXqxHs8ueodBP35/JhtBP/nwJ62WY=",
            ),
            (
                &["SHA384", "SHA-384"],
                "AiQTwhiDeP3kDoiUQOML+I9miGA1gKrmc4a4kQiyxZuR/PE8jM/7K5jr7trT/Q8d",
            ),
            (
                &["SHA512", "SHA-512"],
                "ICbpgQLY7IUUeqcBGefDeb/WOl1Du5KoY5RX0+hDpW6UmhIeG6yfXhhCfQJHZChZeBdvUBXNvoumekY+\
                 NNKIPg==",
            ),
            (&["SHA512/224", "SHA-512/224"], "SMaFBFBNnPaXiL8X0xjo/P/POMVXbIIqkFxGmg=="),
            (&["SHA512/256", "SHA-512/256"], "QABeU55/SKMjm2TP7HSvKNTLdxDOOpOi8W/4V/8Kkss="),
            (&["SHA3-224"], "lQBR4+SBNfwCatzl7SI1BZjj79SPiQlvaNYdyA=="),
            (&["sha3-256"], "n/RvsobH/8zZOcOjetd7nUc1fh+dZeopA1uboPolGDE="),
            (&["SHA3-384"], "n/1qY03X29x69kCFY+QusMs5JjBsIbsuO9GDSsEiJd988vo6s+XUL6fUu+xPCoyS"),
            (
                &["SHA3-512", "2.16.840.1.101.3.4.2.10"],
                "oqMHFOxcJdRIfsJaSRrLtjFjRGzBqKAig8eLLCwzc7HRwsfhOVcPeJpiHP86f9w2QDqDm6yl+5x5Csdw\
                 Grp2dw==",
            ),
        ] {
            for name in names {
                let algorithm =
                    DigestAlgorithm::from_name(name).unwrap_or_else(|| panic!("{name}"));
                assert_eq!(STANDARD.encode(algorithm.hash(b"super:admin")), hash, "{name}");
            }
        }
        for unknown in [
            "",
            "MD4",
            "MD-5",
            "SHA_1",
            " SHA-1",
            "SHA-1 ",
            "SHA-512224",
            "SHA3256",
            "SHA3_256",
            "SHA-3",
            "OID.SHA-1",
            "OID.",
            "1.2.840.113549.2.5",
        ] {
            assert_eq!(DigestAlgorithm::from_name(unknown), None, "{unknown:?}");
        }
    }
}
