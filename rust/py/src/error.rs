//! One Python exception for each error of the core, and the one door every computation goes through.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use numpy::BorrowError;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::{import_exception, prelude::*};
use rsnn_core::Error;
use rsnn_core::pool::Context;

import_exception!(rsnn.errors, InvalidValueError);
import_exception!(rsnn.errors, InvalidTypeError);
import_exception!(rsnn.errors, InUseError);
import_exception!(rsnn.errors, InternalError);

/// The exception of an error of the core.
pub fn to_python(error: &Error) -> PyErr {
    match error {
        Error::Value(text) => InvalidValueError::new_err(text.clone()),
        Error::Type(text) => InvalidTypeError::new_err(text.clone()),
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
    }
}

/// An array that another call is writing at this moment.
pub fn borrowed(name: &str, error: &BorrowError) -> PyErr {
    InUseError::new_err(format!(
        "{name}: the array is in use ({error}); it overlaps another argument, or another thread is writing it. Give every call arrays of its own"
    ))
}

/// Release the GIL, compute, and bring back a result, an interruption or an error; a panic becomes `InternalError`.
pub fn compute<R: Send>(py: Python<'_>, threads: usize, work: impl FnOnce(&Context<'_>) -> rsnn_core::Result<R> + Send) -> PyResult<R> {
    #[allow(clippy::redundant_closure_for_method_calls, reason = "the method by its name is not general enough over lifetimes")]
    let (result, signal) = py.detach(|| {
        let signal = RefCell::new(None);
        let poll = || match Python::attach(|py| py.check_signals()) {
            Ok(()) => false,
            Err(error) => {
                *signal.borrow_mut() = Some(error);
                true
            }
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(&Context { threads: threads.max(1), poll: &poll })));
        (result, signal.into_inner())
    });
    if let Some(error) = signal {
        return Err(error);
    }
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(to_python(&error)),
        Err(_) => Err(InternalError::new_err("an internal check of rsnn failed; please report this with the call that led to it")),
    }
}
