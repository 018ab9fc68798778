//! What is generated for clients: the three forms, and the reply of any method.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;

use crate::declaration::Service;
use crate::method::Method;

pub(crate) fn generate(service: &Service) -> TokenStream {
    let asynchronous = asynchronous(service);
    let synchronous = synchronous(service);
    let events = events(service);
    quote!(#asynchronous #synchronous #events)
}

fn asynchronous(service: &Service) -> TokenStream {
    let Service { visibility, name, .. } = service;
    let client = service.named("Async");
    let methods = service.methods.iter().map(|method| {
        let Parts { documentation, name, parameters, call, payload } = Parts::of(service, method);
        let reply = &method.reply;
        quote! {
            #(#documentation)*
            ///
            /// The request is on its way at once; the future has the reply.
            #visibility fn #name(&self, #parameters) -> ::service::Answer<'_, #reply, L, N> {
                self.caller.call_async(#call, &#payload)
            }
        }
    });
    let doc = format!("Client of [`{name}`] whose calls are futures, up to `N` outstanding.");
    quote! {
        #[doc = #doc]
        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        #[derive(Debug)]
        #visibility struct #client<L, const N: usize = 16> {
            caller: ::service::Caller<L, N>,
        }

        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        impl<L: ::service::Link> #client<L> {
            /// A client over this link, with up to 16 calls outstanding.
            #[must_use]
            #visibility fn new(link: L) -> Self {
                Self::over(::service::Caller::new(link))
            }
        }

        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        impl<L: ::service::Link, const N: usize> #client<L, N> {
            /// A client with a table of its own size.
            #[must_use]
            #visibility fn over(caller: ::service::Caller<L, N>) -> Self {
                Self { caller }
            }

            /// What is under the client: pump it at an event of the channel.
            #[must_use]
            #visibility fn caller(&self) -> &::service::Caller<L, N> {
                &self.caller
            }

            #(#methods)*
        }
    }
}

fn synchronous(service: &Service) -> TokenStream {
    let Service { visibility, name, .. } = service;
    let client = service.named("Sync");
    let methods = service.methods.iter().map(|method| {
        let Parts { documentation, name, parameters, call, payload } = Parts::of(service, method);
        let reply = &method.reply;
        quote! {
            #(#documentation)*
            ///
            /// # Errors
            /// Whatever kept the call from being answered.
            #visibility fn #name(
                &mut self,
                #parameters
            ) -> ::core::result::Result<#reply, ::service::CallError> {
                self.caller.call(#call, &#payload, &mut self.wait)
            }
        }
    });
    let doc = format!("Client of [`{name}`] whose calls wait for the reply, by `W`.");
    quote! {
        #[doc = #doc]
        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        #[derive(Debug)]
        #visibility struct #client<L, W> {
            // More than one: calls on which one gave up occupy a place until their reply comes.
            caller: ::service::Caller<L, 16>,
            wait: W,
        }

        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        impl<L: ::service::Link, W: ::service::Wait> #client<L, W> {
            /// A client over this link that calls `wait` until a reply comes.
            #[must_use]
            #visibility fn new(link: L, wait: W) -> Self {
                Self { caller: ::service::Caller::new(link), wait }
            }

            /// What is under the client.
            #[must_use]
            #visibility fn caller(&self) -> &::service::Caller<L, 16> {
                &self.caller
            }

            #(#methods)*
        }
    }
}

fn events(service: &Service) -> TokenStream {
    let Service { visibility, name, .. } = service;
    let (client, reply_enum) = (service.named("Events"), service.named("Reply"));
    let methods = service.methods.iter().map(|method| {
        let Parts { documentation, name, parameters, call, payload } = Parts::of(service, method);
        quote! {
            #(#documentation)*
            ///
            /// Sends the request; [`Self::poll`] has the reply. The server is notified at the next poll.
            ///
            /// # Errors
            /// When nothing can be sent now.
            #visibility fn #name(
                &mut self,
                #parameters
            ) -> ::core::result::Result<::service::Token, ::service::CallError> {
                self.caller.submit(#call, &#payload)
            }
        }
    });
    let variants = service.methods.iter().map(|method| {
        let (variant, reply) = (variant(method), &method.reply);
        let doc = format!("What `{}` answered.", method.name());
        quote!(#[doc = #doc] #variant(#reply))
    });
    let arms = service.methods.iter().map(|method| {
        let (variant, number) = (variant(method), method.number);
        quote!(#number => ::service::generated::decode_reply(&payload).map(#reply_enum::#variant))
    });
    let doc = format!("Client of [`{name}`] that is polled for replies, up to `N` outstanding.");
    let reply_doc = format!("What a method of [`{name}`] answered.");
    quote! {
        #[doc = #reply_doc]
        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        #[derive(Debug)]
        #visibility enum #reply_enum {
            #(#variants,)*
        }

        #[doc = #doc]
        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        #[derive(Debug)]
        #visibility struct #client<L, const N: usize = 16> {
            caller: ::service::Caller<L, N>,
        }

        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        impl<L: ::service::Link> #client<L> {
            /// A client over this link, with up to 16 calls outstanding.
            #[must_use]
            #visibility fn new(link: L) -> Self {
                Self::over(::service::Caller::new(link))
            }
        }

        #[allow(dead_code, reason = "a program uses what it needs of a service")]
        impl<L: ::service::Link, const N: usize> #client<L, N> {
            /// A client with a table of its own size.
            #[must_use]
            #visibility fn over(caller: ::service::Caller<L, N>) -> Self {
                Self { caller }
            }

            /// What is under the client.
            #[must_use]
            #visibility fn caller(&self) -> &::service::Caller<L, N> {
                &self.caller
            }

            /// Takes what came and returns a request that is done, by the token that it was given, or `None` when there
            /// is none for now.
            #visibility fn poll(
                &mut self,
            ) -> ::core::option::Option<(
                ::service::Token,
                ::core::result::Result<#reply_enum, ::service::CallError>,
            )> {
                self.caller.pump();
                let (token, method, result) = self.caller.take_any()?;
                let reply = result.and_then(|payload| match method {
                    #(#arms,)*
                    unknown => ::core::result::Result::Err(::service::CallError::UnknownMethod(unknown)),
                });
                ::core::option::Option::Some((token, reply))
            }

            #(#methods)*
        }
    }
}

/// What the three forms of a method have in common.
struct Parts<'a> {
    documentation: Vec<&'a syn::Attribute>,
    name: &'a Ident,
    parameters: TokenStream,
    call: TokenStream,
    payload: TokenStream,
}

impl<'a> Parts<'a> {
    fn of(service: &Service, method: &'a Method) -> Self {
        let (version, number) = (service.version, method.number);
        let (names, types): (Vec<_>, Vec<_>) = method.arguments.iter().map(|(name, argument)| (name, argument)).unzip();
        Self {
            documentation: method.documentation().collect(),
            name: method.name(),
            parameters: quote!(#(#names: #types),*),
            call: quote!(::service::generated::Method { version: #version, number: #number }),
            payload: quote!(::service::generated::payload_of(&(#(#names,)*))),
        }
    }
}

/// The method's name as a variant is written: `wait_for` becomes `WaitFor`.
fn variant(method: &Method) -> Ident {
    let mut variant = String::new();
    for part in method.name().unraw().to_string().split('_') {
        let mut letters = part.chars();
        variant.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        variant.extend(letters);
    }
    format_ident!("{variant}", span = method.name().span())
}
