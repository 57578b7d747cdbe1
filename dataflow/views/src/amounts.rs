//! Rows of amounts as differences: what a view counts, the dataflow adds up.
//!
//! A row that is a difference needs no conversion on its way into a collection and out of it, and
//! one pass groups all of its fields.

/// Declares a struct of amounts (numbers, or structs of amounts) that is a difference: it can be
/// added, taken back, taken several times, and is nothing when all of its fields are.
macro_rules! amounts {
    ($(#[$of_row:meta])* pub struct $row:ident {
        $($(#[$of_field:meta])* pub $field:ident: $amount:ty),+ $(,)?
    }) => {
        $(#[$of_row])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        pub struct $row {
            $($(#[$of_field])* pub $field: $amount,)+
        }

        impl $row {
            /// Adds another row, `times` over.
            pub fn add(&mut self, other: &$row, times: i64) {
                use differential_dataflow::difference::{Multiply, Semigroup};
                self.plus_equals(&(*other).multiply(&times));
            }
        }

        impl differential_dataflow::difference::IsZero for $row {
            fn is_zero(&self) -> bool {
                $(self.$field.is_zero())&&+
            }
        }

        impl differential_dataflow::difference::Semigroup for $row {
            fn plus_equals(&mut self, other: &$row) {
                $(self.$field.plus_equals(&other.$field);)+
            }
        }

        impl differential_dataflow::difference::Monoid for $row {
            fn zero() -> $row {
                $row::default()
            }
        }

        impl differential_dataflow::difference::Multiply<i64> for $row {
            type Output = $row;
            fn multiply(self, times: &i64) -> $row {
                $row { $($field: self.$field.multiply(times)),+ }
            }
        }
    };
}

pub(super) use amounts;
