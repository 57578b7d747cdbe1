//! A basis of the revised simplex method, whose columns are made on demand.

use super::knapsack::GAIN_MIN;

/// The inverse of the basic columns, each one's cost, and the basic solution.
pub(super) struct Basis {
    inverse: Vec<Vec<f64>>,
    costs: Vec<f64>,
    solution: Vec<f64>,
}

impl Basis {
    /// One column for each row, which serves the row alone: so many of it at once, at cost 1.
    pub(super) fn diagonal(served: &[f64], demand: &[f64]) -> Basis {
        let mut inverse = vec![vec![0.0; served.len()]; served.len()];
        for (index, served) in served.iter().enumerate() {
            inverse[index][index] = 1.0 / served;
        }
        let solution = demand.iter().zip(served).map(|(demand, served)| demand / served);
        Basis { inverse, costs: vec![1.0; served.len()], solution: solution.collect() }
    }

    /// The dual prices of the rows: costs times the inverse.
    pub(super) fn prices(&self) -> Vec<f64> {
        let mut prices = vec![0.0; self.costs.len()];
        for (row, cost) in self.inverse.iter().zip(&self.costs) {
            prices.iter_mut().zip(row).for_each(|(price, entry)| *price += cost * entry);
        }
        prices
    }

    /// Brings a column in for the first basic one that would fall below 0.
    pub(super) fn enter(&mut self, column: &[f64], cost: f64) {
        let dot = |row: &Vec<f64>| row.iter().zip(column).map(|(a, b)| a * b).sum::<f64>();
        let slopes: Vec<f64> = self.inverse.iter().map(dot).collect();
        let step = |row: usize| self.solution[row].max(0.0) / slopes[row];
        let blocking = (0..slopes.len()).filter(|row| slopes[*row] > GAIN_MIN);
        if let Some(leaving) = blocking.min_by(|a, b| step(*a).total_cmp(&step(*b))) {
            self.pivot(leaving, step(leaving), &slopes);
            self.costs[leaving] = cost;
        }
    }

    /// The entering column takes the place of `leaving`, `length` of it.
    fn pivot(&mut self, leaving: usize, length: f64, slopes: &[f64]) {
        let pivot = self.inverse[leaving].iter().map(|entry| entry / slopes[leaving]);
        let pivot: Vec<f64> = pivot.collect();
        for (row, slope) in slopes.iter().enumerate() {
            self.solution[row] -= length * slope;
            self.inverse[row].iter_mut().zip(&pivot).for_each(|(entry, new)| *entry -= slope * new);
        }
        self.solution[leaving] = length;
        self.inverse[leaving] = pivot;
    }
}
