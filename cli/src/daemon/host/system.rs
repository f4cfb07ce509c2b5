//! What each system says of its host: files and programs of Linux, macOS, Windows and the BSDs.
//!
//! *Always holds:* what a system does not tell is missing, never an error: a host without an id is still
//! served.

use std::fs;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use super::rules::{Interface, Mac};

/// How long a program of the system may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is read of a file or of a program's answer.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// A system, by how it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Linux,
    MacOs,
    Windows,
    Bsd,
}

/// Answers questions about the host.
pub(super) trait Ask {
    /// The text of a file.
    fn file(&self, path: &str) -> Option<String>;
    /// The names in a folder.
    fn names(&self, folder: &str) -> Vec<String>;
    /// What a program writes.
    fn program(&self, words: &[&str]) -> Option<String>;
}

impl System {
    /// The one this program was made for.
    pub(super) fn ours() -> Option<System> {
        match std::env::consts::OS {
            "linux" | "android" => Some(System::Linux),
            "macos" => Some(System::MacOs),
            "windows" => Some(System::Windows),
            "freebsd" | "netbsd" | "openbsd" | "dragonfly" => Some(System::Bsd),
            _ => None,
        }
    }

    /// The id of the host with the system's name before it; empty where the system tells none.
    pub(super) fn host_id(self, ask: &dyn Ask) -> String {
        let (prefix, found) = match self {
            System::Linux => {
                let of = |path| ask.file(path).and_then(|text| fit(&text));
                ("linux", of("/etc/machine-id").or_else(|| of("/var/lib/dbus/machine-id")))
            }
            System::MacOs => {
                let told = ask.program(&["ioreg", "-rd1", "-c", "IOPlatformExpertDevice"]);
                ("darwin", told.and_then(|told| quoted(&told, "IOPlatformUUID")))
            }
            System::Windows => {
                let key = r"HKLM\SOFTWARE\Microsoft\Cryptography";
                let told = ask.program(&["reg", "query", key, "/v", "MachineGuid"]);
                ("windows", told.and_then(|told| last_word(&told, "MachineGuid")))
            }
            System::Bsd => {
                let told = ask.program(&["sysctl", "-n", "kern.hostuuid"]);
                ("bsd", told.and_then(|text| fit(&text)))
            }
        };
        found.map_or_else(String::new, |id| format!("{prefix}:{id}"))
    }

    /// The interfaces of the host.
    pub(super) fn interfaces(self, ask: &dyn Ask) -> Vec<Interface> {
        match self {
            System::Linux => sysfs(ask),
            System::MacOs | System::Bsd => {
                ask.program(&["ifconfig", "-a"]).map_or_else(Vec::new, |told| ifconfig(&told))
            }
            // Adapters without a name: their addresses are put in order by themselves.
            System::Windows => ask.program(&["getmac", "/fo", "csv", "/nh"]).map_or_else(Vec::new, |told| {
                let first = |line: &str| Mac::parse(line.split(',').next()?.trim_matches('"'));
                let named = |address: Mac| Interface { name: address.text(), address };
                told.lines().filter_map(first).map(named).collect()
            }),
        }
    }
}

/// An id that says something: systems that were never set up have an empty one, a word, or zeros.
fn fit(text: &str) -> Option<String> {
    let id = text.trim();
    let says_something = id.chars().any(|letter| letter.is_ascii_hexdigit() && letter != '0');
    (says_something && id != "uninitialized").then(|| id.to_owned())
}

/// The text in quotes after `"NAME" =`.
fn quoted(told: &str, name: &str) -> Option<String> {
    let line = told.lines().find(|line| line.contains(&format!("\"{name}\"")))?;
    fit(line.split_once('=')?.1.trim().trim_matches('"'))
}

fn last_word(told: &str, name: &str) -> Option<String> {
    let line = told.lines().find(|line| line.trim_start().starts_with(name))?;
    line.split_whitespace().nth(2).and_then(fit)
}

