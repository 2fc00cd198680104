//! The parameters of a prediction.

use super::refusal::{Cause, Refusal};
use super::scan::{Kind, Read, Scanner};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// What a request asks of `predict`, with LightGBM's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params {
    /// Whether the answer is the sum of the trees.
    pub(crate) raw_score: bool,
    /// Whether the answer is the index of the leaf of every tree. It counts before `raw_score`, as in LightGBM.
    pub(crate) pred_leaf: bool,
    /// How many iterations take part: all for 0 or less, those of the estimator for `None`.
    pub(crate) num_iteration: Option<i64>,
}

/// What is done with parameters of other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// They would change nothing, although the caller wants it.
    Refuse,
    /// They may be meant for others, as in Open Inference.
    Ignore,
}

/// The value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Param {
    Bool(bool),
    Number(f64),
    /// Text, or what the protocol does not allow.
    Other,
}

impl Params {
    /// Sets a parameter; `false` if its name is not known.
    pub(crate) fn set(&mut self, name: &str, value: Option<Param>) -> Read<bool> {
        let flag = || match value {
            None => Ok(false),
            Some(Param::Bool(flag)) => Ok(flag),
            _ => Err(Refusal::because(Cause::Params, format_args!("`{name}` is not true or false"))),
        };
        match name {
            "raw_score" => self.raw_score = flag()?,
            "pred_leaf" => self.pred_leaf = flag()?,
            "num_iteration" => {
                self.num_iteration = match value {
                    None => None,
                    // Whole numbers of this size are exact.
                    Some(Param::Number(count)) if count.trunc() == count && count.abs() <= 2_f64.powi(53) => {
                        Some(count as i64)
                    }
                    _ => return Err(Refusal::because(Cause::Params, "`num_iteration` is not an integer")),
                };
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads the parameters that are next; `also` sees those of other names.
    pub(super) fn read(
        json: &mut Scanner<'_>,
        others: Others,
        mut also: impl FnMut(&str, Option<Param>),
    ) -> Read<Self> {
        let mut params = Self::default();
        if json.null() {
            return Ok(params);
        }
        if json.kind() != Kind::Object {
            json.clone().skip()?;
            return Err(Refusal::because(Cause::Params, "the parameters are not an object"));
        }
        let mut more = json.enter_object()?;
        while more {
            let name = json.key()?;
            let value = Param::read(json)?;
            if !params.set(&name, value)? {
                if others == Others::Refuse {
                    let name = excerpt(name.as_bytes(), QUOTED_CHARS);
                    return Err(Refusal::because(
                        Cause::Params,
                        format_args!("`{name}` is not raw_score, num_iteration or pred_leaf"),
                    ));
                }
                also(&name, value);
            }
            more = json.next_member()?;
        }
        Ok(params)
    }
}

impl Param {
    fn read(json: &mut Scanner<'_>) -> Read<Option<Self>> {
        match json.peek() {
            b'n' if json.null() => Ok(None),
            b't' | b'f' => json.boolean().map(|flag| Some(Self::Bool(flag))),
            b'0'..=b'9' | b'-' => json.number().map(|number| Some(Self::Number(number))),
            _ => json.skip().map(|()| Some(Self::Other)),
        }
    }
}
