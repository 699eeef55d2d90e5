//! Why a character may not stand in the name of an artefact: what it is and what goes wrong with
//! it on some system. This module does not cover permitted characters.

/// The kind of a refused character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Character {
    /// U+0000.
    Nul,
    /// Any other control character.
    Control,
    Space,
    Backslash,
    Colon,
    /// Joins the letter before it.
    Combining,
    /// Changes how other characters are shown, or can't be seen itself.
    Invisible,
    /// Any other character beyond ASCII.
    Foreign,
    /// Any other ASCII character.
    Special,
}

impl Character {
    /// Returns the kind of `c`, which must not be a permitted character.
    pub(super) fn of(c: char) -> Self {
        match c {
            '\0' => Self::Nul,
            ' ' => Self::Space,
            '\\' => Self::Backslash,
            ':' => Self::Colon,
            '\u{300}'..='\u{36f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}' => Self::Combining,
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}' => Self::Invisible,
            c if c.is_control() => Self::Control,
            c if c.is_ascii() => Self::Special,
            _ => Self::Foreign,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nul => "a NUL",
            Self::Control => "a control character",
            Self::Space => "a space",
            Self::Backslash => "a backslash",
            Self::Colon => "a colon",
            Self::Combining => "a combining mark",
            Self::Invisible => "an invisible character",
            Self::Foreign => "a character beyond ASCII",
            Self::Special => "a special character",
        }
    }

    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Nul => "where many programs end a name",
            Self::Control => "which a terminal obeys",
            Self::Space => "which Windows takes away at the end and shells split at",
            Self::Backslash => "which separates folders on Windows",
            Self::Colon => "after which Windows names a stream of the file",
            Self::Combining => "so the name could be spelt in two ways",
            Self::Invisible => "so the name is not what is shown",
            Self::Foreign => "which can look like another or be spelt in two ways",
            Self::Special => "which some shell or file system reads in its own way",
        }
    }
}
