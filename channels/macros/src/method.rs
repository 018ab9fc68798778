//! One method of a service, read and checked.

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{
    Attribute, FnArg, GenericArgument, Ident, Pat, PatType, PathArguments, PathSegment, Receiver, ReturnType,
    Signature, TraitItemFn, Type, parse_quote,
};

use crate::declaration::Mistakes;

/// Names that the generated code uses beside the methods' own.
const RESERVED: [&str; 5] = ["client_left", "new", "over", "caller", "poll"];

/// The longest tuple that can travel.
const MOST_ARGUMENTS: usize = 12;

pub(crate) struct Method {
    pub(crate) number: u8,
    /// The declaration as the trait has it, without `#[suspends]`.
    pub(crate) declared: TraitItemFn,
    pub(crate) takes_client: bool,
    /// Names and types of what travels.
    pub(crate) arguments: Vec<(Ident, Type)>,
    pub(crate) reply: Type,
    pub(crate) suspends: bool,
}

impl Method {
    /// Reads a method and reports what is wrong with it; `None` if nothing sensible can be made of it.
    pub(crate) fn read(mut declared: TraitItemFn, number: u8, mistakes: &mut Mistakes) -> Option<Self> {
        check_signature(&declared, mistakes);
        let suspends = declared.attrs.iter().any(is_suspends);
        check_attributes(&declared.attrs, mistakes);
        declared.attrs.retain(|attribute| !is_suspends(attribute));

        let mut inputs: Vec<&PatType> = Vec::new();
        for input in &declared.sig.inputs {
            match input {
                FnArg::Receiver(_) => {}
                FnArg::Typed(argument) => inputs.push(argument),
            }
        }
        let mut inputs = inputs.as_slice();
        let takes_client = inputs.first().is_some_and(|first| last_segment(&first.ty, "ClientId").is_some());
        if takes_client {
            inputs = &inputs[1..];
        }
        let pending = inputs.last().and_then(|last| last_segment(&last.ty, "Pending"));
        if pending.is_some() {
            inputs = &inputs[..inputs.len() - 1];
        }
        let reply = read_reply(&declared.sig, suspends, pending, mistakes);
        let arguments: Vec<_> = inputs.iter().filter_map(|input| read_argument(input, mistakes)).collect();
        if arguments.len() > MOST_ARGUMENTS {
            mistakes.add(
                &declared.sig.ident,
                format!(
                    "a method takes at most {MOST_ARGUMENTS} arguments: group them in a struct with `#[derive(Wire)]`"
                ),
            );
        }
        Some(Self { number, takes_client, arguments, reply: reply?, suspends, declared })
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.declared.sig.ident
    }

    /// The method's documentation.
    pub(crate) fn documentation(&self) -> impl Iterator<Item = &Attribute> {
        self.declared.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"))
    }
}

fn is_suspends(attribute: &Attribute) -> bool {
    attribute.path().is_ident("suspends")
}

fn check_attributes(attributes: &[Attribute], mistakes: &mut Mistakes) {
    for attribute in attributes {
        if is_suspends(attribute) && attribute.meta.require_path_only().is_err() {
            mistakes.add(
                attribute,
                "`#[suspends]` takes nothing: say what is answered in the argument `answer: Pending<R>`",
            );
        }
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            mistakes.add(
                attribute,
                "methods are numbered in order, so client and server must declare the same ones: remove the condition",
            );
        }
    }
}

fn check_signature(declared: &TraitItemFn, mistakes: &mut Mistakes) {
    let signature = &declared.sig;
    let name = &signature.ident;
    if RESERVED.iter().any(|reserved| name == reserved) {
        mistakes.add(name, format!("`{name}` is the name of something that `#[service]` generates: take another one"));
    }
    if let Some(keyword) = signature.asyncness {
        mistakes.add(
            keyword,
            "a server does not wait inside a method: mark it `#[suspends]` and take `answer: Pending<R>` as the last \
             argument, to answer later; remove `async`",
        );
    }
    if let Some(keyword) = signature.unsafety {
        mistakes
            .add(keyword, "a client can call what it likes with what it likes: remove `unsafe` and check arguments");
    }
    if let Some(keyword) = signature.constness {
        mistakes.add(keyword, "a call goes to another cell, it cannot be `const`: remove it");
    }
    if let Some(abi) = &signature.abi {
        mistakes.add(abi, "a call is a message, not a foreign function: remove `extern`");
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        mistakes.add(
            &signature.generics,
            format!("`{name}` is generic, but a message needs types of known size: name the types"),
        );
    }
    if let Some(dots) = &signature.variadic {
        mistakes.add(dots, "a message has a fixed number of arguments: name them");
    }
    if let Some(body) = &declared.default {
        mistakes.add(
            body,
            "a service only declares its methods: end the declaration with `;` and implement it in the server",
        );
    }
    match signature.inputs.first() {
        Some(FnArg::Receiver(receiver)) if is_mutable_self(receiver) => {}
        Some(FnArg::Receiver(receiver)) => {
            mistakes.add(receiver, format!("`{name}` must take `&mut self`: a server calls its methods one at a time"));
        }
        _ => mistakes.add(
            name,
            format!("`{name}` must take `&mut self` first: a call is to a service, write `fn {name}(&mut self, …)`"),
        ),
    }
}

