//! Slow variables that spikes move: an adaptive threshold, or a current that the membrane loses. `theta` is what the spikes are
//! tested against, `y` what is taken off the membrane's drive.
//!
//! ```text
//! none        theta = v_threshold
//! threshold   theta = v_threshold + kappa a;                   then a = rho a + inc s                                 ALIF, sinabs
//! relax       a = a + couple (v_threshold - a);  theta = a;    then a = a + s inc                                     Norse LSNN
//! current     y = a;  a = a + rho (couple (v - v_leak) - a);   then a = a + s inc      v: the membrane carried in     Norse LIFAdEx, AdEx
//! recovery    y = w;  w = w + (couple (u - v_leak) - w) / rho; then w = w + inc s      u: before the reset            SpikingJelly
//! ```

use fearless_simd::prelude::*;

use super::{Coefficient, Coefficients, Column, Gradients};
use rsnn_base::elem::Elem;

/// The kind of adaptation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adaptation {
    /// None.
    None,
    /// The threshold rises with an average of the spikes.
    Threshold,
    /// The threshold itself relaxes to its rest and jumps with a spike.
    Relax,
    /// A current that follows the membrane carried in.
    Current,
    /// A current that follows the membrane before the reset.
    Recovery,
}

impl Adaptation {
    /// Whether a current is taken off the membrane's drive.
    #[inline(always)]
    #[must_use]
    pub fn is_current(self) -> bool {
        matches!(self, Self::Current | Self::Recovery)
    }

    /// Whether the threshold is moved.
    #[inline(always)]
    #[must_use]
    pub fn moves_threshold(self) -> bool {
        matches!(self, Self::Threshold | Self::Relax)
    }

    /// `(theta, the variable before the spikes)`, from the variable carried in.
    #[inline(always)]
    pub fn before<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        a: &Column<E, S, K>,
        [v, u]: [&Column<E, S, K>; 2],
    ) -> (Column<E, S, K>, Column<E, S, K>) {
        let (mut theta, mut next) = (k.column(Coefficient::VThreshold), *a);
        match self {
            Self::None => {}
            Self::Threshold => {
                for j in 0..K {
                    theta[j] += k.get(Coefficient::Kappa, j) * a[j];
                }
            }
            Self::Relax => {
                for j in 0..K {
                    next[j] = a[j] + k.get(Coefficient::Couple, j) * (theta[j] - a[j]);
                }
                theta = next;
            }
            Self::Current | Self::Recovery => {
                for j in 0..K {
                    let follows = if self == Self::Current { v[j] } else { u[j] };
                    let pull = k.get(Coefficient::Couple, j) * (follows - k.get(Coefficient::VLeak, j));
                    let rho = k.get(Coefficient::Rho, j);
                    next[j] = a[j] + if self == Self::Current { rho * (pull - a[j]) } else { (pull - a[j]) / rho };
                }
            }
        }
        (theta, next)
    }

    /// The variable after the spikes.
    #[inline(always)]
    pub fn after<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        next: &Column<E, S, K>,
        s: &Column<E, S, K>,
    ) -> Column<E, S, K> {
        let mut a = *next;
        match self {
            Self::None => {}
            Self::Threshold => {
                for j in 0..K {
                    a[j] = k.get(Coefficient::Rho, j) * next[j] + k.get(Coefficient::Inc, j) * s[j];
                }
            }
            Self::Relax | Self::Current | Self::Recovery => {
                for j in 0..K {
                    a[j] = next[j] + s[j] * k.get(Coefficient::Inc, j);
                }
            }
        }
        a
    }

    /// Adjoint of [`Adaptation::after`]: from the gradient of the variable after the spikes, that before them; adds to `ds`.
    #[inline(always)]
    pub fn after_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        [next, s]: [&Column<E, S, K>; 2],
        da: &Column<E, S, K>,
        ds: &mut Column<E, S, K>,
        sums: &mut Gradients<E, S, K>,
    ) -> Column<E, S, K> {
        let mut dnext = *da;
        if self == Self::None {
            return dnext;
        }
        let mut term = *da;
        for j in 0..K {
            term[j] = s[j] * da[j];
            ds[j] += k.get(Coefficient::Inc, j) * da[j];
        }
        sums.add(Coefficient::Inc, &term);
        if self == Self::Threshold {
            for j in 0..K {
                term[j] = next[j] * da[j];
                dnext[j] = k.get(Coefficient::Rho, j) * da[j];
            }
            sums.add(Coefficient::Rho, &term);
        }
        dnext
    }

    /// Adjoint of [`Adaptation::before`]: from the gradients of `theta` and of the variable before the spikes, that of the variable
    /// carried in; adds to `dv` and `du`. The gradient of `y` is added by the caller.
    #[inline(always)]
    pub fn before_adjoint<E: Elem, S: Simd, C: Coefficients<E, S, K>, const K: usize>(
        self,
        k: &C,
        [a, v, u]: [&Column<E, S, K>; 3],
        [dtheta, dnext]: [&Column<E, S, K>; 2],
        [dv, du]: [&mut Column<E, S, K>; 2],
        sums: &mut Gradients<E, S, K>,
    ) -> Column<E, S, K> {
        let (mut da, mut term) = (*dnext, *dtheta);
        match self {
            Self::None => sums.add(Coefficient::VThreshold, dtheta),
            Self::Threshold => {
                sums.add(Coefficient::VThreshold, dtheta);
                for j in 0..K {
                    term[j] = a[j] * dtheta[j];
                    da[j] += k.get(Coefficient::Kappa, j) * dtheta[j];
                }
                sums.add(Coefficient::Kappa, &term);
            }
            Self::Relax => {
                let mut rest = *dtheta;
                for j in 0..K {
                    let all = dnext[j] + dtheta[j];
                    term[j] = (k.get(Coefficient::VThreshold, j) - a[j]) * all;
                    rest[j] = k.get(Coefficient::Couple, j) * all;
                    da[j] = all - rest[j];
                }
                sums.add(Coefficient::Couple, &term);
                sums.add(Coefficient::VThreshold, &rest);
            }
            Self::Current | Self::Recovery => {
                sums.add(Coefficient::VThreshold, dtheta);
                let (mut couple, mut leak) = (*dnext, *dnext);
                for j in 0..K {
                    let follows = if self == Self::Current { v[j] } else { u[j] };
                    let (away, rho) = (follows - k.get(Coefficient::VLeak, j), k.get(Coefficient::Rho, j));
                    let gap = k.get(Coefficient::Couple, j) * away - a[j];
                    let step = if self == Self::Current { rho * dnext[j] } else { dnext[j] / rho };
                    term[j] = if self == Self::Current { gap * dnext[j] } else { -((gap / rho) * step) };
                    couple[j] = away * step;
                    let through = k.get(Coefficient::Couple, j) * step;
                    if self == Self::Current {
                        dv[j] += through;
                    } else {
                        du[j] += through;
                    }
                    leak[j] = -through;
                    da[j] = dnext[j] - step;
                }
                sums.add(Coefficient::Rho, &term);
                sums.add(Coefficient::Couple, &couple);
                sums.add(Coefficient::VLeak, &leak);
            }
        }
        da
    }
}
