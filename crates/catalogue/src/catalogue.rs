//! The catalogue as it is asked: which offers a name has, and what one costs where.

use std::collections::{BTreeMap, BTreeSet};

use crate::builtin;
use crate::date::Date;
use crate::join::{self, Layer};
use crate::money::Price;
use crate::names::{ModelName, RegionName, SellerName};
use crate::offer::{self, Model, Offer, Prior, Region, Seller, Sla};
use crate::problem::nearest;
use crate::read::{self, File};
use crate::report::{Report, UnknownModel};
use crate::terms::Certificate;

/// Sellers, logical models, aliases and offers, all of them good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    pub(crate) sellers: BTreeMap<SellerName, Seller>,
    pub(crate) models: BTreeMap<ModelName, Model>,
    /// Aliases as they are written: each names a model or another alias.
    pub(crate) aliases: BTreeMap<ModelName, String>,
    /// Aliases as they end: each names a model.
    pub(crate) ends: BTreeMap<ModelName, ModelName>,
    pub(crate) offers: BTreeMap<ModelName, BTreeMap<SellerName, Offer>>,
}

impl Catalogue {
    /// The catalogue that Forebay comes with. It is not held against a clock: a machine whose
    /// clock runs late still starts.
    ///
    /// # Errors
    /// What [`parse`](Self::parse) finds; a test sees to it that it finds nothing.
    pub fn builtin() -> Result<Self, Report> {
        Self::parse(builtin::FILES, Date::LAST)
    }

    /// As [`builtin`](Self::builtin), with each date held against `today`.
    pub(crate) fn builtin_on(today: Date) -> Result<Self, Report> {
        Self::parse(builtin::FILES, today)
    }

    /// Reads files that together are a whole catalogue: each row has its source and its date.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(files: &[File<'_>], today: Date) -> Result<Self, Report> {
        Self::default().layer(files, Layer::Whole, today)
    }

    /// Lays a user's files over this catalogue, one after the other. A row replaces what it says
    /// of the row of the same seller and model, adds a row, or removes one with `remove = true`.
    ///
    /// # Errors
    /// Everything that is wrong with the first file that has something wrong.
    pub fn overlay(self, files: &[File<'_>], today: Date) -> Result<Self, Report> {
        files.iter().try_fold(self, |below, file| {
            below.layer(std::slice::from_ref(file), Layer::Over, today)
        })
    }

    fn layer(self, files: &[File<'_>], layer: Layer, today: Date) -> Result<Self, Report> {
        let mut problems = Vec::new();
        let drafts = files
            .iter()
            .map(|file| read::read(*file, today, &mut problems))
            .collect();
        let joined = join::join(self, drafts, layer, &mut problems);
        match problems.is_empty() {
            true => Ok(joined),
            false => Err(Report {
                problems,
                ..Report::default()
            }),
        }
    }

    /// The logical model that a name or an alias stands for.
    ///
    /// # Errors
    /// [`UnknownModel`], with what was probably meant.
    pub fn resolve(&self, name: &str) -> Result<&ModelName, UnknownModel> {
        let known = self.models.get_key_value(name).map(|(name, _)| name);
        known.or_else(|| self.ends.get(name)).ok_or_else(|| {
            let names = self.models.keys().chain(self.ends.keys());
            UnknownModel {
                name: name.chars().take(128).collect(),
                nearest: nearest(name, names.map(ModelName::as_str)),
            }
        })
    }

    /// The offers of a model, by name or alias, in the order of their sellers' names; none where
    /// the name is unknown.
    pub fn offers(&self, model: &str) -> impl Iterator<Item = &Offer> {
        let of_it = self
            .resolve(model)
            .ok()
            .and_then(|name| self.offers.get(name));
        of_it.into_iter().flat_map(BTreeMap::values)
    }

    /// What `seller` sells as `model`, by name or alias, in `region`.
    pub fn offer(&self, seller: &str, model: &str, region: &str) -> Option<Placed<'_>> {
        let seller = self.sellers.get(seller)?;
        let model = self.resolve(model).ok()?;
        let offer = self.offers.get(model)?.get(&seller.name)?;
        let region = offer.regions.iter().find(|name| name.as_str() == region)?;
        Placed::new(seller, offer, region)
    }

    /// An offer in each of its regions.
    pub fn places<'a>(&'a self, offer: &'a Offer) -> impl Iterator<Item = Placed<'a>> {
        let seller = self.sellers.get(&offer.seller);
        let regions = offer.regions.iter();
        regions.filter_map(move |region| Placed::new(seller?, offer, region))
    }

    /// All offers, by model and then by seller.
    pub fn all(&self) -> impl Iterator<Item = &Offer> {
        self.offers.values().flat_map(BTreeMap::values)
    }

    /// All sellers, by name.
    pub fn sellers(&self) -> impl Iterator<Item = &Seller> {
        self.sellers.values()
    }

    /// The seller of that name.
    pub fn seller(&self, name: &str) -> Option<&Seller> {
        self.sellers.get(name)
    }

    /// All logical models, by name.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values()
    }

    /// All aliases and the models that they stand for.
    pub fn aliases(&self) -> impl Iterator<Item = (&ModelName, &ModelName)> {
        self.ends.iter()
    }
}

/// An offer in one of its regions.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// Who sells.
    pub seller: &'a Seller,
    /// What is sold.
    pub offer: &'a Offer,
    /// The region's name.
    pub region_name: &'a RegionName,
    /// The region.
    pub region: &'a Region,
}

impl<'a> Placed<'a> {
    fn new(seller: &'a Seller, offer: &'a Offer, name: &'a RegionName) -> Option<Self> {
        Some(Self {
            seller,
            offer,
            region_name: name,
            region: seller.regions.get(name)?,
        })
    }

    /// What the seller calls the model there.
    pub fn id(&self) -> String {
        // A template that can't be filled in was refused when it was read.
        offer::fill(&self.offer.id, self.region_name, self.region)
            .unwrap_or_else(|_| self.offer.id.clone())
    }

    /// What it costs there; `None` where the seller does not sell by token.
    pub fn price(&self) -> Option<&'a Price> {
        self.offer.price_in(self.region_name.as_str())
    }

    /// The offer's own certificates, or its seller's.
    pub fn certificates(&self) -> &'a BTreeSet<Certificate> {
        let own = self.offer.certificates.as_ref();
        own.unwrap_or(&self.seller.certificates)
    }

    /// The offer's own promise, or its seller's.
    pub fn sla(&self) -> Option<Sla> {
        self.offer.sla.or(self.seller.sla)
    }

    /// What is expected of its speed until measured.
    pub fn prior(&self) -> Option<&'a Prior> {
        self.offer.prior.as_ref().or(self.seller.prior.as_ref())
    }
}
