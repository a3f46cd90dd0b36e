//! First stage: [`Src`] -> [`Item`], by shape alone, without a database.
//!
//! ```text
//! [:db/add -1 :person/age 36]   Add { entity: Tempid(-1), attribute: :person/age, value: 36 }
//! {:person/name "Ada"}          Entity { id: None, entries }
//! ```

use edn::{Keyword, Span, Value};

use super::error::{TransactError, TransactErrorKind as Kind};
use super::source::{Entries, Items, Src, View};
use crate::{EntityId, Error};

/// One item of transaction data, with everything in it still as written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item<'a> {
    /// `nil`
    Nothing,
    /// `{:db/id id :attr v ..}`
    Entity { id: Option<Place<'a>>, entries: Entries<'a> },
    /// `[:db/add e a v]`
    Add { entity: Place<'a>, attribute: Name<'a>, value: Src<'a> },
    /// `[:db/retract e a v]`
    Retract { entity: Place<'a>, attribute: Name<'a>, value: Src<'a> },
    /// `[:db/retract e a]`
    RetractAttribute { entity: Place<'a>, attribute: Name<'a> },
    /// `[:db/retractEntity e]`
    RetractEntity { entity: Place<'a> },
    /// `[:db/cas e a old new]`
    CompareAndSwap { entity: Place<'a>, attribute: Name<'a>, old: Src<'a>, new: Src<'a> },
    /// `[:db.fn/call f arg ..]`
    Call { function: Src<'a>, args: Items<'a> },
    /// `[:installed-ident arg ..]`
    Installed { ident: &'a Keyword, args: Items<'a> },
    /// `[:db/ensure pred arg ..]`
    Ensure { predicate: Src<'a>, args: Items<'a> },
}

/// The name of an attribute, and where it stood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) keyword: &'a Keyword,
    pub(crate) span: Option<Span>,
}

/// Something that stands for an entity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) kind: PlaceKind<'a>,
    pub(crate) src: Src<'a>,
}

/// The ways to name an entity.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PlaceKind<'a> {
    Id(EntityId),
    TempNumber(i64),
    TempName(&'a str),
    Lookup { attribute: &'a Keyword, value: Src<'a> },
    Ident(&'a Keyword),
    CurrentTx,
}

impl Place<'_> {
    pub(crate) fn is_tempid(self) -> bool {
        matches!(self.kind, PlaceKind::TempNumber(_) | PlaceKind::TempName(_))
    }

    pub(crate) fn span(self) -> Option<Span> {
        self.src.span()
    }
}

/// The keyword that stands for the transaction itself.
pub(crate) const CURRENT_TX: &str = "db/current-tx";

/// What operations take, for error messages.
const ENTITY_ATTRIBUTE_VALUE: &str = "an entity, an attribute and a value";

