//! `backup` and `restore`: writes the bundle of this host, and puts one back.

use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use data_encoding::HEXLOWER;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;

use super::archive::Archive;
use super::bundle::{self, Bundle, PASSPHRASE_CHARS_MIN, Part};
use super::lock::{Holder, Lock};
use super::place::Place;
use super::{DaemonError, host, this_host};
use crate::failure::Failure;
use crate::home::{self, Home, HomeError};
use crate::logs::wall_now;
use crate::peer::profile::{self, Profile};
use crate::signals;
use crate::terminal::Terminal;

/// Writes the bundle to a file that does not exist yet.
pub(super) fn backup(
    home: &Home,
    to: &Path,
    passphrase: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let bundle = Bundle::gather(home, wall_now().iso())?;
    if bundle.files.is_empty() {
        return Err(DaemonError::NothingToBackUp.into());
    }
    let passphrase = passphrase_of(passphrase, terminal)?;
    home::publish(to, &bundle.seal(&passphrase)?)?;
    let value = json!({ "file": to.display().to_string(), "parts": bundle.files.keys().collect::<Vec<_>>() });
    let said =
        format!("wrote {} ({} files); keep the passphrase elsewhere", to.display(), bundle.files.len());
    Ok(terminal.result(&value, [said.as_str()])?)
}

/// Puts a bundle back, and lets the daemon run on this host. What is there and differs is replaced only where
/// that was asked for, and a key that gives way is kept among the former ones.
pub(super) fn restore(
    home: &Home,
    from: &Path,
    passphrase: Option<&Path>,
    replace: bool,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let bytes = bundle::read(from)?;
    // A person may take long over it, and nobody else should wait for that.
    let passphrase = passphrase_of(passphrase, terminal)?;
    let place = Place::prepare(home)?;
    let _lock = match Lock::take_namelessly(&place)? {
        Ok(lock) => lock,
        Err(Holder::Daemon(pid)) => return Err(DaemonError::Running { pid }.into()),
        Err(Holder::Nobody) => return Err(DaemonError::Running { pid: None }.into()),
    };
    let bundle = Bundle::open(&bytes, &passphrase)?;
    let parts = bundle.parts()?;
    let differing = differing(home, &place, &parts)?;
    if !replace && !differing.is_empty() {
        return Err(DaemonError::WouldReplace { files: differing.join(", ") }.into());
    }
    for remark in put_back(home, &place, &parts)? {
        terminal.remark(&remark);
    }
    let prefix = host::accept(&place, &this_host(env), wall_now())?;
    let value = json!({
        "parts": bundle.files.keys().collect::<Vec<_>>(),
        "made_at": bundle.made_at,
        "made_on": bundle.made_on(),
        "fingerprint_prefix": prefix,
    });
    let said = format!("restored {} files of {}; this host is accepted", parts.len(), bundle.made_at);
    Ok(terminal.result(&value, [said.as_str()])?)
}

/// The files that hold something else. The host's is not put back.
fn differing(home: &Home, place: &Place, parts: &[(Part, &str)]) -> Result<Vec<String>, HomeError> {
    let mut differing = Vec::new();
    for (part, text) in parts.iter().filter(|(part, _)| *part != Part::Host) {
        let path = part.path(home, place);
        if home::exists(&path)? && home::read(&path)? != text.as_bytes() {
            differing.push(path.display().to_string());
        }
    }
    Ok(differing)
}

/// Writes the parts: former keys first, so that a key that gives way joins them before its profile changes.
fn put_back(home: &Home, place: &Place, parts: &[(Part, &str)]) -> Result<Vec<String>, Failure> {
    let mut remarks = Vec::new();
    let is_archive = |part: &Part| matches!(part, Part::Archive(_));
    for (part, text) in parts.iter().filter(|(part, _)| is_archive(part)) {
        write(&part.path(home, place), text)?;
    }
    for (part, text) in parts.iter().filter(|(part, _)| !is_archive(part)) {
        let mut _turn = None;
        match part {
            Part::Host => continue,
            Part::Profile(name) => {
                _turn = Some(profile::take_turn(home, name)?);
                if is_ahead(home, name, text) {
                    remarks.push(format!(
                        "{name} is left as it is: the bundle does not know the key that it is about to have; \
                         end that with: peermesh rotate-key --as {name}"
                    ));
                    continue;
                }
                remarks.extend(keep_former(home, place, name, text)?);
            }
            Part::Config | Part::Archive(_) => {}
        }
        write(&part.path(home, place), text)?;
    }
    Ok(remarks)
}

