//! Damage to one value or row, whatever its table.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// All that a backup is made of, but for the ledger.
const TABLES: [&str; 10] = [
    "current",
    "history",
    "contents",
    "runs",
    "pools",
    "run_ids",
    "import_ids",
    "import_records",
    "mappings",
    "outcomes",
];

/// Damage to the value in one column of one row, or to the row.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    table: usize,
    row: Index,
    column: Index,
    to: To,
}

#[derive(Clone, Debug)]
enum To {
    Gone,
    Null,
    Shifted(i64),
    Flipped(Index, u8),
    Shorter(Index),
    Longer(String),
    /// As in another row, which gets this one's.
    Swapped(Index),
    /// As in another row, which keeps it.
    Copied(Index),
}

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    let to = prop_oneof![
        1 => Just(To::Gone),
        1 => Just(To::Null),
        2 => prop_oneof![-2..=2_i64, -1_000_000..1_000_000_i64, any::<i64>()].prop_map(To::Shifted),
        2 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| To::Flipped(at, 1 << bit)),
        1 => any::<Index>().prop_map(To::Shorter),
        1 => ".{1,3}".prop_map(To::Longer),
        2 => any::<Index>().prop_map(To::Swapped),
        1 => any::<Index>().prop_map(To::Copied),
    ];
    // The tables with the records more often.
    let table = prop_oneof![3 => 0..4_usize, 1 => 4..TABLES.len()];
    (table, any::<Index>(), any::<Index>(), to).prop_map(|(table, row, column, to)| Damage {
        table,
        row,
        column,
        to,
    })
}

/// One table, addressed by its key.
struct Table {
    name: &'static str,
    columns: Vec<String>,
    key: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    fn read(db: &Connection, name: &'static str) -> Self {
        let names = |condition: &str| -> Vec<String> {
            let sql = format!("SELECT name FROM pragma_table_info('{name}') WHERE {condition} ORDER BY cid");
            let mut statement = db.prepare(&sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        };
        let (columns, key) = (names("true"), names("pk > 0"));
        let mut statement = db.prepare(&format!("SELECT * FROM {name} ORDER BY {}", key.join(", "))).unwrap();
        let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|column| row.get(column)).collect();
        let rows = statement.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        Self { name, columns, key, rows }
    }

    /// The condition that finds a row.
    fn at(&self, row: &[Value]) -> (String, Vec<Value>) {
        let number = |name: &String| self.columns.iter().position(|column| column == name).unwrap();
        let values = self.key.iter().map(|name| row[number(name)].clone()).collect();
        let terms: Vec<String> = self.key.iter().map(|name| format!("{name} IS ?")).collect();
        (terms.join(" AND "), values)
    }

    /// Whether that changed anything: what would break a constraint does not.
    fn set(&self, db: &Connection, row: &[Value], column: &str, value: &Value) -> bool {
        let (condition, key) = self.at(row);
        // Bytes that are no text, where there was one.
        let is_text = matches!(value, Value::Blob(_)) && !matches!(column, "hash" | "name");
        let new = if is_text { "CAST(? AS TEXT)" } else { "?" };
        let sql = format!("UPDATE OR IGNORE {} SET {column} = {new} WHERE {condition}", self.name);
        let values = std::iter::once(value.clone()).chain(key);
        db.execute(&sql, params_from_iter(values)).is_ok_and(|changed| changed > 0)
    }

    fn remove(&self, db: &Connection, row: &[Value]) -> bool {
        let (condition, key) = self.at(row);
        db.execute(&format!("DELETE FROM {} WHERE {condition}", self.name), params_from_iter(key)).unwrap()
            > 0
    }
}

/// Does the damage, if it can be done and changes anything.
pub(super) fn done(path: &Path, damage: &Damage) -> bool {
    let db = Connection::open(path).unwrap();
    let table = Table::read(&db, TABLES[damage.table]);
    if table.rows.is_empty() {
        return false;
    }
    let row = damage.row.get(&table.rows);
    let number = damage.column.index(table.columns.len());
    let (column, value) = (&*table.columns[number], &row[number]);
    let new = match &damage.to {
        To::Gone => return table.remove(&db, row),
        To::Null => Value::Null,
        To::Shifted(by) => match value {
            Value::Integer(value) => Value::Integer(value.wrapping_add(*by)),
            _ => Value::Integer(*by),
        },
        To::Flipped(at, bits) => with_bytes(value, |bytes| {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
        }),
        To::Shorter(at) => with_bytes(value, |bytes| bytes.truncate(at.index(bytes.len().max(1)))),
        To::Longer(text) => with_bytes(value, |bytes| bytes.extend(text.as_bytes())),
        To::Swapped(other) => {
            let other = other.get(&table.rows);
            return other[number] != *value
                && table.set(&db, other, column, value)
                && table.set(&db, row, column, &other[number]);
        }
        To::Copied(other) => other.get(&table.rows)[number].clone(),
    };
    new != *value && table.set(&db, row, column, &new)
}

fn with_bytes(value: &Value, change: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut bytes = match value {
        Value::Text(text) => text.clone().into_bytes(),
        Value::Blob(bytes) => bytes.clone(),
        other => return other.clone(),
    };
    change(&mut bytes);
    match value {
        Value::Text(_) => {
            String::from_utf8(bytes).map_or_else(|error| Value::Blob(error.into_bytes()), Value::Text)
        }
        _ => Value::Blob(bytes),
    }
}
