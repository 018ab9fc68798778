//! Tables sorted by name: how a namespace is found in them.

use names_contract::Name;

/// An entry of a table that is sorted by name.
pub(crate) trait Named {
    /// The name that the entry is sorted by.
    fn name(&self) -> &Name;
}

/// The entries within `namespace` (itself and beneath), in the order of the table.
///
/// All of them lie in the range of those that begin with the same bytes, which holds a few others too: between `a` and
/// `a/b` comes `a-b`.
pub(crate) fn within<'table, T: Named>(table: &'table [T], namespace: &Name) -> impl Iterator<Item = &'table T> {
    let namespace = *namespace;
    from(table, &namespace)
        .iter()
        .take_while(move |entry| entry.name().as_bytes().starts_with(namespace.as_bytes()))
        .filter(move |entry| entry.name().is_within(&namespace))
}

/// The entries that are called `name` or come after it.
pub(crate) fn from<'table, T: Named>(table: &'table [T], name: &Name) -> &'table [T] {
    table.get(table.partition_point(|entry| entry.name() < name)..).unwrap_or(&[])
}

/// Where the entries that are called `name` are.
pub(crate) fn range<T: Named>(table: &[T], name: &Name) -> core::ops::Range<usize> {
    let start = table.partition_point(|entry| entry.name() < name);
    let end = table.partition_point(|entry| entry.name() <= name);
    start..end
}
