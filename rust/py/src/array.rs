//! Arrays as slices: C-contiguous, native byte order, of the dtype asked for; anything else is a finished sentence.

use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::error::{InvalidTypeError, InvalidValueError, borrowed};

fn typed<'py, T: Element>(name: &str, array: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    array.cast::<PyArrayDyn<T>>().cloned().map_err(|_| {
        let got = array.cast::<PyUntypedArray>().map_or_else(|_| array.get_type().to_string(), |a| format!("an array of {}", a.dtype()));
        InvalidTypeError::new_err(format!("{name}: {got} came; an array of {} is needed here", T::get_dtype(array.py())))
    })
}

fn shaped<T: Element>(name: &str, array: &Bound<'_, PyArrayDyn<T>>) -> PyResult<()> {
    if array.is_c_contiguous() {
        Ok(())
    } else {
        Err(InvalidValueError::new_err(format!("{name}: the array is not C-contiguous; pass np.ascontiguousarray({name})")))
    }
}

/// To read.
pub fn read<'py, T: Element>(name: &str, array: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    let array = typed::<T>(name, array)?;
    shaped(name, &array)?;
    array.try_readonly().map_err(|e| borrowed(name, &e))
}

/// To write.
pub fn write<'py, T: Element>(name: &str, array: &Bound<'py, PyAny>) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    let array = typed::<T>(name, array)?;
    shaped(name, &array)?;
    array.try_readwrite().map_err(|e| borrowed(name, &e))
}

/// The lengths of all `N` axes.
pub fn lengths<const N: usize>(name: &str, shape: &[usize]) -> PyResult<[usize; N]> {
    shape.try_into().map_err(|_| InvalidValueError::new_err(format!("{name}: an array of {} axes came; {N} are needed here", shape.len())))
}

/// That an array has this shape.
pub fn expect_shape(name: &str, got: &[usize], want: &[usize]) -> PyResult<()> {
    if got == want {
        Ok(())
    } else {
        Err(InvalidValueError::new_err(format!("{name}: an array of shape {got:?} came; {want:?} is needed here")))
    }
}
