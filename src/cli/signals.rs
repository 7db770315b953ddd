//! Signals. What ends the program leaves no half-written file; a file that gets shorter while it is read is an error like others.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use paring::format::leftovers::{interrupted, remove_all};

/// These end the program, by Ctrl-C, `kill`, a closed terminal, a limit of time.
const ENDING: [c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGXCPU];
/// Bytes of a mapped file that are not there any more (`si_code` of SIGBUS).
const GONE: c_int = 2;

static JSON: AtomicBool = AtomicBool::new(false);
const TEXT_SAID: &str = "paring::file::changed\n\n  × a file that is read got shorter meanwhile; nothing was written\n  help: run again when nothing else writes to the files that are read\n";
const JSON_SAID: &str = "{\"message\": \"a file that is read got shorter meanwhile; nothing was written\",\"code\": \"paring::file::changed\",\"severity\": \"error\",\"causes\": [],\"help\": \"run again when nothing else writes to the files that are read\",\"labels\": [],\"related\": []}\n";

/// What is done at signals while a command runs.
pub(super) struct Handled(Vec<(c_int, libc::sigaction)>);

impl Handled {
    pub(super) fn install(json: bool) -> Handled {
        JSON.store(json, Ordering::SeqCst);
        let mut handled = Handled(Vec::new());
        ENDING.iter().for_each(|signal| handled.set(*signal, ended as *const () as usize, 0));
        handled.set(libc::SIGBUS, torn as *const () as usize, libc::SA_SIGINFO);
        // A limit of file sizes is then an error of the write that passes it.
        handled.set(libc::SIGXFSZ, libc::SIG_IGN, 0);
        handled
    }

    fn set(&mut self, signal: c_int, handler: usize, flags: c_int) {
        let mut old = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: both are whole structures of this type; zero is a value of each field. The handlers only call what handlers may.
        unsafe {
            if libc::sigaction(signal, std::ptr::null(), old.as_mut_ptr()) != 0 {
                return;
            }
            let old = old.assume_init();
            if old.sa_sigaction == libc::SIG_IGN {
                return; // as under nohup
            }
            let mut new: libc::sigaction = MaybeUninit::zeroed().assume_init();
            new.sa_sigaction = handler;
            new.sa_flags = flags;
            libc::sigemptyset(&raw mut new.sa_mask);
            if libc::sigaction(signal, &raw const new, std::ptr::null_mut()) == 0 {
                self.0.push((signal, old));
            }
        }
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        for (signal, old) in &self.0 {
            // SAFETY: it is what the system gave.
            unsafe { libc::sigaction(*signal, old, std::ptr::null_mut()) };
        }
    }
}

extern "C" fn ended(signal: c_int) {
    interrupted(signal);
}

extern "C" fn torn(signal: c_int, about: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: with SA_SIGINFO the system gives this structure; all that is called may be called in a handler.
    unsafe {
        if (*about).si_code != GONE {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
            return;
        }
        let text = if JSON.load(Ordering::SeqCst) { JSON_SAID } else { TEXT_SAID };
        remove_all();
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(1);
    }
}
