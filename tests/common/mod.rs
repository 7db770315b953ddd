//! What the tests of the program share.

use std::process::Command;

/// What a command writes as an error. With colours it must be the same text.
pub fn error(mut command: Command) -> (Option<i32>, String, String) {
    let out = command.env("NO_COLOR", "1").output().unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    let coloured = command.env_remove("NO_COLOR").env("FORCE_COLOR", "1").output().unwrap().stderr;
    let coloured = String::from_utf8(coloured).unwrap();
    assert!(coloured.contains("\u{1b}["), "{coloured}");
    let temporary = |text: &str| text.split(".paring-").next().unwrap_or_default().to_owned(); // a random name
    assert_eq!(temporary(&plain(&coloured)), temporary(&text));
    assert!(!faulty(out.status.code(), &text), "{text}");
    (out.status.code(), String::from_utf8(out.stdout).unwrap(), text)
}

/// True if a run came upon a fault in Paring: it says so, or ended by a signal.
pub fn faulty(code: Option<i32>, text: &str) -> bool {
    code.is_none()
        || code == Some(i32::from(paring::cli::FAULT))
        || text.contains("a fault in Paring")
        || text.contains("panicked")
}

/// A text without its colours.
fn plain(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or("", |(_, rest)| rest))
}
