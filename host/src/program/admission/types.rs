//! Writes types of functions as text, to compare a component's with the surface's. A type is a
//! graph in the file and a tree as text, which may be exponentially larger. The text therefore ends
//! at a bound far above every type of the surface. Judges nothing.

use wit_parser::{Function, Handle, Resolve, Type, TypeDefKind};

/// Longest text of a function's type, in bytes. The surface's longest has some hundred bytes; a
/// test keeps all of them below a tenth of this bound.
pub const SIGNATURE_BYTES_MAX: usize = 32 << 10;
/// Longest chain of aliases.
const ALIASES_MAX: usize = 1_000;

/// Returns a function's type as text, or `None` if it exceeds the bound. Two texts are equal
/// exactly if the linker regards the types as equal; like the linker, this ignores parameter names.
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

/// A text being written, and the types it describes.
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

    /// Appends a type. The recursion is bounded by the length of the text, because each level
    /// writes its name first.
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
            // The surface has no such type, so this can't equal one of its types.
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
