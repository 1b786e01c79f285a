//! Branches and loops.

use quote::ToTokens;
use syn::{Expr, ExprIf, ExprMatch, Pat};

use super::{Walk, simple_name};
use crate::body::env::Value;
use crate::body::model::TurnKind;

impl Walk {
    /// `if`: only one branch runs, so both may use the same names.
    pub(super) fn branches(&mut self, expr: &mut ExprIf) -> Value {
        let mark = self.env.mark();
        self.expr(&mut expr.cond);
        let before = self.names.clone();
        let outer = self.enter_inner();
        let mut value = self.block(&mut expr.then_branch);
        self.env.reset(mark);
        if let Some((_, otherwise)) = &mut expr.else_branch {
            let taken = std::mem::replace(&mut self.names, before);
            value = value.either(self.expr(otherwise));
            self.names.merge(taken);
        }
        self.label = outer;
        value
    }

    /// `match`: like `if`, with any number of branches.
    pub(super) fn arms(&mut self, expr: &mut ExprMatch) -> Value {
        let matched = self.expr(&mut expr.expr);
        let before = self.names.clone();
        let outer = self.enter_inner();
        let mut value = Value::Other;
        for arm in &mut expr.arms {
            let taken = std::mem::replace(&mut self.names, before.clone());
            let mark = self.env.mark();
            self.bind_parts(&arm.pat, &matched);
            if let Pat::Guard(guarded) = &mut arm.pat {
                self.expr(&mut guarded.guard);
            }
            value = value.either(self.expr(&mut arm.body));
            self.env.reset(mark);
            self.names.merge(taken);
        }
        self.label = outer;
        value
    }

    /// `for`, `while` and `loop`: the body is built in every iteration.
    pub(super) fn turns(&mut self, expr: &mut Expr) -> Value {
        let mark = self.env.mark();
        match expr {
            Expr::ForLoop(expr) => {
                let items = self.expr(&mut expr.expr);
                self.model.has_escapes |= items.has_streams();
                self.bind_element(&expr.pat, &items);
                let item = simple_name(&expr.pat).cloned();
                self.enter_turn(expr.for_token.to_token_stream(), TurnKind::Loop(item));
                self.block(&mut expr.body);
            }
            Expr::While(expr) => {
                self.enter_turn(expr.while_token.to_token_stream(), TurnKind::Loop(None));
                self.expr(&mut expr.cond);
                self.block(&mut expr.body);
            }
            Expr::Loop(expr) => {
                self.enter_turn(expr.loop_token.to_token_stream(), TurnKind::Loop(None));
                self.block(&mut expr.body);
            }
            other => return self.children(other),
        }
        self.frames.pop();
        self.env.reset(mark);
        Value::Other
    }
}
