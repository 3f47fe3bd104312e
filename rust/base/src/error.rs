//! What can go wrong, as finished sentences: the argument, what came, what is accepted, the cure.

use std::fmt;

/// An error of the core. The binding turns each variant into one Python exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A value or a shape that is not accepted.
    Value(String),
    /// A type that is not accepted.
    Type(String),
    /// The caller asked to stop (Ctrl-C).
    Interrupted,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(text) | Self::Type(text) => f.write_str(text),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}

/// The result of everything in the core.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A value error with this text.
    pub fn value(text: impl Into<String>) -> Self {
        Self::Value(text.into())
    }
}
