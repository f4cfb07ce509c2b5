//! The texts of the two kinds of service units.
//!
//! *Always holds:* a path of any letters is quoted so that it stays one word, and that the unit means it.

use std::path::Path;

/// What a unit starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit<'a> {
    /// This program, by its absolute path.
    pub(super) program: &'a Path,
    /// The data directory.
    pub(super) data: &'a Path,
    /// Where what it writes goes, where the service manager keeps no log of its own.
    pub(super) log: &'a Path,
    /// The user's home.
    pub(super) home: &'a Path,
    /// Authorities that are trusted besides the system's.
    pub(super) ca_file: Option<&'a Path>,
    /// What the operator calls this host, where the system's own id does not do.
    pub(super) host_id: Option<&'a str>,
}

/// Names this host to the program.
const HOST_ID: &str = super::super::HOST_ID;

/// A unit of systemd for one user.
pub(super) fn systemd(unit: Unit<'_>) -> String {
    let Unit { program, data, ca_file, host_id, .. } = unit;
    let exec_program = quoted_word(&shown(program), true);
    let (exec_data, writable) = (quoted_word(&shown(data), true), quoted_word(&shown(data), false));
    let ca_file = ca_file.map(|file| format!(" --ca-file {}", quoted_word(&shown(file), true)));
    let ca_file = ca_file.unwrap_or_default();
    let host_id =
        host_id.map(|id| format!("Environment={}\n", quoted_word(&format!("{HOST_ID}={id}"), false)));
    let host_id = host_id.unwrap_or_default();
    format!(
        "\
[Unit]
Description=peermesh daemon: keeps this host in its meshes
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
Type=notify
ExecStart={exec_program} daemon up --foreground --data {exec_data}{ca_file}
{host_id}Restart=on-failure
RestartSec=5
# The command line or the configuration is wrong, or this is another host: starting again changes nothing.
RestartPreventExitStatus=2 4
TimeoutStopSec=30
UMask=0077
MemoryHigh=256M
LimitNOFILE=1024
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"
    )
}

/// A property list of launchd for one user.
pub(super) fn launchd(unit: Unit<'_>, label: &str) -> String {
    let [program, data, log, home] =
        [unit.program, unit.data, unit.log, unit.home].map(|path| xml(&shown(path)));
    let string = |text: &str| format!("    <string>{}</string>\n", xml(text));
    let ca_file = unit.ca_file.map(|file| string("--ca-file") + &string(&shown(file))).unwrap_or_default();
    let host_id =
        unit.host_id.map(|id| format!("    <key>{HOST_ID}</key>\n{}", string(id))).unwrap_or_default();
    format!(
        "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
<dict>
  <key>Label</key>
  <string>{label}</string>
  <key>ProgramArguments</key>
  <array>
    <string>{program}</string>
    <string>daemon</string>
    <string>up</string>
    <string>--foreground</string>
    <string>--data</string>
    <string>{data}</string>
{ca_file}  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>5</integer>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardOutPath</key>
  <string>{log}</string>
  <key>StandardErrorPath</key>
  <string>{log}</string>
  <key>EnvironmentVariables</key>
  <dict>
    <key>HOME</key>
    <string>{home}</string>
    <key>PATH</key>
    <string>/usr/bin:/bin:/usr/sbin:/sbin</string>
{host_id}  </dict>
</dict>
</plist>
"
    )
}

/// True for a unit of systemd that starts the daemon of that data directory.
pub(super) fn is_systemd_of(text: &str, data: &Path) -> bool {
    text.contains(&format!(" --data {}", quoted_word(&shown(data), true)))
}

/// True for a property list of launchd that starts the daemon of that data directory.
pub(super) fn is_launchd_of(text: &str, data: &Path) -> bool {
    text.contains(&format!("<string>--data</string>\n    <string>{}</string>", xml(&shown(data))))
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// One word of a unit file. In a command line, a dollar would begin a variable.
fn quoted_word(text: &str, is_command: bool) -> String {
    let mut word = String::from("\"");
    for letter in text.chars() {
        match letter {
            '%' => word.push_str("%%"),
            '$' if is_command => word.push_str("$$"),
            '"' | '\\' => word.extend(['\\', letter]),
            _ => word.push(letter),
        }
    }
    word.push('"');
    word
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn unit<'a>(program: &'a str, data: &'a str) -> Unit<'a> {
        Unit {
            program: Path::new(program),
            data: Path::new(data),
            log: Path::new("/home/ann/.local/share/peermesh/daemon/daemon.log"),
            home: Path::new("/home/ann"),
            ca_file: None,
            host_id: None,
        }
    }

    fn ordinary() -> Unit<'static> {
        unit("/usr/local/bin/peermesh", "/home/ann/.local/share/peermesh")
    }

    #[test]
    fn the_units_are_as_they_were_agreed() {
        assert_eq!(systemd(ordinary()), include_str!("golden.service"));
        assert_eq!(launchd(ordinary(), "dev.peermesh.daemon"), include_str!("golden.plist"));
    }

    #[test]
    fn what_the_daemon_needs_to_know_besides_stands_in_the_unit() {
        let (ca_file, host_id) = (Some(Path::new("/etc/our ca.pem")), Some("build & 7"));
        let unit = Unit { ca_file, host_id, ..ordinary() };
        let text = systemd(unit);
        assert!(text.contains("peermesh\" --ca-file \"/etc/our ca.pem\"\n"), "{text}");
        assert!(text.contains("\nEnvironment=\"PEERMESH_HOST_ID=build & 7\"\n"), "{text}");
        let text = launchd(unit, "l");
        assert!(
            text.contains("<string>--ca-file</string>\n    <string>/etc/our ca.pem</string>\n  </array>"),
            "{text}"
        );
        assert!(
            text.contains("<key>PEERMESH_HOST_ID</key>\n    <string>build &amp; 7</string>\n  </dict>"),
            "{text}"
        );
    }

    #[test]
    fn a_path_of_odd_letters_stays_one_word_and_itself() {
        assert_eq!(quoted_word("/a b/%h/$x", true), "\"/a b/%%h/$$x\"");
        assert_eq!(quoted_word("/a\"b\\c/$x", false), "\"/a\\\"b\\\\c/$x\"");
        assert!(launchd(unit("/a&b", "/<c>"), "l").contains("<string>/a&amp;b</string>"));
        assert!(launchd(unit("/a&b", "/<c>"), "l").contains("<string>/&lt;c&gt;</string>"));
    }

    /// Runs only where systemd is at hand to judge.
    #[test]
    fn systemd_finds_nothing_wrong_with_its_unit() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("peer mesh");
        std::os::unix::fs::symlink("/bin/true", &program).unwrap();
        let path = dir.path().join("peermesh-daemon.service");
        let text = systemd(unit(program.to_str().unwrap(), dir.path().to_str().unwrap()));
        std::fs::write(&path, text).unwrap();
        let mut judge = Command::new("systemd-analyze");
        let judge = judge.args(["--user", "verify"]).arg(&path).env("XDG_RUNTIME_DIR", dir.path());
        let judged = judge.output();
        let Ok(judged) = judged else { return };
        let said = String::from_utf8_lossy(&judged.stderr).into_owned();
        let about_us: Vec<&str> = said.lines().filter(|line| line.contains("peermesh-daemon")).collect();
        assert!(about_us.is_empty(), "{said}");
    }
}
