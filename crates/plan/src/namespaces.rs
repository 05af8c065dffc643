//! The two namespaces of an attachment, and the links in them that a plan has to do with.

use std::cell::{OnceCell, Ref, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::netns::{Netns, OpenError};
use linkspan_kernel::rtnl::{Address, Change, Link, Route, RouteFilter, Rtnl};
use linkspan_kernel::sysctl::LinkParameters;
use linkspan_spec::{Error, ErrorCode};
use linkspan_state::lock::{Lock, Mode};

use crate::fault::explain;
use crate::imagined::{ETHERNET_MTU, IFF_UP, Imagined, not_found};
use crate::link::{LinkRef, Place};

/// The host's namespace and the container's.
#[derive(Debug)]
pub struct Namespaces {
    host: Side,
    container: Option<Side>,
    /// In place of a container that there is none of yet.
    imagined: Option<RefCell<Imagined>>,
}

/// One of the two.
#[derive(Debug)]
pub struct Side {
    netns: Option<Netns>,
    rtnl: Rtnl,
    parameters: OnceCell<LinkParameters>,
    links: RefCell<BTreeMap<String, Rc<Link>>>,
    turn: RefCell<Turn>,
}

/// The lock of the namespace, as this plugin holds it.
#[derive(Debug, Default)]
enum Turn {
    #[default]
    None,
    Shared(#[expect(dead_code, reason = "released when dropped")] Option<Lock>),
    Alone(#[expect(dead_code, reason = "released when dropped")] Lock),
}

fn shared() -> Turn {
    Turn::Shared(Lock::of_host(Mode::Shared, SHARE_DEADLINE).ok())
}

/// How long a plugin waits for one that makes what it needs: milliseconds, unless duplicate addresses are
/// looked for.
const SHARE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a plugin waits until all others are done: milliseconds, unless ever more come.
const CLAIM_DEADLINE: Duration = Duration::from_secs(1);

impl Namespaces {
    /// Opens the host's namespace alone.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn host_only() -> Result<Self, Error> {
        let host = Side {
            netns: None,
            rtnl: Rtnl::open().map_err(explain)?,
            parameters: OnceCell::new(),
            links: RefCell::default(),
            turn: RefCell::default(),
        };
        Ok(Self {
            host,
            container: None,
            imagined: None,
        })
    }

    /// The host's namespace, beside what is imagined of a container and for it.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn with_imagined(imagined: Imagined) -> Result<Self, Error> {
        let namespaces = Self::host_only()?;
        for link in imagined.of_host() {
            namespaces.host.remember(&link.name, (**link).clone());
        }
        Ok(Self {
            imagined: Some(RefCell::new(imagined)),
            ..namespaces
        })
    }

    /// What is imagined, where something is.
    pub fn imagined(&self) -> Option<Ref<'_, Imagined>> {
        self.imagined.as_ref().map(RefCell::borrow)
    }

    /// What was imagined.
    pub fn into_imagined(self) -> Option<Imagined> {
        self.imagined.map(RefCell::into_inner)
    }

    /// Imagines a link that a step would make; the plan speaks of it from then on.
    pub(crate) fn imagine(&self, place: Place, link: Link) -> Rc<Link> {
        let Some(imagined) = &self.imagined else {
            return Rc::new(link);
        };
        let link = imagined.borrow_mut().add(place, link);
        if place == Place::Host {
            self.host.remember(&link.name, (*link).clone());
        }
        link
    }

    /// Imagines what changes would make of the routes and addresses of a place.
    pub(crate) fn imagine_changes(&self, place: Place, changes: Vec<Change>) {
        if let Some(imagined) = &self.imagined {
            let mut imagined = imagined.borrow_mut();
            let mut change = |change| imagined.change(place, change);
            changes.into_iter().for_each(&mut change);
        }
    }

    /// Opens the host's namespace, beside the container's that was opened at this path. What is at the path
    /// by now is not looked at: it may be the host's own, where a process that ended had it.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_ENVIRONMENT`] when that is no network namespace.
    pub fn open(path: &Path, opened: Result<Netns, OpenError>) -> Result<Self, Error> {
        Self::with_container(opened.map_err(|error| not_a_namespace(path, &error))?)
    }

    /// The same, `None` when there was nothing at the path or a plain file: the mount point of a
    /// namespace that is gone.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_if_there(
        path: &Path,
        opened: Result<Netns, OpenError>,
    ) -> Result<Option<Self>, Error> {
        match opened {
            Ok(netns) => Self::with_container(netns).map(Some),
            Err(OpenError::Missing | OpenError::NotANamespace) => Ok(None),
            Err(error) => Err(not_a_namespace(path, &error)),
        }
    }

    fn with_container(netns: Netns) -> Result<Self, Error> {
        let rtnl = Rtnl::open_in(&netns).map_err(explain)?;
        let container = Side {
            netns: Some(netns),
            rtnl,
            parameters: OnceCell::new(),
            links: RefCell::default(),
            turn: RefCell::default(),
        };
        Ok(Self {
            container: Some(container),
            ..Self::host_only()?
        })
    }

    /// The side of a place.
    ///
    /// # Errors
    /// When the container's was not opened.
    pub fn side(&self, place: Place) -> Result<&Side, Error> {
        match place {
            Place::Host => Ok(&self.host),
            Place::Container => self.container.as_ref().ok_or_else(|| {
                Error::new(
                    ErrorCode::UNKNOWN_CONTAINER,
                    "the container's namespace is gone",
                )
            }),
        }
    }

    /// The host's side.
    pub fn host(&self) -> &Side {
        &self.host
    }

    /// The container's side.
    ///
    /// # Errors
    /// When it was not opened.
    pub fn container(&self) -> Result<&Side, Error> {
        self.side(Place::Container)
    }

    /// An error when the container has a link of this name already.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_ENVIRONMENT`] with what it is.
    pub(crate) fn refuse_taken_name(&self, name: &str) -> Result<(), Error> {
        let taken = match self.imagined_link(&LinkRef::container(name)) {
            Some(imagined) => imagined,
            // As it is now, whatever was found before.
            None => self.container()?.rtnl().link(name).map(Rc::new),
        };
        let Some(taken) = if_there(taken)? else {
            return Ok(());
        };
        Err(Error::new(
            ErrorCode::INVALID_ENVIRONMENT,
            format!("CNI_IFNAME {name:?} already exists in the container"),
        )
        .with_details(format!(
            "it is {}; detach it with DEL first, or use another interface name",
            taken.kind.as_deref().unwrap_or("a device")
        )))
    }

    /// The link that a plan speaks of: as it was made or found when the plan first came to it.
    ///
    /// # Errors
    /// When there is none.
    pub fn link(&self, link: &LinkRef) -> Result<Rc<Link>, Error> {
        match self.imagined_link(link) {
            Some(imagined) => imagined.map_err(explain),
            None => self.side(link.place)?.link(&link.name),
        }
    }

    /// The same; `None` when there is none.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn link_if_there(&self, link: &LinkRef) -> Result<Option<Rc<Link>>, Error> {
        match self.imagined_link(link) {
            Some(imagined) => Ok(imagined.ok()),
            None => self.side(link.place)?.link_if_there(&link.name),
        }
    }

    /// A link of a container that is imagined; `None` for all others.
    fn imagined_link(&self, link: &LinkRef) -> Option<Result<Rc<Link>, KernelError>> {
        let imagined = self.imagined().filter(|_| link.place == Place::Container)?;
        let found = imagined.link(link);
        Some(found.ok_or_else(|| not_found(&link.name)))
    }

    /// The container's link of this name, as it is now.
    ///
    /// # Errors
    /// When there is none.
    pub fn inside(&self, name: &str) -> Result<Result<Link, KernelError>, Error> {
        match self.imagined_link(&LinkRef::container(name)) {
            Some(imagined) => Ok(imagined.map(|link| (*link).clone())),
            None => Ok(self.container()?.rtnl().link(name)),
        }
    }

    /// Remembers a link of the container under the name that the plan has for it.
    pub(crate) fn remember_inside(&self, name: &str, link: Link) -> Rc<Link> {
        match &self.container {
            Some(container) => container.remember(name, link),
            None => Rc::new(link),
        }
    }

    /// The name of the host's link that a packet to this address would leave by; `None` where there is none.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn way_to(&self, address: IpAddr) -> Result<Option<String>, KernelError> {
        if let Some(link) = self
            .imagined()
            .and_then(|imagined| imagined.way_to(address))
        {
            return Ok(Some(link));
        }
        let rtnl = self.host.rtnl();
        let Some(index) = rtnl.route_to(address)?.and_then(|route| route.link) else {
            return Ok(None);
        };
        match rtnl.link_at(index) {
            Ok(link) if link.is_loopback() => Ok(None),
            Ok(link) => Ok(Some(link.name)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Supposes that the container has this link, a pair with an end on the host, of which nothing else is known.
    pub fn suppose_pair(&self, name: &str) {
        let link = |name: String, parent| Link {
            name,
            kind: Some("veth".to_owned()),
            mtu: ETHERNET_MTU,
            flags: IFF_UP,
            parent,
            ..Link::default()
        };
        let host = self.imagine(
            Place::Host,
            link(format!("<the host's end of {name}>"), None),
        );
        self.imagine(Place::Container, link(name.to_owned(), Some(host.index)));
    }

    /// The container's links.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn links_inside(&self) -> Result<Vec<Link>, Error> {
        match self.imagined() {
            Some(imagined) => Ok(imagined
                .of_container()
                .map(|link| (**link).clone())
                .collect()),
            None => self.container()?.rtnl().links().map_err(explain),
        }
    }

    /// The addresses of the container's link with this index.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn addresses_inside(&self, link: u32) -> Result<Vec<Address>, Error> {
        match self.imagined() {
            Some(imagined) => Ok(imagined.addresses(link)),
            None => self.container()?.rtnl().addresses(link).map_err(explain),
        }
    }

    /// The container's routes that the filter lets pass.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn routes_inside(&self, filter: RouteFilter) -> Result<Vec<Route>, Error> {
        match self.imagined() {
            Some(imagined) => Ok(imagined.routes(filter)),
            None => self.container()?.rtnl().routes(filter).map_err(explain),
        }
    }

    /// The first routing table from this one on that nothing in the container uses.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn free_table_inside(&self, first: u32) -> Result<u32, Error> {
        match self.imagined() {
            Some(imagined) => Ok(imagined.free_table(first).unwrap_or(first)),
            None => self.container()?.rtnl().free_table(first).map_err(explain),
        }
    }

    /// The same for a link that a person named, by any of its names: a master.
    pub(crate) fn master_if_there(&self, link: &LinkRef) -> Result<Option<Rc<Link>>, Error> {
        if_there(
            self.side(link.place)?
                .recall(&link.name, Rtnl::link_by_any_name),
        )
    }
}

