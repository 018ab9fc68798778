//! The optimizers that ship, one file each.

mod fair;
mod pacora;
mod pota;
mod shipped;
mod static_shares;
mod utilisation;

pub use fair::Fair;
pub use pacora::Pacora;
pub use pota::Pota;
pub use shipped::Shipped;
pub use static_shares::Static;
pub use utilisation::Utilisation;

#[cfg(test)]
mod tests;
