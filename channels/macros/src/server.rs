//! What is generated for the server: the trait and its dispatch.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::declaration::Service;
use crate::method::Method;

pub(crate) fn generate(service: &Service) -> TokenStream {
    let Service { attributes, visibility, name, version, methods } = service;
    let server = service.named("Server");
    let declared = methods.iter().map(|method| &method.declared);
    let sizes = methods.iter().map(assert_sizes);
    let arms = methods.iter().map(|method| arm(service, method));
    let server_doc = format!("A [`{name}`] as `service::Server` serves it.");
    quote! {
        #(#attributes)*
        #visibility trait #name {
            #(#declared)*

            /// A client is gone: what is kept for it can be dropped.
            fn client_left(&mut self, client: ::service::ClientId) {
                let _ = client;
            }
        }

        #(#sizes)*

        #[doc = #server_doc]
        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        #[derive(Debug)]
        #visibility struct #server<T>(
            /// The service.
            #visibility T,
        );

        impl<T: #name> ::service::Dispatch for #server<T> {
            const VERSION: u8 = #version;

            fn dispatch(
                &mut self,
                call: &mut ::service::Call<'_>,
            ) -> ::core::result::Result<::service::Outcome, ::service::Refusal> {
                match call.method() {
                    #(#arms)*
                    unknown => ::core::result::Result::Err(::service::Refusal::UnknownMethod(unknown)),
                }
            }

            fn client_left(&mut self, client: ::service::ClientId) {
                <T as #name>::client_left(&mut self.0, client);
            }
        }
    }
}

fn assert_sizes(method: &Method) -> TokenStream {
    let (name, reply) = (method.name().to_string(), &method.reply);
    // Type by type, so that one that cannot travel is reported where it stands.
    let types: Vec<_> = method.arguments.iter().map(|(_, argument)| argument).collect();
    let request = if types.is_empty() { quote!(0) } else { quote!(#(<#types as ::service::Wire>::SIZE)+*) };
    quote_spanned! { method.name().span() =>
        const _: () = ::service::wire::assert_fits("request", #name, #request);
        const _: () = ::service::wire::assert_fits("reply", #name, <#reply as ::service::Wire>::SIZE);
    }
}

fn arm(service: &Service, method: &Method) -> TokenStream {
    let (trait_name, number, name, reply) = (&service.name, method.number, method.name(), &method.reply);
    let (names, types): (Vec<_>, Vec<_>) = method.arguments.iter().map(|(name, argument)| (name, argument)).unzip();
    let client = method.takes_client.then(|| quote!(call.client(),));
    // Fields of a tuple, because an argument may have the name of something that this code uses.
    let fields: Vec<_> = (0..names.len()).map(syn::Index::from).collect();
    let body = if method.suspends {
        quote! {
            let answer = call.suspend::<#reply>()?;
            <T as #trait_name>::#name(&mut self.0, #client #(arguments.#fields,)* answer);
            ::core::result::Result::Ok(::service::Outcome::Suspended)
        }
    } else {
        quote! {
            let reply: #reply = <T as #trait_name>::#name(&mut self.0, #client #(arguments.#fields,)*);
            ::core::result::Result::Ok(::service::Outcome::reply(&reply))
        }
    };
    quote! {
        #number => {
            #[allow(unused_variables, clippy::let_unit_value, reason = "a method may have no arguments or no reply")]
            let arguments: (#(#types,)*) = call.arguments()?;
            #body
        }
    }
}
