//! What a request asks for, by its number (ZooDefs.OpCode).

/// A number that stands for no operation of the client protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no operation has the number {0}")]
pub struct UnknownOpCode(pub i32);

/// The one list: a new operation is added here, and the compiler asks for it wherever operations are
/// told apart.
macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident $constant:ident = $number:literal,)*) => {
        /// Operations of the client protocol.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(i32)]
        #[allow(missing_docs, reason = "ZooKeeper's names (ZooDefs.OpCode)")]
        pub enum OpCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl TryFrom<i32> for OpCode {
            type Error = UnknownOpCode;

            // Twice for every request, so a look into a table.
            #[inline]
            fn try_from(number: i32) -> Result<OpCode, UnknownOpCode> {
                let at = number.wrapping_sub(LEAST) as usize;
                KNOWN.get(at).copied().flatten().ok_or(UnknownOpCode(number))
            }
        }

        /// The least of the numbers.
        const LEAST: i32 = -11;

        /// By number, from the least on.
        static KNOWN: [Option<OpCode>; 128] = {
            let mut known = [None; 128];
            $(known[($number - LEAST) as usize] = Some(OpCode::$name);)*
            known
        };

        /// Their numbers, as they stand in a header.
        #[allow(missing_docs, reason = "ZooKeeper's names (ZooDefs.OpCode)")]
        pub mod opcode {
            use super::OpCode;

            $(pub const $constant: i32 = OpCode::$name as i32;)*
        }
    };
}

opcodes! {
    Notification NOTIFICATION = 0,
    Create CREATE = 1,
    Delete DELETE = 2,
    Exists EXISTS = 3,
    GetData GET_DATA = 4,
    SetData SET_DATA = 5,
    GetAcl GET_ACL = 6,
    SetAcl SET_ACL = 7,
    GetChildren GET_CHILDREN = 8,
    Sync SYNC = 9,
    Ping PING = 11,
    GetChildren2 GET_CHILDREN2 = 12,
    Check CHECK = 13,
    Multi MULTI = 14,
    Create2 CREATE2 = 15,
    Reconfig RECONFIG = 16,
    CheckWatches CHECK_WATCHES = 17,
    RemoveWatches REMOVE_WATCHES = 18,
    CreateContainer CREATE_CONTAINER = 19,
    DeleteContainer DELETE_CONTAINER = 20,
    CreateTtl CREATE_TTL = 21,
    MultiRead MULTI_READ = 22,
    Auth AUTH = 100,
    SetWatches SET_WATCHES = 101,
    Sasl SASL = 102,
    GetEphemerals GET_EPHEMERALS = 103,
    GetAllChildrenNumber GET_ALL_CHILDREN_NUMBER = 104,
    SetWatches2 SET_WATCHES2 = 105,
    AddWatch ADD_WATCH = 106,
    WhoAmI WHO_AM_I = 107,
    /// In transactions, and in `cons`; no client asks for it by this number.
    CreateSession CREATE_SESSION = -10,
    CloseSession CLOSE_SESSION = -11,
    /// In results of a multi.
    Error ERROR = -1,
}

impl OpCode {
    /// ZooKeeper's name (Request.op2String).
    pub fn name(self) -> &'static str {
        match self {
            OpCode::Notification => "notification",
            OpCode::Create => "create",
            OpCode::Delete => "delete",
            OpCode::Exists => "exists",
            OpCode::GetData => "getData",
            OpCode::SetData => "setData",
            OpCode::GetAcl => "getACL",
            OpCode::SetAcl => "setACL",
            OpCode::GetChildren => "getChildren",
            OpCode::Sync => "sync",
            OpCode::Ping => "ping",
            OpCode::GetChildren2 => "getChildren2",
            OpCode::Check => "check",
            OpCode::Multi => "multi",
            OpCode::Create2 => "create2",
            OpCode::Reconfig => "reconfig",
            OpCode::CheckWatches => "checkWatches",
            OpCode::RemoveWatches => "removeWatches",
            OpCode::CreateContainer => "createContainer",
            OpCode::DeleteContainer => "deleteContainer",
            OpCode::CreateTtl => "createTTL",
            OpCode::MultiRead => "multiRead",
            OpCode::Auth => "auth",
            OpCode::SetWatches => "setWatches",
            OpCode::Sasl => "sasl",
            OpCode::GetEphemerals => "getEphemerals",
            OpCode::GetAllChildrenNumber => "getAllChildrenNumber",
            OpCode::SetWatches2 => "setWatches2",
            OpCode::AddWatch => "addWatch",
            OpCode::WhoAmI => "whoAmI",
            OpCode::CreateSession => "createSession",
            OpCode::CloseSession => "closeSession",
            OpCode::Error => "unknown",
        }
    }

    /// What no server can do on its own: ReadOnlyRequestProcessor looks no further.
    pub fn needs_leader(self) -> bool {
        match self {
            OpCode::Sync
            | OpCode::Create
            | OpCode::Create2
            | OpCode::CreateTtl
            | OpCode::CreateContainer
            | OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::SetData
            | OpCode::Reconfig
            | OpCode::SetAcl
            | OpCode::Multi => true,
            OpCode::Notification
            | OpCode::Exists
            | OpCode::GetData
            | OpCode::GetAcl
            | OpCode::GetChildren
            | OpCode::GetChildren2
            | OpCode::Ping
            | OpCode::Check
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::MultiRead
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::Sasl
            | OpCode::GetEphemerals
            | OpCode::GetAllChildrenNumber
            | OpCode::AddWatch
            | OpCode::WhoAmI
            | OpCode::CreateSession
            | OpCode::CloseSession
            | OpCode::Error => false,
        }
    }
}
