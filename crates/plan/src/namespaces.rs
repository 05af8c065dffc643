//! The two namespaces of an attachment, and the links in them that a plan has to do with.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::netns::{Netns, OpenError};
use linkspan_kernel::rtnl::{Link, Rtnl};
use linkspan_kernel::sysctl::LinkParameters;
use linkspan_spec::{Error, ErrorCode};
use linkspan_state::lock::{Lock, Mode};

use crate::fault::explain;
use crate::link::{LinkRef, Place};

/// The host's namespace and the container's.
#[derive(Debug)]
pub struct Namespaces {
    host: Side,
    container: Option<Side>,
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
        })
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
        match self.container()?.rtnl().link(name) {
            Ok(taken) => Err(Error::new(
                ErrorCode::INVALID_ENVIRONMENT,
                format!("CNI_IFNAME {name:?} already exists in the container"),
            )
            .with_details(format!(
                "it is {}; detach it with DEL first, or use another interface name",
                taken.kind.as_deref().unwrap_or("a device")
            ))),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(explain(error)),
        }
    }

    /// The link that a plan speaks of: as it was made or found when the plan first came to it.
    ///
    /// # Errors
    /// When there is none.
    pub fn link(&self, link: &LinkRef) -> Result<Rc<Link>, Error> {
        self.side(link.place)?.link(&link.name)
    }

    /// The same; `None` when there is none.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn link_if_there(&self, link: &LinkRef) -> Result<Option<Rc<Link>>, Error> {
        self.side(link.place)?.link_if_there(&link.name)
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
