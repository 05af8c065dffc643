//! The work of an ADD: done, or told to who asks what it would be. One function of each plugin says what is to be done, so
//! that what is told is what is done.

use std::marker::PhantomData;

use linkspan_plan::identity;
use linkspan_plan::{Imagined, LinkRef, Namespaces, Plan, apply, foresee};
use linkspan_plugin::spec::{Error, MacAddr, Success};
use linkspan_plugin::{Call, Foreseen, Foresight, Ipam, Undo, warn};

use super::lease::has_address;
use super::owner_of;

/// The work of one plugin on one attachment.
///
/// What is undone asks the IPAM plugin of the call, which so outlives it (`'i`).
pub struct Work<'i, 'n> {
    namespaces: &'n Namespaces,
    way: Way<'n>,
    call: PhantomData<&'n &'i ()>,
}

enum Way<'n> {
    Done(Undo<'n>),
    Told(&'n mut Foresight),
}

impl<'n> Work<'_, 'n> {
    /// Does the work of an ADD: all of it, or nothing that lasts.
    ///
    /// # Errors
    /// Those of the work.
    pub fn done<T>(
        namespaces: &'n Namespaces,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut doing = Self {
            namespaces,
            way: Way::Done(Undo::new()),
            call: PhantomData,
        };
        let result = work(&mut doing)?;
        if let Way::Done(undo) = doing.way {
            undo.commit();
        }
        Ok(result)
    }
}

/// Tells the work of an ADD of a container that there is none of yet.
///
/// # Errors
/// Those of the work, as far as they can be foreseen.
pub fn told<'i, C>(
    call: &Call<'i, C>,
    foresight: &mut Foresight,
    work: impl FnOnce(&mut Work<'i, '_>) -> Result<Success, Error>,
) -> Result<Success, Error> {
    let owner = owner_of(call)?;
    foresight.stand_in(identity::link_name(&owner), "veth…");
    for name in identity::ifb_names(&owner) {
        foresight.stand_in(name, "bwp…");
    }
    let namespaces = Namespaces::with_imagined(Imagined::of(foresight))?;
    suppose(call, &namespaces)?;
    let outcome = work(&mut Work {
        namespaces: &namespaces,
        way: Way::Told(foresight),
        call: PhantomData,
    });
    if let Some(imagined) = namespaces.into_imagined() {
        imagined.hand_on(foresight);
    }
    outcome
}

/// Supposes that the container has what plugins of others are to have made: a pair of links, as most make it.
fn suppose<C>(call: &Call<'_, C>, namespaces: &Namespaces) -> Result<(), Error> {
    let before = call.prev_result()?.unwrap_or_default();
    let inside = before
        .interfaces
        .iter()
        .filter(|one| !one.sandbox.is_empty());
    for interface in inside {
        let link = LinkRef::container(interface.name.as_str());
        if namespaces.link_if_there(&link)?.is_none() {
            namespaces.suppose_pair(&interface.name);
        }
    }
    Ok(())
}

impl<'i, 'n> Work<'i, 'n> {
    /// The two namespaces.
    pub fn namespaces(&self) -> &'n Namespaces {
        self.namespaces
    }

    /// Makes a plan so.
    ///
    /// # Errors
    /// As [`apply`].
    pub fn apply(&mut self, plan: &Plan) -> Result<(), Error> {
        match &mut self.way {
            Way::Done(undo) => apply(plan, self.namespaces, undo),
            Way::Told(foresight) => foresee(plan, self.namespaces, foresight),
        }
    }

    /// Does what is in no plan, by `act`, which registers how it is undone. `words` say what that is.
    ///
    /// # Errors
    /// Those of `act`.
    pub fn act(
        &mut self,
        words: impl FnOnce() -> Foreseen,
        act: impl FnOnce(&mut Undo<'n>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match &mut self.way {
            Way::Done(undo) => act(undo),
            Way::Told(foresight) => {
                foresight.tell(words());
                Ok(())
            }
        }
    }

    /// The addresses that an IPAM plugin gives, at least one.
    ///
    /// # Errors
    /// As [`lease`](super::lease()).
    pub fn lease(&mut self, ipam: &Ipam<'i>) -> Result<Success, Error> {
        match &mut self.way {
            Way::Done(undo) => super::lease(ipam, undo),
            Way::Told(foresight) => ipam.foresee(foresight).and_then(has_address),
        }
    }

    /// The addresses that the configuration's IPAM plugin gives, none without one, and what is still to be made of the plan
    /// of the link: nothing where the IPAM plugin needed it.
    ///
    /// # Errors
    /// As [`lease`](super::lease()), and why the link could not be made.
    pub fn lease_with_link<C>(
        &mut self,
        call: &Call<'i, C>,
        link: Plan,
    ) -> Result<(Success, Plan), Error> {
        let Some(ipam) = call.ipam()? else {
            return Ok((Success::default(), link));
        };
        if !ipam.needs_link() {
            return Ok((self.lease(&ipam)?, link));
        }
        self.apply(&link)?;
        Ok((self.lease(&ipam)?, Plan::default()))
    }

    /// A MAC address for a link; `words` say whose it is, while it is not chosen.
    pub fn random_mac(&mut self, words: &str) -> MacAddr {
        match &mut self.way {
            Way::Done(_) => identity::random_mac(),
            Way::Told(foresight) => foresight.unknown_mac(words),
        }
    }

    /// Tells on standard error what people should know, unless a plan tells it.
    pub fn warn(&self, words: &str) {
        if let Way::Done(_) = self.way {
            warn(words);
        }
    }
}
