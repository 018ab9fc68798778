//! The declaration of a service, read from a trait and checked.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::Parser;
use syn::{Attribute, Error, Ident, ItemTrait, LitInt, Result, TraitItem, Visibility};

use crate::method::Method;

/// Numbers of methods have seven bits and begin with 1.
const MOST_METHODS: usize = 127;

pub(crate) struct Service {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) version: u8,
    pub(crate) methods: Vec<Method>,
}

/// Mistakes found so far: all are reported together.
#[derive(Default)]
pub(crate) struct Mistakes(Option<Error>);

impl Mistakes {
    pub(crate) fn add(&mut self, at: impl ToTokens, sentence: impl core::fmt::Display) {
        self.add_error(Error::new_spanned(at, sentence));
    }

    pub(crate) fn add_error(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn none_or_error(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

impl Service {
    pub(crate) fn read(attribute: TokenStream, item: ItemTrait) -> Result<Self> {
        let mut mistakes = Mistakes::default();
        let version = read_version(attribute).unwrap_or_else(|error| {
            mistakes.add_error(error);
            1
        });
        check_trait(&item, &mut mistakes);
        let mut methods = Vec::new();
        for item in item.items {
            match item {
                TraitItem::Fn(method) if methods.len() == MOST_METHODS => {
                    mistakes.add(
                        &method.sig.ident,
                        format!("a service has at most {MOST_METHODS} methods: make two services of it"),
                    );
                    break;
                }
                TraitItem::Fn(method) => {
                    let number = u8::try_from(methods.len() + 1).expect("at most 127");
                    methods.extend(Method::read(method, number, &mut mistakes));
                }
                other => mistakes.add(other, "a service consists of methods only: declare this outside of the trait"),
            }
        }
        if methods.is_empty() {
            mistakes.add(&item.ident, "a service without methods does nothing: declare one");
        }
        mistakes.none_or_error()?;
        Ok(Self { attributes: item.attrs, visibility: item.vis, name: item.ident, version, methods })
    }

    /// The name of something generated: the service's name and this.
    pub(crate) fn named(&self, suffix: &str) -> Ident {
        quote::format_ident!("{}{suffix}", self.name)
    }
}

fn read_version(attribute: TokenStream) -> Result<u8> {
    const MISSING: &str = "say which version of the service this declares: `#[service(version = 1)]`; clients of another \
                           version are refused, so raise it when methods or their types change";
    let mut version = None;
    let parser = syn::meta::parser(|meta| {
        if !meta.path.is_ident("version") {
            return Err(meta.error("`#[service]` knows `version` only: `#[service(version = 1)]`"));
        }
        let number: LitInt = meta.value()?.parse()?;
        let value = number.base10_parse().ok().filter(|value: &u8| *value > 0);
        version = Some(value.ok_or_else(|| Error::new_spanned(&number, "a version is a number from 1 to 255"))?);
        Ok(())
    });
    parser.parse2(attribute)?;
    version.ok_or_else(|| Error::new(proc_macro2::Span::call_site(), MISSING))
}

fn check_trait(item: &ItemTrait, mistakes: &mut Mistakes) {
    if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
        mistakes.add(&item.generics, "a service is not generic: its messages need types of known size, name them");
    }
    if !item.supertraits.is_empty() {
        mistakes.add(&item.supertraits, "a service has no supertraits: declare all its methods here");
    }
    if let Some(keyword) = item.unsafety {
        mistakes.add(keyword, "a service is not unsafe: no client can keep a promise for the server; remove `unsafe`");
    }
}
