//! Tallies of leases in mapped files, which outlive the process that keeps them.
//!
//! A holder counts in memory. If that memory is a shared mapping of a file, every count is in the
//! kernel's hands the moment it is made, at the price of a store to memory, and a process that is
//! killed takes none with it. The next process on the machine finds the file, reports what the dead
//! one had spent, and goes on with it.
//!
//! What this does not survive is the loss of the machine, or of Lambda's sandbox with its `/tmp`:
//! nothing is synced to a disk. For that a holder reports to the ledger and to the usage sink
//! while it lives.
//!
//! A folder holds one file per process that runs there at a time. Whoever has a file open holds a
//! lock on it, which the kernel drops with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::{HeapSlots, Slot, Slots, WORDS, Words, holds_tally};
use memmap2::MmapMut;
use zerocopy::FromBytes as _;

/// How many leases a process can hold at once in its file: 1 MiB of it. More are kept on the heap.
const SLOTS: usize = 8_192;

/// How many processes can share a folder.
const FILES_MAX: u32 = 1_024;

/// Why a folder cannot hold tallies.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file cannot be made, read or mapped.
    #[error("{} cannot be used for tallies", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are too many processes.
    #[error("{} is in use by {FILES_MAX} processes already", .0.display())]
    Full(PathBuf),
}

/// Slots in files of a folder.
#[derive(Debug)]
pub struct MappedSlots {
    shelf: Arc<Shelf>,
    left_behind: Mutex<Vec<Arc<dyn Slot>>>,
    overflowed: AtomicBool,
}

/// The slots that nobody uses.
#[derive(Debug, Default)]
struct Shelf(Mutex<Vec<&'static Words>>);

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Vec<&'static Words>> {
        // The list is whole after any panic: it is only pushed to and popped from.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct MappedSlot {
    words: &'static Words,
    shelf: Arc<Shelf>,
}

impl Slot for MappedSlot {
    fn words(&self) -> &Words {
        self.words
    }
}

impl Drop for MappedSlot {
    fn drop(&mut self) {
        // A tally that was not accounted for stays where the next process finds it.
        if !holds_tally(self.words) {
            self.shelf.lock().push(self.words);
        }
    }
}

impl MappedSlots {
    /// Opens `folder`, which is made if it is not there, and takes over what processes that are
    /// gone have left in it. The mappings stay until the process ends.
    ///
    /// # Errors
    /// [`OpenError`] if the folder or a file in it cannot be used.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let shelf = Arc::new(Shelf::default());
        let mut left_behind: Vec<Arc<dyn Slot>> = Vec::new();
        let mut has_own = false;
        for number in 0..FILES_MAX {
            let path = folder.join(format!("{number}.tallies"));
            // What is there may be a dead process's; one file that is not is enough.
            let exists = path.try_exists().map_err(failed(&path))?;
            if has_own && !exists {
                break;
            }
            let Some(slots) = map(&path).map_err(failed(&path))? else { continue };
            for words in slots {
                if holds_tally(words) {
                    left_behind.push(Arc::new(MappedSlot { words, shelf: Arc::clone(&shelf) }));
                } else {
                    shelf.lock().push(words);
                }
            }
            has_own = true;
        }
        if !has_own {
            return Err(OpenError::Full(folder.to_owned()));
        }
        let left_behind = Mutex::new(left_behind);
        Ok(Self { shelf, left_behind, overflowed: AtomicBool::new(false) })
    }
}

impl Slots for MappedSlots {
    fn claim(&self) -> Arc<dyn Slot> {
        if let Some(words) = self.shelf.lock().pop() {
            return Arc::new(MappedSlot { words, shelf: Arc::clone(&self.shelf) });
        }
        if !self.overflowed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                slots = SLOTS,
                "all slots for tallies are in use; further leases are counted on the heap"
            );
        }
        HeapSlots.claim()
    }

    fn left_behind(&self) -> Vec<Arc<dyn Slot>> {
        std::mem::take(&mut *self.left_behind.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Maps a file of slots, which is made if it is not there. Nothing if another process has it.
fn map(path: &Path) -> io::Result<Option<&'static [Words]>> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if file.metadata()?.len() != (SLOTS * size_of::<Words>()) as u64 {
        // Written in full, not made long: a store to a hole of a full disk would kill the process.
        file.set_len(0)?;
        for _ in 0..SLOTS {
            file.write_all(&[0; WORDS * 8])?;
        }
    }
    let mapping: &'static mut MmapMut = Box::leak(Box::new(share(&file)?));
    // The lock lives as long as the file is open.
    std::mem::forget(file);
    let slots = <[Words]>::mut_from_bytes(mapping).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("the mapping is not of slots: {error}"))
    })?;
    Ok(Some(slots))
}

/// Maps `file`, which this process has locked.
#[expect(
    unsafe_code,
    reason = "the one mapping of the workspace; there is no safe way to make one"
)]
fn share(file: &File) -> io::Result<MmapMut> {
    // SAFETY: what makes a mapping unsafe is that others may change or cut off the file while it is
    // borrowed as memory. The exclusive lock keeps the other processes of this service from it, its
    // length is never changed while it is locked, and its words are only touched as atomics, for
    // which every value is valid.
    unsafe { MmapMut::map_mut(file) }
}
