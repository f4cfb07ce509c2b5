//! A throw-away Postgres for tests: a real server with its files in a temporary folder, on loopback, gone
//! with the test.
//!
//! Most tests want [`Database::fresh`]: an empty database on the server that all tests of a process share.
//! Tests that stop, freeze or reconfigure a server start a [`Server`] of their own.
//!
//! *Always holds:* the server ends when its test process does, however that ends: a small shell holds the
//! other end of a pipe, and ends the server and removes its folder when the pipe closes. Tests of root run
//! the server as another account, because Postgres refuses to run as root. `fsync` and all else that makes a
//! commit durable is as a plain installation has it.

mod account;
mod database;
mod port;
mod process;
mod programs;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use postgres::{Client, Config, NoTls};
use tempfile::TempDir;

use account::Account;
pub use database::Database;
pub use port::free_port;
use process::Running;
use programs::Programs;

/// How long a server may take to start, to end, or to take up a setting.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at something that must come to be.
const LOOK: Duration = Duration::from_millis(20);

/// The role that databases belong to. It is no superuser, as a broker's role should not be.
const ROLE: &str = "peermesh";

/// The superuser of the server.
const ADMIN: &str = "postgres";

/// A Postgres server of its own.
#[derive(Debug)]
pub struct Server {
    programs: Programs,
    account: Option<Account>,
    port: u16,
    password: String,
    running: Mutex<Option<Running>>,
    dir: TempDir,
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

impl Server {
    /// Why no server can be made here, where none of version 15 or newer is installed.
    pub fn missing() -> Option<String> {
        Programs::find().err().map(|missing| missing.to_string())
    }

    /// Makes and starts a server with the settings of a plain installation.
    ///
    /// # Panics
    ///
    /// Where no server of version 15 or newer is installed, or it does not start.
    pub fn new() -> Server {
        Server::with(&[])
    }

    /// Makes and starts a server with these settings.
    ///
    /// # Panics
    ///
    /// Where no server of version 15 or newer is installed, or it does not start.
    pub fn with(settings: &[(&str, &str)]) -> Server {
        let programs = Programs::find().unwrap_or_else(|missing| panic!("{missing}"));
        let dir = tempfile::Builder::new().prefix("peermesh-pg-").tempdir().expect("a temporary folder");
        let account = Account::beside_root();
        if let Some(account) = &account {
            account.takes(dir.path());
        }
        let server = Server {
            programs,
            account,
            port: free_port(),
            password: random_word(),
            running: Mutex::new(None),
            dir,
        };
        server.lay_out(settings);
        server.start();
        server.make_role();
        server
    }

    /// Where the server listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// An empty database, owned by a role that is no superuser.
    pub fn database(&self) -> Database {
        self.database_like("template0")
    }

    fn database_like(&self, template: &str) -> Database {
        let owner = format!("OWNER {ROLE}");
        Database::on(&self.url_of(ROLE), &self.admin_url(), &owner, template)
    }

    /// A superuser's session. It may write even where sessions are read-only unless they ask.
    pub fn admin(&self) -> Client {
        self.try_admin().unwrap_or_else(|error| panic!("{error}; the server's log:\n{}", self.log()))
    }

    /// Starts it, and waits until it answers.
    pub fn start(&self) {
        let mut running = self.running.lock().expect("no test thread panicked");
        assert!(running.is_none(), "the server runs");
        let started = Running::start(&self.command("postgres"), self.account.as_ref(), self.dir.path());
        let until = Instant::now() + PATIENCE;
        while let Err(error) = self.try_admin() {
            let has_ended = started.has_ended();
            assert!(Instant::now() < until && !has_ended, "{error}; the server's log:\n{}", self.log());
            thread::sleep(LOOK);
        }
        *running = Some(started);
    }

    /// Stops it in good order: sessions are ended, what is in memory is written. Nothing where it is stopped.
    pub fn stop(&self) {
        if let Some(running) = self.take_running() {
            running.stop();
        }
    }

    /// Ends it as a power cut would, but for what the operating system still writes: no session is told.
    pub fn kill(&self) {
        if let Some(running) = self.take_running() {
            running.kill();
        }
    }