/// True for a profile that is the bundle's, but for a key that the broker may know already and nobody else.
fn is_ahead(home: &Home, name: &str, text: &str) -> bool {
    let Ok(Some(there)) = Profile::find(home, name) else { return false };
    let Some(next) = there.next_key() else { return false };
    text.contains(&there.public_key().hex()) && !text.contains(&HEXLOWER.encode(&next.to_bytes()))
}

fn keep_former(home: &Home, place: &Place, name: &str, text: &str) -> Result<Vec<String>, Failure> {
    // A profile that cannot be read has no key to keep.
    let Ok(Some(there)) = Profile::find(home, name) else { return Ok(Vec::new()) };
    if text.contains(&there.public_key().hex()) {
        return Ok(Vec::new());
    }
    let (mut archive, mut remarks) = Archive::open(place, name, wall_now())?;
    remarks.extend(archive.keep(&there.signing_key(), wall_now())?);
    Ok(remarks.iter().map(ToString::to_string).collect())
}

fn write(path: &Path, text: &str) -> Result<(), HomeError> {
    if let Some(dir) = path.parent() {
        home::prepare_dir(dir)?;
    }
    home::replace(path, text.as_bytes())
}

/// The passphrase: the first line of the file, or of standard input; a person is asked for it.
fn passphrase_of(file: Option<&Path>, terminal: &Terminal) -> Result<String, DaemonError> {
    let io = |error| DaemonError::NoPassphrase { error };
    let text = match file {
        Some(path) if path.as_os_str() != "-" => fs::read_to_string(path).map_err(io)?,
        _ => line(terminal).map_err(io)?,
    };
    let passphrase = text.lines().next().unwrap_or_default().to_owned();
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(DaemonError::ShortPassphrase);
    }
    Ok(passphrase)
}

/// A line of standard input, which a terminal does not show.
fn line(terminal: &Terminal) -> io::Result<String> {
    let input = io::stdin();
    let mut text = String::new();
    if !input.is_terminal() {
        input.lock().read_line(&mut text)?;
        return Ok(text);
    }
    terminal.remark("passphrase (not shown):");
    let before = tcgetattr(&input)?;
    let mut silent = before.clone();
    silent.local_modes -= LocalModes::ECHO;
    // Whoever stops here would be left with a terminal that does not show what is typed.
    let shown = before.clone();
    signals::before_end(move || {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &shown);
    })?;
    tcsetattr(&input, OptionalActions::Flush, &silent)?;
    let read = input.lock().read_line(&mut text);
    tcsetattr(&input, OptionalActions::Flush, &before)?;
    read.map(|_| text)
}

#[cfg(test)]
mod tests {
    use peermesh_core::config::Secret;

    use super::*;

    #[test]
    fn f_dmn_11_a_key_that_is_on_its_way_is_not_lost_to_a_bundle_of_before() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        let place = Place::prepare(&home).unwrap();
        let seed = Secret::new([7; 32]);
        let mut ann = Profile::of_seed("ann", ("m1", "demo"), "ws://x/ws", Some("mem-1"), seed);
        ann.create(&home).unwrap();
        let path = Part::Profile("ann".to_owned()).path(&home, &place);
        let before = fs::read_to_string(&path).unwrap();
        let put_back = || put_back(&home, &place, &[(Part::Profile("ann".to_owned()), &before)]).unwrap();
        assert!(put_back().is_empty());
        ann.intend(Some(Secret::new([9; 32])));
        ann.update(&home).unwrap();
        let said = put_back();
        assert!(said[0].contains("rotate-key --as ann"), "{said:?}");
        let there = Profile::find(&home, "ann").unwrap().unwrap();
        assert_eq!(there.next_key().map(|key| key.to_bytes()), Some([9; 32]));
        // One that is in force gives way as any other does: whoever says --replace means it.
        ann.take_next();
        ann.update(&home).unwrap();
        put_back();
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }
}