fn sysfs(ask: &dyn Ask) -> Vec<Interface> {
    const FOLDER: &str = "/sys/class/net";
    /// What the kernel calls its own loopback.
    const LOOPBACK: &str = "772";
    let about = |name: &str, what: &str| ask.file(&format!("{FOLDER}/{name}/{what}"));
    let is_internal = |name: &str| about(name, "type").is_some_and(|kind| kind.trim() == LOOPBACK);
    let names = ask.names(FOLDER).into_iter().filter(|name| !is_internal(name));
    names
        .filter_map(|name| {
            let address = Mac::parse(&about(&name, "address")?)?;
            Some(Interface { name, address })
        })
        .collect()
}

/// Interfaces begin at the margin; what is told of them is indented. The first address of each counts.
fn ifconfig(told: &str) -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    let mut name = "";
    for line in told.lines() {
        if !line.starts_with([' ', '\t']) {
            name = line.split(':').next().unwrap_or_default();
            continue;
        }
        let mut words = line.split_whitespace();
        let is_address = words.next().is_some_and(|word| ["ether", "lladdr", "address:"].contains(&word));
        let address = words.next().filter(|_| is_address).and_then(Mac::parse);
        if let Some(address) = address.filter(|_| found.last().is_none_or(|last| last.name != name)) {
            found.push(Interface { name: name.to_owned(), address });
        }
    }
    found
}

/// The host this program runs on.
pub(super) struct Here;

