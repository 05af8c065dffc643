//! Numbers of the kernel's interface that the `libc` crate lacks, as in
//! [`linux/netfilter/nf_tables.h`](https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/netfilter/nf_tables.h).

/// Message types, to be combined with the subsystem's number by [`message`].
pub(crate) mod msg {
    pub(crate) const NEWTABLE: u16 = 0;
    pub(crate) const GETTABLE: u16 = 1;
    pub(crate) const DELTABLE: u16 = 2;
    pub(crate) const NEWCHAIN: u16 = 3;
    pub(crate) const GETCHAIN: u16 = 4;
    pub(crate) const DELCHAIN: u16 = 5;
    pub(crate) const NEWRULE: u16 = 6;
    pub(crate) const GETRULE: u16 = 7;
    pub(crate) const DELRULE: u16 = 8;
    pub(crate) const NEWSET: u16 = 9;
    pub(crate) const GETSET: u16 = 10;
    pub(crate) const DELSET: u16 = 11;
    pub(crate) const NEWSETELEM: u16 = 12;
    pub(crate) const GETSETELEM: u16 = 13;
    pub(crate) const DELSETELEM: u16 = 14;
    pub(crate) const NEWGEN: u16 = 15;
    pub(crate) const GETGEN: u16 = 16;
    pub(crate) const DESTROYTABLE: u16 = 26;
    pub(crate) const DESTROYCHAIN: u16 = 27;
    pub(crate) const DESTROYRULE: u16 = 28;
    pub(crate) const DESTROYSET: u16 = 29;
    pub(crate) const DESTROYSETELEM: u16 = 30;
}

/// The netlink message type of nf_tables' message `kind`.
pub(crate) const fn message(kind: u16) -> u16 {
    ((libc::NFNL_SUBSYS_NFTABLES as u16) << 8) | kind
}

/// `NFTA_LIST_ELEM`
pub(crate) const LIST_ELEM: u16 = 1;

pub(crate) mod table {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const USERDATA: u16 = 6;
}

pub(crate) mod chain {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 3;
    pub(crate) const HOOK: u16 = 4;
    pub(crate) const POLICY: u16 = 5;
    pub(crate) const USE: u16 = 6;
    pub(crate) const TYPE: u16 = 7;
    pub(crate) const USERDATA: u16 = 12;
}

pub(crate) mod hook {
    pub(crate) const HOOKNUM: u16 = 1;
    pub(crate) const PRIORITY: u16 = 2;
    pub(crate) const DEV: u16 = 3;
}

pub(crate) mod rule {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const CHAIN: u16 = 2;
    pub(crate) const HANDLE: u16 = 3;
    pub(crate) const EXPRESSIONS: u16 = 4;
    pub(crate) const USERDATA: u16 = 7;
}

pub(crate) mod set {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const NAME: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const KEY_TYPE: u16 = 4;
    pub(crate) const KEY_LEN: u16 = 5;
    pub(crate) const DATA_TYPE: u16 = 6;
    pub(crate) const DATA_LEN: u16 = 7;
    pub(crate) const DESC: u16 = 9;
    pub(crate) const ID: u16 = 10;
    pub(crate) const TIMEOUT: u16 = 11;
    pub(crate) const USERDATA: u16 = 13;

    pub(crate) const DESC_CONCAT: u16 = 2;
    pub(crate) const FIELD_LEN: u16 = 1;

    pub(crate) const F_ANONYMOUS: u32 = 0x1;
    pub(crate) const F_CONSTANT: u32 = 0x2;
    pub(crate) const F_INTERVAL: u32 = 0x4;
    pub(crate) const F_MAP: u32 = 0x8;
    pub(crate) const F_TIMEOUT: u32 = 0x10;
    pub(crate) const F_CONCAT: u32 = 0x80;

    /// `NFT_DATA_VERDICT`
    pub(crate) const DATA_VERDICT: u32 = 0xffff_ff00;
}

pub(crate) mod elem {
    pub(crate) const KEY: u16 = 1;
    pub(crate) const DATA: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const TIMEOUT: u16 = 4;
    pub(crate) const USERDATA: u16 = 6;
    pub(crate) const KEY_END: u16 = 10;

    pub(crate) const F_INTERVAL_END: u32 = 0x1;

    pub(crate) const LIST_TABLE: u16 = 1;
    pub(crate) const LIST_SET: u16 = 2;
    pub(crate) const LIST_ELEMENTS: u16 = 3;
}

pub(crate) mod data {
    pub(crate) const VALUE: u16 = 1;
    pub(crate) const VERDICT: u16 = 2;
    pub(crate) const VERDICT_CODE: u16 = 1;
    pub(crate) const VERDICT_CHAIN: u16 = 2;
}

pub(crate) mod expr {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const DATA: u16 = 2;
}

pub(crate) mod generation {
    pub(crate) const ID: u16 = 1;
}
