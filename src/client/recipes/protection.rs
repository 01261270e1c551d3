//! Ids in the names of nodes: a create whose answer was lost is found again by its own
//! (org.apache.curator.framework.imps.ProtectedUtils).

/// Random, and different for each attempt to have something.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtectionId([u8; 16]);

impl ProtectionId {
    /// Of so many random bytes; a UUID of version 4 is made of them.
    pub fn new(mut random: [u8; 16]) -> ProtectionId {
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        ProtectionId(random)
    }

    /// As java.util.UUID prints it.
    pub fn uuid(&self) -> String {
        let hex = self.hex();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// The same without hyphens, as kazoo has it.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Debug for ProtectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.uuid())
    }
}
