//! DHCP servers of others, each with its lease file.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::background::Background;
use crate::netns::Netns;

/// How long a server's lease file is given to become what it is to be.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(20);

/// Addresses that a server may give, and for how long. Its network is `10.N.0.0/16`.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// N.
    pub network: u8,
    /// The last byte of the server's own address `10.N.0.X`, which is the router's.
    pub own: u8,
    /// The last byte of the first address to be given.
    pub first: u8,
    /// That of the last one.
    pub last: u8,
    /// Seconds.
    pub lifetime: u32,
    /// After how many seconds clients are to renew and to rebind, where that is said: by Kea.
    pub timers: Option<(u32, u32)>,
}

impl Default for Pool {
    /// As many as most tests need, for as long as most tests last.
    fn default() -> Self {
        Self {
            network: 9,
            own: 1,
            first: 10,
            last: 200,
            lifetime: 600,
            timers: None,
        }
    }
}

impl Pool {
    /// The server's own address.
    #[must_use]
    pub fn router(&self) -> Ipv4Addr {
        self.address(self.own)
    }

    /// The address of the network with this last byte.
    #[must_use]
    pub fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network, 0, last)
    }
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// Leases of two minutes and more.
    Dnsmasq,
    /// Of any length.
    Kea,
}

/// A lease in a server's own file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    /// The address.
    pub address: Ipv4Addr,
    /// The client's hardware address, as `02:00:00:00:00:01`.
    pub mac: String,
    /// The client's identifier, as `00:63:31`.
    pub client: String,
    /// When it ends, in seconds since 1970.
    pub ends: u64,
}

/// A server.
#[derive(Debug)]
pub struct DhcpServer {
    software: Software,
    netns: Netns,
    interface: String,
    dir: PathBuf,
    pool: Pool,
    running: Option<Background>,
}

impl DhcpServer {
    /// Starts one on an interface, which gets the pool's address. Its files go to `dir`.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    #[must_use]
    pub fn start(
        software: Software,
        netns: &Netns,
        interface: &str,
        dir: PathBuf,
        pool: Pool,
    ) -> Self {
        let mut server = Self {
            software,
            netns: netns.clone(),
            interface: interface.to_owned(),
            dir,
            pool,
            running: None,
        };
        server.restart(pool);
        server
    }

