//! The index beside a directory: which addresses an attachment holds, and which address is free,
//! without a look at every file.
//!
//! The directory alone is the truth. The index is a file in /run that says the same in another order,
//! for as long as nobody else changes the directory:
//!
//! - It bears the directory's [`State`]: device, inode, and the mark that we left as the directory's
//!   modification time after our last change. Any other change, by the reference or by a person,
//!   replaces the mark; so does our own when it is cut short. The index is then built anew.
//! - What it says is believed only after a look at the file itself, and an address is taken only by the
//!   file system's own exclusive link. So a wrong index costs time, never an address given twice.
//!
//! The file is one page of header, then bitmaps, then the table, read and written piece by piece:
//!
//! | at | what |
//! |---|---|
//! | 0 | header: magic, state, boot, size of the table, and for each bitmap its block and its count |
//! | page 1 | bitmaps of used addresses, a page for each block of 32,768 addresses that has some in use |
//! | behind the last bitmap that there can be | table: pages of 170 slots; a slot is the hash of a record and its address |

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::FileExt;

use linkspan_state::Folder;
use linkspan_state::origin::Boot;

use super::files::State;
use super::header::{Block, Header, PAGE};
use crate::range::Span;
use crate::record::Record;

/// The folder of the indices: volatile, since they are worth nothing after a reboot.
const FOLDER: &str = "host-local";

/// Addresses of a block, one for each bit of a page.
const BLOCK: u128 = PAGE as u128 * 8;

/// Where the table begins, behind a header and all bitmaps that there can be.
const TABLE: u64 = (1 + Header::MAX_BLOCKS as u64) * PAGE as u64;

/// Bytes of a slot: the hash, 0 in a free one, and the address.
const SLOT: usize = 24;

/// Slots of a page of the table.
const SLOTS: usize = PAGE / SLOT;

/// Where in a page of the table is said that records of it went on to the next page.
const OVERFLOW: usize = SLOTS * SLOT;

/// In place of the hash of a holder that cannot be read.
const UNKNOWN_HOLDER: u64 = 1;

/// How many slots of a page may be in use on average. Far enough below [`SLOTS`] that hardly a page
/// overflows.
const FILL: usize = 128;

/// An index that agrees with its directory.
pub(super) struct Index {
    file: File,
    header: Header,
    /// Pages that were read, by their offset: what is searched is what is changed a moment later.
    pages: HashMap<u64, [u8; PAGE]>,
}

impl Index {
    /// Opens the index of a directory in this state. The second value: whether there is a file at all,
    /// be it valid or not.
    pub(super) fn open(state: State, boot: &Boot) -> (Option<Self>, bool) {
        let open = || {
            Folder::of_all_if_there(FOLDER)
                .ok()??
                .open_to_write(&name(state))
                .ok()?
        };
        let Some(file) = open() else {
            return (None, false);
        };
        let mut page = [0; PAGE];
        let header = file
            .read_exact_at(&mut page, 0)
            .ok()
            .and_then(|()| Header::parse(&page, state, boot));
        (header.map(|header| Self::new(file, header)), true)
    }

    fn new(file: File, header: Header) -> Self {
        Self {
            file,
            header,
            pages: HashMap::new(),
        }
    }

