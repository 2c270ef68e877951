//! Transposition, the one transform that crosses rows.
//!
//! One output row needs one column of the source, a value of every block column. So a tile of [`TILE_COLUMNS`] source
//! columns by some source rows is decoded and turned at once, and kept: a reader that walks the tensor takes the next
//! rows from the same tiles. The cache is bounded and shared by all transposed tensors of a model.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rawrz_vfs::Error;

use super::{Matrix, Target};

/// Source columns of a tile: one super-block, so no block is decoded for two tiles.
const TILE_COLUMNS: u64 = 256;
/// Source rows of a tile: 1 MiB of 16-bit values at full width.
const TILE_ROWS: u64 = 2048;
/// Bytes of turned tiles kept: a panel of 256 rows of a tensor with 28,672 columns takes 14 MiB in 16 bits, and four
/// readers walk a model at a time (transformers' loader).
const CACHE_BYTES: u64 = 64 << 20;

/// Names a tile: the transposed tensor, the column of tiles, the row of tiles.
type Key = (u64, u64, u64);

/// Turned tiles of all transposed tensors of a model, at most 64 MiB of them.
pub struct TileCache {
    tiles: Cache<Key, Arc<[u8]>, TileBytes>,
    next: AtomicU64,
}

#[derive(Clone)]
struct TileBytes;

impl Weighter<Key, Arc<[u8]>> for TileBytes {
    fn weight(&self, _: &Key, tile: &Arc<[u8]>) -> u64 {
        tile.len() as u64
    }
}

impl Default for TileCache {
    fn default() -> Self {
        let tile_bytes = TILE_COLUMNS * TILE_ROWS * 2;
        let tiles = Cache::with_weighter((CACHE_BYTES / tile_bytes) as usize, CACHE_BYTES, TileBytes);
        Self { tiles, next: AtomicU64::new(0) }
    }
}

/// A matrix with rows and columns exchanged.
pub struct Transpose {
    of: Box<Matrix>,
    cache: Arc<TileCache>,
    id: u64,
}

impl Transpose {
    pub fn new(of: Matrix, cache: Arc<TileCache>) -> Self {
        let id = cache.next.fetch_add(1, Ordering::Relaxed);
        Self { of: Box::new(of), cache, id }
    }

    pub fn of(&self) -> &Matrix {
        &self.of
    }

    /// Writes the elements from `start` on, encoded for `to`, until `out` is full.
    pub fn fill(&self, start: u64, to: &Target, out: &mut [u8]) -> Result<(), Error> {
        let width = to.dtype.width();
        let row_len = self.of.rows();
        let mut at = start;
        let mut rest = out;
        while !rest.is_empty() {
            let (row, column) = (at / row_len, at % row_len);
            let tile_row = column / TILE_ROWS;
            let tile_start = tile_row * TILE_ROWS;
            let tile_len = TILE_ROWS.min(row_len - tile_start);
            let taken = (tile_start + tile_len - column).min((rest.len() / width) as u64);
            let (now, later) = rest.split_at_mut(taken as usize * width);
            let tile = self.tile(row / TILE_COLUMNS, tile_row, to)?;
            let from = (row % TILE_COLUMNS * tile_len + column - tile_start) as usize * width;
            now.copy_from_slice(&tile[from..from + now.len()]);
            rest = later;
            at += taken;
        }
        Ok(())
    }

    /// A turned tile: rows of this matrix, each of the tile's source rows. The dtype of a tensor never changes, so it
    /// is no part of the key.
    fn tile(&self, tile_column: u64, tile_row: u64, to: &Target) -> Result<Arc<[u8]>, Error> {
        self.cache.tiles.get_or_insert_with(&(self.id, tile_column, tile_row), || {
            let width = to.dtype.width();
            let first_column = tile_column * TILE_COLUMNS;
            let columns = TILE_COLUMNS.min(self.of.row_len() - first_column) as usize;
            let first_row = tile_row * TILE_ROWS;
            let rows = TILE_ROWS.min(self.of.rows() - first_row) as usize;
            let mut tile = vec![0; columns * rows * width];
            let mut line = vec![0; columns * width];
            for row in 0..rows {
                let element = (first_row + row as u64) * self.of.row_len() + first_column;
                self.of.fill(element, to, &mut line)?;
                for (column, value) in line.chunks_exact(width).enumerate() {
                    tile[(column * rows + row) * width..][..width].copy_from_slice(value);
                }
            }
            Ok(tile.into())
        })
    }
}
