//! Gauss–Legendre rules on the interval from 0 to 1.

use std::f64::consts::PI;

/// A point of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// The position.
    pub t: f64,
    /// One minus the position.
    pub rest: f64,
    pub weight: f64,
}

/// The rule of `count` points: it integrates polynomials of degrees up to `2 * count - 1` exactly, but for rounding.
///
/// The points are the roots of the Legendre polynomial of degree `count`, found by Newton's method from Tricomi's estimate.
pub(super) fn rule(count: usize) -> Vec<Point> {
    let point = |index: usize| {
        let mut x = (PI * (index as f64 + 0.75) / (count as f64 + 0.5)).cos();
        let mut slope = 1.0;
        // From this estimate, three or four steps are enough for every count.
        for _ in 0..8 {
            let (value, next_slope) = legendre(count, x);
            slope = next_slope;
            let step = value / slope;
            x -= step;
            if step.abs() <= f64::EPSILON {
                break;
            }
        }
        Point {
            t: f64::midpoint(1.0, x),
            rest: (1.0 - x) / 2.0,
            weight: 1.0 / ((1.0 - x) * (1.0 + x) * slope * slope),
        }
    };
    (0..count).map(point).collect()
}

/// The value and the slope of the Legendre polynomial of degree `degree` at `x`, by Bonnet's recursion.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 1..degree {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0));
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_integrated_exactly() {
        for count in [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 40, 129, 2048] {
            let points = rule(count);
            for power in [0, 1, count, 2 * count - 1] {
                let integral: f64 =
                    points.iter().map(|point| point.weight * point.t.powi(power as i32)).sum();
                let mirrored: f64 =
                    points.iter().map(|point| point.weight * point.rest.powi(power as i32)).sum();
                let exact = 1.0 / (power as f64 + 1.0);
                for integral in [integral, mirrored] {
                    assert!(
                        (integral - exact).abs() <= 1e-13 * exact.max(1e-2),
                        "{count} points, power {power}: {integral:e}"
                    );
                }
            }
        }
    }
}