    /// Writes a new index. It is not valid before it is [sealed](Self::seal).
    pub(super) fn create<'a>(
        state: State,
        entries: impl Iterator<Item = (&'a IpAddr, &'a Option<Record>)>,
    ) -> io::Result<Self> {
        let file = Folder::of_all(FOLDER)?.file(&name(state))?;
        let mut index = Self::new(file, Header::default());
        let entries: Vec<_> = entries
            .map(|(address, record)| (record.as_ref().map_or(UNKNOWN_HOLDER, hash), wide(*address)))
            .collect();
        index.fill(&entries)?;
        Ok(index)
    }

    /// Removes the file.
    pub(super) fn remove(state: State) {
        // What cannot be removed is not valid either: its state is not the directory's.
        if let Ok(Some(folder)) = Folder::of_all_if_there(FOLDER) {
            folder.remove(&name(state)).unwrap_or_default();
        }
    }

    /// Makes it valid for the directory in this state.
    pub(super) fn seal(&mut self, state: State, boot: &Boot) -> io::Result<()> {
        self.file
            .write_all_at(&self.header.to_bytes(state, boot), 0)
    }

    /// Whether no address is in use.
    pub(super) fn is_empty(&self) -> bool {
        self.header.live == 0
    }

    /// The addresses that a record may hold.
    pub(super) fn lookup(&mut self, record: &Record) -> io::Result<Vec<IpAddr>> {
        let hash = hash(record);
        let mut found = Vec::new();
        for number in self.probe(hash) {
            let page = self.page(table_page(number))?;
            let slots = page.chunks_exact(SLOT).filter_map(read_slot);
            found.extend(
                slots
                    .filter(|slot| slot.0 == hash)
                    .map(|slot| narrow(slot.1)),
            );
            if page[OVERFLOW] == 0 {
                break;
            }
        }
        Ok(found)
    }

    /// The first address of a span that is not in use.
    pub(super) fn first_free(&mut self, span: Span) -> io::Result<Option<IpAddr>> {
        let (first, last) = (wide(span.first), wide(span.last));
        let mut from = first;
        loop {
            let number = from / BLOCK;
            let end = last.min(number * BLOCK + (BLOCK - 1));
            if let Some(free) = self.first_free_in(number, from, end)? {
                return Ok(Some(narrow(free)));
            }
            if end == last {
                return Ok(None);
            }
            from = end + 1;
        }
    }

    fn first_free_in(&mut self, number: u128, from: u128, end: u128) -> io::Result<Option<u128>> {
        let Some((position, block)) = self.header.block(number) else {
            return Ok(Some(from));
        };
        if u128::from(block.used) == BLOCK {
            return Ok(None);
        }
        let bits = self.page(bitmap(position))?;
        let (start, count) = ((from % BLOCK) as usize, (end - from + 1) as usize);
        Ok(first_unset(bits, start, start + count).map(|bit| number * BLOCK + bit as u128))
    }

    /// Notes that a record holds an address.
    ///
    /// # Errors
    /// When the file cannot be changed, or has no room for another block; it is then of no use.
    pub(super) fn insert(&mut self, record: &Record, address: IpAddr) -> io::Result<()> {
        if self.header.live >= self.header.pages.saturating_mul(FILL as u64) {
            let mut entries = self.entries()?;
            entries.push((hash(record), wide(address)));
            return self.fill(&entries);
        }
        self.insert_slot(hash(record), wide(address))?;
        self.set_bit(wide(address), true)
    }

    /// Notes that a record holds an address no more.
    pub(super) fn remove_entry(&mut self, record: &Record, address: IpAddr) -> io::Result<()> {
        let wanted = (hash(record), wide(address));
        for number in self.probe(wanted.0) {
            let page = self.page(table_page(number))?;
            let position = page
                .chunks_exact(SLOT)
                .position(|slot| read_slot(slot) == Some(wanted));
            if let Some(position) = position {
                self.write(table_page(number), position * SLOT, &[0; SLOT])?;
                self.header.live = self.header.live.saturating_sub(1);
                return self.set_bit(wanted.1, false);
            }
            if page[OVERFLOW] == 0 {
                break;
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// The pages in which a hash is searched, from its own one on.
    fn probe(&self, hash: u64) -> impl Iterator<Item = u64> + use<> {
        let pages = self.header.pages;
        (0..pages).map(move |step| (hash % pages + step) % pages)
    }

    /// A page of the file.
    fn page(&mut self, offset: u64) -> io::Result<&mut [u8; PAGE]> {
        match self.pages.entry(offset) {
            Entry::Occupied(page) => Ok(page.into_mut()),
            Entry::Vacant(vacant) => {
                let mut page = [0; PAGE];
                self.file.read_exact_at(&mut page, offset)?;
                Ok(vacant.insert(page))
            }
        }
    }

    /// Changes some bytes of a page.
    fn write(&mut self, offset: u64, position: usize, bytes: &[u8]) -> io::Result<()> {
        self.page(offset)?[position..position + bytes.len()].copy_from_slice(bytes);
        self.file.write_all_at(bytes, offset + position as u64)
    }

    fn insert_slot(&mut self, hash: u64, address: u128) -> io::Result<()> {
        for number in self.probe(hash) {
            let page = self.page(table_page(number))?;
            let free = page
                .chunks_exact(SLOT)
                .position(|slot| read_slot(slot).is_none());
            if let Some(position) = free {
                self.write(table_page(number), position * SLOT, &slot(hash, address))?;
                self.header.live += 1;
                return Ok(());
            }
            self.write(table_page(number), OVERFLOW, &[1])?;
        }
        Err(io::ErrorKind::StorageFull.into())
    }

    fn set_bit(&mut self, address: u128, used: bool) -> io::Result<()> {
        let (position, block) = self
            .header
            .block_or_new(address / BLOCK)
            .ok_or(io::ErrorKind::StorageFull)?;
        block.used = match used {
            true => block.used.saturating_add(1),
            false => block.used.saturating_sub(1),
        };
        let (byte, mask) = bit(address);
        let before = self.page(bitmap(position))?[byte];
        if (before & mask != 0) == used {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.write(bitmap(position), byte, &[before ^ mask])
    }

    /// Every slot that is in use.
    fn entries(&mut self) -> io::Result<Vec<(u64, u128)>> {
        let mut entries = Vec::new();
        for number in 0..self.header.pages {
            let page = self.page(table_page(number))?;
            entries.extend(page.chunks_exact(SLOT).filter_map(read_slot));
        }
        Ok(entries)
    }

    /// Writes everything anew, with a table large enough for these entries.
    fn fill(&mut self, entries: &[(u64, u128)]) -> io::Result<()> {
        let pages = (entries.len() / FILL + 1).next_power_of_two() as u64;
        self.header = Header {
            pages,
            live: entries.len() as u64,
            blocks: Vec::new(),
        };
        self.pages.clear();
        self.file.set_len(0)?;
        self.file
            .write_all_at(&table(entries, pages), table_page(0))?;
        let mut blocks: std::collections::BTreeMap<u128, (Block, [u8; PAGE])> = Default::default();
        for (_, address) in entries {
            let number = address / BLOCK;
            let (block, bits) = blocks
                .entry(number)
                .or_insert((Block { number, used: 0 }, [0; PAGE]));
            let (byte, mask) = bit(*address);
            bits[byte] |= mask;
            block.used += 1;
        }
        for (position, (block, bits)) in blocks.into_values().enumerate() {
            if position == Header::MAX_BLOCKS {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.file.write_all_at(&bits, bitmap(position))?;
            self.header.blocks.push(block);
        }
        Ok(())
    }
}

/// The whole table in memory.
fn table(entries: &[(u64, u128)], pages: u64) -> Vec<u8> {
    let mut table = vec![0; pages as usize * PAGE];
    let mut used = vec![0; pages as usize];
    for (hash, address) in entries {
        let mut number = (hash % pages) as usize;
        while used[number] == SLOTS {
            table[number * PAGE + OVERFLOW] = 1;
            number = (number + 1) % pages as usize;
        }
        let offset = number * PAGE + used[number] * SLOT;
        table[offset..offset + SLOT].copy_from_slice(&slot(*hash, *address));
        used[number] += 1;
    }
    table
}

fn name(state: State) -> String {
    let (device, inode) = state.identity;
    format!("{device:x}-{inode:x}.index")
}

fn bitmap(position: usize) -> u64 {
    (1 + position as u64) * PAGE as u64
}

fn table_page(number: u64) -> u64 {
    TABLE + number * PAGE as u64
}

fn slot(hash: u64, address: u128) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&hash.to_le_bytes());
    slot[8..].copy_from_slice(&address.to_le_bytes());
    slot
}

/// Hash and address of a slot; `None` of a free one.
fn read_slot(slot: &[u8]) -> Option<(u64, u128)> {
    let (hash, address) = slot.split_first_chunk()?;
    let hash = u64::from_le_bytes(*hash);
    (hash != 0).then_some((hash, u128::from_le_bytes(*address.first_chunk()?)))
}

fn bit(address: u128) -> (usize, u8) {
    let bit = (address % BLOCK) as usize;
    (bit / 8, 1 << (bit % 8))
}

/// The first bit from `start` and before `end` that is not set. Full bytes are passed over as a whole:
/// in a full range there are thousands of them.
fn first_unset(bits: &[u8; PAGE], start: usize, end: usize) -> Option<usize> {
    let mut bit = start;
    while bit < end {
        let byte = bits.get(bit / 8)? >> (bit % 8);
        let set = byte.trailing_ones() as usize;
        if set < 8 - bit % 8 {
            return Some(bit + set).filter(|bit| *bit < end);
        }
        bit += set;
    }
    None
}

/// An address of either family as one number.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn narrow(bits: u128) -> IpAddr {
    Ipv6Addr::from_bits(bits).to_canonical()
}

/// A hash of a record, neither 0 nor 1: FNV-1a, with its bits mixed at the end because the low ones choose the
/// page. Not the standard library's, which may change between versions while an index lives on.
fn hash(record: &Record) -> u64 {
    let bytes = record.to_text();
    let hash = bytes.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed ^ (mixed >> 32)).max(UNKNOWN_HOLDER + 1)
}

#[cfg(test)]
pub(super) fn path_for_tests(state: State) -> std::path::PathBuf {
    Folder::of_all(FOLDER).unwrap().path().join(name(state))
}
