//! The best of many that change one at a time.

use super::chooser::Offer;

/// A tree of winners: the leaves are the nodes' offers, every inner place names the better of two.
pub(super) struct Tournament {
    offers: Vec<Option<Offer>>,
    /// The winning node of each place; place 1 is the root, place p stands over 2p and 2p + 1.
    winners: Vec<usize>,
    leaves: usize,
}

impl Tournament {
    pub(super) fn new(nodes: usize) -> Tournament {
        let leaves = nodes.next_power_of_two();
        let mut winners = vec![0; 2 * leaves];
        for place in (1..2 * leaves).rev() {
            winners[place] = if place >= leaves { place - leaves } else { winners[2 * place] };
        }
        Tournament { offers: vec![None; leaves], winners, leaves }
    }

    /// Costs log2 of the nodes.
    pub(super) fn set(&mut self, node: usize, offer: Option<Offer>) {
        if self.offers[node] == offer {
            return;
        }
        self.offers[node] = offer;
        let mut place = (self.leaves + node) / 2;
        while place >= 1 {
            self.winners[place] = self.better(self.winners[2 * place], self.winners[2 * place + 1]);
            place /= 2;
        }
    }

    /// The node with the highest score, the first of them on ties; none when there is no offer.
    pub(super) fn winner(&self) -> Option<(usize, Offer)> {
        let node = self.winners[1];
        self.offers[node].map(|offer| (node, offer))
    }

    fn better(&self, first: usize, second: usize) -> usize {
        let score = |node: usize| self.offers[node].map(|offer| offer.score);
        if score(second) > score(first) { second } else { first }
    }
}

#[cfg(test)]
mod tests {
    use setpoint_placement::devices::DeviceSet;

    use super::*;

    #[test]
    fn the_first_of_the_best_wins() {
        let mut tournament = Tournament::new(5);
        let offer = |score| Some(Offer { score, devices: DeviceSet::NONE });
        assert_eq!(tournament.winner(), None);
        for (node, score) in [(4, 7), (1, 3), (3, 7), (2, -9)] {
            tournament.set(node, offer(score));
        }
        assert_eq!(tournament.winner().map(|(node, _)| node), Some(3));
        tournament.set(3, None);
        assert_eq!(tournament.winner().map(|(node, _)| node), Some(4));
    }
}