impl Side {
    /// The routing socket.
    pub fn rtnl(&self) -> &Rtnl {
        &self.rtnl
    }

    /// The kernel parameters of its links. Who needs them first enters the namespace for them.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn parameters(&self) -> Result<&LinkParameters, KernelError> {
        if let Some(opened) = self.parameters.get() {
            return Ok(opened);
        }
        let opened = match &self.netns {
            None => LinkParameters::of_the_caller(),
            Some(netns) => netns.run(LinkParameters::open)??,
        };
        Ok(self.parameters.get_or_init(|| opened))
    }

    /// The namespace, for the container's side.
    pub fn netns(&self) -> Option<&Netns> {
        self.netns.as_ref()
    }

    /// Runs `work` in this namespace.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        match &self.netns {
            None => Ok(work()),
            Some(netns) => netns.run(work).map_err(explain),
        }
    }

    /// Waits until nobody is making what attachments share here (a bridge, a gateway's address): what is seen
    /// from then on is not taken away again because its maker failed.
    ///
    /// Who waits in vain goes on without, as where there is no place for a lock: that must not keep containers from
    /// being attached.
    pub(crate) fn share(&self) {
        let mut turn = self.turn.borrow_mut();
        if matches!(*turn, Turn::None) {
            *turn = shared();
        }
    }

    /// Keeps all others from using what is shared until this plugin has succeeded or undone what it makes.
    /// Whoever made it may have been faster, so it is looked for again.
    pub(crate) fn claim(&self) {
        let mut turn = self.turn.borrow_mut();
        if matches!(*turn, Turn::Alone(_)) {
            return;
        }
        // Two that hold the lock together would wait for each other.
        *turn = Turn::None;
        let claimed = Lock::of_host(Mode::Alone, CLAIM_DEADLINE);
        *turn = claimed.map_or_else(|_| shared(), Turn::Alone);
    }

    /// Whether nobody else can have used what this plugin made since it [claimed](Self::claim) it.
    pub(crate) fn is_alone(&self) -> bool {
        matches!(*self.turn.borrow(), Turn::Alone(_))
    }

    /// The link of this name; asked for once.
    ///
    /// # Errors
    /// When there is none.
    pub fn link(&self, name: &str) -> Result<Rc<Link>, Error> {
        self.recall(name, Rtnl::link).map_err(explain)
    }

    /// The same; `None` when there is none.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn link_if_there(&self, name: &str) -> Result<Option<Rc<Link>>, Error> {
        if_there(self.recall(name, Rtnl::link))
    }

    fn recall(
        &self,
        name: &str,
        find: impl FnOnce(&Rtnl, &str) -> Result<Link, KernelError>,
    ) -> Result<Rc<Link>, KernelError> {
        if let Some(link) = self.links.borrow().get(name) {
            return Ok(Rc::clone(link));
        }
        let link = find(&self.rtnl, name)?;
        Ok(self.remember(name, link))
    }

    /// Remembers a link under the name that the plan has for it.
    pub fn remember(&self, name: &str, link: Link) -> Rc<Link> {
        let link = Rc::new(link);
        let mut links = self.links.borrow_mut();
        links.insert(name.to_owned(), Rc::clone(&link));
        link
    }
}

/// That something could not be looked for does not say that it is missing.
fn if_there<T>(found: Result<T, KernelError>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(explain(error)),
    }
}

fn not_a_namespace(path: &Path, error: &OpenError) -> Error {
    let path = path.display().to_string();
    // Scripts know these words of the reference's.
    let why = match error {
        OpenError::Missing => format!("failed to Statfs {path:?}: no such file or directory"),
        error => error.to_string(),
    };
    Error::new(
        ErrorCode::INVALID_ENVIRONMENT,
        format!("failed to open netns {path:?}: {why}"),
    )
    .with_details(format!(
        "CNI_NETNS is the path of the container's network namespace, such as /run/netns/NAME or \
         /proc/PID/ns/net{}",
        match error {
            OpenError::Missing => "; the container may have ended",
            _ => "",
        }
    ))
}
