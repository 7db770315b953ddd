//! Files that have no name of their own yet. What ends the program removes them; what a killed run left goes with the next one that
//! writes to that folder.

use std::path::Path;

/// How such files are called: this, the number of the process, and something random.
const PREFIX: &str = ".paring-";

/// What the name of a file of this process begins with.
pub(super) fn prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

#[cfg(unix)]
pub(super) use unix::{Registered, sweep};
#[cfg(unix)]
pub use unix::{Uninterrupted, interrupted, remove_all};

/// Nothing is done here on other systems than Unix.
#[cfg(not(unix))]
mod other {
    use std::path::Path;

    pub struct Uninterrupted;

    impl Uninterrupted {
        pub fn begin() -> Uninterrupted {
            Uninterrupted
        }
    }

    #[derive(Debug)]
    pub struct Registered;

    impl Registered {
        pub fn new(_: &Path) -> Registered {
            Registered
        }
    }

    pub fn sweep(_: &Path) {}
}
#[cfg(not(unix))]
pub(super) use other::{Registered, Uninterrupted, sweep};

#[cfg(unix)]
mod unix {
    use std::collections::HashSet;
    use std::ffi::{CString, c_char, c_int};
    use std::fs::{self, TryLockError};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    use super::{PREFIX, Path};

    /// Files that are registered at one time.
    const MOST: usize = 1 << 12;
    static NAMES: [AtomicPtr<c_char>; MOST] = [const { AtomicPtr::new(null_mut()) }; MOST];
    /// How many things are done now that are not to be left half done.
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    /// A signal that came meanwhile.
    static HELD: AtomicI32 = AtomicI32::new(0);

    /// A file that is removed if the program ends by a signal.
    #[derive(Debug)]
    pub struct Registered(Option<usize>);

    impl Registered {
        pub fn new(path: &Path) -> Registered {
            // A handler may still look at a name when its file is done, so none is freed.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            let Ok(name) = CString::new(path.as_os_str().as_bytes()).map(CString::into_raw) else { return Registered(None) };
            let free =
                |slot: &AtomicPtr<c_char>| slot.compare_exchange(null_mut(), name, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            Registered(NAMES.iter().position(free))
        }
    }

    impl Drop for Registered {
        fn drop(&mut self) {
            if let Some(slot) = self.0.and_then(|k| NAMES.get(k)) {
                slot.store(null_mut(), Ordering::SeqCst);
            }
        }
    }

    /// Removes all registered files. A handler of signals may call this.
    pub fn remove_all() {
        for slot in &NAMES {
            let name = slot.swap(null_mut(), Ordering::SeqCst);
            if !name.is_null() {
                // SAFETY: it was made by CString::into_raw and is never freed; unlink may be called in a handler.
                unsafe { libc::unlink(name) };
            }
        }
    }

    /// What a handler does with a signal that ends the program: at once, or when what goes on is done.
    pub fn interrupted(signal: c_int) {
        match BUSY.load(Ordering::SeqCst) {
            0 => end(signal),
            _ => HELD.store(signal, Ordering::SeqCst),
        }
    }

    /// Ends the program by this signal.
    fn end(signal: c_int) {
        remove_all();
        // SAFETY: both may be called in a handler; the default of these signals ends the process.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }

    /// While it lives, signals wait.
    pub struct Uninterrupted(());

    impl Uninterrupted {
        /// They wait from now on.
        pub fn begin() -> Uninterrupted {
            BUSY.fetch_add(1, Ordering::SeqCst);
            Uninterrupted(())
        }
    }

    impl Drop for Uninterrupted {
        fn drop(&mut self) {
            if BUSY.fetch_sub(1, Ordering::SeqCst) == 1 {
                let signal = HELD.swap(0, Ordering::SeqCst);
                if signal != 0 {
                    end(signal);
                }
            }
        }
    }

    /// Removes what runs left in a folder that were killed. Once for each folder.
    pub fn sweep(folder: &Path) {
        static SWEPT: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
        let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if !swept.get_or_insert_default().insert(folder.to_path_buf()) {
            return;
        }
        drop(swept);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process =
                name.to_str().and_then(|n| n.strip_prefix(PREFIX)?.split_once('-')).and_then(|(pid, _)| pid.parse().ok());
            if process.is_some_and(|pid: c_int| pid > 0 && !lives(pid)) {
                remove(&entry.path());
            }
        }
    }

    /// True for a process of this machine that is there.
    fn lives(pid: c_int) -> bool {
        // SAFETY: signal 0 does nothing but ask.
        let asked = unsafe { libc::kill(pid, 0) };
        asked == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
    }

    fn remove(path: &Path) {
        let Ok(about) = path.symlink_metadata() else { return };
        if about.is_dir() {
            // An older file that was set aside, which goes where it has its own name as well.
            let alone = |file: fs::DirEntry| file.metadata().map_or(true, |m| m.is_dir() || m.nlink() < 2);
            if !fs::read_dir(path).into_iter().flatten().flatten().any(alone) {
                let _ = fs::remove_dir_all(path);
            }
        } else if about.is_file() {
            // A process on another machine, or behind the wall of a container, holds a lock.
            let held = fs::File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
            if !held {
                let _ = fs::remove_file(path);
            }
        }
    }
}