/// Reads transaction data as a whole: nothing, or its items.
pub(crate) fn parse_sequence(src: Src<'_>) -> Result<Option<Items<'_>>, TransactError> {
    match src.view() {
        View::Sequence(items) => Ok(Some(items)),
        View::Atom(Value::Nil) => Ok(None),
        _ => {
            let kind = Kind::NotASequence { found: src.value().type_name() };
            Err(TransactError::new(kind).at(src.span()).with_hint("put the items into a vector"))
        }
    }
}

/// Reads one item.
pub(crate) fn parse_item(src: Src<'_>) -> Result<Item<'_>, TransactError> {
    match src.view() {
        View::Atom(Value::Nil) => Ok(Item::Nothing),
        View::Map(entries) => parse_entity(entries),
        View::Sequence(parts) => parse_operation(src, parts),
        View::Tagged(tag, inner) if tag.name().eq_ignore_ascii_case("datom") => parse_datom(src, inner),
        _ => Err(bad_item(src)),
    }
}

/// Checks what the shape of an item shows beyond [`parse_item`]: the keys of maps, and nil in place of values. The
/// same is found when the item takes effect; this is for those who have no database at hand.
pub(crate) fn check_item(src: Src<'_>) -> Result<(), TransactError> {
    match parse_item(src)? {
        Item::Entity { entries, .. } => entries.iter().try_for_each(|(key, value)| {
            let name = parse_key(key)?;
            if value.is_nil() && !is_db_id(name) { Err(nil_value(name, value.span())) } else { Ok(()) }
        }),
        Item::Add { attribute, value, .. } | Item::CompareAndSwap { attribute, new: value, .. }
            if value.is_nil() =>
        {
            Err(nil_value(attribute.keyword, value.span()))
        }
        _ => Ok(()),
    }
}

/// Reads the key of a map's entry.
pub(crate) fn parse_key(key: Src<'_>) -> Result<&Keyword, TransactError> {
    key.as_keyword().ok_or_else(|| {
        let kind = Kind::BadAttribute { attribute: key.to_value(), reason: "an attribute is a keyword" };
        TransactError::new(kind).at(key.span())
    })
}

pub(crate) fn nil_value(attribute: &Keyword, span: Option<Span>) -> TransactError {
    TransactError::from(Error::NilValue { attribute: attribute.clone() }).at(span)
}

fn bad_item(src: Src<'_>) -> TransactError {
    TransactError::new(Kind::BadItem { item: src.to_value() }).at(src.span())
}

fn parse_entity(entries: Entries<'_>) -> Result<Item<'_>, TransactError> {
    Ok(Item::Entity { id: parse_map_id(entries)?, entries })
}

/// Whether the keyword is `:db/id`, which is no attribute.
pub(crate) fn is_db_id(keyword: &Keyword) -> bool {
    keyword.as_str() == "db/id"
}

/// Reads the `:db/id` of a map, where idents are not allowed; nil is as good as none.
pub(crate) fn parse_map_id(entries: Entries<'_>) -> Result<Option<Place<'_>>, TransactError> {
    let is_id = |key: Src<'_>| key.as_keyword().is_some_and(is_db_id);
    let Some((_, src)) = entries.iter().find(|(key, value)| is_id(*key) && !value.is_nil()) else {
        return Ok(None);
    };
    let place = parse_place(src)?;
    if let PlaceKind::Ident(ident) = place.kind {
        let hint =
            format!("to add to the entity with this ident, write {{:db/ident {ident} ..}} without :db/id");
        return Err(bad_entity_id(src).with_hint(hint));
    }
    Ok(Some(place))
}

/// Reads anything that can stand for an entity.
pub(crate) fn parse_place(src: Src<'_>) -> Result<Place<'_>, TransactError> {
    let kind = match src.view() {
        View::Atom(Value::Int(number)) => match EntityId::from_int(*number) {
            Some(id) => PlaceKind::Id(id),
            None => PlaceKind::TempNumber(*number),
        },
        View::Atom(Value::Str(name)) => PlaceKind::TempName(name),
        View::Atom(Value::Keyword(keyword)) if keyword.as_str() == CURRENT_TX => PlaceKind::CurrentTx,
        View::Atom(Value::Keyword(keyword)) => PlaceKind::Ident(keyword),
        View::Sequence(parts) => parse_lookup(src, parts)?,
        _ => return Err(bad_entity_id(src)),
    };
    Ok(Place { kind, src })
}

fn parse_lookup<'a>(src: Src<'a>, parts: Items<'a>) -> Result<PlaceKind<'a>, TransactError> {
    let attribute = parts.get(0).and_then(Src::as_keyword);
    match (parts.len(), attribute, parts.get(1)) {
        (2, Some(attribute), Some(value)) => Ok(PlaceKind::Lookup { attribute, value }),
        _ => {
            let error = Error::LookupRefSyntax { given: src.to_value() };
            Err(TransactError::from(error).at(src.span()))
        }
    }
}

fn bad_entity_id(src: Src<'_>) -> TransactError {
    TransactError::from(Error::EntityIdSyntax { given: src.to_value() }).at(src.span())
}

/// Reads an attribute in an operation, where it stands forward.
fn parse_attribute(src: Src<'_>) -> Result<Name<'_>, TransactError> {
    let bad = |reason| {
        let kind = Kind::BadAttribute { attribute: src.to_value(), reason };
        Err(TransactError::new(kind).at(src.span()))
    };
    match src.as_keyword() {
        None => bad("an attribute is a keyword"),
        Some(keyword) if is_db_id(keyword) => bad("it names the entity in maps"),
        Some(keyword) if is_reverse(keyword) => bad("reverse attributes stand in maps only"),
        Some(keyword) => Ok(Name { keyword, span: src.span() }),
    }
}

/// Whether the attribute points backwards: `:ns/_attr`.
pub(crate) fn is_reverse(keyword: &Keyword) -> bool {
    keyword.name().len() > 1 && keyword.name().starts_with('_')
}

/// `:ns/attr` of `:ns/_attr`.
pub(crate) fn forward(keyword: &Keyword) -> Keyword {
    Keyword::new(keyword.namespace(), &keyword.name()[1..])
}

fn parse_operation<'a>(src: Src<'a>, parts: Items<'a>) -> Result<Item<'a>, TransactError> {
    let Some(operation) = parts.get(0).and_then(Src::as_keyword) else {
        let error = bad_item(src);
        let is_like_datom = parts.len() > 2 && parts.get(1).is_some_and(|part| part.as_keyword().is_some());
        return Err(if is_like_datom {
            error.with_hint("a datom is written as #datom [e a v]")
        } else {
            error
        });
    };
    let operands = Operands { operation, parts, span: src.span() };
    match operation.as_str() {
        "db/add" => {
            let [entity, attribute, value] = operands.exactly(ENTITY_ATTRIBUTE_VALUE)?;
            Ok(Item::Add { entity: parse_place(entity)?, attribute: parse_attribute(attribute)?, value })
        }
        "db/retract" if parts.len() == 3 => operands.retract_attribute(),
        "db/retract" => {
            let [entity, attribute, value] =
                operands.exactly("an entity, an attribute and perhaps a value")?;
            Ok(Item::Retract { entity: parse_place(entity)?, attribute: parse_attribute(attribute)?, value })
        }
        "db.fn/retractAttribute" | "db/retractAttribute" => operands.retract_attribute(),
        "db/retractEntity" | "db.fn/retractEntity" => {
            let [entity] = operands.exactly("an entity")?;
            Ok(Item::RetractEntity { entity: parse_place(entity)? })
        }
        "db/cas" | "db.fn/cas" => {
            let [entity, attribute, old, new] =
                operands.exactly("an entity, an attribute, the old and the new value")?;
            let (entity, attribute) = (parse_place(entity)?, parse_attribute(attribute)?);
            Ok(Item::CompareAndSwap { entity, attribute, old, new })
        }
        "db.fn/call" => match parts.get(1) {
            Some(function) => Ok(Item::Call { function, args: parts }),
            None => Err(operands.bad_arity("a function and its arguments")),
        },
        "db/ensure" => match parts.get(1) {
            Some(predicate) if parts.len() > 2 => Ok(Item::Ensure { predicate, args: parts }),
            _ => Err(TransactError::new(Kind::EnsureArity).at(src.span())),
        },
        "db.fn/patchIdoc" => {
            let feature = "patching documents (:db.fn/patchIdoc)";
            Err(TransactError::new(Kind::Unsupported { feature }).at(src.span()))
        }
        _ => Ok(Item::Installed { ident: operation, args: parts }),
    }
}

/// The parts of an operation after its name.
struct Operands<'a> {
    operation: &'a Keyword,
    parts: Items<'a>,
    span: Option<Span>,
}

impl<'a> Operands<'a> {
    fn exactly<const N: usize>(&self, expected: &'static str) -> Result<[Src<'a>; N], TransactError> {
        if self.parts.len() != N + 1 {
            return Err(self.bad_arity(expected));
        }
        Ok(std::array::from_fn(|index| self.parts.get(index + 1).expect("the length was checked")))
    }

    fn bad_arity(&self, expected: &'static str) -> TransactError {
        let found = self.parts.len() - 1;
        let kind = Kind::BadArity { operation: self.operation.clone(), expected, found };
        TransactError::new(kind).at(self.span)
    }

    fn retract_attribute(&self) -> Result<Item<'a>, TransactError> {
        let [entity, attribute] = self.exactly("an entity and an attribute")?;
        Ok(Item::RetractAttribute { entity: parse_place(entity)?, attribute: parse_attribute(attribute)? })
    }
}

/// Reads `#datom [e a v]`, `#datom [e a v added?]` or DataScript's `#datascript/Datom [e a v tx added?]`.
fn parse_datom<'a>(src: Src<'a>, inner: Src<'a>) -> Result<Item<'a>, TransactError> {
    let View::Sequence(parts) = inner.view() else { return Err(bad_item(src)) };
    let (3..=5, Some(entity), Some(attribute), Some(value)) =
        (parts.len(), parts.get(0), parts.get(1), parts.get(2))
    else {
        return Err(bad_item(src));
    };
    let last = parts.get(parts.len() - 1).filter(|_| parts.len() > 3).and_then(Src::as_atom);
    let is_added = match (parts.len(), last) {
        (3, _) | (4, Some(Value::Int(_))) => true,
        (_, Some(Value::Bool(is_added))) => *is_added,
        _ => return Err(bad_item(src)),
    };
    let (entity, attribute) = (parse_place(entity)?, parse_attribute(attribute)?);
    Ok(match is_added {
        true => Item::Add { entity, attribute, value },
        false => Item::Retract { entity, attribute, value },
    })
}
