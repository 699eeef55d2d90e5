//! Types of functions as text, so that a component's can be compared with the surface's. A type is
//! a graph in the file and a tree as text, which may be exponentially larger: the text ends at a
//! bound that every type of the surface stays far below. Judges nothing.

use wit_parser::{Function, Handle, Resolve, Type, TypeDefKind};

/// Longest text of a function's type. The surface's longest has some hundred bytes; a test holds
/// all of them to a tenth of this.
pub const SIGNATURE_BYTES_MAX: usize = 32 << 10;
/// Aliases that stand one behind the other.
const ALIASES_MAX: usize = 1_000;

/// A function's type as text; `None` where it is longer than any that the surface has. Equal texts
/// are what the linker takes for equal types; like the linker, it does not look at the names of
/// parameters.
pub fn signature(resolve: &Resolve, function: &Function) -> Option<String> {
    let mut text = Text {
        resolve,
        text: String::new(),
    };
    text.push("(")?;
    text.list(function.params.iter(), |text, param| text.shape(param.ty))?;
    text.push(") -> ")?;
    if let Some(result) = function.result {
        text.shape(result)?;
    }
    Some(text.text)
}

/// Text that is being written, and the types it is about.
struct Text<'a> {
    resolve: &'a Resolve,
    text: String,
}

impl Text<'_> {
    fn push(&mut self, more: &str) -> Option<()> {
        if self.text.len() + more.len() > SIGNATURE_BYTES_MAX {
            return None;
        }
        self.text.push_str(more);
        Some(())
    }

    fn list<T>(
        &mut self,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Option<()>,
    ) -> Option<()> {
        for (number, item) in items.enumerate() {
            if number > 0 {
                self.push(", ")?;
            }
            write(self, item)?;
        }
        Some(())
    }

    fn optional(&mut self, ty: Option<Type>) -> Option<()> {
        match ty {
            Some(ty) => self.shape(ty),
            None => self.push("_"),
        }
    }

    /// Recurses no deeper than the text is long: each level writes its name first.
    fn shape(&mut self, ty: Type) -> Option<()> {
        let resolve = self.resolve;
        let mut ty = ty;
        let mut aliases = 0;
        let ty = loop {
            let Type::Id(id) = ty else {
                return self.push(&format!("{ty:?}"));
            };
            match &resolve.types[id].kind {
                TypeDefKind::Type(alias) => ty = *alias,
                _ => break &resolve.types[id],
            }
            aliases += 1;
            if aliases > ALIASES_MAX {
                return None;
            }
        };
        self.push(ty.kind.as_str())?;
        self.push("<")?;
        match &ty.kind {
            TypeDefKind::Resource => self.list(ty.name.iter(), |text, name| text.push(name)),
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => self.shape(Type::Id(*id)),
            TypeDefKind::Option(ty) | TypeDefKind::List(ty) => self.shape(*ty),
            TypeDefKind::Result(result) => {
                self.optional(result.ok)?;
                self.push(", ")?;
                self.optional(result.err)
            }
            TypeDefKind::Tuple(tuple) => self.list(tuple.types.iter(), |text, ty| text.shape(*ty)),
            TypeDefKind::Record(record) => self.list(record.fields.iter(), |text, field| {
                text.push(&field.name)?;
                text.push(": ")?;
                text.shape(field.ty)
            }),
            TypeDefKind::Variant(variant) => self.list(variant.cases.iter(), |text, case| {
                text.push(&case.name)?;
                text.push("(")?;
                text.optional(case.ty)?;
                text.push(")")
            }),
            TypeDefKind::Enum(names) => {
                self.list(names.cases.iter(), |text, case| text.push(&case.name))
            }
            TypeDefKind::Flags(flags) => {
                self.list(flags.flags.iter(), |text, flag| text.push(&flag.name))
            }
            // Nothing of the surface has such a type, so nothing is equal to this.
            TypeDefKind::Type(_)
            | TypeDefKind::Map(..)
            | TypeDefKind::FixedLengthList(..)
            | TypeDefKind::Future(_)
            | TypeDefKind::Stream(_)
            | TypeDefKind::Unknown => Some(()),
        }?;
        self.push(">")
    }
}
