//! The first page of an index.

use linkspan_state::origin::Boot;

use super::files::State;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;

/// The first bytes of an index of this layout. Another layout gets another magic.
const MAGIC: u64 = u64::from_le_bytes(*b"LSHLidx1");

/// Bytes of the header before its blocks: magic, device, inode, mark, pages, live, blocks, the boot's ID.
const FIXED: usize = 7 * 8 + BOOT_ID;

/// Bytes of a boot's ID.
const BOOT_ID: usize = 32;

/// Bytes of a block in the header: its number and how many of its addresses are in use.
const BLOCK: usize = 16 + 4;

/// What a bitmap is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The address divided by the size of a block.
    pub(super) number: u128,
    /// How many of its addresses are in use.
    pub(super) used: u32,
}

/// The first page of an index, but for the state that it is valid for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Pages of the table.
    pub(super) pages: u64,
    /// Slots in use.
    pub(super) live: u64,
    /// The blocks that have a bitmap, in the order of the bitmaps.
    pub(super) blocks: Vec<Block>,
}

impl Header {
    /// The most blocks for which there is room: 6.5 million consecutive addresses, and no limit for
    /// IPv6 as long as those in use are not scattered.
    pub(super) const MAX_BLOCKS: usize = (PAGE - FIXED) / BLOCK;

    /// Reads the page; `None` when it is not that of an index for this state in this boot.
    pub(super) fn parse(page: &[u8; PAGE], state: State, boot: &Boot) -> Option<Self> {
        let (words, rest) = page.split_at(7 * 8);
        let mut words = words
            .chunks_exact(8)
            .filter_map(|word| Some(u64::from_le_bytes(*word.first_chunk()?)));
        let expected = [MAGIC, state.identity.0, state.identity.1, state.changed];
        if words.by_ref().take(expected.len()).ne(expected) {
            return None;
        }
        let (pages, live, blocks) = (words.next()?, words.next()?, words.next()?);
        let (id, rest) = rest.split_at(BOOT_ID);
        if id != boot.id().as_bytes() || pages == 0 {
            return None;
        }
        let blocks = rest
            .chunks_exact(BLOCK)
            .take(blocks.try_into().ok()?)
            .filter_map(|block| {
                let (number, used) = block.split_first_chunk()?;
                Some(Block {
                    number: u128::from_le_bytes(*number),
                    used: u32::from_le_bytes(*used.first_chunk()?),
                })
            })
            .collect();
        Some(Self {
            pages,
            live,
            blocks,
        })
    }

    /// Writes the page, as far as it is used.
    pub(super) fn to_bytes(&self, state: State, boot: &Boot) -> Vec<u8> {
        let words = [
            MAGIC,
            state.identity.0,
            state.identity.1,
            state.changed,
            self.pages,
            self.live,
            self.blocks.len() as u64,
        ];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend(boot.id().bytes().chain(std::iter::repeat(0)).take(BOOT_ID));
        for block in &self.blocks {
            bytes.extend(block.number.to_le_bytes());
            bytes.extend(block.used.to_le_bytes());
        }
        bytes
    }

    /// A block, and which bitmap is its.
    pub(super) fn block(&self, number: u128) -> Option<(usize, &Block)> {
        let mut blocks = self.blocks.iter().enumerate();
        blocks.find(|(_, block)| block.number == number)
    }

    /// A block that is there or is made: in the place of one of which nothing is in use, whose bitmap is
    /// empty, or behind the others. `None` when there is no room.
    pub(super) fn block_or_new(&mut self, number: u128) -> Option<(usize, &mut Block)> {
        let there = self.blocks.iter().position(|block| block.number == number);
        let position = there
            .or_else(|| self.blocks.iter().position(|block| block.used == 0))
            .unwrap_or(self.blocks.len());
        if position == Self::MAX_BLOCKS {
            return None;
        }
        if position == self.blocks.len() {
            self.blocks.push(Block { number, used: 0 });
        }
        let block = self.blocks.get_mut(position)?;
        block.number = number;
        Some((position, block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(changed: u64) -> State {
        State {
            identity: (7, 8),
            changed,
        }
    }

    #[test]
    fn a_header_is_read_as_it_is_written_and_for_its_own_state_only() {
        let boot = Boot::current().unwrap();
        let header = Header {
            pages: 4,
            live: 3,
            blocks: (0..Header::MAX_BLOCKS as u32)
                .map(|number| Block {
                    number: number.into(),
                    used: number,
                })
                .collect(),
        };
        let mut page = [0; PAGE];
        assert_eq!(Header::parse(&page, state(9), &boot), None);
        let bytes = header.to_bytes(state(9), &boot);
        page[..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(Header::parse(&page, state(9), &boot), Some(header));
        assert_eq!(Header::parse(&page, state(10), &boot), None);
        page[7 * 8] ^= 1;
        assert_eq!(Header::parse(&page, state(9), &boot), None, "another boot");
    }

    #[test]
    fn a_block_takes_the_place_of_an_empty_one() {
        let mut header = Header::default();
        for number in 0..Header::MAX_BLOCKS as u128 {
            header.block_or_new(number).unwrap().1.used = 1;
        }
        assert_eq!(header.block_or_new(5).unwrap().0, 5);
        assert!(header.block_or_new(1 << 100).is_none());
        header.block_or_new(17).unwrap().1.used = 0;
        let (position, block) = header.block_or_new(1 << 100).unwrap();
        assert_eq!((position, block.number), (17, 1 << 100));
        assert!(header.block(17).is_none());
    }
}
