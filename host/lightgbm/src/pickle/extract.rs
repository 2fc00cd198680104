//! Extracts the model from a pickle's values.

use std::borrow::Cow;

use super::globals::Global;
use super::value::{Id, Value, Values};
use crate::error::{damaged, raised_by};
use crate::extracted::{EARLY_STOP, Estimator, ExtractLimits, ExtractedModel, refuse_early_stop};
use crate::labels::{ClassLabel, ClassLabels};
use crate::numpy::ElementType;
use hydra_base::{Error, ErrorKind, Result};

/// The model in the value `root`.
pub(super) fn model<'a>(values: &Values<'a>, root: Id, limits: &ExtractLimits) -> Result<ExtractedModel<'a>> {
    let Some(Global::Estimator(estimator)) = values.object(root).map(|object| object.class) else {
        return Err(Error::new(ErrorKind::UnsupportedModel, "the pickle is not a LightGBM model"));
    };
    let outer = attributes(values, root)?;
    let booster = if estimator == Estimator::Booster {
        outer
    } else {
        let booster = lookup(values, outer, "_Booster").filter(|id| is_booster(values, *id));
        let booster = booster.ok_or_else(|| damaged("the pickled estimator is not fitted"))?;
        attributes(values, booster)?
    };
    // LightGBM 3 called the attribute `handle`.
    let text = lookup(values, booster, "_handle").or_else(|| lookup(values, booster, "handle"));
    let booster_text = match text.map(|id| values.get(id)) {
        Some(Value::Str(Cow::Borrowed(text))) => Cow::Borrowed(*text),
        Some(Value::Str(Cow::Owned(text))) => Cow::Owned(text.clone()),
        _ => return Err(damaged("the pickled booster has no model text")),
    };
    let best_iteration =
        lookup(values, booster, "best_iteration").map(|id| whole(values, id)).transpose()?.flatten();
    if estimator != Estimator::Booster {
        let flag = lookup(values, outer, EARLY_STOP).map(|id| whole(values, id).unwrap_or(Some(1)));
        refuse_early_stop(flag.flatten().is_some_and(|flag| flag != 0))?;
    }
    let classes = match estimator {
        Estimator::Classifier => Some(class_labels(values, outer, limits)?),
        _ => None,
    };
    Ok(ExtractedModel {
        booster_text,
        classes,
        estimator,
        best_iteration: best_iteration
            .and_then(|rounds| u32::try_from(rounds).ok())
            .filter(|rounds| *rounds > 0),
    })
}

fn is_booster(values: &Values<'_>, id: Id) -> bool {
    values.object(id).is_some_and(|object| object.class == Global::Estimator(Estimator::Booster))
}

type Dict = [(Id, Id)];

/// An integer, possibly NumPy's; `None` for Python's `None`.
fn whole(values: &Values<'_>, id: Id) -> Result<Option<i64>> {
    if let Some(number) = values.int(id) {
        return Ok(Some(number));
    }
    let unreadable = || damaged("a setting of the pickled model is not an integer");
    match values.get(id) {
        Value::None => Ok(None),
        Value::Object(object) if object.class == Global::ArrayScalar => {
            match values.tuple(object.arguments) {
                Some([element, data]) => {
                    match element_type(values, *element)?.decode(&bytes(values, *data)?, 1)? {
                        ClassLabels::Ints(numbers) => Ok(numbers.first().copied()),
                        ClassLabels::Bools(flags) => Ok(flags.first().map(|flag| i64::from(*flag))),
                        _ => Err(unreadable()),
                    }
                }
                _ => Err(unreadable()),
            }
        }
        _ => Err(unreadable()),
    }
}

/// An object's attributes: its state, or the first half of a state that also has slots.
fn attributes<'v>(values: &'v Values<'_>, object: Id) -> Result<&'v Dict> {
    let state = values.object(object).and_then(|object| object.state);
    let state = match state.map(|state| (state, values.tuple(state))) {
        Some((_, Some([dict, _slots]))) => Some(*dict),
        Some((state, None)) => Some(state),
        _ => None,
    };
    match state.map(|state| values.get(state)) {
        Some(Value::Dict(dict)) => Ok(dict),
        _ => Err(damaged("a pickled object has no attributes")),
    }
}

fn lookup(values: &Values<'_>, dict: &Dict, key: &str) -> Option<Id> {
    dict.iter().rev().find(|(name, _)| values.str(*name) == Some(key)).map(|(_, value)| *value)
}