impl Ask for Here {
    fn file(&self, path: &str) -> Option<String> {
        let mut text = String::new();
        fs::File::open(path).ok()?.take(ANSWER_BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn program(&self, words: &[&str]) -> Option<String> {
        run(words).ok().flatten()
    }
}

/// Runs a program of the system, for a while at most.
fn run(words: &[&str]) -> io::Result<Option<String>> {
    let [program, arguments @ ..] = words else { return Ok(None) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (say, hear) = sync_channel(1);
    let out = child.stdout.take();
    thread::spawn(move || {
        let mut text = String::new();
        let read = out.map(|out| out.take(ANSWER_BYTES_MAX).read_to_string(&mut text));
        // Nobody listens when it took too long.
        let _ = say.send(matches!(read, Some(Ok(_))).then_some(text));
    });
    let told = hear.recv_timeout(PATIENCE).ok().flatten();
    let _ = child.kill();
    let _ = child.wait();
    Ok(told)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A host made of texts, by path or by the program's first word.
    #[derive(Default)]
    pub(in crate::daemon::host) struct Told(pub(in crate::daemon::host) BTreeMap<String, String>);

    impl Told {
        pub(in crate::daemon::host) fn of(texts: &[(&str, &str)]) -> Told {
            Told(texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
        }
    }

    impl Ask for Told {
        fn file(&self, path: &str) -> Option<String> {
            self.0.get(path).cloned()
        }

        fn names(&self, folder: &str) -> Vec<String> {
            let inside = |path: &String| {
                Some(path.strip_prefix(folder)?.strip_prefix('/')?.split('/').next()?.to_owned())
            };
            let mut names: Vec<String> = self.0.keys().filter_map(inside).collect();
            names.dedup();
            names
        }

        fn program(&self, words: &[&str]) -> Option<String> {
            self.0.get(words[0]).cloned()
        }
    }

    #[test]
    fn f_dmn_10_every_system_names_its_host_in_its_own_way() {
        let ioreg = "+-o J314sAP  <class IOPlatformExpertDevice>\n    {\n      \"IOPlatformUUID\" = \
                     \"8A2F0C51-0000-5D7C-9F4B-0123456789AB\"\n      \"model\" = <\"x\">\n    }\n";
        let registry = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Cryptography\r\n    MachineGuid    \
                        REG_SZ    5f1c2b3a-4d5e\r\n\r\n";
        type Row<'a> = (System, &'a [(&'a str, &'a str)], &'a str);
        let rows: &[Row<'_>] = &[
            (
                System::Linux,
                &[("/etc/machine-id", "abc1\n"), ("/var/lib/dbus/machine-id", "def2\n")],
                "linux:abc1",
            ),
            (
                System::Linux,
                &[("/etc/machine-id", "\n"), ("/var/lib/dbus/machine-id", "def2\n")],
                "linux:def2",
            ),
            (System::Linux, &[("/etc/machine-id", "uninitialized\n")], ""),
            (System::Linux, &[("/etc/machine-id", "00000000000000000000000000000000")], ""),
            (System::Linux, &[], ""),
            (System::MacOs, &[("ioreg", ioreg)], "darwin:8A2F0C51-0000-5D7C-9F4B-0123456789AB"),
            (System::MacOs, &[("ioreg", "{}")], ""),
            (System::MacOs, &[], ""),
            (System::Windows, &[("reg", registry)], "windows:5f1c2b3a-4d5e"),
            (System::Windows, &[("reg", "ERROR: not found")], ""),
            (System::Bsd, &[("sysctl", "c0ffee00-1\n")], "bsd:c0ffee00-1"),
            (System::Bsd, &[("sysctl", "00000000-0000\n")], ""),
        ];
        for (system, texts, wanted) in rows {
            assert_eq!(system.host_id(&Told::of(texts)), *wanted, "{system:?} {texts:?}");
        }
    }

    fn shown(interfaces: &[Interface]) -> Vec<String> {
        interfaces.iter().map(|found| format!("{} {}", found.name, found.address.text())).collect()
    }

    #[test]
    fn f_dmn_10_every_system_lists_its_interfaces_in_its_own_way() {
        let sysfs = Told::of(&[
            ("/sys/class/net/eth0/address", "00:11:22:33:44:55\n"),
            ("/sys/class/net/eth0/type", "1\n"),
            ("/sys/class/net/internal/address", "00:00:00:00:00:01\n"),
            ("/sys/class/net/internal/type", "772\n"),
            ("/sys/class/net/sit0/address", "0.0.0.0\n"),
        ]);
        assert_eq!(shown(&System::Linux.interfaces(&sysfs)), ["eth0 00:11:22:33:44:55"]);
        let mac = "lo0: flags=8049<UP> mtu 16384\n\tinet 127.0.0.1\nen0: flags=8863<UP,BROADCAST> mtu 1500\n\
                   \tether f0:18:98:0:ab:cd\n\tinet 10.0.0.2\n\tether 00:00:00:00:00:09\n";
        assert_eq!(
            shown(&System::MacOs.interfaces(&Told::of(&[("ifconfig", mac)]))),
            ["en0 f0:18:98:00:ab:cd"]
        );
        let openbsd = "em0: flags=8843<UP> mtu 1500\n\tlladdr 08:00:27:01:02:03\n";
        let netbsd = "wm0: flags=8843<UP>\n\taddress: 08:00:27:01:02:04\n";
        for (told, wanted) in [(openbsd, "em0 08:00:27:01:02:03"), (netbsd, "wm0 08:00:27:01:02:04")] {
            assert_eq!(shown(&System::Bsd.interfaces(&Told::of(&[("ifconfig", told)]))), [wanted]);
        }
        let getmac = "\"00-15-5D-01-02-03\",\"\\Device\\Tcpip_{1}\"\r\n\"N/A\",\"Hardware not present\"\r\n";
        let found = System::Windows.interfaces(&Told::of(&[("getmac", getmac)]));
        assert_eq!(shown(&found), ["00:15:5d:01:02:03 00:15:5d:01:02:03"]);
    }

    #[test]
    fn a_program_that_does_not_end_is_left_and_one_that_is_missing_tells_nothing() {
        assert_eq!(Here.program(&["echo", "told"]).as_deref(), Some("told\n"));
        assert_eq!(Here.program(&["sleep", "60"]), None);
        assert_eq!(Here.program(&["no-such-program-anywhere"]), None);
    }
}
