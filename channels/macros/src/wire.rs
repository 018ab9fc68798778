//! The derived encoding.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{
    Data, DeriveInput, Error, Expr, ExprLit, Fields, Generics, Index, Lit, Member, Result, Variant, parse_quote,
};

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    match &input.data {
        Data::Struct(data) => Ok(derive_struct(input, &data.fields)),
        Data::Enum(data) => derive_enum(input, &data.variants.iter().collect::<Vec<_>>()),
        Data::Union(data) => Err(Error::new_spanned(
            data.union_token,
            "a union does not say which of its fields is meant: derive `Wire` for an enum instead",
        )),
    }
}

fn derive_struct(input: &DeriveInput, fields: &Fields) -> TokenStream {
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let members: Vec<_> = members(fields);
    implement(
        input,
        &quote!(0 #(+ <#types as ::service::Wire>::SIZE)*),
        &quote!(#(writer.put(&self.#members);)*),
        &quote!(Self { #(#members: reader.get()?,)* }),
    )
}

fn derive_enum(input: &DeriveInput, variants: &[&Variant]) -> Result<TokenStream> {
    if variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "an enum without variants has no values that could travel: add one",
        ));
    }
    let numbers = numbers(variants)?;
    let mut size = quote!(0);
    let (mut puts, mut gets) = (Vec::new(), Vec::new());
    for (variant, number) in variants.iter().zip(&numbers) {
        let (name, members) = (&variant.ident, members(&variant.fields));
        let types = variant.fields.iter().map(|field| &field.ty);
        size = quote!(::service::wire::larger(#size, 0 #(+ <#types as ::service::Wire>::SIZE)*));
        let bindings: Vec<Ident> = (0..members.len()).map(|position| format_ident!("field_{position}")).collect();
        puts.push(quote! {
            Self::#name { #(#members: #bindings,)* } => {
                writer.put::<u8>(&#number);
                #(writer.put(#bindings);)*
            }
        });
        gets.push(quote!(#number => Self::#name { #(#members: reader.get()?,)* }));
    }
    Ok(implement(
        input,
        &quote!(1 + #size),
        &quote!(match self { #(#puts)* }),
        &quote! {
            match reader.get::<u8>()? {
                #(#gets,)*
                unknown => return ::core::result::Result::Err(::service::WireError::BadVariant(unknown)),
            }
        },
    ))
}

fn implement(input: &DeriveInput, size: &TokenStream, puts: &TokenStream, gets: &TokenStream) -> TokenStream {
    let name = &input.ident;
    let generics = with_bounds(input.generics.clone());
    let (parameters, arguments, bounds) = generics.split_for_impl();
    quote! {
        impl #parameters ::service::Wire for #name #arguments #bounds {
            const SIZE: usize = #size;

            #[allow(unused_mut, reason = "there may be no fields")]
            fn encode(&self, bytes: &mut [u8]) {
                let mut writer = ::service::wire::Writer::new(bytes);
                #puts
                writer.finish();
            }

            #[allow(unused_mut, reason = "there may be no fields")]
            fn decode(bytes: &[u8]) -> ::core::result::Result<Self, ::service::WireError> {
                let mut reader = ::service::wire::Reader::of::<Self>(bytes)?;
                let value = #gets;
                reader.finish()?;
                ::core::result::Result::Ok(value)
            }
        }
    }
}

fn with_bounds(mut generics: Generics) -> Generics {
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::service::Wire));
    }
    generics
}

fn members(fields: &Fields) -> Vec<Member> {
    let position = |index: usize| Index { index: u32::try_from(index).expect("few fields"), span: Span::call_site() };
    let named = |(index, field): (usize, &syn::Field)| match &field.ident {
        Some(name) => Member::Named(name.clone()),
        None => Member::Unnamed(position(index)),
    };
    fields.iter().enumerate().map(named).collect()
}

/// The variants' numbers, counted as Rust counts discriminants.
fn numbers(variants: &[&Variant]) -> Result<Vec<u8>> {
    const TOO_LARGE: &str = "a variant's number travels in one byte: number it from 0 to 255";
    let mut next = Some(0_u8);
    let mut numbers = Vec::new();
    for variant in variants {
        let number = match &variant.discriminant {
            Some((_, Expr::Lit(ExprLit { lit: Lit::Int(number), .. }))) => {
                Some(number.base10_parse().map_err(|_| Error::new_spanned(number, TOO_LARGE))?)
            }
            Some((_, other)) => {
                return Err(Error::new_spanned(
                    other,
                    "a variant's number travels in one byte and must be known to the macro: write it as a literal from \
                     0 to 255",
                ));
            }
            None => next,
        };
        let number = number.ok_or_else(|| Error::new_spanned(&variant.ident, TOO_LARGE))?;
        next = number.checked_add(1);
        numbers.push(number);
    }
    Ok(numbers)
}
