//! The CSV file of a job ("Creating the user import CSV file").

use jiff::civil::Date;

use crate::schema::{DataType, Schema};

/// The most bytes of a file: 100 MB, read strictly.
const MAX_BYTES: usize = 100_000_000;
/// The most rows of a file, without its header.
const MAX_ROWS: u64 = 500_000;
/// The most characters of a row.
const MAX_ROW: usize = 16_000;

pub(crate) const USERNAME: &str = "cognito:username";
pub(crate) const MFA_ENABLED: &str = "cognito:mfa_enabled";

/// The columns of a pool's files, in the order of its schema.
pub(crate) fn header(schema: &Schema) -> Vec<String> {
    let attributes = schema.attributes().iter().map(|attribute| attribute.name.as_str());
    [USERNAME, MFA_ENABLED]
        .into_iter()
        .chain(attributes.filter(|name| !matches!(*name, "sub" | "identities")))
        .map(str::to_owned)
        .collect()
}

/// A file whose header fits, and where reading it has come to.
#[derive(Debug)]
pub(crate) struct File {
    text: String,
    columns: Vec<Column>,
    /// How many rows there are.
    pub(crate) rows: u64,
    next: usize,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Boolean,
    Birthdate,
    Digits,
}

/// What a row says about a user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) username: String,
    pub(crate) mfa_enabled: bool,
    pub(crate) attributes: Vec<(String, String)>,
}

impl File {
    /// Reads the header and counts the rows. An error fails the whole job.
    pub(crate) fn open(bytes: Vec<u8>, schema: &Schema) -> Result<Self, &'static str> {
        if bytes.len() > MAX_BYTES {
            return Err("The CSV file is larger than 100 MB.");
        }
        let text = String::from_utf8(bytes).map_err(|_| "The CSV file is not in UTF-8.")?;
        if text.starts_with('\u{feff}') {
            return Err("The CSV file begins with a byte order mark.");
        }
        let end = text.find('\n').unwrap_or(text.len());
        let wanted = header(schema);
        let names: Vec<&str> = text[..end].split(',').collect();
        let once = |name: &String| names.iter().filter(|known| **known == name).count() == 1;
        if names.len() != wanted.len() || !wanted.iter().all(once) {
            return Err("The CSV file does not have the columns of the user pool.");
        }
        let columns = names
            .into_iter()
            .map(|name| Column { name: name.to_owned(), kind: kind(schema, name) })
            .collect();
        let mut file = Self { columns, rows: 0, next: end + 1, text };
        file.rows = file.count_rows();
        if file.rows > MAX_ROWS {
            return Err("The CSV file has more than 500,000 rows.");
        }
        Ok(file)
    }

    fn count_rows(&self) -> u64 {
        let rows = self.text.get(self.next..).unwrap_or_default();
        let breaks = rows.bytes().filter(|byte| *byte == b'\n').count();
        (breaks + usize::from(!rows.is_empty() && !rows.ends_with('\n'))) as u64
    }

    /// The next row; `None` after the last. An error fails the row only.
    pub(crate) fn next_row(&mut self) -> Option<Result<Row, &'static str>> {
        let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
        let line = rest.split('\n').next().unwrap_or_default();
        self.next += line.len() + 1;
        Some(self.row(line))
    }

    fn row(&self, line: &str) -> Result<Row, &'static str> {
        if line.chars().count() > MAX_ROW {
            return Err("The row is longer than 16,000 characters.");
        }
        let values = values(line)?;
        if values.len() != self.columns.len() {
            return Err("The row does not have as many values as there are columns.");
        }
        let mut row = Row { username: String::new(), mfa_enabled: false, attributes: Vec::new() };
        let mut mfa_given = false;
        for (column, value) in self.columns.iter().zip(values) {
            if value.is_empty() {
                continue;
            }
            let value = column.kind.value(value)?;
            match column.name.as_str() {
                USERNAME => row.username = value,
                MFA_ENABLED => {
                    mfa_given = true;
                    row.mfa_enabled = value == "true";
                }
                name => row.attributes.push((name.to_owned(), value)),
            }
        }
        if row.username.is_empty() {
            return Err("The row has no cognito:username.");
        }
        if !mfa_given {
            return Err("The row has no cognito:mfa_enabled.");
        }
        Ok(row)
    }
}

fn kind(schema: &Schema, name: &str) -> Kind {
    let data_type = schema
        .attributes()
        .iter()
        .find(|attribute| attribute.name == name)
        .map(|attribute| attribute.attribute_data_type);
    match name {
        MFA_ENABLED => Kind::Boolean,
        "birthdate" => Kind::Birthdate,
        "updated_at" => Kind::Digits,
        _ if data_type == Some(DataType::Boolean) => Kind::Boolean,
        _ => Kind::Text,
    }
}

