//! Where generic kernels become machine code.
//!
//! A generic function is compiled again in every crate that calls it, as that crate is compiled; the border to Python, for size. So a crate
//! that has kernels offers them as the functions of a trait, which two types have: they are compiled there, once, at full speed.

/// Declares a trait of kernels and the float types that have it, once: a function's name, the generic function behind it, and its signature.
#[macro_export]
macro_rules! compiled {
    (
        $(#[$about:meta])* pub trait $Trait:ident: $Super:ident
        $($(#[$said:meta])* fn $name:ident = $function:path, ($($argument:ident: $kind:ty),*) -> $result:ty;)*
    ) => {
        $(#[$about])*
        pub trait $Trait: $Super {
            $($(#[$said])* fn $name($($argument: $kind),*) -> $result;)*
        }

        impl $Trait for f32 {
            $(fn $name($($argument: $kind),*) -> $result { $function($($argument),*) })*
        }

        impl $Trait for f64 {
            $(fn $name($($argument: $kind),*) -> $result { $function($($argument),*) })*
        }
    };
}
