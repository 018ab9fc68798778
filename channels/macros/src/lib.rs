//! The macros of the `service` crate, which re-exports and documents them. They report every mistake that they find with
//! what to do about it; what only types can tell (sizes, encodings) is left to assertions in the code they generate.

#![forbid(unsafe_code)]

mod client;
mod declaration;
mod method;
mod server;
mod wire;

use proc_macro::TokenStream;
use quote::quote;
use syn::{Error, ItemTrait, parse_macro_input};

/// Derives `service::Wire` for a struct or an enum.
///
/// A struct is its fields in order. An enum is one byte, the variant's number, then the variant's fields and zeros up to
/// the size of its largest variant. Variants are numbered as Rust numbers them, `A = 3` included, from 0 to 255.
#[proc_macro_derive(Wire)]
pub fn derive_wire(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as syn::DeriveInput);
    wire::derive(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// Makes a service of a trait: `#[service(version = 1)] trait Counter { … }`.
///
/// For a trait `Counter` it generates:
/// - the trait, to be implemented by the server's program, with one more method, `client_left`, that does nothing;
/// - `CounterServer<T>`, which a `service::Server` serves;
/// - `CounterAsync`, `CounterSync` and `CounterEvents`, the three forms of client, and `CounterReply` for the last.
///
/// Methods take `&mut self`, then, if they want to know it, `client: ClientId`, then the arguments, all `Wire`. They
/// return what is `Wire`, or are marked `#[suspends]`, return nothing, and take as the last argument
/// `answer: Pending<R>`, which they keep and answer when they can. Methods are numbered from 1 in the order of their
/// declaration: add new ones at the end, or raise the version.
#[proc_macro_attribute]
pub fn service(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = proc_macro2::TokenStream::from(attribute);
    let Ok(item) = syn::parse::<ItemTrait>(item.clone()) else {
        let item = proc_macro2::TokenStream::from(item);
        // What is no trait either has an error of its own or deserves this one.
        let error = Error::new_spanned(&item, "`#[service]` makes a service of a trait: put it on a `trait`");
        return error.into_compile_error().into();
    };
    match declaration::Service::read(attribute, item) {
        Ok(service) => {
            let (server, client) = (server::generate(&service), client::generate(&service));
            quote!(#server #client).into()
        }
        Err(error) => error.into_compile_error().into(),
    }
}