impl Kind {
    /// The value as a profile has it.
    fn value(self, value: String) -> Result<String, &'static str> {
        match self {
            Self::Text => Ok(value),
            Self::Boolean if value == "true" || value == "false" => Ok(value),
            Self::Boolean => Err("A value is neither true nor false."),
            Self::Birthdate => birthdate(&value).ok_or("The birthdate is not in the format mm/dd/yyyy."),
            Self::Digits if value.bytes().all(|byte| byte.is_ascii_digit()) => Ok(value),
            Self::Digits => Err("The value of updated_at is not in seconds since the epoch."),
        }
    }
}

/// `02/29/2000` as `2000-02-29`, if there was that day.
fn birthdate(value: &str) -> Option<String> {
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = value.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !digits(month, 2) || !digits(day, 2) || !digits(year, 4) {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some(date.to_string())
}

/// The values of a row. A backslash takes a comma into the value; nobody
/// documents what else it could mean.
fn values(line: &str) -> Result<Vec<String>, &'static str> {
    // To some readers of CSV these end a row.
    if line.trim_end().contains(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        return Err("The row has a line break.");
    }
    let mut values = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            ',' => {
                values.push(String::new());
                continue;
            }
            '\\' if chars.next() == Some(',') => ',',
            '\\' => return Err("A backslash does not precede a comma."),
            c => c,
        };
        if let Some(value) = values.last_mut() {
            value.push(c);
        }
    }
    // What Java calls white space, most likely, and what Unicode does.
    let space = |c: char| c <= ' ' || c.is_whitespace();
    let values: Vec<String> = values.iter().map(|value| value.trim_matches(space).to_owned()).collect();
    if values.iter().any(|value| value.starts_with('"')) {
        return Err("A value is in quotation marks.");
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_needs_a_backslash_and_nothing_else_has_one() {
        assert_eq!(values(r"a\,b, c ,,d\,").expect("four"), ["a,b", "c", "", "d,"]);
        for bad in [r"a\b", r"a\\,b", "a\\", r#""a",b"#, "a\rb,c", "a\u{2028}b", "a\u{85}b"] {
            assert!(values(bad).is_err(), "{bad:?}");
        }
        assert_eq!(values("\u{1}a \t,b\"c\r").expect("two"), ["a", "b\"c"]);
    }

    #[test]
    fn a_birthdate_is_a_real_day() {
        assert_eq!(birthdate("02/29/2000").as_deref(), Some("2000-02-29"));
        for bad in
            ["2/1/1985", "02/29/1900", "13/01/2000", "2000-02-29", "02/01/85", "02/01/1985/", "0a/01/1985"]
        {
            assert_eq!(birthdate(bad), None, "{bad}");
        }
    }

    fn open(text: &str) -> Result<File, &'static str> {
        File::open(text.as_bytes().to_vec(), &Schema::new(&[]).expect("standard"))
    }

    fn columns() -> String {
        header(&Schema::new(&[]).expect("standard")).join(",")
    }

    #[test]
    fn a_file_has_every_column_once() {
        let columns = columns();
        assert_eq!(open(&columns).expect("no rows").rows, 0);
        assert_eq!(open(&format!("{columns}\n")).expect("no rows").rows, 0);
        assert_eq!(open(&format!("{columns}\na\nb")).expect("two rows").rows, 2);
        assert_eq!(open(&format!("{columns}\na\n\n")).expect("two rows").rows, 2);
        let reversed: Vec<&str> = columns.rsplit(',').collect();
        assert!(open(&reversed.join(",")).is_ok());
        for bad in [
            String::new(),
            format!("\u{feff}{columns}"),
            format!("{columns},name"),
            columns.replace("nickname", "name"),
            columns.replace(",nickname", ""),
            columns.replace("nickname", " nickname"),
            format!("{columns}\r\n"),
        ] {
            assert!(open(&bad).is_err(), "{bad}");
        }
        assert!(File::open(vec![0xFF], &Schema::new(&[]).expect("standard")).is_err());
        assert!(open(&format!("{columns}\n{}", "\n".repeat(500_000))).is_ok());
        assert!(open(&format!("{columns}\n{}", "\n".repeat(500_001))).is_err());
        let heavy = format!("{columns}\n{}", "x".repeat(MAX_BYTES - columns.len() - 1));
        assert!(open(&heavy).is_ok());
        assert!(open(&format!("{heavy}x")).is_err());
    }

    #[test]
    fn a_row_has_a_limit_in_characters() {
        let columns = columns();
        let count = columns.split(',').count();
        let row = |filler: usize| {
            let line = format!("a,false,{}{}", "é".repeat(filler), ",".repeat(count - 3));
            let mut file = open(&format!("{columns}\n{line}")).expect("a file");
            (line.chars().count(), file.next_row().expect("a row"))
        };
        let free = MAX_ROW - row(0).0;
        assert!(row(free).1.is_ok());
        assert!(row(free + 1).1.is_err());
    }
}
