//! The parameters of a function that is a source or a sink.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Expr, FnArg, ItemFn, Pat, PatType, Path, Signature, Type};

use crate::errors::Errors;
use crate::signature::{argument_name, mentions, turbofish};

/// The roles of a parameter.
pub(super) enum Parameter {
    /// The items of a sink.
    Items(Ident),
    /// The saved position: `#[resume]`.
    Position,
    /// A local, by its number: `#[local(..)]`.
    Local(usize),
    Setting(Setting),
}

/// A setting, which is given when the connector is created.
pub(super) struct Setting {
    name: Ident,
    /// As the function that returns the connector takes it.
    owned: TokenStream,
    is_borrowed: bool,
    /// Whether it selects the input: `#[partition]`.
    is_partition: bool,
}

/// The parameters of a function.
pub(super) struct Parameters {
    pub(super) all: Vec<Parameter>,
    /// The type of the saved position.
    pub(super) position: Option<Type>,
    /// The types and the values of the locals.
    locals: Vec<(Type, Expr)>,
}

impl Parameters {
    /// Reads the parameters, and removes our attributes from the function.
    pub(super) fn take(function: &mut ItemFn, has_items: bool, errors: &mut Errors) -> Self {
        let mut parameters = Self {
            all: Vec::new(),
            position: None,
            locals: Vec::new(),
        };
        for (index, input) in function.sig.inputs.iter_mut().enumerate() {
            if let FnArg::Typed(input) = input {
                let parameter = parameters.read(index, input, has_items, errors);
                parameters.all.push(parameter);
            }
        }
        // A setting that only creates a local is not unused.
        for input in &mut function.sig.inputs {
            if let FnArg::Typed(input) = input
                && let Pat::Ident(pattern) = &*input.pat
                && (parameters.locals.iter()).any(|(_, value)| mentions(value, &pattern.ident))
            {
                let allow = syn::parse_quote!(#[allow(unused_variables)]);
                input.attrs.push(allow);
            }
        }
        parameters
    }

    fn read(
        &mut self,
        index: usize,
        input: &mut PatType,
        has_items: bool,
        errors: &mut Errors,
    ) -> Parameter {
        let resume = take(&mut input.attrs, "resume");
        let local = take(&mut input.attrs, "local");
        let partition = take(&mut input.attrs, "partition");
        if let Some(partition) = partition.as_ref() {
            if has_items {
                errors.fault(
                    partition,
                    "a sink that is a function saves nothing",
                    "remove `#[partition]`: no position belongs to what the setting chooses",
                );
            } else if resume.is_some() || local.is_some() {
                errors.fault(
                    partition,
                    "only a setting can choose what is read",
                    "put `#[partition]` on a parameter such as `topic: &str`",
                );
            }
        }
        if let (Some(_), Some(local)) = (&resume, &local) {
            errors.fault(
                local,
                "a parameter cannot be both a position and a resource",
                "keep `#[resume]` for a position, or `#[local(..)]` for a resource",
            );
        }
        if let Some(attribute) = resume {
            if has_items {
                errors.fault(
                    &attribute,
                    "a sink that is a function saves nothing",
                    "for a position, put `#[sink]` on `impl` blocks",
                );
                return Parameter::Position;
            }
            if self.position.is_some() {
                errors.fault(
                    &attribute,
                    "a source has one position",
                    "put both in one struct with `#[stateful]`",
                );
            }
            let form = "`#[resume]` goes on a parameter such as `position: &mut u64`";
            let ty = changed(input, form, errors);
            self.position.get_or_insert(ty);
            return Parameter::Position;
        }
        if let Some(attribute) = local {
            let value = match attribute.parse_args() {
                Ok(value) => value,
                Err(_) => {
                    errors.note(
                        &attribute,
                        "expected an expression that creates it: `#[local(Client::new())]`",
                    );
                    syn::parse_quote!(::core::unimplemented!())
                }
            };
            let form = "`#[local(..)]` goes on a parameter such as `client: &mut Client`";
            let ty = changed(input, form, errors);
            self.locals.push((ty, value));
            return Parameter::Local(self.locals.len() - 1);
        }
        let name = argument_name(index, &input.pat);
        if has_items && index == 0 {
            return Parameter::Items(name);
        }
        let mut setting = setting(name, input, errors);
        setting.is_partition = partition.is_some();
        Parameter::Setting(setting)
    }

    /// The parameters of the function that returns the connector.
    pub(super) fn outer(&self) -> Vec<TokenStream> {
        let settings = self.settings();
        settings
            .map(|Setting { name, owned, .. }| quote!(#name: #owned))
            .collect()
    }

    /// The name of the partition of a source: the function's, with the settings that select the input.
    pub(super) fn partition_name(&self, krate: &Path, function: &str) -> TokenStream {
        let chosen = self.settings().filter(|setting| setting.is_partition);
        let parts: Vec<TokenStream> = chosen
            .map(|Setting { name, .. }| {
                let text = name.unraw().to_string();
                let span = name.span().resolved_at(Span::mixed_site());
                quote_spanned!(span=> (#text, ::std::string::ToString::to_string(&#name)))
            })
            .collect();
        match parts.is_empty() {
            true => quote!(#function),
            false => quote!(#krate::__private::partition_of(#function, &[#(#parts),*])),
        }
    }

    /// The settings that select nothing, each with its name: a resume reports another value.
    pub(super) fn other_settings(&self, krate: &Path) -> TokenStream {
        let others = self.settings().filter(|setting| !setting.is_partition);
        let parts: Vec<TokenStream> = others
            .map(|Setting { name, .. }| {
                let text = name.unraw().to_string();
                let span = name.span().resolved_at(Span::mixed_site());
                quote_spanned!(span=> (#text, (&&&#krate::__private::Shown(&#name)).shown()))
            })
            .collect();
        let shown = hidden("settings");
        // Without a position, nothing can resume at a wrong place.
        match parts.is_empty() || self.position.is_none() {
            true => quote!(""),
            false => quote!(#krate::__private::settings_of(&{
                #[allow(unused_imports)]
                use #krate::__private::{ByDisplay as _, ByPath as _, NotShown as _};
                #[allow(clippy::needless_borrow)]
                let #shown = [#(#parts),*];
                #shown
            })),
        }
    }

    /// A closure that creates the locals.
    pub(super) fn make_locals(&self) -> TokenStream {
        let values = self.locals.iter().map(|(_, value)| value);
        let values = quote!((#(#values,)*));
        let mut copies = Vec::new();
        let mut given = Vec::new();
        for setting in self.settings() {
            let name = &setting.name;
            if mentions(&values, name) {
                copies.push(quote!(let #name = ::core::clone::Clone::clone(&#name);));
                let value = setting.passed();
                given.push(quote!(let #name = #value;));
            }
        }
        let closure = quote!(move || ::core::result::Result::Ok(#values));
        match copies.is_empty() {
            true => closure,
            false => quote!({
                #(#copies)*
                move || {
                    #(#given)*
                    ::core::result::Result::Ok(#values)
                }
            }),
        }
    }

    /// The type of the locals.
    pub(super) fn local_type(&self) -> TokenStream {
        let types = self.locals.iter().map(|(ty, _)| ty);
        quote!((#(#types,)*))
    }

    /// A call of the user's function, with these names for the position and the locals.
    pub(super) fn call(
        &self,
        function: &Signature,
        position: &Ident,
        local: &Ident,
    ) -> TokenStream {
        let (name, types) = (&function.ident, turbofish(&function.generics));
        let arguments = self.all.iter().map(|parameter| match parameter {
            Parameter::Items(name) => quote!(#name),
            Parameter::Position => quote!(#position),
            Parameter::Local(index) => {
                let index = syn::Index::from(*index);
                quote!(&mut #local.#index)
            }
            Parameter::Setting(setting) => setting.passed(),
        });
        quote!(#name #types (#(#arguments),*))
    }

    fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.all.iter().filter_map(|parameter| match parameter {
            Parameter::Setting(setting) => Some(setting),
            _ => None,
        })
    }
}

impl Setting {
    /// The argument for the user's function.
    fn passed(&self) -> TokenStream {
        let name = &self.name;
        match self.is_borrowed {
            true => quote!(&#name),
            false => quote!(::core::clone::Clone::clone(&#name)),
        }
    }
}

/// Reads a setting; the connector owns the value of a reference.
fn setting(name: Ident, input: &PatType, errors: &mut Errors) -> Setting {
    let ty = &*input.ty;
    let Type::Reference(reference) = ty else {
        return Setting {
            name,
            owned: ty.to_token_stream(),
            is_borrowed: false,
            is_partition: false,
        };
    };
    if reference.mutability.is_some() {
        errors.fault(
            input,
            format_args!("a setting cannot be `&mut`, but `{name}` is"),
            "`#[resume]` makes it a position that is saved; `#[local(value)]` makes it once on each \
             worker",
        );
    }
    if reference
        .lifetime
        .as_ref()
        .is_some_and(|it| it.ident == "static")
    {
        return Setting {
            name,
            owned: ty.to_token_stream(),
            is_borrowed: false,
            is_partition: false,
        };
    }
    let owned = match &*reference.elem {
        Type::Path(path) if path.path.is_ident("str") => quote!(::std::string::String),
        Type::Slice(slice) => {
            let element = &slice.elem;
            quote!(::std::vec::Vec<#element>)
        }
        other => other.to_token_stream(),
    };
    Setting {
        name,
        owned,
        is_borrowed: true,
        is_partition: false,
    }
}

/// The type behind `&mut`.
fn changed(input: &PatType, form: &str, errors: &mut Errors) -> Type {
    match &*input.ty {
        Type::Reference(reference) if reference.mutability.is_some() => (*reference.elem).clone(),
        other => {
            errors.note(other, form);
            other.clone()
        }
    }
}

fn take(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let place = attributes.iter().position(|it| it.path().is_ident(name))?;
    Some(attributes.remove(place))
}

/// A generated local name.
pub(super) fn hidden(name: &str) -> Ident {
    format_ident!("__bw_{name}", span = Span::mixed_site())
}

/// The function inside the one that returns the connector: the user's, without its attributes. One that takes
/// `self` cannot be there.
pub(super) fn inner(function: &ItemFn) -> Option<TokenStream> {
    let ItemFn { sig, block, .. } = function;
    sig.receiver().is_none().then(|| {
        quote! {
            #[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)]
            #sig #block
        }
    })
}

/// Reports signatures that no function of a connector can have.
pub(super) fn check_form(function: &ItemFn, what: &str, instead: &str, errors: &mut Errors) {
    let signature = &function.sig;
    if let Some(receiver) = signature.receiver() {
        errors.fault(
            receiver.self_token,
            format_args!("a {what} that is a function has no `self`"),
            format_args!("put `#[{what}]` on an `impl` block, or take what it needs as parameters"),
        );
    }
    if let Some(word) = &signature.asyncness {
        errors.fault(word, format_args!("a {what} cannot be `async`"), instead);
    }
    for lifetime in signature.generics.lifetimes() {
        errors.fault(
            lifetime,
            format_args!("a {what} owns its settings, so it has no lifetimes"),
            "write references without a lifetime: `url: &Url`",
        );
    }
}