fn is_mutable_self(receiver: &Receiver) -> bool {
    let plain = matches!(&receiver.reference, Some((_, None)));
    plain && receiver.mutability.is_some() && receiver.colon_token.is_none()
}

fn read_argument(argument: &PatType, mistakes: &mut Mistakes) -> Option<(Ident, Type)> {
    check_type(&argument.ty, "an argument", mistakes);
    if last_segment(&argument.ty, "ClientId").is_some() {
        mistakes.add(
            argument,
            "the server says which client calls: take `client: ClientId` as the first argument after `&mut self`, once",
        );
    }
    if last_segment(&argument.ty, "Pending").is_some() {
        mistakes.add(argument, "take `answer: Pending<R>` as the last argument, once");
    }
    for attribute in &argument.attrs {
        mistakes.add(attribute, "arguments of a service have no attributes: remove it");
    }
    match &*argument.pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.mutability.is_none() && name.subpat.is_none() => {
            Some((name.ident.clone(), (*argument.ty).clone()))
        }
        other => {
            mistakes.add(other, "an argument of a service needs a plain name: write `name: Type`");
            None
        }
    }
}

/// What the client gets.
fn read_reply(
    signature: &Signature,
    suspends: bool,
    pending: Option<&PathSegment>,
    mistakes: &mut Mistakes,
) -> Option<Type> {
    let name = &signature.ident;
    match (suspends, pending, &signature.output) {
        (true, Some(_), ReturnType::Type(_, returned)) => {
            mistakes.add(
                returned,
                format!("`{name}` answers through its `Pending`, so it returns nothing: remove the return type"),
            );
            None
        }
        (true, Some(pending), ReturnType::Default) => {
            let PathArguments::AngleBracketed(arguments) = &pending.arguments else {
                mistakes.add(pending, "say what is answered: `Pending<R>`, `Pending<()>` for nothing");
                return None;
            };
            match arguments.args.iter().collect::<Vec<_>>().as_slice() {
                [GenericArgument::Type(reply)] => {
                    check_type(reply, "an answer", mistakes);
                    Some(reply.clone())
                }
                _ => {
                    mistakes.add(arguments, "say what is answered, one type: `Pending<R>`");
                    None
                }
            }
        }
        (true, None, _) => {
            mistakes.add(
                name,
                format!(
                    "`{name}` is marked `#[suspends]` but has nothing to answer with: take `answer: Pending<R>` as the \
                     last argument, where `R` is what the client gets"
                ),
            );
            None
        }
        (false, Some(pending), _) => {
            mistakes.add(pending, format!("`{name}` takes a `Pending`, so mark it `#[suspends]`"));
            None
        }
        (false, None, ReturnType::Default) => Some(parse_quote!(())),
        (false, None, ReturnType::Type(_, returned)) => {
            if last_segment(returned, "Pending").is_some() {
                mistakes.add(
                    returned,
                    "to answer later, mark the method `#[suspends]`, take `answer: Pending<R>` as the last argument and \
                     return nothing",
                );
                return None;
            }
            check_type(returned, "a return type", mistakes);
            Some((**returned).clone())
        }
    }
}

/// Reports types that can never travel, at the place where they are inside of a larger one.
fn check_type(checked: &Type, what: &'static str, mistakes: &mut Mistakes) {
    Unsupported { what, mistakes }.visit_type(checked);
}

struct Unsupported<'a> {
    what: &'static str,
    mistakes: &'a mut Mistakes,
}

impl Unsupported<'_> {
    fn report(&mut self, at: impl ToTokens, is: &str, instead: &str) {
        self.mistakes.add(at, format!("{} cannot be {is}: {instead}", self.what));
    }
}

impl<'ast> Visit<'ast> for Unsupported<'_> {
    fn visit_type(&mut self, checked: &'ast Type) {
        match checked {
            Type::Reference(_) => self.report(
                checked,
                "a reference",
                "nothing is shared with another cell; pass the value, `Text<N>` or `Bytes<N>` for text and bytes, or a \
                 bulk descriptor",
            ),
            Type::Ptr(_) => self.report(checked, "a pointer", "it means nothing in another cell; pass the value"),
            Type::Slice(_) => self.report(checked, "a slice", "pass an array, `Bytes<N>` or a bulk descriptor"),
            Type::BareFn(_) => self.report(checked, "a function", "code does not travel; name the choices in an enum"),
            Type::ImplTrait(_) | Type::TraitObject(_) => {
                self.report(checked, "some type of a trait", "a message needs types of known size; name the type");
            }
            Type::Never(_) => self.report(checked, "`!`", "a call has an answer; return `()` for none"),
            Type::Infer(_) => self.report(checked, "left out", "a message needs types of known size; name the type"),
            Type::Path(path) if path.path.is_ident("Self") => {
                self.report(checked, "`Self`", "the service stays in its cell; pass what the client needs");
            }
            Type::Path(path) if path.path.is_ident("usize") || path.path.is_ident("isize") => {
                self.report(checked, "of machine size", "pass an integer of fixed size, for example `u64`");
            }
            _ => visit::visit_type(self, checked),
        }
    }
}

/// The last part of a type's path if it has this name.
fn last_segment<'a>(checked: &'a Type, name: &str) -> Option<&'a PathSegment> {
    match checked {
        Type::Path(path) => path.path.segments.last().filter(|segment| segment.ident == name),
        _ => None,
    }
}