    /// Kills it.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Starts it again on the same lease file, with another pool.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn restart(&mut self, pool: Pool) {
        self.stop();
        self.pool = pool;
        let (interface, address) = (&self.interface, pool.router());
        self.netns.run(&format!(
            "ip addr flush dev {interface}; ip addr add {address}/16 dev {interface}"
        ));
        self.running = Some(match self.software {
            Software::Dnsmasq => self.dnsmasq(),
            Software::Kea => self.kea(),
        });
    }

    /// The same with the pool that it has.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.restart(self.pool);
    }

    /// Starts with an empty lease file and another pool.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn start_anew_with(&mut self, pool: Pool) {
        self.stop();
        let _ = fs::remove_file(self.lease_file());
        self.restart(pool);
    }

    fn lease_file(&self) -> PathBuf {
        self.dir.join("leases")
    }

    fn dnsmasq(&self) -> Background {
        let Pool {
            first,
            last,
            lifetime,
            ..
        } = self.pool;
        let range = format!(
            "--dhcp-range={},{},255.255.0.0,{lifetime}",
            self.pool.address(first),
            self.pool.address(last)
        );
        let server = self
            .netns
            .cmd("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--port=0",
                "--pid-file=",
            ])
            .args([
                "--user=root",
                "--group=root",
                "--log-facility=-",
                "--log-dhcp",
            ])
            // Else it pings an address for three seconds before it offers it.
            .args(["--no-ping", "--dhcp-authoritative", "--bind-interfaces"])
            .arg(range)
            .arg(format!("--interface={}", self.interface))
            .arg(format!("--dhcp-leasefile={}", self.lease_file().display()))
            .deadline(FOREVER)
            .start();
        server.wait_for("sockets bound exclusively");
        server
    }

    fn kea(&self) -> Background {
        let pool = &self.pool;
        let addresses = format!("{} - {}", pool.address(pool.first), pool.address(pool.last));
        let mut config = json!({ "Dhcp4": {
            "interfaces-config": { "interfaces": [self.interface], "dhcp-socket-type": "raw" },
            "lease-database": {
                "type": "memfile", "persist": true, "name": self.lease_file(), "lfc-interval": 0
            },
            "authoritative": true,
            "valid-lifetime": pool.lifetime,
            "subnet4": [{
                "subnet": format!("10.{}.0.0/16", pool.network),
                "pools": [{ "pool": addresses }],
                "option-data": [{ "name": "routers", "data": pool.router().to_string() }]
            }],
            "loggers": [{
                "name": "kea-dhcp4", "severity": "INFO", "output_options": [{ "output": "stderr" }]
            }]
        } });
        if let Some((renew, rebind)) = pool.timers {
            config["Dhcp4"]["renew-timer"] = renew.into();
            config["Dhcp4"]["rebind-timer"] = rebind.into();
        }
        let file = self.dir.join("kea.json");
        if let Err(error) = fs::write(&file, config.to_string()) {
            panic!("cannot write {}: {error}", file.display());
        }
        // Its process ID is written there, and keeps a second one from starting.
        let _ = fs::remove_file(self.dir.join("kea.kea-dhcp4.pid"));
        let server = self
            .netns
            .cmd("kea-dhcp4")
            .arg("-c")
            .arg(&file)
            .env("KEA_PIDFILE_DIR", &self.dir)
            .env("KEA_LOCKFILE_DIR", &self.dir)
            .env("KEA_LOGGER_DESTINATION", "stderr")
            .deadline(FOREVER)
            .start();
        server.wait_for("DHCP4_STARTED");
        server
    }

    /// The leases that it has given and that run, by its file, sorted.
    #[must_use]
    pub fn leases(&self) -> Vec<Given> {
        let text = fs::read_to_string(self.lease_file()).unwrap_or_default();
        let mut leases = match self.software {
            Software::Dnsmasq => text.lines().filter_map(of_dnsmasq).collect(),
            Software::Kea => of_kea(&text),
        };
        leases.sort();
        leases
    }

    /// Waits until its file has so many leases.
    ///
    /// # Panics
    /// When it has not within 20 seconds.
    #[track_caller]
    pub fn wait_for_leases(&self, count: usize) -> Vec<Given> {
        self.wait_until(&format!("{count} leases"), |leases| leases.len() == count)
    }

    /// Waits until the leases in its file are so; `what` says how.
    ///
    /// # Panics
    /// When they are not within 20 seconds.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&[Given]) -> bool) -> Vec<Given> {
        let end = Instant::now() + PATIENCE;
        loop {
            let leases = self.leases();
            if is_so(&leases) {
                return leases;
            }
            let log = self.log();
            assert!(Instant::now() < end, "not {what}, but {leases:#?}\n{log}");
            thread::sleep(STEP);
        }
    }

    /// Its pool.
    #[must_use]
    pub fn pool(&self) -> Pool {
        self.pool
    }

    /// What it has said until now.
    #[must_use]
    pub fn log(&self) -> String {
        let running = self.running.as_ref();
        running.map(Background::stderr_so_far).unwrap_or_default()
    }
}

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3600);

/// `EXPIRY MAC ADDRESS NAME CLIENT`
fn of_dnsmasq(line: &str) -> Option<Given> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [ends, mac, address, _, client] = words[..] else {
        return None;
    };
    Some(Given {
        address: address.parse().ok()?,
        mac: mac.to_owned(),
        client: client.to_owned(),
        ends: ends.parse().ok()?,
    })
}

/// `address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,…`, a line for each change, the last
/// of which counts; a lease that was given back has a lifetime of 0, one that was declined another state.
fn of_kea(text: &str) -> Vec<Given> {
    let mut leases: Vec<Given> = Vec::new();
    for line in text.lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let [address, mac, client, lifetime, ends, _, _, _, _, state, ..] = columns[..] else {
            continue;
        };
        let (Ok(address), Ok(ends)) = (address.parse(), ends.parse()) else {
            continue;
        };
        leases.retain(|lease| lease.address != address);
        if lifetime != "0" && state == "0" {
            leases.push(Given {
                address,
                mac: mac.to_owned(),
                client: client.to_owned(),
                ends,
            });
        }
    }
    leases
}
