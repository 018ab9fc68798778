//! The optimizers that ship, one file each.

mod fair;
mod static_shares;

pub use fair::Fair;
pub use static_shares::Static;