fn class_labels(values: &Values<'_>, estimator: &Dict, limits: &ExtractLimits) -> Result<ClassLabels> {
    let labels = match lookup(values, estimator, "_classes") {
        Some(id) if !matches!(values.get(id), Value::None) => id,
        // Some 3.x versions keep the labels in the label encoder only.
        _ => lookup(values, estimator, "_le")
            .and_then(|encoder| {
                let encoder_class = values.object(encoder)?.class;
                (encoder_class == Global::LabelEncoder).then_some(encoder)
            })
            .map(|encoder| attributes(values, encoder))
            .transpose()?
            .and_then(|encoder| lookup(values, encoder, "classes_"))
            .ok_or_else(|| damaged("the pickled classifier has no class labels"))?,
    };
    array(values, labels, limits)
}

/// A one-dimensional NumPy array.
fn array(values: &Values<'_>, id: Id, limits: &ExtractLimits) -> Result<ClassLabels> {
    let not_array = || damaged("the class labels are not a one-dimensional array");
    let object = values.object(id).ok_or_else(not_array)?;
    let (shape, element, data) = match object.class {
        Global::ArrayReconstruct | Global::Array => {
            match object.state.and_then(|state| values.tuple(state)) {
                Some([_version, shape, element, _fortran, data]) => (*shape, *element, *data),
                _ => return Err(not_array()),
            }
        }
        Global::ArrayFromBuffer => match values.tuple(object.arguments) {
            Some([data, element, shape, _order]) => (*shape, *element, *data),
            _ => return Err(not_array()),
        },
        _ => return Err(not_array()),
    };
    let count = match values.tuple(shape) {
        Some([count]) => values.int(*count).and_then(|count| usize::try_from(count).ok()),
        _ => None,
    };
    let count = count.ok_or_else(not_array)?;
    if count > limits.classes {
        return Err(damaged("there are too many class labels")
            .with_context("classes", count)
            .with_context("limit", limits.classes)
            .with_hint(raised_by("classes")));
    }
    let element = element_type(values, element)?;
    match values.get(data) {
        Value::List(items) if element.is_object() && items.len() == count => objects(values, items),
        _ => element.decode(&bytes(values, data)?, count),
    }
}

/// `dtype("i8", False, True)` with a state whose second item is the byte order.
fn element_type(values: &Values<'_>, id: Id) -> Result<ElementType> {
    let damaged = || damaged("the type of the class labels is damaged");
    let object =
        values.object(id).filter(|object| object.class == Global::ElementType).ok_or_else(damaged)?;
    let name = values.tuple(object.arguments).and_then(|arguments| arguments.first());
    let element = ElementType::parse(name.and_then(|name| values.str(*name)).ok_or_else(damaged)?)?;
    Ok(match object.state.and_then(|state| values.tuple(state)) {
        Some([_version, order, ..]) => element.with_order(values.str(*order).ok_or_else(damaged)?),
        _ => element,
    })
}

/// Bytes, or a call that creates them from a Latin-1 string.
fn bytes<'v>(values: &'v Values<'_>, id: Id) -> Result<Cow<'v, [u8]>> {
    let damaged = || damaged("the class labels have no data");
    match values.get(id) {
        Value::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        Value::Object(object) if object.class == Global::EncodeLatin1 => {
            let text = values.tuple(object.arguments).and_then(|arguments| arguments.first());
            let text = text.and_then(|text| values.str(*text)).ok_or_else(damaged)?;
            let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            bytes.map(Cow::Owned).ok_or_else(damaged)
        }
        // The argument of `bytearray(...)`, or an empty array's `bytes()`.
        Value::Object(object) if object.class == Global::Ignored => {
            match values.tuple(object.arguments).map(|arguments| arguments.first()) {
                Some(Some(inner)) => match values.get(*inner) {
                    Value::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
                    _ => Err(damaged()),
                },
                _ => Err(damaged()),
            }
        }
        _ => Err(damaged()),
    }
}

/// Labels that are Python objects.
fn objects(values: &Values<'_>, items: &[Id]) -> Result<ClassLabels> {
    ClassLabels::uniform(items.iter().map(|id| match values.get(*id) {
        Value::Str(text) => Some(ClassLabel::String(text)),
        Value::Bool(flag) => Some(ClassLabel::Bool(*flag)),
        Value::Int(number) => Some(ClassLabel::Int(*number)),
        Value::Float(number) => Some(ClassLabel::Float(*number)),
        _ => None,
    }))
}
