//! The text of a flow as a person would have written it: names are texts, and what tests add is gone.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprLit, ExprMethodCall, Lit, LitStr, Local, Pat, Stmt, Token};

/// The closure of a flow. In a test it may have `patch.say(flow)`, and a name may be `&patch.name("sums")`, a local of that, or
/// what `concat!` makes.
pub(crate) fn as_written(closure: &str) -> TokenStream {
    let mut closure: Expr = syn::parse_str(closure).expect("a closure");
    let mut names = Names::default();
    names.visit_expr_mut(&mut closure);
    closure.into_token_stream()
}

#[derive(Default)]
struct Names {
    /// Locals that are names.
    locals: Vec<(String, LitStr)>,
}

impl VisitMut for Names {
    fn visit_block_mut(&mut self, block: &mut Block) {
        let mut kept = Vec::new();
        for mut stmt in std::mem::take(&mut block.stmts) {
            if let Stmt::Expr(Expr::MethodCall(call), _) = &stmt
                && is_patch(call)
                && call.method == "say"
            {
                continue;
            }
            if let Stmt::Local(local) = &stmt
                && self.is_name(local)
            {
                continue;
            }
            self.visit_stmt_mut(&mut stmt);
            kept.push(stmt);
        }
        block.stmts = kept;
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match self.name_in(expr) {
            Some(name) => *expr = literal(name),
            None => visit_mut::visit_expr_mut(self, expr),
        }
    }
}

impl Names {
    /// The name that an expression stands for.
    fn name_in(&self, expr: &Expr) -> Option<LitStr> {
        match expr {
            Expr::Reference(inner) => self.name_in(&inner.expr),
            Expr::Group(inner) => self.name_in(&inner.expr),
            Expr::MethodCall(call) if is_patch(call) && call.method == "name" => {
                let name = call.args.first()?;
                text_of(name).or_else(|| self.name_in(name))
            }
            Expr::MethodCall(call) if call.method == "as_str" => self.name_in(&call.receiver),
            Expr::Macro(call) if call.mac.path.is_ident("concat") => {
                let parts = Punctuated::<Expr, Token![,]>::parse_terminated;
                let parts = call.mac.parse_body_with(parts).ok()?;
                let texts = parts.iter().map(part_of).collect::<Option<Vec<_>>>()?;
                Some(LitStr::new(&texts.concat(), Span::call_site()))
            }
            Expr::Path(path) => {
                let name = path.path.get_ident()?.to_string();
                let mut locals = self.locals.iter().rev();
                let found = locals.find(|(local, _)| *local == name);
                found.map(|(_, text)| text.clone())
            }
            _ => None,
        }
    }

    /// Notes a local that is a name.
    fn is_name(&mut self, local: &Local) -> bool {
        let (Pat::Ident(pat), Some(init)) = (&local.pat, &local.init) else {
            return false;
        };
        match self.name_in(&init.expr) {
            Some(text) => {
                self.locals.push((pat.ident.to_string(), text));
                true
            }
            None => false,
        }
    }
}

/// A part of `concat!`.
fn part_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Macro(call) if call.mac.path.is_ident("stringify") => {
            Some(call.mac.tokens.to_string())
        }
        Expr::Group(inner) => part_of(&inner.expr),
        _ => text_of(expr).map(|text| text.value()),
    }
}

fn is_patch(call: &ExprMethodCall) -> bool {
    matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("patch"))
}

fn text_of(expr: &Expr) -> Option<LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        Expr::Group(inner) => text_of(&inner.expr),
        _ => None,
    }
}

fn literal(text: LitStr) -> Expr {
    Expr::Lit(ExprLit {
        attrs: Vec::new(),
        lit: Lit::Str(text),
    })
}