    /// Stops and starts it.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Stops all its processes where they are. Connections stay, and nothing answers.
    pub fn freeze(&self) {
        self.with_running(Running::freeze);
    }

    /// Lets its processes go on.
    pub fn thaw(&self) {
        self.with_running(Running::thaw);
    }

    /// Gives a setting another value, for sessions there are and for those that come. Settings that count
    /// from the next start need a [`Server::restart`].
    pub fn set(&self, name: &str, value: &str) {
        let loaded = |client: &mut Client| -> f64 {
            let row = client.query_one("SELECT extract(epoch FROM pg_conf_load_time())::float8", &[]);
            row.expect("a plain query").get(0)
        };
        let mut admin = self.admin();
        let before = loaded(&mut admin);
        let change = format!("ALTER SYSTEM SET {name} = '{}'", value.replace('\'', "''"));
        admin.batch_execute(&change).expect("a setting that exists");
        admin.batch_execute("SELECT pg_reload_conf()").expect("a superuser may");
        let until = Instant::now() + PATIENCE;
        while loaded(&mut self.admin()) <= before {
            assert!(Instant::now() < until, "{name} was not taken up; the server's log:\n{}", self.log());
            thread::sleep(LOOK);
        }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        let mut log = Vec::new();
        if let Ok(mut file) = fs::File::open(self.dir.path().join(process::LOG)) {
            let _ = file.read_to_end(&mut log);
        }
        String::from_utf8_lossy(&log).into_owned()
    }

    fn try_admin(&self) -> Result<Client, postgres::Error> {
        let mut config: Config = self.admin_url().parse()?;
        config.connect_timeout(Duration::from_secs(5)).options("-c default_transaction_read_only=off");
        config.connect(NoTls)
    }

    fn admin_url(&self) -> String {
        self.url_of(ADMIN)
    }

    fn url_of(&self, role: &str) -> String {
        format!("postgres://{role}:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }

    fn take_running(&self) -> Option<Running> {
        self.running.lock().expect("no test thread panicked").take()
    }

    fn with_running(&self, deed: impl Fn(&Running)) {
        let running = self.running.lock().expect("no test thread panicked");
        deed(running.as_ref().expect("the server runs"));
    }

    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    /// Makes the files of the server.
    fn lay_out(&self, settings: &[(&str, &str)]) {
        let secret = self.dir.path().join("password");
        fs::write(&secret, &self.password).expect("the folder can be written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("a file of ours");
        if let Some(account) = &self.account {
            account.takes(&secret);
        }
        let mut command = self.command("initdb");
        command.args(["--username", ADMIN, "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"]);
        command.args(["--encoding=UTF8", "--no-locale"]).arg("--pwfile").arg(&secret);
        let made = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{command:?} failed: {said}");
        let port = self.port.to_string();
        let socket_dir = self.dir.path().display().to_string();
        // The name of a socket has at most 107 bytes.
        let socket_dir = if socket_dir.len() < 80 { socket_dir.as_str() } else { "" };
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("port", port.as_str()),
            ("unix_socket_directories", socket_dir),
            ("max_connections", "200"),
        ];
        let path = self.files().join("postgresql.conf");
        let mut text = fs::read_to_string(&path).expect("a configuration was made");
        for (name, value) in own.iter().chain(settings) {
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        fs::write(&path, text).expect("the configuration can be written");
    }

    fn make_role(&self) {
        let role = format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{}'", self.password);
        self.admin().batch_execute(&role).expect("a first role of that name");
    }

    /// A program of the server over its files, with nothing of the tester's environment.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.path(program));
        command.arg("-D").arg(self.files()).current_dir(self.dir.path());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        if let Some(account) = &self.account {
            account.runs(&mut command);
        }
        command
    }
}

/// A password that other accounts of the machine cannot guess: a superuser of Postgres may run programs.
fn random_word() -> String {
    let mut bytes = [0; 16];
    let mut source = fs::File::open("/dev/urandom").expect("a source of chance");
    source.read_exact(&mut bytes).expect("a source of chance has no end");
    HEXLOWER.encode(&bytes)
}
