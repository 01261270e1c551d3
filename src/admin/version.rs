//! Which server this is.

/// Monitoring parses the number in front: it must be a ZooKeeper one.
pub const VERSION: &str =
    concat!("3.9.5-ringkeeper-", env!("CARGO_PKG_VERSION"), "-", env!("RINGKEEPER_COMMIT_ID"));
/// The commit's date, as Java prints its build's.
pub const BUILT: &str = concat!("built on ", env!("RINGKEEPER_BUILT"));
