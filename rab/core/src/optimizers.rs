//! The optimizers that ship, one file each.

mod fair;
mod pacora;
mod pota;
mod static_shares;
mod utilisation;

pub use fair::Fair;
pub use pacora::Pacora;
pub use pota::Pota;
pub use static_shares::Static;
pub use utilisation::Utilisation;

#[cfg(test)]
mod tests;
